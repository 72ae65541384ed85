/** The texts of the pages of artists, venues and songs. */

import { count, plural, shortDate, votes, year } from "./messages.js";

/** @import { RotationShow, SongSetlist } from "./types.js" */

export const ROTATION_SHOWS = 10;

/** @param {string} day */
const wholeDate = (day) => `${shortDate(day)}, ${year(day)}`;

/** @type {(followers: number) => string} */
export const followerLine = (followers) => plural(followers, "follower", "followers");

/** @type {(value: number) => string} */
export const showCount = (value) => plural(value, "show", "shows");

/** @type {(value: number) => string} */
export const rotationTitle = (value) => (value === 1 ? "Played at the last show" : `Played at the last ${count(value)} shows`);

/** @type {(played: number, of: number) => string} */
export const rotationLine = (played, of) => `at ${count(played)} of ${count(of)}`;

/** @type {(up: number, down: number) => string} */
export const voteLine = (up, down) => `${count(up)} up, ${count(down)} down`;

/** @param {number} share  0 to 1 */
const percent = (share) => `${Math.round(share * 100)}%`;

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
  const played = shows.length === 1 ? "the last show" : `the last ${count(shows.length)} shows`;
  const other = before === null ? "" : ` Who names the songs of the show before gets ${percent(before)}.`;
  return `The crowd foresaw ${percent(crowd)} of what was played at ${played}.${other}`;
}

/** @param {RotationShow} show */
export function scoreLine({ accuracy }) {
  return accuracy ? `${count(accuracy.hits)} of ${plural(accuracy.played, "song", "songs")} foreseen` : "";
}

/** @type {(rating: number|null, reviews: number) => string} */
export const ratingLine = (rating, reviews) => (rating === null
  ? "No reviews yet" : `${rating.toFixed(1)} of 5, ${plural(reviews, "review", "reviews")}`);

/** @type {(capacity: number) => string} */
export const capacityLine = (capacity) => `holds ${count(capacity)} people`;

/** @type {(value: number) => string} */
export const stars = (value) => plural(value, "star", "stars");

/** @type {(iso: string, name: string|null|undefined) => string} */
export const reviewBy = (iso, name) => `${name || "A fan"}, ${wholeDate(iso.slice(0, 10))}`;

export const REVIEW = {
  pending: "Thank you. A moderator reads your review before others see it.",
  approved: "Thank you. Your review is on this page.",
  rejected: "A moderator did not accept your review. Change it and send it again.",
};
export const REVIEW_DELETED = "Your review is deleted.";

/**
 * How often an artist played a song.
 * @param {{played_count: number, predicted_count: number, last_played_on: string|null}} plays
 */
export function playsLine({ played_count, predicted_count, last_played_on }) {
  if (!played_count) return predicted_count ? `Not played yet, predicted for ${showCount(predicted_count)}` : "Not played yet";
  const last = last_played_on ? `, last on ${wholeDate(last_played_on)}` : "";
  return `Played ${plural(played_count, "time", "times")}${last}`;
}

/** @param {SongSetlist} setlist */
export function placeLine({ type, position, up, down }) {
  if (type === "actual") return `Played as number ${count(position)}`;
  return up === null || down === null ? "Predicted" : `Predicted, ${votes(up + down)}`;
}

/** @type {(up: number, down: number) => string} */
export const songVotes = (up, down) => (up + down ? `Fans voted ${count(up)} times up and ${count(down)} times down.` : "Nobody has voted on it yet.");
