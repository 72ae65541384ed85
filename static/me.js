/** The page of the visitor's account: its email, where it is signed in, and how to end that. */
import { call, RequestError } from "./api.js";
import { h, setHidden } from "./dom.js";
import { createEmail } from "./me-email.js";

/** @typedef {{id: number, kind: "fan"|"link"|"command", device: string, created_at: string, is_current: boolean}} Session */

const SESSIONS = "/api/me/sessions";
const SHOWN_MAX = 100;
const KINDS = { fan: "", link: "by a sign-in link", command: "by a command" };

const who = elementOf("who");
const signedIn = elementOf("signed-in");
const list = elementOf("sessions");
const everywhere = elementOf("everywhere");
const question = elementOf("question");

/**
 * An element that me.html contains.
 * @param {string} id
 */
function elementOf(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

async function load() {
  const account = await call("/api/me");
  /** @type {{items: Session[], next: string|null}} */
  const { items, next } = await call(`${SESSIONS}?limit=${SHOWN_MAX}`);
  list.replaceChildren(...items.map(rowOf));
  const name = account.display_name ? `${account.display_name} (account ${account.id})` : `account ${account.id}`;
  who.textContent = `You are ${name}.${next ? ` The newest ${SHOWN_MAX} sessions are shown.` : ""}`;
  setHidden(signedIn, false);
}

/** @param {Session} session */
function rowOf({ id, kind, device, created_at, is_current }) {
  const day = new Date(created_at).toLocaleDateString("en", { dateStyle: "medium" });
  const name = device || "An unknown program";
  const end = h(
    "button",
    { class: "button", type: "button", "aria-label": `Sign out ${name}, since ${day}`, on: { click: () => act(() => endOne(id)) } },
    "Sign out",
  );
  return h(
    "li",
    {},
    h("span", { class: "session" }, h("strong", {}, name), h("small", {}, [`since ${day}`, KINDS[kind]].filter(Boolean).join(", "))),
    is_current ? h("span", { class: "badge" }, "this browser") : end,
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
  setHidden(signedIn, true);
  who.textContent = "You are signed out everywhere.";
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
      setHidden(signedIn, true);
      who.textContent = "You are not signed in. Your first vote makes an account.";
    } else {
      who.textContent = error.isTransient ? "The server could not be reached. Try again in a moment." : error.message;
    }
  }
}

everywhere.addEventListener("click", () => ask(true));
elementOf("no").addEventListener("click", () => ask(false));
elementOf("yes").addEventListener("click", () => act(endAll));
act(load);
createEmail({ onAccount: () => act(load) });
