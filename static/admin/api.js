/** Requests of the console. A token of an identity provider is kept for this tab, because only the page can send it. */
import { call as callAsCookie, RequestError } from "../api.js";

const KEY = "mysetlist.console.token";
const DOWNLOAD_MS = 60_000;

function tabStorage() {
  try {
    return sessionStorage;
  } catch {
    return null; // Storage is blocked: the token lives as long as the page.
  }
}

const storage = tabStorage();
let token = storage?.getItem(KEY) ?? "";

/** The token of an identity provider; empty: the session's cookie says who this is. */
export const heldToken = () => token;

/** @param {string} text  empty: forgets it */
export function holdToken(text) {
  token = text;
  if (text) storage?.setItem(KEY, text);
  else storage?.removeItem(KEY);
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>} rejects with RequestError
 */
export function call(path, options = {}) {
  return callAsCookie(path, token ? { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } } : options);
}

/**
 * Saves an answer as a file. A link could not send the token.
 * @param {string} path
 * @param {string} name  of the file
 */
export async function download(path, name) {
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort(), DOWNLOAD_MS);
  try {
    const answer = await fetch(path, { headers: token ? { Authorization: `Bearer ${token}` } : {}, signal: aborter.signal });
    if (!answer.ok) throw new RequestError({ code: "unavailable", message: (await answer.json()).detail });
    saveFile(await answer.blob(), name);
  } catch (cause) {
    if (cause instanceof RequestError) throw cause;
    if (aborter.signal.aborted) throw new RequestError({ code: "timeout", message: "The file did not come within a minute. Try again." });
    throw new RequestError({ code: "disconnected", message: String(cause) });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param {Blob} content
 * @param {string} name  of the file
 */
export function saveFile(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
