/**
 * The page of a sign-in link. The token travels in the fragment, which no server and no proxy sees. Opening the page changes
 * nothing; only the button signs in.
 */

export {}; // the type checker takes a file without exports for a script

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
  const title = display_name ? `${display_name} (account ${id})` : `account ${id}`;
  return role === "user" ? title : `${title}, ${role}`;
}

/** @param {string} text */
function show(text) {
  who.textContent = text;
}

async function start() {
  if (!token) {
    show("This link is not complete, or it was opened before. Copy the whole link, or ask for a new one.");
    return;
  }
  const { status, body } = await ask("/api/me");
  if (status !== 200 && status !== 401) throw new Error(body.detail);
  const before = status === 200 ? body : null;
  show(
    before
      ? `You are signed in as ${nameOf(before)}. Signing in with this link replaces this account in this browser. You may not be able to come back to it.`
      : "This link signs you in, once.",
  );
  button.textContent = before ? "Replace it and sign in" : "Sign in";
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
  show(body.detail ?? body.title);
  button.hidden = true;
}

function fail() {
  button.disabled = false;
  show("The server could not be reached. Try again in a moment.");
}

start().catch(fail);
