/** What is said aloud and what pops up: own votes at once, the board now and then, notices until dismissed. */
import { leaderOf, songTitle } from "./selectors.js";
import { h, setText } from "./dom.js";
import * as words from "./messages.js";

const LEADER_QUIET_MS = 8_000; // a new leader
const COUNT_QUIET_MS = 30_000; // the same leader with another count
const NOTICE_MS = 9_000;

/** Says that voting opened or closed, and who leads, seldom enough that a screen reader is free for other things. */
export function createBoardVoice(element) {
  let said = null;
  let said_ms = -Infinity;
  let about = null;
  let voting = null;
  return (show, now_ms) => {
    if (show?.phase !== "ready") return;
    const leader = show.isHidden ? null : leaderOf(show);
    if (about !== show.id) {
      // Arriving on a page, the visitor reads it; the voice only tells what changes afterwards.
      about = show.id;
      voting = show.status.voting;
      said = leader;
      said_ms = now_ms;
      return;
    }
    if (voting !== show.status.voting) {
      voting = show.status.voting;
      said_ms = now_ms;
      setText(element, `${words.VOTING[voting]}.`);
      return;
    }
    if (voting !== "open") return;
    const quiet_ms = leader?.title === said?.title ? COUNT_QUIET_MS : LEADER_QUIET_MS;
    const isSame = leader?.title === said?.title && leader?.up === said?.up;
    if (!leader || isSame || now_ms - said_ms < quiet_ms) return;
    said = leader;
    said_ms = now_ms;
    setText(element, `${leader.title} leads with ${words.plural(leader.up, "vote", "votes")}.`);
  };
}

/** @param {(id: number) => void} onGone */
export function createNotices(element, onGone) {
  let drawn = null;
  let timer = null;
  return ({ notice, show }) => {
    if (notice === drawn) return;
    drawn = notice;
    clearTimeout(timer);
    if (!notice) {
      element.replaceChildren();
      return;
    }
    const title = show && notice.song !== null ? songTitle(show, notice.song) : null;
    const gone = () => onGone(notice.id);
    element.replaceChildren(h("div", { class: "notice-card" },
      h("p", {}, notice.isMark ? words.markNotice(notice.code) : words.notice(notice.code, title, notice.isElsewhere)),
      h("button", { class: "button quiet", type: "button", on: { click: gone } }, "OK")));
    timer = setTimeout(gone, NOTICE_MS);
  };
}
