/** What the address of the page names: a show, an artist, a venue or a song, and perhaps the code of a ticket. */

/** @import { Route } from "./types.js" */

/** @type {Record<string, Exclude<Route["name"], "list">>} */
const PAGES = { shows: "show", artists: "artist", venues: "venue", songs: "song" };
const PAGE = /^\/(shows|artists|venues|songs)\/([^/]+)\/?$/;
const TICKET = /^#ticket=([^&]+)/;

/**
 * @param {Location} location
 * @returns {Route}
 */
export function routeOf({ pathname }) {
  const [, kind = "", ref = ""] = pathname.match(PAGE) ?? [];
  const name = PAGES[kind];
  return name ? { name, ref: decoded(ref) } : { name: "list" };
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
