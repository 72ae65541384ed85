/** Requests of the console. A token of an identity provider is kept for this tab, because only the page can send it. */
import { call as callAsCookie } from "../api.js";

const KEY = "mysetlist.console.token";

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
