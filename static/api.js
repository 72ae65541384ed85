/** The HTTP side: seven reads, one suggestion, signing in and out, and one error type shared with the websocket. */

const TIMEOUT_MS = 15_000;
const PAGE_COUNT = 24;

/** Refusals that pass by themselves. Every other code is an answer, and asking again will not change it. */
const TRANSIENT = new Set([
  "unavailable", "overloaded", "rate_limited", "internal", "timeout", "disconnected", "unauthenticated",
]);

export class RequestError extends Error {
  constructor({ code, message, retry_after_ms = null }) {
    super(message ?? code);
    this.code = code;
    this.retry_after_ms = retry_after_ms;
  }

  get isTransient() {
    return TRANSIENT.has(this.code);
  }
}

async function call(path, options = {}) {
  let response;
  let body;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
    body = response.status === 204 ? null : await response.json();
  } catch (cause) {
    // A proxy's error page is not JSON; to the visitor both mean that the server was not reached.
    throw new RequestError({ code: response && !response.ok ? "unavailable" : "disconnected", message: String(cause) });
  }
  if (!response.ok) {
    throw new RequestError({ ...body, code: body.code ?? "unavailable", message: body.detail ?? body.title });
  }
  return body;
}

export function fetchShows({ query, status, cursor }) {
  const search = new URLSearchParams({ limit: PAGE_COUNT });
  if (query) search.set("q", query);
  if (status) search.set("status", status);
  if (cursor) search.set("cursor", cursor);
  return call(`/api/shows?${search}`);
}

export const fetchTrending = (count) => call(`/api/trending?kind=shows&limit=${count}`);

export const fetchShow = (ref) => call(`/api/shows/${encodeURIComponent(ref)}`);

export const fetchGoing = (show) => call(`/api/shows/${show}/attendance`);

export const fetchFollowing = (artist) => call(`/api/artists/${artist}/follow`);

export const fetchSuggestions = (show) => call(`/api/shows/${show}/suggestions`);

export const suggest = (show, title) =>
  call(`/api/shows/${show}/suggestions`, { method: "POST", body: JSON.stringify({ title }) });

/** Anonymous sign-in; the answer's cookie names the visitor from then on. */
export const signIn = () => call("/api/session", { method: "POST", body: JSON.stringify({ keep: true }) });

export const signOut = () => call("/api/session", { method: "DELETE" });
