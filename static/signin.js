/**
 * The page of a sign-in link. The token travels in the fragment, which no server and no proxy sees. Opening the page changes
 * nothing; only the button signs in.
 */
import { failure, inEnglish } from "./refusals.js";
import { phrase } from "./words.js";

const TIMEOUT_MS = 15_000;

const who = /** @type {HTMLElement} */ (document.getElementById("who"));
const button = /** @type {HTMLButtonElement} */ (document.getElementById("sign-in"));

const token = new URLSearchParams(location.hash.slice(1)).get("token");
// The history of the browser does not keep the token.
history.replaceState(null, "", location.pathname);

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<{status: number, body: any}>}
 */
async function ask(path, options = {}) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
  try {
    const response = await fetch(path, { ...options, signal: abort.signal });
    return { status: response.status, body: await response.json() };
  } finally {
    clearTimeout(timer);
  }
}

/** @param {{id: number, role: string, display_name: string|null}} account */
function nameOf({ id, role, display_name }) {
  return display_name ? phrase("signin-account-named", { id: String(id), role, name: display_name })
    : phrase("signin-account", { id: String(id), role });
}

/** @param {string} text */
function show(text) {
  who.textContent = text;
}

async function start() {
  if (!token) {
    show(phrase("signin-incomplete"));
    return;
  }
  const { status, body } = await ask("/api/me");
  if (status !== 200 && status !== 401) throw new Error(body.detail);
  const before = status === 200 ? body : null;
  show(before ? phrase("signin-replaces", { who: nameOf(before) }) : phrase("signin-once"));
  button.textContent = before ? phrase("signin-replace") : phrase("sign-in");
  button.hidden = false;
  button.addEventListener("click", () => signIn(before?.id ?? null).catch(fail));
}

/** @param {number|null} replaces */
async function signIn(replaces) {
  button.disabled = true;
  const { status, body } = await ask("/signin", { method: "POST", body: JSON.stringify({ token, replaces }) });
  if (status === 201) {
    location.replace(body.user.role === "user" ? "/" : "/admin");
    return;
  }
  show(inEnglish(body.detail ?? body.title, phrase("signin-incomplete")));
  button.hidden = true;
}

function fail() {
  button.disabled = false;
  show(failure("disconnected"));
}

start().catch(fail);
