import assert from "node:assert/strict";
import test from "node:test";
import { routeOf } from "../../../static/address.js";
import { accuracyLead, placeLine, playsLine } from "../../../static/entry-texts.js";
import { whyOwn } from "../../../static/home-texts.js";
import { foreseenOf } from "../../../static/selectors.js";
import { initial, reduce } from "../../../static/state.js";
import { showBody } from "./fakes.mjs";

globalThis.matchMedia = () => ({ matches: false }); // dom.js asks for it
const { stepsOf } = await import("../../../static/history-chart.js");
const { pointsOf, valueAt } = await import("../../../static/song-history.js");

test("an address names its page", () => {
  const names = ["/", "/shows/a-1", "/artists/bj%C3%B6rk/", "/venues/7", "/songs/9", "/artists", "/songs/9/more", "/other/9"]
    .map((pathname) => routeOf({ pathname }));
  assert.deepEqual(names, [
    { name: "list" }, { name: "show", ref: "a-1" }, { name: "artist", ref: "björk" }, { name: "venue", ref: "7" },
    { name: "song", ref: "9" }, { name: "list" }, { name: "list" }, { name: "list" },
  ]);
});

const song = (id, song_id, title, up = 0, down = 0, changes = {}) => ({ id, song_id, title, position: id % 100, up, down, ...changes });
const artist = { id: 1, slug: "aurora", name: "Aurora" };
/** The example of docs/accuracy.md: A, B, D and F were played; A, B, C, D and E were offered. */
const example = (changes = {}, songs = undefined) => {
  const body = showBody({
    status: "finished", voting: "final",
    setlists: [
      { id: 1, type: "predicted", name: "Main", artist, songs: songs ?? [
        song(101, 1, "A", 3), song(102, 2, "B", 2), song(103, 3, "C", 1), song(104, 4, "D", 0, 1), song(105, 5, "E")] },
      { id: 2, type: "actual", name: "Played", artist, songs: [
        song(201, 1, "A"), song(202, 2, "B"), song(203, 4, "D"), song(204, 6, "F"), song(205, 7, "Tape", 0, 0, { is_tape: true })] },
    ],
    ...changes,
  });
  const state = reduce(initial, { type: "navigate", route: { name: "show", ref: "aurora-7" } });
  return reduce(state, { type: "show_loaded", ref: "aurora-7", show: body }).show;
};
const marks = (songs) => songs.map(({ title, isHit }) => title + (isHit ? "+" : "-")).join(" ");

test("what was foreseen stands against what was played, as in docs/accuracy.md", () => {
  const found = foreseenOf(example());
  assert.deepEqual([marks(found.foreseen), marks(found.played)], ["A+ B+ C-", "A+ B+ D- F-"]);
});

test("songs that share the last score are foreseen too, and a song that is offered twice has the votes of both places", () => {
  const tied = foreseenOf(example({}, [
    song(101, 1, "A", 2), song(102, 2, "B", 2), song(103, 3, "C", 2), song(104, 4, "D", 2), song(105, 5, "E", 2), song(106, 8, "G", 1)]));
  assert.equal(marks(tied.foreseen), "A+ B+ C- D+ E-");
  const twice = foreseenOf(example({}, [song(101, 1, "A", 1), song(102, 1, "A", 2), song(103, 3, "C", 2)]));
  assert.equal(marks(twice.foreseen), "A+ C-");
});

test("without counts, votes or a played set nothing is compared", () => {
  assert.equal(foreseenOf(example({}, [song(101, 1, "A", null, null)])), null);
  assert.equal(foreseenOf(example({}, [song(101, 1, "A", 0, 2)])), null);
  assert.equal(foreseenOf(example({ setlists: [{ id: 1, type: "predicted", name: "Main", artist, songs: [song(101, 1, "A", 3)] }] })), null);
});

test("the votes of a show are a few equal steps, however long voting was open", () => {
  const at = (hours, votes) => ({ hour: new Date(Date.UTC(2026, 10, 1) + hours * 3_600_000).toISOString(), votes });
  assert.deepEqual(stepsOf([at(0, 2), at(3, 5)]).steps.map(({ votes }) => votes), [2, 0, 0, 5]);
  const long = stepsOf([at(0, 1), at(5, 1), at(100, 4), at(24 * 30, 7)]);
  assert.equal(long.size, 24);
  assert.equal(long.steps.length, 31);
  assert.deepEqual([long.steps[0].votes, long.steps[4].votes, long.steps[30].votes], [2, 4, 7]);
  assert.equal(stepsOf([at(5, 9)]).steps.length, 1);
  assert.ok(stepsOf([at(0, 1), at(24 * 4000, 1)]).steps.length <= 48);
});

test("the sentences of the pages say what they know and nothing else", () => {
  const shown = (hits, baseline) => ({ accuracy: { hits, played: 4, predicted: 4, r_precision: hits / 4, baseline } });
  assert.equal(accuracyLead([shown(3, 0.5), shown(1, null)]),
    "The crowd foresaw 50% of what was played at the last 2 shows. Who names the songs of the show before gets 50%.");
  assert.equal(accuracyLead([shown(1, null)]), "The crowd foresaw 25% of what was played at the last show.");
  assert.equal(accuracyLead([]), "");
  assert.equal(playsLine({ played_count: 1, predicted_count: 0, last_played_on: null }), "Played 1 time");
  assert.equal(playsLine({ played_count: 0, predicted_count: 2, last_played_on: null }), "Not played yet, predicted for 2 shows");
  assert.equal(placeLine({ type: "predicted", position: 1, up: null, down: null }), "Predicted");
  assert.equal(placeLine({ type: "predicted", position: 1, up: 2, down: 1 }), "Predicted, 3 votes");
  assert.equal(whyOwn({ status: "live", is_going: true, is_following: true, own_vote_count: 1 }), "Live now · You go · You cast 1 vote");
  assert.equal(whyOwn({ status: "upcoming", is_going: false, is_following: true, own_vote_count: 0 }), "You follow");
});

test("the place of the visitor is asked for once, and another account has other shows", () => {
  let state = reduce(initial, { type: "locating" });
  assert.equal(state.list.place, "asked");
  state = reduce(state, { type: "not_located", why: "denied" });
  assert.deepEqual([state.list.place, state.list.near], ["denied", null]);
  state = reduce(state, { type: "list_loading", request: 1, query: "", status: "", near: "1,2", isMore: false });
  assert.deepEqual([state.list.place, state.list.near], [null, "1,2"]);
  const hello = (id) => ({ type: "hello", user: { id, role: "user" }, skew_ms: 0 });
  state = reduce(reduce(state, hello(1)), { type: "own_loaded", items: [{ id: 7 }] });
  assert.deepEqual(reduce(state, hello(1)).own, [{ id: 7 }]);
  assert.equal(reduce(state, hello(2)).own, null);
});

test("a song stands where its last hour left it, and now where its counts are", () => {
  const now_ms = Date.parse("2026-11-30T12:30:00Z");
  const hours = [{ hour: "2026-11-30T09:00:00Z", up: 3, down: 1 }, { hour: "2026-11-30T12:00:00Z", up: 5, down: 1 }];
  const points = pointsOf({ title: "A", up: 6, down: 1, hours }, now_ms);
  assert.deepEqual(points.map(({ value }) => value), [2, 4, 5]);
  assert.equal(points[1].at_ms, now_ms); // the hour has not ended yet
  const at = (time) => valueAt(points, Date.parse(`2026-11-30T${time}Z`));
  assert.deepEqual([at("09:59:00"), at("10:00:00"), at("12:29:00"), at("12:30:00")], [null, 2, 2, 5]);
});
