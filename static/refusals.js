/**
 * The sentences about what was refused, delayed or dropped. The code of an error chooses its sentence, never the server's text,
 * except where the text says more than the code.
 */
import { count, PAUSED, REASON } from "./messages.js";

/** @import { Notice } from "./types.js" */

export const BARRED = "This account may not vote here.";

/** @param {number} value */
const waiting = (value) => (value === 1 ? "1 waiting vote was" : `${count(value)} waiting votes were`);

/**
 * What happened to a vote that was refused or delayed.
 * @param {Pick<Notice, "code"|"count"|"isElsewhere">} about
 * @param {string|null} title  song the notice is about
 */
export function notice({ code, count: many, isElsewhere }, title) {
  const song = title ? `“${title}”` : "your vote";
  const origin = isElsewhere ? " It was for another show, from an earlier visit." : "";
  switch (code) {
    case "removed": return `${song} was removed from this show. Your vote is free again.`;
    case "played": return `${song} has been played, so the change was not counted.`;
    case "closed": return `Voting is closed, so the change to ${song} was not counted.${origin}`;
    case "locked": return `Voting is paused, so the change to ${song} was not counted.${origin}`;
    case "budget": return title
      ? `No votes left for ${song}. Take one back first.` : `No votes left. Take one back first.${origin}`;
    case "not_found": return title ? `${song} is no longer on this setlist.` : `That song is no longer on the setlist.${origin}`;
    case "forbidden": return BARRED;
    case "paused": return `${PAUSED}. ${REASON.locked}`;
    case "ticket": return "This show takes votes with a ticket. Enter the code on your ticket first.";
    case "work": return "This show asks your device for some seconds of work first. Vote when it is done.";
    case "mail": return "This show takes votes of fans with a confirmed email. Confirm yours first.";
    case "other_account":
      return `${waiting(many)} not sent, because another account made ${many === 1 ? "it" : "them"} in this browser.`;
    case "other_server":
      return `${waiting(many)} not sent, because ${many === 1 ? "it was" : "they were"} made on another server at this address.`;
    case "too_many_accounts":
      return "Too many new visitors come from this network. Your vote is kept and will be sent when there is room.";
    case "rate_limited": return "You vote very fast. Your vote is kept and will be sent in a moment.";
    case "overloaded": return "Many people are voting. Your vote is kept and will be sent in a moment.";
    case "unavailable": return "Voting is not available right now. Your vote is kept and will be sent in a moment.";
    case "timeout": return "The connection is slow. Your vote is kept and will be sent again.";
    case "internal": return "Something went wrong on the server. Your vote is kept and will be sent again.";
    case "unauthenticated": return "You are being signed in again. Your vote is kept.";
    default: return `The change to ${song} was not counted (${code}).${origin}`;
  }
}

/**
 * Why a page could not be loaded.
 * @param {string} code
 */
export function failure(code) {
  switch (code) {
    case "bad_request": return "There is no list at this address. The link may be old, or a letter is missing.";
    case "disconnected": return "The server cannot be reached. Check your connection and try again.";
    case "rate_limited": return "Too many requests came from you or from this network. Try again in a moment.";
    case "overloaded": return "Too many people are here right now. Try again in a moment.";
    default: return "The server could not answer. Try again in a moment.";
  }
}

/**
 * Why the client does not reconnect by itself.
 * @param {number} code  close code, 4400 or more
 */
export function refusal(code) {
  switch (code) {
    case 4401: return "Your sign-in is no longer valid. Reload the page to sign in again.";
    case 4403: return "This account is blocked, so it cannot vote.";
    case 1000: return "This account was erased. Reload the page to vote as a new visitor.";
    default: return "This page is out of date. Reload it to continue.";
  }
}

/**
 * Why going or following was refused.
 * @param {string} code
 */
export function markNotice(code) {
  return code === "forbidden" ? "This account may not do that." : "This change was not saved. Try again later.";
}

/**
 * Why a show gave no ticket for work or for a confirmed email.
 * @param {{code: string, message: string}} error
 */
export function earningFailure({ code, message }) {
  return code === "forbidden" || code === "bad_request" || code === "conflict" ? message : failure(code);
}

/**
 * Why a ticket's code was refused. For a conflict, the message of the server says more than the code.
 * @param {{code: string, message: string}} error
 */
export function ticketFailure({ code, message }) {
  switch (code) {
    case "conflict": return message;
    case "bad_request": return "A ticket code has 8 or more letters and digits. Check the code on your ticket.";
    case "not_found": return "This code gives no ticket for this show. Check the code on your ticket; each code works once.";
    case "forbidden": return BARRED;
    case "rate_limited": return "Too many codes were tried. Wait a minute and try again.";
    default: return failure(code);
  }
}

/**
 * Why a suggestion was refused. For a conflict and a ban, the message of the server says more than the code.
 * @param {{code: string, message: string}} error
 */
export function suggestionFailure({ code, message }) {
  switch (code) {
    case "conflict":
    case "forbidden": return message;
    case "closed": return "Voting is over, so you cannot suggest songs any more.";
    case "locked": return "Voting is paused. Suggest the song again when it continues.";
    case "bad_request": return "This cannot be a song title. Check it and try again.";
    default: return failure(code);
  }
}
