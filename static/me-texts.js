/** The texts of the page of the visitor's account. */

import { percent, votes } from "./messages.js";
import { failure, inEnglish } from "./refusals.js";
import { phrase } from "./words.js";

/** @import { OwnBallot, OwnPickItem } from "./types.js" */

/**
 * How well the visitor foresaw shows.
 * @param {{shows: number, precision: number|null, recall: number|null}} accuracy
 */
export function accuracyLine({ shows, precision, recall }) {
  if (!shows || (precision === null && recall === null)) return phrase("me-accuracy-none");
  const found = { count: shows, recall: percent(recall ?? 0) };
  return precision === null ? phrase("me-accuracy-recall", found) : phrase("me-accuracy", { ...found, precision: percent(precision) });
}

/** @param {Pick<OwnBallot, "up"|"down"|"score">} ballot */
export function ballotLine({ up, down, score }) {
  return score ? phrase("me-ballot-score", { hits: score.hits, predicted: score.predicted }) : votes(up + down);
}

/** @param {Pick<OwnPickItem, "songs"|"points"|"rank">} pick */
export function pickLine({ songs, points, rank }) {
  return points === null || rank === null ? phrase("me-pick-songs", { count: songs }) : phrase("me-pick-score", { points, rank });
}

export const NO_PICKS = phrase("me-no-picks");
export const NO_BALLOTS = phrase("me-no-ballots");
export const NO_FOLLOWS = phrase("me-no-follows");

export const CODE = {
  title: phrase("device-heading"), lead: phrase("device-lead"), show: phrase("device-show"), how: phrase("device-how"),
  expiresIn: (/** @type {string} */ time) => phrase("device-expires", { time }),
  over: phrase("device-over"), used: phrase("device-used"), enter: phrase("device-enter"),
  send: phrase("sign-in"), wrong: phrase("device-wrong"), malformed: phrase("device-malformed"),
  replace: (/** @type {number} */ account) => phrase("device-replace", { account: String(account) }),
  replaceYes: phrase("device-replace-yes"), replaceNo: phrase("device-replace-no"),
};

export const CALENDAR = {
  title: phrase("calendar-heading"), lead: phrase("calendar-lead"), make: phrase("calendar-make"), address: phrase("calendar-address"),
  secret: phrase("calendar-secret"), open: phrase("calendar-open"), copy: phrase("calendar-copy"), renew: phrase("calendar-renew"),
  erase: phrase("calendar-delete"), keep: phrase("calendar-keep"), made: phrase("calendar-made"), copied: phrase("calendar-copied"),
  selected: phrase("calendar-copy-selected"), renewed: phrase("calendar-renewed"), erased: phrase("calendar-deleted"),
  QUESTIONS: {
    renew: { text: phrase("calendar-renew-question"), yes: phrase("calendar-renew-yes") },
    erase: { text: phrase("calendar-delete-question"), yes: phrase("calendar-delete-yes") },
  },
};

export const DATA = {
  title: phrase("data-heading"), lead: phrase("data-lead"), download: phrase("data-export"), queued: phrase("data-queued"),
  ready: phrase("data-ready"), erase: phrase("data-erase"), question: phrase("data-question"),
  what: [phrase("data-what-deleted"), phrase("data-what-votes"), phrase("data-what-devices")],
  understood: phrase("data-understood"), yes: phrase("data-yes"), no: phrase("data-no"), erased: phrase("data-erased"),
};

/**
 * The minutes and seconds that are left, as in 4:07.
 * @param {number} seconds
 */
export const minutesLeft = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

/**
 * Why the server did not do what the visitor wants on the page of the account.
 * @param {{code: string, message: string}} error
 */
export function accountFailure({ code, message }) {
  switch (code) {
    case "rate_limited":
    case "overloaded":
    case "disconnected":
    case "unavailable":
    case "timeout": return failure(code);
    default: return inEnglish(message, phrase("account-refused"));
  }
}
