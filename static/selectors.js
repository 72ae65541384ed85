/**
 * Everything the views read that is not stored: own choice, counts with the own vote in them, budget, order.
 *
 * Pure like state.js: no DOM, no clock, no I/O.
 */

/** @typedef {"up"|"down"|"none"} Choice */

/** The choice this visitor sees as their own: what they tapped last, else what the server holds. */
export function choiceOf(show, song) {
  return show.intents[song]?.choice ?? show.ballot[song] ?? "none";
}

/** The own choice that the tally on this page already contains. */
export function countedChoiceOf(show, song) {
  return show.settling[song]?.from ?? show.ballot[song] ?? "none";
}

/**
 * Counts as shown: the server's tally with the own vote exchanged for what it is about to become.
 * Until the ballot is known nobody can say whether the tally holds the own vote, so it stands as it is.
 */
export function countsOf(show, song) {
  const { up = 0, down = 0 } = show.tally[song] ?? {};
  if (!show.isBallotKnown) return { up, down };
  const from = countedChoiceOf(show, song);
  const to = choiceOf(show, song);
  return {
    up: Math.max(0, up + (to === "up") - (from === "up")),
    down: Math.max(0, down + (to === "down") - (from === "down")),
  };
}

export function totalOf(show) {
  if (!show.isBallotKnown) return show.total;
  let total = show.total;
  for (const song of new Set([...Object.keys(show.intents), ...Object.keys(show.settling)])) {
    total += (choiceOf(show, song) !== "none") - (countedChoiceOf(show, song) !== "none");
  }
  return Math.max(0, total);
}

/**
 * How safe the own choice on this song is.
 * @returns {"waiting"|"pending"|"accepted"|"committed"|null} null: there is nothing of one's own to report
 */
export function durabilityOf(show, song) {
  if (show.intents[song]) return show.intents[song].phase;
  if (song in show.accepted) return "accepted";
  return show.ballot[song] ? "committed" : null;
}

/** Votes left, counting those on their way; null when the show sets no budget. */
export function remainingOf(show) {
  if (show.remaining === null) return null;
  let remaining = show.remaining;
  for (const [song, intent] of Object.entries(show.intents)) {
    remaining += ((show.ballot[song] ?? "none") !== "none") - (intent.choice !== "none");
  }
  return Math.max(0, remaining);
}

export function waitingCountOf(show) {
  return Object.values(show.intents).filter((intent) => intent.phase === "waiting").length;
}

/**
 * Whether votes may be cast now, and if not, which of the reasons holds.
 * `now_ms` only tells "not yet open" from "closed": whether voting is open is the server's word alone.
 * @returns {"open"|"cancelled"|"locked"|"final"|"early"|"closed"}
 */
export function votingOf(show, now_ms) {
  const { status, voting, opens_at } = show.status;
  if (status === "cancelled") return "cancelled";
  if (voting === "closed" && opens_at && Date.parse(opens_at) > now_ms) return "early";
  return voting;
}

/** Whether a tap may set `choice`; taking a vote back or changing its direction costs nothing. */
export function isAffordable(show, song) {
  return choiceOf(show, song) !== "none" || remainingOf(show) !== 0;
}

/** Song ids of one setlist in the order the counts (or the setlist itself) ask for. */
export function wantedOrder(show, setlist, sort) {
  const songs = [...setlist.songs].sort((a, b) => a.position - b.position);
  // An actual setlist is a record of what was played; its order is the point of it.
  if (sort !== "votes" || setlist.type === "actual" || show.isHidden) return songs.map((song) => song.id);
  const ranked = songs.map((song) => ({ id: song.id, ...countsOf(show, song.id) }));
  ranked.sort((a, b) => b.up - b.down - (a.up - a.down) || b.up - a.up);
  return ranked.map((song) => song.id);
}

/**
 * `wanted`, except that every held song stays at the index it has now.
 * A row under a finger or with the focus must not move, whatever the counts say.
 * @param {number[]} current  order on screen
 * @param {number[]} wanted   the same songs in the order to reach
 * @param {Iterable<number>} held
 */
export function holdOrder(current, wanted, held) {
  const pinned = new Set(held);
  const index = new Map(current.map((song, place) => [song, place]));
  const result = new Array(wanted.length).fill(null);
  const free = [];
  for (const song of wanted) {
    const place = index.get(song);
    if (pinned.has(song) && place !== undefined && place < result.length) result[place] = song;
    else free.push(song);
  }
  return result.map((song) => song ?? free.shift());
}

/** The song in front, or null while nobody leads: `{title, up}`. */
export function leaderOf(show) {
  let leader = null;
  for (const setlist of show.setlists) {
    if (setlist.type !== "predicted") continue;
    for (const song of setlist.songs) {
      const { up, down } = countsOf(show, song.id);
      if (up > 0 && (!leader || up - down > leader.score)) leader = { title: song.title, up, score: up - down };
    }
  }
  return leader;
}

export function songTitle(show, song) {
  for (const setlist of show.setlists) {
    const found = setlist.songs.find((candidate) => candidate.id === Number(song));
    if (found) return found.title;
  }
  return null;
}

export const TRENDING_COUNT = 5;

/** The first shows of the ranking; `share` is their score as a part of the first one's. */
export function trendingOf({ ranking, known }) {
  return ranking.slice(0, TRENDING_COUNT)
    .filter(({ id }) => known?.[id])
    .map(({ id, score }) => ({ id, ...known[id], share: ranking[0].score > 0 ? score / ranking[0].score : 0 }));
}

/** Whether a show is among the first whose name nobody has asked for. */
export function isTrendingUnknown({ ranking, known }) {
  return known !== null && ranking.slice(0, TRENDING_COUNT).some(({ id }) => !known[id]);
}
