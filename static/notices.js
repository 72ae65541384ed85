/** Notices about refused and delayed votes and marks, shown until the visitor dismisses them or some seconds pass. */
import { h } from "./dom.js";
import * as refusals from "./refusals.js";
import { songTitle } from "./selectors.js";
import { phrase } from "./words.js";

/** @import { Notice, State } from "./types.js" */

const NOTICE_MS = 9_000;

/**
 * @param {HTMLElement} element
 * @param {(id: number) => void} onDismiss
 * @returns {(state: Pick<State, "notice"|"show"|"refusal">) => void}
 */
export function createNotices(element, onDismiss) {
  /** @type {Notice|null} */
  let drawn = null;
  let timer = 0;
  return ({ notice, show, refusal }) => {
    if (notice === drawn) return;
    drawn = notice;
    clearTimeout(timer);
    if (!notice) {
      element.replaceChildren();
      return;
    }
    const title = notice.title ?? (show && notice.song !== null ? songTitle(show, notice.song) : null);
    const ofVote = notice.code === "refused" ? refusals.refusal(refusal ?? 0) : refusals.notice(notice, title);
    const text = notice.isMark ? refusals.markNotice(notice.code) : ofVote;
    const dismiss = () => onDismiss(notice.id);
    element.replaceChildren(h("div", { class: "notice-card" }, h("p", {}, text),
      h("button", { class: "button quiet", type: "button", on: { click: dismiss } }, phrase("ok"))));
    timer = setTimeout(dismiss, NOTICE_MS);
  };
}
