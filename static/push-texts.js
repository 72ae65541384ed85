/** What the page says about notices. */
import { phrase } from "./words.js";

/** @import { NoticeKind, Obstacle } from "./push.js" */

export const TITLE = phrase("push-heading");
export const LEAD = phrase("push-lead");

/** @type {Record<NoticeKind, string>} */
export const KINDS = {
  voting_closes: phrase("push-voting-closes"),
  show_begins: phrase("push-show-begins"),
  song_on: phrase("push-song-on"),
};

export const QUIET = phrase("push-quiet");
export const QUIET_FROM = phrase("push-quiet-from");
export const QUIET_TO = phrase("push-quiet-to");
export const SAVE = phrase("email-save");
export const QUIET_INCOMPLETE = phrase("push-quiet-incomplete");

/** @type {Record<Obstacle, string>} */
export const OBSTACLES = {
  unsupported: phrase("push-unsupported"),
  install: phrase("push-install"),
  old_ios: phrase("push-old-ios"),
  blocked: phrase("push-blocked"),
};

export const NOT_ALLOWED = phrase("push-not-allowed");
export const FAILED = phrase("failure-disconnected");
export const NOT_SUBSCRIBED = phrase("push-not-subscribed");
export const OFF = phrase("push-off");
export const ON = phrase("push-on");

export const CARD_OFFER = phrase("push-offer");
export const CARD_BUTTON = phrase("push-offer-yes");
export const CARD_LATER = phrase("push-offer-later");
export const CARD_DONE = phrase("push-offer-done");
export const CARD_MORE = phrase("push-offer-more");
