/** The sentences of the visitor's pick. */
import { dateTime, inTime } from "./messages.js";
import { phrase } from "./words.js";

/** @import { OwnPick } from "./types.js" */

export const PICKED_MAX = 10;

export const PLACES = { opener: phrase("pick-opener"), closer: phrase("pick-closer"), encore: phrase("pick-encore") };
export const PLACE_HINTS = {
  opener: phrase("pick-opener-hint"), closer: phrase("pick-closer-hint"), encore: phrase("pick-encore-hint"),
};

export const LEAD = phrase("pick-lead");

/** @type {(own: OwnPick|null) => string} */
export function summary(own) {
  if (!own) return phrase("pick-yours");
  if (own.is_locked) {
    if (!own.pick) return phrase("pick-all-locked");
    return own.score ? phrase("pick-points", { count: own.score.points }) : phrase("pick-locked");
  }
  return own.pick ? phrase("pick-songs", { count: own.pick.songs.length }) : phrase("pick-make");
}

/** @type {(own: OwnPick, time_zone: string, now_ms: number) => string} */
export function lockLine(own, time_zone, now_ms) {
  if (own.is_locked) return own.pick ? "" : phrase("pick-none");
  return phrase("pick-locks", { when: dateTime(own.locks_at, time_zone), in: inTime(Date.parse(own.locks_at), now_ms) });
}

/** @type {(chosen: number) => string} */
export const chosenLine = (chosen) => phrase("pick-chosen", { count: chosen, max: PICKED_MAX });
export const FULL = phrase("pick-full", { max: PICKED_MAX });
export const SAVED = phrase("pick-saved");
export const ACCEPTED = phrase("pick-accepted");
export const WITHDRAWN = phrase("pick-withdrawn");

/** @type {(score: {points: number, rank: number, count: number}) => string} */
export const scoreLine = ({ points, rank, count }) => phrase("pick-score", { points, rank, count });

/** @type {(worth: number|null, was_played: boolean) => string} */
export function worthLine(worth, was_played) {
  if (worth === null) return was_played ? phrase("pick-played") : "";
  return was_played ? phrase("pick-played-worth", { count: worth }) : phrase("pick-worth", { count: worth });
}

/** Why a pick was not saved, by the code of the refusal.
 * @type {(code: string) => string} */
export function pickFailure(code) {
  switch (code) {
    case "locked": return phrase("pick-failed-locked");
    case "forbidden": return phrase("pick-failed-forbidden");
    case "not_found": return phrase("pick-failed-not-found");
    case "rate_limited": case "overloaded": return phrase("pick-failed-overloaded");
    default: return phrase("pick-failed");
  }
}
