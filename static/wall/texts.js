/** The sentences and numbers of a wall. They are short, because people read them from far away. */
import { phrase } from "../words.js";
import { isHidden } from "./state.js";

/**
 * @import { ShowBody } from "../types.js"
 */

/** @param {number} value */
const twoDigits = (value) => (value < 10 ? `0${value}` : String(value));

/**
 * The time that is left: "4:07", "1:04:07", "2 days".
 * @param {number} left_ms
 */
export function timeLeft(left_ms) {
  const left_s = Math.max(0, Math.ceil(left_ms / 1000));
  const hours = Math.floor(left_s / 3600);
  if (hours >= 48) return phrase("wall-days-left", { count: Math.floor(hours / 24) });
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
  if (status === "cancelled") return { word: phrase("wall-cancelled"), left: "" };
  if (voting === "final") return { word: phrase("wall-final"), left: "" };
  if (voting === "locked") return { word: phrase("wall-paused"), left: "" };
  const opens_ms = Date.parse(opens_at) - now_ms;
  const closes_ms = Date.parse(closes_at) - now_ms;
  if (voting === "closed" && opens_ms > 0) return { word: phrase("wall-opens-in"), left: timeLeft(opens_ms) };
  if (voting === "closed") return { word: phrase("wall-closed"), left: "" };
  return closes_ms > 0 ? { word: phrase("wall-ends-in"), left: timeLeft(closes_ms) } : { word: phrase("wall-closing"), left: "" };
}

/**
 * @param {ShowBody} show
 * @param {number|null} watching
 */
export function totalsLine({ total }, watching) {
  return watching === null ? phrase("wall-votes", { count: total }) : phrase("wall-votes-watching", { count: total, watching });
}

/**
 * Why the songs have no counts; empty: they have.
 * @param {ShowBody} show
 */
export function hiddenLine(show) {
  if (!isHidden(show)) return "";
  return show.results === "after_vote" ? phrase("wall-hidden-until-vote") : phrase("wall-hidden");
}

export const PLAYING = phrase("wall-playing");
export const PLAYING_TAG = phrase("wall-playing-tag");
export const PLAYED_TAG = phrase("wall-played-tag");
export const LOST = phrase("wall-lost");
