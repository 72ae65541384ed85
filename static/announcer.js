/** Announces on a live region, for screen readers, how a show's voting and its leader change. */
import { setText } from "./dom.js";
import * as messages from "./messages.js";
import { leaderOf } from "./selectors.js";

/** @import { ShowState } from "./types.js" */

// Seldom enough that a screen reader is free for other things.
const LEADER_INTERVAL_MS = 8_000; // a new leader
const COUNT_INTERVAL_MS = 30_000; // the same leader with another count

/**
 * @param {HTMLElement} element  the live region
 * @returns {(show: ShowState|null, now_ms: number) => void}
 */
export function createAnnouncer(element) {
  /** @type {ReturnType<typeof leaderOf>} */
  let announced = null;
  let announced_ms = -Infinity;
  /** @type {number|null} */
  let showId = null;
  /** @type {keyof typeof messages.VOTING|null} */
  let voting = null;
  return (show, now_ms) => {
    if (show?.phase !== "ready") return;
    const leader = show.isHidden ? null : leaderOf(show);
    if (showId !== show.id) {
      // A visitor who opens a page reads it; only later changes are announced.
      showId = show.id;
      voting = show.status.voting;
      announced = leader;
      announced_ms = now_ms;
      return;
    }
    if (voting !== show.status.voting) {
      voting = show.status.voting;
      announced_ms = now_ms;
      setText(element, `${messages.VOTING[voting]}.`);
      return;
    }
    if (voting !== "open") return;
    const interval_ms = leader?.title === announced?.title ? COUNT_INTERVAL_MS : LEADER_INTERVAL_MS;
    const isSame = leader?.title === announced?.title && leader?.up === announced?.up;
    if (!leader || isSame || now_ms - announced_ms < interval_ms) return;
    announced = leader;
    announced_ms = now_ms;
    setText(element, `${leader.title} leads with ${messages.votes(leader.up)}.`);
  };
}
