/** How one show changes: its page and the states of its channels arrive, and the visitor votes. Pure like state.js. */
import { countedChoiceOf, holdOrder, songTitle, wantedFold, wantedOrder } from "./selectors.js";

/**
 * @import { CastReply, ChannelStates, Choice, Vote } from "./client.js"
 * @import {
 *   LoadedShow, Setlist, SetlistBody, ShowBody, ShowState, ShowWindow, Song, SongBody, SortKey, Source, UnloadedShow,
 * } from "./types.js"
 */

/** @type {UnloadedShow} */
export const emptyShow = Object.freeze({
  ref: "",
  id: null,
  phase: "loading",
  error: null,
  info: null,
  status: null,
  setlists: [],
  order: {},
  folded: {},
  at: { votes: 0, setlist: 0, status: 0 },
  tally: {},
  total: 0,
  isHidden: false,
  relationCounts: { going: null, watching: null, followers: null },
  marks: { going: false, following: false },
  hasTicket: null,
  isBarred: false,
  isBallotKnown: false,
  ballot: {},
  remaining: null,
  intents: {},
  accepted: {},
  settling: {},
});

/**
 * Old counts would be worse than none.
 * @param {LoadedShow} show
 */
export function hideCounts(show) {
  return show.isHidden ? show : { ...show, isHidden: true, tally: {}, settling: {}, at: { ...show.at, votes: 0 } };
}

/**
 * `record` with the entries that pass; the same object when all pass.
 * @template Value
 * @param {Record<string, Value>} record
 * @param {(value: Value) => boolean} passes
 */
export function filterRecord(record, passes) {
  const entries = Object.entries(record);
  const kept = entries.filter(([, value]) => passes(value));
  return kept.length === entries.length ? record : Object.fromEntries(kept);
}

/**
 * @param {LoadedShow} show
 * @param {Vote[]} votes
 * @param {"waiting"|"pending"} phase
 */
export function intend(show, votes, phase) {
  const intents = { ...show.intents };
  for (const [song, choice] of votes) {
    // Sent again only to learn whether it is durable: the visitor already knows that the server has it.
    const isTaken = song in show.accepted && (show.ballot[song] ?? "none") === choice && !intents[song];
    if (!isTaken) intents[song] = { choice, phase };
  }
  return { ...show, intents };
}

/**
 * @template {ShowState} Show
 * @param {Show} show
 * @param {"waiting"|"pending"} from
 * @param {"waiting"|"pending"} to
 */
export function setPhase(show, from, to) {
  if (!Object.values(show.intents).some((intent) => intent.phase === from)) return show;
  const intents = Object.entries(show.intents).map(([song, intent]) =>
    [song, intent.phase === from ? { ...intent, phase: to } : intent]);
  return { ...show, intents: Object.fromEntries(intents) };
}

/**
 * @param {ShowState} show
 * @param {ShowBody} body
 * @param {SortKey} sort
 */
export function loadShow(show, body, sort) {
  const { setlists, total, ...info } = body;
  /** @type {LoadedShow["tally"]} */
  const tally = {};
  for (const { songs } of setlists) {
    // Position 0: every state of the channel is newer than this answer.
    for (const { id, up, down } of songs) tally[id] = { up: up ?? 0, down: down ?? 0, at: 0 };
  }
  /** @type {LoadedShow} */
  const loaded = {
    ...show,
    phase: "ready",
    error: null,
    id: body.id,
    info,
    status: windowOf(body),
    setlists: setlists.map(completeSetlist),
    isHidden: setlists.some(({ songs }) => songs.some(({ up }) => up === null)),
    relationCounts: { ...show.relationCounts, going: info.attendance_count ?? null },
    tally,
    total,
    remaining: info.votes_per_user_max ?? null,
  };
  return arrange(loaded, sort, []);
}

/**
 * The show as the server would send it, with the states that have come since. The inverse of `loadShow`.
 * @param {LoadedShow} show
 * @returns {ShowBody}
 */
export function bodyOf({ info, status, setlists, isHidden, tally, total, at, relationCounts }) {
  const { going } = relationCounts;
  return {
    ...info, ...status, at: at.votes, total, ...(going !== null && { attendance_count: going }),
    setlists: setlists.map((setlist) => ({
      ...setlist,
      songs: setlist.songs.map((song) => {
        const { up, down } = tally[song.id] ?? { up: 0, down: 0 };
        return { ...song, up: isHidden ? null : up, down: isHidden ? null : down };
      }),
    })),
  };
}

/**
 * @param {Pick<ShowBody, "status"|"voting"|"opens_at"|"closes_at"|"now_playing"|"results"|"accuracy">} body
 * @returns {ShowWindow}
 */
function windowOf({ status, voting, opens_at, closes_at, now_playing = null, results = "live", accuracy = null }) {
  return { status, voting, opens_at, closes_at, now_playing, results, accuracy };
}

/**
 * @param {SetlistBody} body
 * @returns {Setlist}
 */
function completeSetlist({ id, type, name, kind = "main", artist = null, songs }) {
  return { id, type, name, kind, artist, songs: songs.map(completeSong) };
}

/**
 * @param {SongBody} body
 * @returns {Song}
 */
function completeSong({
  id, song_id = null, title, position, played_at = null, was_played = null, is_tape = false, medley = null, note = "", cover_of = null,
}) {
  return { id, song_id, title, position, played_at, was_played, is_tape, medley, note, cover_of };
}

/**
 * @param {LoadedShow} show
 * @param {string} kind
 * @param {number} at
 * @param {unknown} value
 * @param {boolean} isRewound  the server was restored from a backup: its older state is the valid one
 */
export function applySnapshot(show, kind, at, value, isRewound) {
  if (kind !== "votes") return applyWhole(show, kind, at, value, isRewound);
  const votes = /** @type {ChannelStates["votes"]} */ (value);
  const tally = filterRecord(show.tally, (counts) => !isRewound && counts.at > at);
  const next = { ...show, isHidden: false, tally: { ...tally } };
  for (const [song, up, down] of votes.tally) {
    if (!next.tally[song]) next.tally[song] = { up, down, at };
  }
  // A newer push can arrive before its snapshot. Its total stays, too.
  const isNewest = isRewound || at >= show.at.votes;
  return isNewest ? settle({ ...next, total: votes.total, at: { ...show.at, votes: at } }, at) : next;
}

/**
 * @param {LoadedShow} show
 * @param {string} kind
 * @param {number} at
 * @param {unknown} value
 */
export function applyPush(show, kind, at, value) {
  if (kind !== "votes") return applyWhole(show, kind, at, value, false);
  if (at < show.at.votes) return show;
  const votes = /** @type {ChannelStates["votes"]} */ (value);
  const tally = { ...show.tally };
  for (const [song, up, down] of votes.tally) tally[song] = { up, down, at };
  return settle({ ...show, tally, total: votes.total, at: { ...show.at, votes: at } }, at);
}

/**
 * Applies a state of a channel whose pushes are whole states, too.
 * @param {LoadedShow} show
 * @param {string} kind
 * @param {number} at
 * @param {unknown} value
 * @param {boolean} isRewound
 * @returns {LoadedShow}
 */
function applyWhole(show, kind, at, value, isRewound) {
  if (kind === "attendance") {
    const { going, watching } = /** @type {ChannelStates["attendance"]} */ (value);
    return { ...show, relationCounts: { ...show.relationCounts, going, watching } };
  }
  if (kind === "followers") {
    const { followers } = /** @type {ChannelStates["followers"]} */ (value);
    return { ...show, relationCounts: { ...show.relationCounts, followers } };
  }
  if (kind !== "status" && kind !== "setlist") return show;
  if (at < show.at[kind] && !isRewound) return show;
  const next = { ...show, at: { ...show.at, [kind]: at } };
  if (kind === "status") return { ...next, status: windowOf(/** @type {ShowBody} */ (value)) };
  const body = /** @type {{setlists: SetlistBody[], sources?: Source[]}} */ (value);
  const setlists = body.setlists.map(completeSetlist);
  const info = { ...show.info, sources: body.sources ?? show.info.sources ?? [] };
  return freeVotes({ ...next, info, setlists, order: followSetlists(show.order, setlists) });
}

/**
 * Takes songs that are gone out of the ballot: the server has given their votes back.
 * @param {LoadedShow} show
 * @returns {LoadedShow}
 */
function freeVotes(show) {
  const present = new Set(show.setlists.flatMap(({ songs }) => songs.map(({ id }) => String(id))));
  const entries = Object.entries(show.ballot);
  const kept = entries.filter(([song]) => present.has(song));
  const freed = entries.length - kept.length;
  if (!freed) return show;
  return { ...show, ballot: Object.fromEntries(kept), remaining: show.remaining === null ? null : show.remaining + freed };
}

/**
 * The title of a song that the visitor voted on and that staff removed; null: there is none.
 * @param {ShowState|null} before
 * @param {ShowState|null} after
 */
export function removedTitle(before, after) {
  if (!before || !after || before.id !== after.id || before.setlists === after.setlists) return null;
  const gone = Object.keys(before.ballot).find((song) => !(song in after.ballot));
  return gone === undefined ? null : songTitle(before, Number(gone));
}

/**
 * Songs keep their places on screen; new ones join at the end until the next arrangement.
 * @param {LoadedShow["order"]} order
 * @param {Setlist[]} setlists
 */
function followSetlists(order, setlists) {
  return Object.fromEntries(setlists.map(({ id, songs }) => {
    const present = new Set(songs.map((song) => song.id));
    const kept = (order[id] ?? []).filter((song) => present.delete(song));
    return [id, [...kept, ...present]];
  }));
}

/**
 * @template {ShowState} Show
 * @param {Show} show
 * @param {SortKey} sort
 * @param {number[]} held  songs whose rows must stay where they are
 */
export function arrange(show, sort, held) {
  const order = { ...show.order };
  const folded = { ...show.folded };
  for (const setlist of show.setlists) {
    const { id } = setlist;
    order[id] = keptIfSame(show.order[id], holdOrder(show.order[id] ?? [], wantedOrder(show, setlist, sort), held));
    const [before, wanted] = [show.folded[id] ?? [], wantedFold(show, setlist)];
    // A held row neither goes into the fold nor comes out of it.
    const next = wanted.filter((song) => !held.includes(song) || before.includes(song));
    folded[id] = keptIfSame(before, [...next, ...before.filter((song) => held.includes(song) && !wanted.includes(song))]);
  }
  const isSame = show.setlists.every(({ id }) => order[id] === show.order[id] && folded[id] === show.folded[id]);
  return isSame ? show : { ...show, order, folded };
}

/** @type {(before: number[]|undefined, next: number[]) => number[]} */
const keptIfSame = (before, next) =>
  before?.length === next.length && next.every((song, place) => song === before[place]) ? before : next;

/**
 * @param {LoadedShow} show
 * @param {Vote[]} votes
 * @param {CastReply} reply
 */
export function acknowledge(show, votes, { at, durability, ballot: held, remaining }) {
  const ballot = { ...show.ballot, ...held };
  const intents = { ...show.intents };
  const accepted = { ...show.accepted };
  const settling = { ...show.settling };
  for (const [song, choice] of votes) {
    const from = countedChoiceOf(show, song);
    /** @type {Choice} */
    const to = held[song] ?? "none";
    if (to === "none") delete ballot[song];
    if (intents[song]?.choice === choice) delete intents[song];
    if (durability === "accepted") accepted[song] = at;
    else delete accepted[song];
    if (from !== to && show.at.votes < at) settling[song] = { from, at };
    else delete settling[song];
  }
  return { ...show, ballot, intents, accepted, settling, remaining };
}

/**
 * From position `at` on, the tally contains the own votes that were answered up to it.
 * @param {LoadedShow} show
 * @param {number} at
 */
export function settle(show, at) {
  const settling = filterRecord(show.settling, (entry) => entry.at > at);
  return settling === show.settling ? show : { ...show, settling };
}
