/**
 * Announces on a live region, for screen readers, how a show's voting and its leader change, and that the connection is lost
 * for a while.
 */
import { setText } from "./dom.js";
import * as messages from "./messages.js";
import { isConnected, leaderOf } from "./selectors.js";
import { phrase } from "./words.js";

/** @import { ConnectionStatus, ShowState } from "./types.js" */

// Seldom enough that a screen reader is free for other things.
const LEADER_INTERVAL_MS = 8_000; // a new leader
const COUNT_INTERVAL_MS = 30_000; // the same leader with another count
const OUTAGE_MS = 6_000; // a shorter outage is not worth a word
const OUTAGE_INTERVAL_MS = 60_000; // and a connection that comes and goes is one outage

/**
 * @param {HTMLElement} element  the live region
 * @returns {(show: ShowState|null, connection: ConnectionStatus, now_ms: number) => void}
 */
export function createAnnouncer(element) {
  const announceOutage = createOutageAnnouncer(element);
  /** @type {ReturnType<typeof leaderOf>} */
  let announced = null;
  let announced_ms = -Infinity;
  /** @type {number|null} */
  let showId = null;
  /** @type {keyof typeof messages.VOTING|null} */
  let voting = null;
  return (show, connection, now_ms) => {
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
    if (announceOutage(connection, now_ms)) return;
    if (voting !== show.status.voting) {
      voting = show.status.voting;
      announced_ms = now_ms;
      setText(element, phrase("announced", { state: messages.VOTING[voting] }));
      return;
    }
    if (voting !== "open") return;
    const interval_ms = leader?.title === announced?.title ? COUNT_INTERVAL_MS : LEADER_INTERVAL_MS;
    const isSame = leader?.title === announced?.title && leader?.up === announced?.up;
    if (!leader || isSame || now_ms - announced_ms < interval_ms) return;
    announced = leader;
    announced_ms = now_ms;
    setText(element, messages.leaderLine(leader));
  };
}

/**
 * @param {HTMLElement} element
 * @returns {(connection: ConnectionStatus, now_ms: number) => boolean} whether it has announced something
 */
function createOutageAnnouncer(element) {
  let lost_ms = Infinity;
  let told_ms = -Infinity;
  let isTold = false;
  return (connection, now_ms) => {
    if (isConnected(connection)) {
      lost_ms = Infinity;
      if (!isTold) return false;
      isTold = false;
      setText(element, messages.CONNECTED_AGAIN);
      return true;
    }
    lost_ms = Math.min(lost_ms, now_ms);
    if (isTold || now_ms - lost_ms < OUTAGE_MS || now_ms - told_ms < OUTAGE_INTERVAL_MS) return false;
    isTold = true;
    told_ms = now_ms;
    setText(element, messages.CONNECTION_LOST);
    return true;
  };
}
