import assert from "node:assert/strict";
import test from "node:test";
import { holdOrder, leaderOf, placesOf, unforeseenSongs, wantedOrder } from "../../../static/selectors.js";
import { initial, reduce } from "../../../static/state.js";
import { seeded, showBody, SONGS } from "./fakes.mjs";

const run = (state, ...actions) => actions.reduce(reduce, state);
const loaded = (changes) => run(initial,
  { type: "navigate", route: { name: "show", ref: "a" } },
  { type: "show_loaded", ref: "a", show: showBody(changes) });
const push = (at, tally) => ({ type: "push", channel: "votes:7", at, payload: { tally, total: 0 } });
const orderOf = (state) => state.show.order[70];
const setlists = (...songs) => ({
  setlists: [{
    id: 70, type: "predicted", name: "",
    songs: songs.map((id, index) => ({ id, title: `Song ${id}`, position: index + 1, played_at: null })),
  }],
});

test("a tally push never changes the order by itself", () => {
  const state = loaded();
  const later = run(state, push(100, [[104, 99, 0]]));
  assert.equal(orderOf(later), orderOf(state));
});

test("an arrangement sorts by up minus down, then by the setlist", () => {
  const counts = push(100, [[101, 5, 0], [102, 9, 4], [103, 5, 0], [104, 7, 0]]);
  const state = run(loaded(), counts, { type: "arrange", held: [] });
  assert.deepEqual(orderOf(state), [104, 101, 102, 103]);
});

test("songs with one score share a place, and the next place is left out", () => {
  const { show } = run(loaded(), push(100, [[101, 5, 0], [102, 9, 4], [103, 1, 2], [104, 7, 0]]));
  assert.deepEqual([...placesOf(show, show.setlists[0])], [[101, 2], [102, 2], [103, 4], [104, 1]]);
});

test("a played song that no predicted set has is unforeseen, unless nothing was predicted", () => {
  const { show } = loaded();
  const actual = { ...show.setlists[0], id: 71, type: "actual", songs: [{ ...show.setlists[0].songs[0], id: 201, title: "SONG 101" },
    { ...show.setlists[0].songs[0], id: 202, title: "Rarity" }] };
  assert.deepEqual([...unforeseenSongs({ ...show, setlists: [...show.setlists, actual] })], [202]);
  assert.deepEqual([...unforeseenSongs({ ...show, setlists: [actual] })], []);
});

test("an arrangement that changes nothing returns the very same state", () => {
  const state = loaded();
  assert.equal(reduce(state, { type: "arrange", held: [] }), state);
});

test("a held row keeps its place while the others move around it", () => {
  const state = run(loaded(), push(100, [[104, 99, 0]]), { type: "arrange", held: [102] });
  assert.deepEqual(orderOf(state), [104, 102, 101, 103]);
  const released = run(state, push(101, [[101, 0, 9]]), { type: "arrange", held: [] });
  assert.deepEqual(orderOf(released), [104, 102, 103, 101]);
});

test("setlist order ignores the votes and applies at once", () => {
  const state = run(loaded(), push(100, [[104, 99, 0]]), { type: "arrange", held: [] });
  assert.equal(orderOf(state)[0], 104);
  assert.deepEqual(orderOf(run(state, { type: "sort", by: "setlist" })), SONGS);
});

test("an actual setlist stays in the order it was played", () => {
  const { show } = loaded();
  const actual = { ...show.setlists[0], type: "actual" };
  assert.deepEqual(wantedOrder({ ...show, tally: { 104: { up: 99, down: 0 } } }, actual, "votes"), SONGS);
});

/** The songs as staff marks them: song -> minute in which it was played. */
const played = (at, minutes) => ({
  type: "push", channel: "setlist:7", at, payload: {
    setlists: [{
      id: 70, type: "predicted", name: "", songs: SONGS.map((id, index) => ({
        id, title: `Song ${id}`, position: index + 1, played_at: minutes[id] ? `2026-11-24T03:${minutes[id]}:00Z` : null,
      })),
    }],
  },
});
const status = (at, changes) => ({
  type: "push", channel: "status:7", at,
  payload: { status: "live", voting: "open", opens_at: null, closes_at: null, now_playing: null, results: "live", accuracy: null, ...changes },
});
const arrange = (...held) => ({ type: "arrange", held });
const foldOf = (state) => state.show.folded[70];

test("while others take votes, played songs fold in the order they were played, when the page is at rest", () => {
  const state = run(loaded(), played(60, { 103: 10, 101: 20, 104: 30 }), status(60, { now_playing: 104 }), arrange());
  assert.deepEqual(foldOf(state), [103, 101, 104]);
  const later = run(state, played(61, { 103: 10, 101: 20, 104: 30, 102: 40 }), status(61, { now_playing: 102 }));
  assert.equal(foldOf(later), foldOf(state)); // a push moves nothing
  assert.deepEqual(foldOf(run(later, arrange())), [103, 101, 104, 102]);
});

test("a held row neither goes into the fold nor comes out of it", () => {
  const state = run(loaded(), played(60, { 101: 10, 103: 20 }), arrange(101));
  assert.deepEqual(foldOf(state), [103]);
  const free = run(state, arrange());
  assert.deepEqual(foldOf(free), [101, 103]);
  const undone = run(free, played(61, { 103: 20 }), arrange(101));
  assert.deepEqual(foldOf(undone), [103, 101]);
  assert.deepEqual(foldOf(run(undone, arrange())), [103]);
});

test("when voting is over, every song is back in its place", () => {
  const state = run(loaded(), played(60, { 101: 10 }), arrange());
  assert.deepEqual(foldOf(state), [101]);
  const closed = run(state, status(61, { status: "finished", voting: "final" }), arrange());
  assert.deepEqual([foldOf(closed), orderOf(closed)], [[], SONGS]);
  assert.deepEqual(foldOf(run(state, status(61, { voting: "locked" }), arrange())), [101]); // a pause is no end
});

test("a new song joins at the end and a removed one leaves the rest in place", () => {
  const state = run(loaded(), { type: "push", channel: "setlist:7", at: 60, payload: setlists(105, 104, 103, 101) });
  assert.deepEqual(orderOf(state), [101, 103, 104, 105]);
});

test("an older setlist does not come back", () => {
  const state = run(loaded(), { type: "push", channel: "setlist:7", at: 60, payload: setlists(101, 102) });
  assert.equal(reduce(state, { type: "push", channel: "setlist:7", at: 59, payload: setlists(101) }), state);
});

test("the leader is the predicted song with the best balance, and null without votes", () => {
  const state = run(loaded(), push(100, [[103, 30, 1]]));
  assert.deepEqual(leaderOf(state.show), { title: "Song 103", up: 30, score: 29, otherCount: 0 });
  const tied = run(loaded(), push(100, [[103, 30, 1], [104, 29, 0]]));
  assert.equal(leaderOf(tied.show).otherCount, 1);
  const none = run(loaded(), push(100, SONGS.map((song) => [song, 0, 0])));
  assert.equal(leaderOf(none.show), null);
});

test("for any orders and any held rows the result is a permutation with the held ones unmoved", () => {
  const random = seeded(7);
  const shuffled = (items) => items.map((item) => [random(), item]).sort((a, b) => a[0] - b[0]).map(([, item]) => item);
  for (let round = 0; round < 500; round++) {
    const songs = Array.from({ length: 1 + Math.floor(random() * 12) }, (_, index) => index + 1);
    const current = shuffled(songs);
    const wanted = shuffled(songs);
    const held = songs.filter(() => random() < 0.25);
    const result = holdOrder(current, wanted, held);
    assert.deepEqual([...result].sort((a, b) => a - b), songs);
    for (const song of held) assert.equal(result.indexOf(song), current.indexOf(song));
    const free = (order) => order.filter((song) => !held.includes(song));
    assert.deepEqual(free(result), free(wanted));
  }
});
