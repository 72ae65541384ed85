/**
 * The sentences about what was refused, delayed or dropped. The code of an error chooses its sentence, never the server's text,
 * except where the text says more than the code: then those who read English get it.
 */
import { LANGUAGE, phrase } from "./words.js";

/** @import { Notice } from "./types.js" */

export const BARRED = phrase("barred");

/**
 * What happened to a vote that was refused or delayed.
 * @param {Pick<Notice, "code"|"count"|"isElsewhere">} event
 * @param {string|null} title  song the notice is about
 */
export function notice({ code, count, isElsewhere }, title) {
  const values = { about: title === null ? "vote" : "song", title: title ?? "" };
  const origin = (/** @type {string} */ text) => (isElsewhere ? phrase("notice-elsewhere", { notice: text }) : text);
  switch (code) {
    case "removed": return phrase("notice-removed", values);
    case "played": return phrase("notice-played", values);
    case "closed": return origin(phrase("notice-closed", values));
    case "locked": return origin(phrase("notice-locked", values));
    case "budget": return title === null ? origin(phrase("notice-budget", values)) : phrase("notice-budget", values);
    case "not_found": return title === null ? origin(phrase("notice-not-found", values)) : phrase("notice-not-found", values);
    case "forbidden": return BARRED;
    case "paused": return phrase("notice-paused");
    case "ticket": return phrase("notice-ticket");
    case "work": return phrase("notice-work");
    case "mail": return phrase("notice-mail");
    case "other_account": return phrase("notice-other-account", { count });
    case "other_server": return phrase("notice-other-server", { count });
    case "too_many_accounts": return phrase("notice-too-many-accounts");
    case "rate_limited": return phrase("notice-rate-limited");
    case "overloaded": return phrase("notice-overloaded");
    case "unavailable": return phrase("notice-unavailable");
    case "timeout": return phrase("notice-timeout");
    case "internal": return phrase("notice-internal");
    case "unauthenticated": return phrase("notice-unauthenticated");
    default: return origin(phrase("notice-other", { ...values, code }));
  }
}

/**
 * Why a page could not be loaded.
 * @param {string} code
 */
export function failure(code) {
  switch (code) {
    case "bad_request": return phrase("failure-bad-request");
    case "disconnected": return phrase("failure-disconnected");
    case "rate_limited": return phrase("failure-rate-limited");
    case "overloaded": return phrase("failure-overloaded");
    default: return phrase("failure-other");
  }
}

/**
 * Why the client does not reconnect by itself.
 * @param {number} code  close code, 4400 or more
 */
export function refusal(code) {
  switch (code) {
    case 4401: return phrase("refusal-unauthenticated");
    case 4403: return phrase("refusal-blocked");
    case 1000: return phrase("refusal-erased");
    default: return phrase("refusal-outdated");
  }
}

/**
 * Why going or following was refused.
 * @param {string} code
 */
export function markNotice(code) {
  return code === "forbidden" ? phrase("mark-forbidden") : phrase("mark-failed");
}

/**
 * The server's text, which is English, or in other languages ours, which says what its code says.
 * @param {string} text
 * @param {string} ours
 */
export const inEnglish = (text, ours) => (LANGUAGE === "en" && text ? text : ours);
