/** The HTTP API of the server, as the page uses it. The websocket shares its error type. */
import { deleteKeptShows } from "./kept-shows.js";

/**
 * @import { PollingReason, WireError } from "./client.js"
 * @import { OwnShow, ShowBody, ShowItem, TrendingItem } from "./types.js"
 */

import { brand } from "./brand.js";

const TIMEOUT_MS = 15_000;
const PAGE_COUNT = 24;
const RADIUS_KM = 100; // of "near me": an evening's drive

/** Codes of errors that pass by themselves. After any other code the same request gets the same answer. */
const TRANSIENT = new Set([
  "unavailable", "overloaded", "rate_limited", "too_many_accounts", "internal", "timeout", "disconnected", "unauthenticated",
]);

/** Who deletes one of these is signed out. The next visitor of this browser sees nothing of theirs. */
const SIGNED_OUT = new Set(["/api/session", "/api/me/sessions", "/api/me"]);

export class RequestError extends Error {
  /** @param {WireError} error */
  constructor({ code, message, retry_after_ms = null }) {
    super(message ?? code);
    this.code = code;
    this.retry_after_ms = retry_after_ms;
  }

  get isTransient() {
    return TRANSIENT.has(this.code);
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>} the answer's JSON, which each function below gives its type
 */
export async function call(path, options = {}) {
  let response;
  let body;
  const aborter = new AbortController(); // AbortSignal.timeout is missing in the oldest browsers
  const timer = setTimeout(() => aborter.abort(), TIMEOUT_MS);
  try {
    response = await fetch(path, { ...options, signal: aborter.signal });
    body = response.status === 204 ? null : await response.json();
  } catch (cause) {
    // The error page of a proxy is not JSON. For the visitor both mean that the server could not be reached.
    throw new RequestError({ code: response && !response.ok ? "unavailable" : "disconnected", message: String(cause) });
  } finally {
    clearTimeout(timer);
  }
  if (response.ok && options.method === "DELETE" && SIGNED_OUT.has(path)) await deleteKeptShows();
  if (!response.ok) {
    throw new RequestError({ ...body, code: body.code ?? "unavailable", message: body.detail ?? body.title });
  }
  return body;
}

/**
 * @param {{query: string, status: string, near: string|null, cursor: string|null}} filter  near: latitude,longitude
 * @returns {Promise<{items: ShowItem[], next: string|null}>}
 */
export function fetchShows({ query, status, near, cursor }) {
  const search = new URLSearchParams({ limit: String(PAGE_COUNT) });
  if (brand.artist) search.set("artist", brand.artist);
  if (brand.venue) search.set("venue", brand.venue);
  if (query) search.set("q", query);
  if (status) search.set("status", status);
  if (near) search.set("near", near);
  if (near) search.set("radius_km", String(RADIUS_KM));
  if (cursor) search.set("cursor", cursor);
  return call(`/api/shows?${search}`);
}

/** @type {(count: number) => Promise<{items: TrendingItem[]}>} */
export const fetchTrending = (count) => call(`/api/trending?kind=shows&limit=${count}`);

/** @type {() => Promise<{items: OwnShow[]}>} */
export const fetchOwnShows = () => call("/api/me/shows");

/** @type {() => Promise<{user: {id: number}|null}>} */
export const fetchSession = () => call("/api/session");

/**
 * The show that the server has put into the page. It is taken once: later it is out of date.
 * @returns {ShowBody|null}
 */
export function takeShowInPage() {
  const element = document.getElementById("show");
  element?.remove();
  return element && JSON.parse(element.textContent);
}

/** @type {(ref: string) => Promise<ShowBody>} */
export const fetchShow = (ref) => call(`/api/shows/${encodeURIComponent(ref)}`);

/** @type {(show: number) => Promise<{going: boolean}>} */
export const fetchGoing = (show) => call(`/api/shows/${show}/attendance`);

/** @type {(artist: number) => Promise<{following: boolean}>} */
export const fetchFollowing = (artist) => call(`/api/artists/${artist}/follow`);

/** @type {(show: number) => Promise<{has_ticket: boolean}>} */
export const fetchTicket = (show) => call(`/api/shows/${show}/ticket`);

/**
 * Why no websocket opens although HTTP answers. A page cannot read the answer to its upgrade; a plain GET gets the same one.
 * @returns {Promise<PollingReason>}
 */
export async function whyBlocked() {
  try {
    await call("/ws");
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    if (error.code === "overloaded" || error.code === "rate_limited") return error.code;
    // Without a token in the header, only a page at another address than the server's own is forbidden.
    if (error.code === "forbidden") return "origin";
  }
  return "blocked";
}

/**
 * Makes a request that needs an account. A visitor without one gets it first.
 * @template Answer
 * @param {() => Promise<Answer>} request
 */
export async function signedIn(request) {
  try {
    return await request();
  } catch (error) {
    if (!(error instanceof RequestError) || error.code !== "unauthenticated") throw error;
    await signIn();
    return request();
  }
}

/**
 * Signs in without an account. From then on the answer's cookie identifies the visitor.
 * @type {() => Promise<{token: string}>}
 */
export const signIn = () => call("/api/session", { method: "POST", body: JSON.stringify({ keep: true }) });

/**
 * Saves the language of emails and notifications in the account.
 * @type {(language: string) => Promise<unknown>}
 */
export const saveLanguage = (language) => call("/api/me", { method: "PATCH", body: JSON.stringify({ language }) });

/** @type {() => Promise<null>} */
export const signOut = () => call("/api/session", { method: "DELETE" });
