/**
 * Values that the views show and the state does not store: own choice, counts with the own vote in them, budget, order.
 *
 * Pure like state.js: no DOM, no clock, no I/O.
 */

/**
 * @import { Choice } from "./client.js"
 * @import {
 *   ConnectionStatus, Counts, LoadedShow, Setlist, ShowInfo, ShowState, SortKey, State, TrendingName, TrendingState,
 * } from "./types.js"
 * @typedef {{title: string, song_id: number|null, isHit: boolean}} Judged  isHit: it is on the other side too
 */

/**
 * Whether votes reach the server now.
 * @param {ConnectionStatus} status
 */
export const isConnected = (status) => status === "live" || status === "polling";

/**
 * The choice that the visitor sees as their own: the last one they tapped, else the one that the server holds.
 * @param {ShowState} show
 * @param {number|string} song
 * @returns {Choice}
 */
export function choiceOf(show, song) {
  return show.intents[song]?.choice ?? show.ballot[song] ?? "none";
}

/**
 * The own choice that the tally on this page already contains.
 * @param {ShowState} show
 * @param {number|string} song
 * @returns {Choice}
 */
export function countedChoiceOf(show, song) {
  return show.settling[song]?.from ?? show.ballot[song] ?? "none";
}

/**
 * The counts as shown: the server's tally, in which the own vote is replaced by the one that will be counted.
 * Until the ballot is known, the page cannot tell whether the tally contains the own vote, so it shows the tally.
 * @param {ShowState} show
 * @param {number} song
 * @returns {Counts}
 */
export function countsOf(show, song) {
  const { up, down } = show.tally[song] ?? { up: 0, down: 0 };
  if (!show.isBallotKnown) return { up, down };
  const from = countedChoiceOf(show, song);
  const to = choiceOf(show, song);
  return {
    up: Math.max(0, up + Number(to === "up") - Number(from === "up")),
    down: Math.max(0, down + Number(to === "down") - Number(from === "down")),
  };
}

/** @param {ShowState} show */
export function totalOf(show) {
  if (!show.isBallotKnown) return show.total;
  let total = show.total;
  for (const song of new Set([...Object.keys(show.intents), ...Object.keys(show.settling)])) {
    total += Number(choiceOf(show, song) !== "none") - Number(countedChoiceOf(show, song) !== "none");
  }
  return Math.max(0, total);
}

/**
 * How safe the own choice on this song is.
 * @param {ShowState} show
 * @param {number} song
 * @returns {"waiting"|"pending"|"accepted"|"committed"|null} null: the visitor has no vote on the song
 */
export function durabilityOf(show, song) {
  if (show.intents[song]) return show.intents[song].phase;
  if (song in show.accepted) return "accepted";
  return show.ballot[song] ? "committed" : null;
}

/**
 * Votes left, after those that are not answered yet; null when the show sets no budget.
 * @param {ShowState} show
 */
export function remainingOf(show) {
  if (show.remaining === null) return null;
  let remaining = show.remaining;
  for (const [song, intent] of Object.entries(show.intents)) {
    remaining += Number(song in show.ballot) - Number(intent.choice !== "none");
  }
  return Math.max(0, remaining);
}

/** @param {ShowState} show */
export function waitingCountOf(show) {
  return Object.values(show.intents).filter((intent) => intent.phase === "waiting").length;
}

/**
 * Whether votes may be cast now; if not, for which reason.
 * `now_ms` only tells "not open yet" from "closed": the server alone decides whether voting is open.
 * @param {LoadedShow} show
 * @param {number} now_ms
 * @returns {"open"|"cancelled"|"locked"|"final"|"early"|"closed"}
 */
export function votingOf(show, now_ms) {
  const { status, voting, opens_at } = show.status;
  if (status === "cancelled") return "cancelled";
  if (voting === "closed" && opens_at && Date.parse(opens_at) > now_ms) return "early";
  return voting;
}

/**
 * Whether the budget allows a tap on this song. Withdrawing a vote and changing its direction cost nothing.
 * @param {ShowState} show
 * @param {number} song
 */
export function isAffordable(show, song) {
  return choiceOf(show, song) !== "none" || remainingOf(show) !== 0;
}

/**
 * Why a tap on this song is not taken; null: it is. The code of a notice.
 * @param {Pick<State, "refusal"|"user"|"isUserKnown">} state
 * @param {LoadedShow} show
 * @param {number} song
 * @returns {"refused"|"forbidden"|"paused"|"unknown"|"ticket"|"work"|"mail"|"budget"|null}  unknown: whether the visitor has the ticket
 */
export function whyNotTaken(state, show, song) {
  if (state.refusal !== null) return "refused";
  if (show.isBarred) return "forbidden";
  if (show.status.voting === "locked") return "paused";
  if (isTicketUnknown(state, show)) return "unknown";
  if (needsTicket(state, show)) return ticketNotice(show.info);
  return isAffordable(show, song) ? null : "budget";
}

/**
 * Whether the show takes votes with a ticket only, and the visitor has none.
 * @param {Pick<State, "user"|"isUserKnown">} state
 * @param {LoadedShow} show
 */
export function needsTicket({ user, isUserKnown }, { info, hasTicket }) {
  return info.requires_ticket === true && isUserKnown && !(hasTicket ?? user);
}

/**
 * Whether the page has to ask first if the visitor has the ticket that the show requires.
 * @param {Pick<State, "user"|"isUserKnown">} state
 * @param {LoadedShow} show
 */
export function isTicketUnknown({ user, isUserKnown }, { info, hasTicket }) {
  return info.requires_ticket === true && hasTicket === null && (user !== null || !isUserKnown);
}

/**
 * The code of the notice that says which ticket a vote lacks.
 * @param {Pick<ShowInfo, "ticket_source">} info
 * @returns {"ticket"|"work"|"mail"}
 */
export const ticketNotice = ({ ticket_source: source = "code" }) => (source === "code" ? "ticket" : source);

/**
 * What order, bar and place of a song show: votes up minus votes down.
 * @param {ShowState} show
 * @param {number} song
 */
export function scoreOf(show, song) {
  const { up, down } = countsOf(show, song);
  return up - down;
}

/**
 * The place of each song of a setlist: equal scores share a place, and the next place is left out, as in the API.
 * @param {ShowState} show
 * @param {Setlist} setlist
 * @returns {Map<number, number>}
 */
export function placesOf(show, setlist) {
  const scores = setlist.songs.map(({ id }) => scoreOf(show, id)).sort((a, b) => b - a);
  return new Map(setlist.songs.map(({ id }) => [id, scores.indexOf(scoreOf(show, id)) + 1]));
}

/**
 * The place of each song in the order of the setlist.
 * @param {Setlist} setlist
 * @returns {Map<number, number>}
 */
export const positionsOf = ({ songs }) =>
  new Map([...songs].sort((a, b) => a.position - b.position).map(({ id }, index) => [id, index + 1]));

/**
 * Titles of the songs that were played although no predicted set has them; empty while nothing was predicted or played.
 * @param {ShowState} show
 * @returns {Set<number>} song ids
 */
export function unforeseenSongs({ setlists }) {
  const of = (/** @type {Setlist["type"]} */ type) => setlists.filter((setlist) => setlist.type === type).flatMap(({ songs }) => songs);
  const predicted = new Set(of("predicted").map(({ title }) => title.toLowerCase()));
  if (!predicted.size) return new Set();
  return new Set(of("actual").filter(({ title }) => !predicted.has(title.toLowerCase())).map(({ id }) => id));
}

/**
 * What the crowd foresaw against what was played: with so many songs played, the offered ones with the highest scores above zero,
 * those with the score of the last of them too (docs/accuracy.md); null while either is not known.
 * @param {ShowState} show
 * @returns {{foreseen: Judged[], played: Judged[]}|null}
 */
export function foreseenOf(show) {
  const songsOf = (/** @type {Setlist["type"]} */ type, /** @type {Set<unknown>|null} */ artists) => {
    /** @type {Map<number|string, {title: string, song_id: number|null, score: number}>} */
    const songs = new Map();
    for (const setlist of show.setlists) {
      if (setlist.type !== type || (artists && !artists.has(setlist.artist?.id))) continue;
      for (const { id, song_id, title, is_tape } of [...setlist.songs].sort((a, b) => a.position - b.position)) {
        const key = song_id ?? title.toLowerCase();
        if (!is_tape) songs.set(key, { title, song_id, score: (songs.get(key)?.score ?? 0) + scoreOf(show, id) });
      }
    }
    return songs;
  };
  const played = songsOf("actual", null);
  const artists = new Set(show.setlists.filter(({ type }) => type === "actual").map(({ artist }) => artist?.id));
  const liked = [...songsOf("predicted", artists)].filter(([, { score }]) => score > 0).sort(([, a], [, b]) => b.score - a.score);
  const least = liked[Math.min(played.size, liked.length) - 1]?.[1].score;
  if (show.isHidden || !played.size || least === undefined) return null;
  const foreseen = new Map(liked.filter(([, { score }]) => score >= least));
  const judged = (/** @type {typeof played} */ songs, /** @type {typeof played} */ others) =>
    [...songs].map(([key, { title, song_id }]) => ({ title, song_id, isHit: others.has(key) }));
  return { foreseen: judged(foreseen, played), played: judged(played, foreseen) };
}

/**
 * Song ids of one setlist, ordered by the counts or by the setlist.
 * @param {ShowState} show
 * @param {Setlist} setlist
 * @param {SortKey} sort
 */
export function wantedOrder(show, setlist, sort) {
  const songs = [...setlist.songs].sort((a, b) => a.position - b.position).map(({ id }) => ({ id, score: scoreOf(show, id) }));
  // An actual setlist records the songs that were played, in that order. Songs that share a place stand in the order of the setlist.
  if (sort === "votes" && setlist.type !== "actual" && !show.isHidden) songs.sort((a, b) => b.score - a.score);
  return songs.map(({ id }) => id);
}

/**
 * The songs of a set that were played, in that order. While others take votes, they fold into one line: in a dark hall nobody should
 * have to scroll past them.
 * @param {ShowState} show
 * @param {Setlist} setlist
 */
export function wantedFold({ status }, { type, songs }) {
  if (type !== "predicted" || (status?.voting !== "open" && status?.voting !== "locked")) return [];
  const played = songs.filter(({ played_at: at }) => at !== null);
  return played.sort((a, b) => Date.parse(a.played_at ?? "") - Date.parse(b.played_at ?? "")).map(({ id }) => id);
}

/**
 * `wanted`, except that every held song stays at the index it has now.
 * A row under a finger or with the focus must not move, however the counts change.
 * @param {number[]} current  order on screen
 * @param {number[]} wanted   the same songs in the order to reach
 * @param {Iterable<number>} held
 */
export function holdOrder(current, wanted, held) {
  const pinned = new Set(held);
  const index = new Map(current.map((song, place) => [song, place]));
  /** @type {(number|undefined)[]} */
  const result = new Array(wanted.length).fill(undefined);
  /** @type {number[]} */
  const free = [];
  for (const song of wanted) {
    const place = index.get(song);
    if (pinned.has(song) && place !== undefined && place < result.length) result[place] = song;
    else free.push(song);
  }
  // `current` and `wanted` hold the same songs, so there is a free song for each free place.
  return result.map((song) => song ?? /** @type {number} */ (free.shift()));
}

/**
 * The predicted song in the first place, and how many others share it; null while no song has a vote up.
 * @param {ShowState} show
 */
export function leaderOf(show) {
  const songs = show.setlists.filter(({ type }) => type === "predicted").flatMap((setlist) => setlist.songs);
  const liked = songs.map(({ id, title }) => ({ title, up: countsOf(show, id).up, score: scoreOf(show, id) })).filter(({ up }) => up > 0);
  const best = Math.max(...liked.map(({ score }) => score));
  const [first, ...others] = liked.filter(({ score }) => score === best);
  return first ? { ...first, otherCount: others.length } : null;
}

/**
 * @param {ShowState} show
 * @param {number|string} song
 */
export function songTitle(show, song) {
  for (const setlist of show.setlists) {
    const found = setlist.songs.find((candidate) => candidate.id === Number(song));
    if (found) return found.title;
  }
  return null;
}

/**
 * Whether staff marked a song as played; it takes no more votes.
 * @param {ShowState|null} show
 * @param {number} song
 */
export function isPlayed(show, song) {
  return show?.setlists.some(({ songs }) => songs.some(({ id, played_at }) => id === song && played_at !== null)) ?? false;
}

export const TRENDING_COUNT = 5;

/**
 * The first shows of the ranking; `share` is their score divided by the score of the first.
 * @param {TrendingState} trending
 * @returns {(TrendingName & {id: number, share: number})[]}
 */
export function trendingOf({ ranking, known }) {
  const top = ranking[0]?.score ?? 0;
  return ranking.slice(0, TRENDING_COUNT).flatMap(({ id, score }) => {
    const name = known?.[id];
    return name ? [{ id, ...name, share: top > 0 ? score / top : 0 }] : [];
  });
}

/**
 * Whether the names of the first shows must be asked for.
 * @param {TrendingState} trending
 */
export function isTrendingUnknown({ ranking, known }) {
  return known !== null && ranking.slice(0, TRENDING_COUNT).some(({ id }) => !known[id]);
}
