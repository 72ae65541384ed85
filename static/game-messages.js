/** The sentences of the game: the visitor's pick, leaderboards and crews. */
import { count, dateTime, inTime, plural } from "./messages.js";

/** @import { OwnPick, OwnPlace } from "./types.js" */

export const PICKED_MAX = 10;

export const PLACES = { opener: "Opener", closer: "Closer", encore: "Encore" };
export const PLACE_HINTS = {
  opener: "opens the show: 50 points more", closer: "ends the show: 50 points more", encore: "is played in an encore: 30 points more",
};

export const LEAD = "Pick up to ten songs that you expect. Each one that is played gives points: few for a song that everybody picked, "
  + "up to 100 for a rare one. Nobody sees your pick.";

/** @type {(own: OwnPick|null) => string} */
export function summary(own) {
  if (!own) return "Your pick";
  if (own.is_locked) {
    if (!own.pick) return "Your pick: picks are locked";
    return own.score ? `Your pick: ${plural(own.score.points, "point", "points")}` : "Your pick is locked";
  }
  return own.pick ? `Your pick: ${plural(own.pick.songs.length, "song", "songs")}` : "Make your pick";
}

/** @type {(own: OwnPick, time_zone: string, now_ms: number) => string} */
export function lockLine(own, time_zone, now_ms) {
  if (own.is_locked) return own.pick ? "" : "You made no pick for this show.";
  return `Picks are locked when the show begins, ${dateTime(own.locks_at, time_zone)} (${inTime(Date.parse(own.locks_at), now_ms)}).`;
}

/** @type {(chosen: number) => string} */
export const chosenLine = (chosen) => `${count(chosen)} of ${PICKED_MAX} songs picked`;
export const FULL = `${PICKED_MAX} songs are picked. Take one back first.`;
export const SAVED = "Your pick is saved.";
export const ACCEPTED = "Your pick is received, and is being saved.";
export const WITHDRAWN = "Your pick is withdrawn.";

/** @type {(score: {points: number, rank: number, count: number}) => string} */
export const scoreLine = ({ points, rank, count: all }) =>
  `${plural(points, "point", "points")}, place ${count(rank)} of ${count(all)}`;

/** @type {(worth: number|null, was_played: boolean) => string} */
export function worthLine(worth, was_played) {
  if (worth === null) return was_played ? "Played" : "";
  return was_played ? `Played, ${plural(worth, "point", "points")}` : `${plural(worth, "point", "points")} if it is played`;
}

/** Why a pick was not saved, by the code of the refusal.
 * @type {(code: string) => string} */
export function pickFailure(code) {
  switch (code) {
    case "locked": return "The show has begun, so picks are locked. Your last saved pick counts.";
    case "forbidden": return "This account may not pick.";
    case "not_found": return "One of these songs is no longer in the show. Load the page again.";
    case "rate_limited": case "overloaded": return "Many people are picking. Try again in a moment.";
    default: return "Your pick could not be saved. Check your connection and try again.";
  }
}

export const STATES = {
  open: "Picks are open. Points come with the first song.", live: "Live: points follow every song.", final: "Final points",
};
export const NO_NAME = "A fan";
export const YOU = "you";

/** @type {(kind: string, name: string) => string} */
export function boardTitle(kind, name) {
  if (kind === "season") return `Season ${name}`;
  return name;
}

/** @type {(fans: number) => string} */
export const fansLine = (fans) => plural(fans, "fan", "fans");

/** @type {(you: OwnPlace|null, fans: number, isOpen: boolean) => string} */
export function youLine(you, fans, isOpen) {
  if (you) return `You are at place ${count(you.rank)} of ${count(fans)}, with ${plural(you.points, "point", "points")}.`;
  return isOpen ? "" : "You are not on this board yet. Make a pick before a show begins.";
}

/** @type {(shows: number) => string} */
export const showsLine = (shows) => plural(shows, "show", "shows");

export const EMPTY_BOARD = "Nobody has points here yet.";

/** @type {(name: string, members: number) => string} */
export const invitation = (name, members) => `You are invited to the crew “${name}”, with ${plural(members, "member", "members")}.`;

/** @type {(code: string) => string} */
export function crewFailure(code) {
  switch (code) {
    case "not_found": return "There is no crew at this address, or you are no member of it. Ask for the link again.";
    case "conflict": return "This crew is full, or you are in as many crews as may be.";
    case "bad_request": return "This name cannot be used. Choose another one.";
    case "forbidden": return "This account may not join crews.";
    default: return "The server could not answer. Try again in a moment.";
  }
}
