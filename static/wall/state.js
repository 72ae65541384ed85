/**
 * What a wall knows of its show. Pure: each function gives a new state or the same one.
 *
 * Like all of static/wall/, it runs on TV sets of 2018 (docs/browsers.md): no `?.`, `??`, `async`, object spread, `Object.entries`.
 */

/**
 * @import { ShowBody, SetlistBody, SongBody } from "../types.js"
 * @typedef {{show: ShowBody, watching: number|null}} WallState
 * @typedef {{id: number, title: string, up: number, down: number, isPlayed: boolean, isPlaying: boolean}} WallSong
 * @typedef {{
 *   ch: string, at: number, tally?: [number, number, number][], total?: number, setlists?: SetlistBody[], going?: number,
 *   watching?: number|null,
 * }} Push
 */

/**
 * Whether fans may not see the counts yet. Who has signed in on the machine of a wall does not matter: a hall sees it.
 * @param {ShowBody} show
 */
export function isHidden(show) {
  return (show.results || "live") !== "live" && show.voting !== "final";
}

/**
 * The show as HTTP gives it.
 * @param {WallState|null} state
 * @param {ShowBody} body
 * @param {boolean} isStreaming  the stream is alive: what it has brought is newer than an answer of an older position
 * @returns {WallState}
 */
export function load(state, body, isStreaming) {
  if (state && isStreaming && (body.at < state.show.at || (body.revision || 0) < (state.show.revision || 0))) return state;
  return { show: body, watching: state ? state.watching : null };
}

/**
 * A push of a channel, or its whole state.
 * @param {WallState} state
 * @param {Push} push
 * @returns {WallState}
 */
export function apply(state, push) {
  const { show } = state;
  switch (push.ch.split(":")[0]) {
    case "votes": {
      if (push.at < show.at) return state;
      const counts = new Map((push.tally || []).map(([id, up, down]) => /** @type {const} */ ([id, { up, down }])));
      return changed(state, { at: push.at, total: push.total, setlists: withCounts(show.setlists, counts) });
    }
    case "setlist": {
      const counts = new Map(allSongs(show).map(({ id, up, down }) => /** @type {const} */ ([id, { up, down }])));
      return changed(state, { setlists: withCounts(push.setlists || [], counts) });
    }
    case "status": return changed(state, Object.assign({}, push, { at: show.at })); // `at` of a show is that of its counts
    case "attendance": return { show, watching: push.watching === undefined ? null : push.watching };
    default: return state;
  }
}

/**
 * @param {WallState} state
 * @param {object} fields
 * @returns {WallState}
 */
const changed = (state, fields) => ({ show: Object.assign({}, state.show, fields), watching: state.watching });

/**
 * @param {SetlistBody[]} setlists
 * @param {Map<number, {up?: number|null, down?: number|null}>} counts
 */
const withCounts = (setlists, counts) => setlists.map((setlist) => Object.assign({}, setlist, {
  songs: setlist.songs.map((song) => Object.assign({}, song, counts.get(song.id))),
}));

/** @param {ShowBody} show */
const allSongs = (show) => show.setlists.reduce((songs, setlist) => songs.concat(setlist.songs), /** @type {SongBody[]} */ ([]));

/**
 * The songs that fans vote on, best first. While they vote, songs that were played stand below those that can still be chosen.
 * Hidden counts: in the order of the sets.
 * @param {ShowBody} show
 * @returns {WallSong[]}
 */
export function rankedSongs(show) {
  const predicted = show.setlists.filter(({ type }) => type === "predicted");
  const sets = predicted.length ? predicted : show.setlists;
  const playing = playingTitle(show);
  const songs = allSongs(Object.assign({}, show, { setlists: sets })).map((song) => ({
    id: song.id, title: song.title, up: song.up || 0, down: song.down || 0,
    isPlayed: Boolean(song.played_at || song.was_played), isPlaying: playing !== null && song.title === playing,
  }));
  if (isHidden(show)) return songs;
  const areLast = show.voting === "open";
  // The place as the last key: browsers before 2018 do not keep the order of equals.
  const places = new Map(songs.map(({ id }, place) => /** @type {const} */ ([id, place])));
  const placeOf = (/** @type {WallSong} */ { id }) => places.get(id) || 0;
  return songs.sort((a, b) => (areLast ? Number(a.isPlayed) - Number(b.isPlayed) : 0)
    || (b.up - b.down) - (a.up - a.down) || placeOf(a) - placeOf(b));
}

/**
 * The title of the song that is played now; null: none.
 * @param {ShowBody} show
 */
export function playingTitle(show) {
  const playing = show.now_playing ? allSongs(show).filter(({ id }) => id === show.now_playing)[0] : undefined;
  return playing ? playing.title : null;
}
