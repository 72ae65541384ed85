/** The texts of the pages of artists, venues and songs. */

import { mediumDate, percent } from "./messages.js";
import { LOCALE, phrase } from "./words.js";

/** @import { RotationShow, SongSetlist } from "./types.js" */

export const ROTATION_SHOWS = 10;

/** @type {(followers: number) => string} */
export const followerLine = (followers) => phrase("followers", { count: followers });

/** @type {(value: number) => string} */
export const showCount = (value) => phrase("show-count", { count: value });

/** @type {(value: number) => string} */
export const rotationTitle = (value) => phrase("rotation-heading", { count: value });

/** @type {(played: number, of: number) => string} */
export const rotationLine = (played, of) => phrase("rotation-times", { played, count: of });

/** @type {(up: number, down: number) => string} */
export const voteLine = (up, down) => phrase("song-votes-spoken", { up, down });

/**
 * How well the crowd foresaw the last shows.
 * @param {RotationShow[]} shows  scored ones, the latest first
 */
export function accuracyLead(shows) {
  const of = (/** @type {(show: RotationShow) => number|null|undefined} */ read) => {
    const values = shows.map(read).filter((value) => typeof value === "number");
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  };
  const crowd = of(({ accuracy }) => accuracy?.r_precision);
  const before = of(({ accuracy }) => accuracy?.baseline);
  if (crowd === null) return "";
  const lead = phrase("foresight-lead", { share: percent(crowd), count: shows.length });
  return before === null ? lead : phrase("foresight-lead-before", { lead, before: percent(before) });
}

/** @param {RotationShow} show */
export function scoreLine({ accuracy }) {
  return accuracy ? phrase("foreseen-of", { hits: accuracy.hits, played: accuracy.played }) : "";
}

/** @type {(rating: number|null, reviews: number) => string} */
export function ratingLine(rating, reviews) {
  if (rating === null) return phrase("rating-none");
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return phrase("rating", { rating: rating.toLocaleString(LOCALE, digits), count: reviews });
}

/** @type {(capacity: number) => string} */
export const capacityLine = (capacity) => phrase("venue-holds", { count: capacity });

/** @type {(value: number) => string} */
export const stars = (value) => phrase("stars", { count: value });

/** @type {(iso: string, name: string|null|undefined) => string} */
export function reviewBy(iso, name) {
  const date = mediumDate(iso.slice(0, 10));
  return name ? phrase("review-by", { name, date }) : phrase("review-by-fan", { date });
}

export const REVIEW = {
  pending: phrase("review-pending"), approved: phrase("review-approved"), rejected: phrase("review-rejected"),
};
export const REVIEW_DELETED = phrase("review-deleted");

/**
 * How often an artist played a song.
 * @param {{played_count: number, predicted_count: number, last_played_on: string|null}} plays
 */
export function playsLine({ played_count, predicted_count, last_played_on }) {
  if (!played_count) return predicted_count ? phrase("plays-predicted", { count: predicted_count }) : phrase("plays-none");
  return last_played_on ? phrase("plays-last", { count: played_count, date: mediumDate(last_played_on) })
    : phrase("plays", { count: played_count });
}

/** @param {SongSetlist} setlist */
export function placeLine({ type, position, up, down }) {
  if (type === "actual") return phrase("song-played-as", { number: position });
  return up === null || down === null ? phrase("song-predicted") : phrase("song-predicted-votes", { count: up + down });
}

/** @type {(up: number, down: number) => string} */
export const songVotes = (up, down) => (up + down ? phrase("song-votes", { up, down }) : phrase("song-votes-none"));
