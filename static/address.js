/** What the address of the page names: a show, and perhaps the code of a ticket. */

/** @import { Route } from "./types.js" */

const TICKET = /^#ticket=([^&]+)/;

/**
 * @param {Location} location
 * @returns {Route}
 */
export function routeOf({ pathname }) {
  const [, ref] = pathname.match(/^\/shows\/([^/]+)\/?$/) ?? [];
  return ref ? { name: "show", ref: decoded(ref) } : { name: "list" };
}

/**
 * A part of an address. With an escape like %ZZ it stays as it is.
 * @param {string} part
 */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return part;
  }
}

/**
 * The code in the address of a link from an email. It leaves the address at once: who gets the address next, or looks at the
 * history, must not get the code.
 */
export function takeTicketCode() {
  const [, code] = location.hash.match(TICKET) ?? [];
  if (!code) return "";
  history.replaceState(history.state, "", location.pathname + location.search);
  return decoded(code);
}
