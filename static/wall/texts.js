/** The sentences and numbers of a wall. They are short, because people read them from far away. */
import { isHidden } from "./state.js";

/**
 * @import { ShowBody } from "../types.js"
 */

/** @param {number} value */
export const count = (value) => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");

/** @type {(value: number, one: string, many: string) => string} */
const plural = (value, one, many) => `${count(value)} ${value === 1 ? one : many}`;

/** @param {number} value */
const twoDigits = (value) => (value < 10 ? `0${value}` : String(value));

/**
 * The time that is left: "4:07", "1:04:07", "2 days".
 * @param {number} left_ms
 */
export function timeLeft(left_ms) {
  const left_s = Math.max(0, Math.ceil(left_ms / 1000));
  const hours = Math.floor(left_s / 3600);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  const minutes = Math.floor(left_s / 60) % 60;
  const seconds = twoDigits(left_s % 60);
  return hours ? `${hours}:${twoDigits(minutes)}:${seconds}` : `${minutes}:${seconds}`;
}

/**
 * The state of voting, and the time until it changes.
 * @param {ShowBody} show
 * @param {number} now_ms  of the server's clock
 */
export function votingLine({ status, voting, opens_at, closes_at }, now_ms) {
  if (status === "cancelled") return { word: "This show was cancelled", left: "" };
  if (voting === "final") return { word: "Final result", left: "" };
  if (voting === "locked") return { word: "Voting is paused", left: "" };
  const opens_ms = Date.parse(opens_at) - now_ms;
  const closes_ms = Date.parse(closes_at) - now_ms;
  if (voting === "closed" && opens_ms > 0) return { word: "Voting opens in", left: timeLeft(opens_ms) };
  if (voting === "closed") return { word: "Voting is closed", left: "" };
  return closes_ms > 0 ? { word: "Voting ends in", left: timeLeft(closes_ms) } : { word: "Voting is closing", left: "" };
}

/**
 * @param {ShowBody} show
 * @param {number|null} watching
 */
export function totalsLine({ total }, watching) {
  const votes = plural(total, "vote", "votes");
  return watching === null ? votes : `${votes} · ${count(watching)} watching`;
}

/**
 * Why the songs have no counts; empty: they have.
 * @param {ShowBody} show
 */
export function hiddenLine(show) {
  if (!isHidden(show)) return "";
  return show.results === "after_vote" ? "Vote to see the counts on your phone." : "The counts are secret until the end.";
}

export const PLAYING = "Playing now";
export const PLAYED = "played";
export const LOST = "No connection. The counts follow when it is back.";
