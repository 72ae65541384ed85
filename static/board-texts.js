/** The sentences of leaderboards and crews. */
import { ownShowName } from "./messages.js";
import { failure } from "./refusals.js";
import { phrase } from "./words.js";

/** @import { Leaderboard, OwnPlace } from "./types.js" */

export const STATES = { open: phrase("board-open"), live: phrase("board-live"), final: phrase("board-final") };
export const NO_NAME = phrase("board-no-name");
export const YOU = phrase("board-you");

/** @type {(board: Leaderboard) => string} */
export function boardTitle({ kind, name, artist, venue }) {
  if (kind === "season") return phrase("board-season", { name });
  if (artist === null || venue === null) return name;
  return ownShowName({ name, artist: { name: artist }, venue: { name: venue } }) || phrase("show-name", { artist, venue });
}

/** @type {(fans: number) => string} */
export const fansLine = (fans) => phrase("board-fans", { count: fans });

/** @type {(you: OwnPlace|null, fans: number, isOpen: boolean) => string} */
export function youLine(you, fans, isOpen) {
  if (you) return phrase("board-own", { rank: you.rank, count: fans, points: you.points });
  return isOpen ? "" : phrase("board-not-on");
}

/** @type {(shows: number) => string} */
export const showsLine = (shows) => phrase("board-shows", { count: shows });

export const EMPTY_BOARD = phrase("board-empty");

/** @type {(name: string, members: number) => string} */
export const invitation = (name, members) => phrase("crew-invitation", { name, count: members });

/** @type {(code: string) => string} */
export function crewFailure(code) {
  switch (code) {
    case "not_found": return phrase("crew-failed-not-found");
    case "conflict": return phrase("crew-failed-conflict");
    case "bad_request": return phrase("crew-failed-bad-request");
    case "forbidden": return phrase("crew-failed-forbidden");
    default: return failure(code);
  }
}
