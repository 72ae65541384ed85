/** The texts of the first page, of the header and of parts of a show, and what a page that is loaded later says before it is there. */

import { STATUS } from "./messages.js";
import { phrase } from "./words.js";

/** @import { OwnShow } from "./types.js" */

/**
 * Why a show concerns the visitor.
 * @param {Pick<OwnShow, "status"|"is_going"|"is_following"|"own_vote_count">} show
 */
export function whyOwn({ status, is_going, is_following, own_vote_count }) {
  return [
    status === "live" && STATUS.live, is_going && phrase("own-going"), own_vote_count > 0 && phrase("own-votes", { count: own_vote_count }),
    is_following && !is_going && own_vote_count === 0 && phrase("own-following"),
  ].filter(Boolean).join(" · ");
}

/** @type {(value: number) => string} */
export const showAll = (value) => phrase("show-all-of", { count: value });

/** About shows near the visitor. */
export const NEAR = {
  asked: phrase("near-asked"), denied: phrase("near-denied"), unknown: phrase("near-unknown"), found: phrase("near-found"),
};
/** @type {(km: number) => string} */
export const distance = (km) => (km < 1 ? phrase("near-here") : phrase("near-away", { count: Math.round(km) }));

export const HISTORY = { title: phrase("history-heading"), loading: phrase("one-moment") };

/** Texts of the pages that are loaded later, before they are there. */
export const PAGE = {
  artist: {
    loading: phrase("artist-loading"), missing: phrase("artist-missing"), failed: phrase("artist-failed"),
    whyMissing: phrase("artist-missing-why"),
  },
  venue: {
    loading: phrase("venue-loading"), missing: phrase("venue-missing"), failed: phrase("venue-failed"),
    whyMissing: phrase("venue-missing-why"),
  },
  song: {
    loading: phrase("song-loading"), missing: phrase("song-missing"), failed: phrase("song-failed"),
    whyMissing: phrase("song-missing-why"),
  },
};
