/** The texts of the first page, of the header and of parts of a show, and what a page that is loaded later says before it is there. */

import { count, STATUS, votes } from "./messages.js";

/** @import { OwnShow } from "./types.js" */

/** @type {(words: string) => string} */
export const allShowsWith = (words) => `All shows with “${words}”`;
/** @type {(words: string) => string} */
export const nothingFound = (words) => `Nothing has “${words}” in its name. Check the spelling, or try one word.`;
export const TOO_MANY_WORDS = "That is too much to search for. Try fewer words.";

/**
 * Why a show concerns the visitor.
 * @param {Pick<OwnShow, "status"|"is_going"|"is_following"|"own_vote_count">} show
 */
export function whyOwn({ status, is_going, is_following, own_vote_count }) {
  return [
    status === "live" && STATUS.live, is_going && "You go", own_vote_count > 0 && `You cast ${votes(own_vote_count)}`,
    is_following && !is_going && own_vote_count === 0 && "You follow",
  ].filter(Boolean).join(" · ");
}

/** @type {(value: number) => string} */
export const showAll = (value) => `Show all ${count(value)}`;

/** About shows near the visitor. */
export const NEAR = {
  asked: "Your browser asks whether this page may know your place.",
  denied: "Your browser does not tell your place. Allow it in its settings for this page, or search for your city.",
  unknown: "Your place could not be found. Try again, or search for your city.",
  found: "Within 100 km of you.",
};
/** @type {(km: number) => string} */
export const distance = (km) => (km < 1 ? "less than 1 km away" : `${count(Math.round(km))} km away`);

/** A show after it was played. */
export const FORESEEN = {
  title: "Foreseen and played", foreseen: "Fans foresaw", played: "Played",
  wasPlayed: ", played", notPlayed: ", not played", wasForeseen: ", foreseen", notForeseen: ", not foreseen",
};
export const HISTORY = { title: "How the votes came in", loading: "One moment…" };

/** Texts of the pages that are loaded later, before they are there. */
export const PAGE = {
  artist: {
    loading: "Loading the artist", missing: "Artist not found", failed: "This artist could not be loaded",
    whyMissing: "The address is wrong, or the artist was removed. Search for the name.",
  },
  venue: {
    loading: "Loading the venue", missing: "Venue not found", failed: "This venue could not be loaded",
    whyMissing: "The address is wrong, or the venue was removed. Search for the name.",
  },
  song: {
    loading: "Loading the song", missing: "Song not found", failed: "This song could not be loaded",
    whyMissing: "The address is wrong, or the song was removed. Search for its title.",
  },
};
