/** The page of the visitor's account: their ballots and artists, their email, where they are signed in, and their data. */
import { call, RequestError } from "./api.js";
import { h, setHidden } from "./dom.js";
import { offerLanguages } from "./language.js";
import { createCalendar } from "./me-calendar.js";
import { createData } from "./me-data.js";
import { createDevices } from "./me-devices.js";
import { createEmail } from "./me-email.js";
import { createPush } from "./me-push.js";
import { createOwnParts } from "./me-shows.js";
import { accountFailure } from "./me-texts.js";
import { LOCALE, phrase } from "./words.js";

/** @typedef {{id: number, kind: "fan"|"link"|"command", device: string, created_at: string, is_current: boolean}} Session */

const SESSIONS = "/api/me/sessions";
const SHOWN_MAX = 100;
const DEVICE = /^(.+) on (.+)$/; // as the server names it

const who = elementOf("who");
const signedIn = elementOf("signed-in");
const list = elementOf("sessions");
const everywhere = elementOf("everywhere");
const question = elementOf("question");
const own = elementOf("own");
const data = elementOf("data");
/** @type {{id: number, role: string}|null} */
let known = null;
const devices = createDevices({ accountOf: () => known, sessionCount: loadSessions, onSignedIn: () => location.reload() });
elementOf("devices").replaceChildren(devices.element);

/**
 * An element that me.html contains.
 * @param {string} id
 */
function elementOf(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

async function load() {
  const account = await call("/api/me");
  const isOther = known?.id !== account.id;
  known = { id: account.id, role: account.role };
  await loadSessions();
  const { id, display_name } = account;
  // As a text: an id has no separators.
  who.textContent = display_name ? phrase("account-is", { name: display_name, id: String(id) })
    : phrase("account-is-nameless", { id: String(id) });
  setHidden(signedIn, false);
  if (isOther) own.replaceChildren(...createOwnParts(account));
  if (isOther) data.replaceChildren(createCalendar(), createData({ onErased: leave }));
  setHidden(own, false);
  setHidden(data, false);
  devices.update();
}

/** Draws where the account is signed in. Gives the number of places, as far as they are shown. */
async function loadSessions() {
  /** @type {{items: Session[]}} */
  const { items } = await call(`${SESSIONS}?limit=${SHOWN_MAX}`);
  list.replaceChildren(...items.map(rowOf));
  return items.length;
}

/** @param {string} text */
function signedOut(text) {
  known = null;
  for (const part of [signedIn, own, data]) setHidden(part, true);
  devices.update();
  who.textContent = text;
}

/** @param {Session} session */
function rowOf({ id, kind, device, created_at, is_current }) {
  const day = new Date(created_at).toLocaleDateString(LOCALE, { dateStyle: "medium" });
  const [, program = "", system = ""] = DEVICE.exec(device) ?? [];
  const name = (system ? phrase("session-device", { program, system }) : device) || phrase("session-unknown");
  const end = h(
    "button",
    { class: "button", type: "button", "aria-label": phrase("sign-out-of", { name, day }), on: { click: () => act(() => endOne(id)) } },
    phrase("sign-out"),
  );
  return h(
    "li",
    {},
    h("span", { class: "session" }, h("strong", {}, name), h("small", {}, phrase("session-since", { kind, day }))),
    is_current ? h("span", { class: "badge" }, phrase("session-here")) : end,
  );
}

/** @param {number} id */
async function endOne(id) {
  await call(`${SESSIONS}/${id}`, { method: "DELETE" });
  await load();
  list.tabIndex = -1;
  list.focus(); // the button that had the focus is gone
}

async function endAll() {
  await call(SESSIONS, { method: "DELETE" });
  leave(phrase("account-left"));
}

/**
 * The button that had the focus is gone, and what happened is said at the top of the page.
 * @param {string} text
 */
function leave(text) {
  signedOut(text);
  who.focus();
}

/** @param {boolean} isAsked */
function ask(isAsked) {
  setHidden(question, !isAsked);
  setHidden(everywhere, isAsked);
  (isAsked ? elementOf("asked") : everywhere).focus();
}

/** @param {() => Promise<void>} change */
async function act(change) {
  try {
    await change();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    if (error.code === "unauthenticated") {
      signedOut(phrase("account-none"));
    } else {
      who.textContent = accountFailure(error);
    }
  }
}

everywhere.addEventListener("click", () => ask(true));
elementOf("no").addEventListener("click", () => ask(false));
elementOf("yes").addEventListener("click", () => act(endAll));
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) act(load); // the browser had put the page aside; the visitor may have signed out since
});
act(load);
offerLanguages(() => !signedIn.hidden);
createEmail({ onAccount: () => act(load) });
signedIn.before(createPush({ onAccount: () => act(load) }));
