/** What the page says about notices. */

/** @import { NoticeKind, Obstacle } from "./push.js" */

export const TITLE = "Notices on this device";
export const LEAD = "For shows you go to, shows you voted in, and artists you follow. Each is told once for a show.";

/** @type {Record<NoticeKind, string>} */
export const KINDS = {
  voting_closes: "Voting closes in half an hour",
  show_begins: "The show begins",
  song_on: "A song you voted for is on",
};

export const QUIET = "Quiet hours";
export const QUIET_FROM = "from";
export const QUIET_TO = "to";
export const SAVE = "Save";
export const QUIET_INCOMPLETE = "Quiet hours need a beginning and an end that differ. Leave both empty for none.";

/** @type {Record<Obstacle, string>} */
export const OBSTACLES = {
  unsupported: "This browser cannot show notices.",
  install: "On an iPhone or iPad, notices come only from the home screen: tap Share, then “Add to Home Screen”, and open MySetlist from there.",
  old_ios: "Notices need iOS 16.4 or newer. Update this device, then add MySetlist to the home screen.",
  blocked: "Notices from this site are blocked. Allow them in the settings of your browser for this site, then load this page again.",
};

export const NOT_ALLOWED = "Your browser was not allowed to show notices, so nothing was changed.";
export const FAILED = "The server could not be reached. Try again in a moment.";
export const NOT_SUBSCRIBED = "The push service of your browser could not be reached. Try again later.";
export const OFF = "This device is told nothing.";
export const ON = "This device is told what you chose.";

export const CARD_OFFER = "Should this device tell you half an hour before voting closes?";
export const CARD_BUTTON = "Tell me when voting closes";
export const CARD_LATER = "Not now";
export const CARD_DONE = "Done. This device is told half an hour before voting closes.";
export const CARD_MORE = "More notices and quiet hours";
