/** The texts of the page of the visitor's account. */

import { count, plural, votes } from "./messages.js";

/** @import { OwnBallot, OwnPickItem } from "./types.js" */

/** @param {number} share  0 to 1 */
const percent = (share) => `${Math.round(share * 100)}%`;

/**
 * How well the visitor foresaw shows.
 * @param {{shows: number, precision: number|null, recall: number|null}} accuracy
 */
export function accuracyLine({ shows, precision, recall }) {
  if (!shows) return "After a show you see here how many of your songs were played.";
  const hits = precision === null ? "" : ` ${percent(precision)} of the songs you voted up were played.`;
  const found = recall === null ? "" : ` Your votes named ${percent(recall)} of what was played.`;
  return `Over ${plural(shows, "show", "shows")}:${hits}${found}`;
}

/** @param {Pick<OwnBallot, "up"|"down"|"score">} ballot */
export function ballotLine({ up, down, score }) {
  return score ? `${count(score.hits)} of ${plural(score.predicted, "song", "songs")} played` : votes(up + down);
}

/** @param {Pick<OwnPickItem, "songs"|"points"|"rank">} pick */
export function pickLine({ songs, points, rank }) {
  if (points === null || rank === null) return plural(songs, "song", "songs");
  return `${plural(points, "point", "points")}, place ${count(rank)}`;
}

export const NO_PICKS = "You have no picks yet. The page of a show has them, until the show begins.";
export const NO_BALLOTS = "You have not voted yet. Choose a show and tap an arrow beside a song.";
export const NO_FOLLOWS = "You follow nobody yet. The page of an artist has a button for it.";

export const CODE = {
  title: "Use your account on another device",
  lead: "Your votes, artists and picks belong to this browser. A code takes them to another phone or computer.",
  show: "Show a code",
  how: "Open this address on the other device and type the code there:",
  expiresIn: (/** @type {string} */ time) => `It works once, and ${time} more. Give it to nobody: who has it is you.`,
  over: "The code is over. Show a new one when you need it.",
  used: "The other device is signed in.",
  enter: "Do you have a code from another device?",
  label: "Code",
  send: "Sign in",
  wrong: "This code is wrong, was used before, or is over. Make a new one on the other device.",
  malformed: "A code has 8 letters and digits. It has no 0, 1, I, L, O or U. Check what you typed.",
  replace: (/** @type {number} */ account) =>
    `Account ${account} is signed in here. Without a code or a link of its own it cannot be opened again; its votes still count.`,
  replaceYes: "Replace it and sign in",
  replaceNo: "Keep this account",
};

export const DATA = {
  title: "Your data",
  lead: "Everything the database holds about you, as a file. A new one is made once a day.",
  download: "Download my data",
  queued: "Your file is being made. It comes by itself in a moment.",
  ready: "Your file is on its way.",
  erase: "Erase my account",
  question: "Erase this account for ever?",
  what: [
    "Your email address, name, artists, reviews and crews are deleted now.",
    "Your votes and picks still count, without your name. Nobody can tell any more that they were yours.",
    "Every device is signed out. Nobody can bring the account back.",
  ],
  understood: "I understand that this cannot be undone.",
  yes: "Erase it for ever",
  no: "Keep my account",
  erased: "Your account is erased. Your votes still count, without your name.",
};

/** @param {number} seconds */
export const minutesLeft = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")} minutes`;
