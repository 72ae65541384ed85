import assert from "node:assert/strict";
import test from "node:test";
import { apply, isHidden, load, playingTitle, rankedSongs } from "../../../static/wall/state.js";
import { hiddenLine, timeLeft, totalsLine, votingLine } from "../../../static/wall/texts.js";
import { count } from "../../../static/words.js";

const NOW_MS = Date.parse("2026-11-23T20:00:00Z");
const after = (seconds) => new Date(NOW_MS + seconds * 1_000).toISOString();

const body = (changes = {}) => ({
  id: 7, at: 10, total: 3, revision: 4, status: "live", voting: "open", results: "live", now_playing: null,
  opens_at: after(-60), closes_at: after(60),
  setlists: [{
    id: 1, type: "predicted", songs: [
      { id: 101, title: "One", up: 1, down: 0, played_at: null },
      { id: 102, title: "Two", up: 2, down: 0, played_at: null },
      { id: 103, title: "Three", up: 2, down: 0, played_at: null },
    ],
  }],
  ...changes,
});
const ids = (show) => rankedSongs(show).map(({ id }) => id);

test("songs stand by votes, and those that were played last while fans vote", () => {
  const state = load(null, body(), false);
  assert.deepEqual(ids(state.show), [102, 103, 101]);
  const voted = apply(state, { ch: "votes:7", at: 11, tally: [[101, 9, 0]], total: 11 });
  assert.deepEqual([ids(voted.show), voted.show.total], [[101, 102, 103], 11]);
  assert.equal(apply(voted, { ch: "votes:7", at: 10, tally: [[101, 1, 0]], total: 3 }), voted);
  const setlists = body().setlists.map((setlist) => ({
    ...setlist, songs: setlist.songs.map(({ id, title }) => ({ id, title, played_at: id === 101 ? after(-9) : null })),
  }));
  const played = apply(apply(voted, { ch: "setlist:7", at: 5, setlists }), { ch: "status:7", at: 5, now_playing: 101, revision: 5 });
  assert.deepEqual(ids(played.show), [102, 103, 101]);
  assert.deepEqual([playingTitle(played.show), rankedSongs(played.show)[2]],
    ["One", { id: 101, title: "One", up: 9, down: 0, isPlayed: true, isPlaying: true }]);
  assert.equal(played.show.at, 11);
  assert.deepEqual(ids(apply(played, { ch: "status:7", at: 6, voting: "closed" }).show), [101, 102, 103]);
});

test("an answer that is older than the stream changes nothing, and after the stream it counts again", () => {
  const state = load(null, body(), false);
  assert.equal(load(state, body({ at: 9 }), true), state);
  assert.equal(load(state, body({ revision: 3, at: 11 }), true), state);
  assert.equal(load(state, body({ at: 9 }), false).show.at, 9);
});

test("counts that fans may not see are hidden, whatever the server sends to this machine", () => {
  for (const results of ["after_vote", "after_closing"]) {
    const show = body({ results });
    assert.ok(isHidden(show));
    assert.deepEqual(ids(show), [101, 102, 103]);
    assert.notEqual(hiddenLine(show), "");
    assert.ok(!isHidden({ ...show, voting: "final" }));
  }
  assert.equal(hiddenLine(body()), "");
});

test("what a wall says is short", () => {
  assert.deepEqual([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
  assert.deepEqual([-1, 1, 59_000, 247_000, 3_847_000, 172_800_000].map(timeLeft),
    ["0:00", "0:01", "0:59", "4:07", "1:04:07", "2 days"]);
  const line = (changes) => Object.values(votingLine(body(changes), NOW_MS)).join(" ").trim();
  assert.equal(line({}), "Voting ends in 1:00");
  assert.equal(line({ closes_at: after(0) }), "Voting is closing");
  assert.equal(line({ voting: "closed", opens_at: after(5) }), "Voting opens in 0:05");
  assert.equal(line({ voting: "closed" }), "Voting is closed");
  assert.equal(line({ voting: "locked" }), "Voting is paused");
  assert.equal(line({ voting: "final" }), "Final result");
  assert.equal(line({ status: "cancelled" }), "This show was cancelled");
  assert.equal(totalsLine(body({ total: 1 }), null), "1 vote");
  assert.equal(totalsLine(body(), 1_200), "3 votes · 1,200 watching");
});
