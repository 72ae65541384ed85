import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { countsOf, totalOf } from "../../../static/selectors.js";
import { initial, reduce } from "../../../static/state.js";
import { seeded, showBody, SONGS } from "./fakes.mjs";

const ROUND_COUNT = 200;
const CHOICES = ["up", "down", "none"];

/** A small model of the server: choices of many users, a position for each change, conflated pushes. */
class Server {
  #choices = new Map();
  #dirty = new Set();
  at = 1000;

  vote(user, song, choice) {
    this.#choices.set(`${user}/${song}`, [song, choice]);
    this.#dirty.add(song);
    this.at += 1;
  }

  counts(song) {
    const of = (wanted) => [...this.#choices.values()].filter(([s, choice]) => s === song && choice === wanted).length;
    return [song, of("up"), of("down")];
  }

  get total() {
    return SONGS.reduce((sum, song) => sum + this.counts(song)[1] + this.counts(song)[2], 0);
  }

  snapshot(isRewound = false) {
    const state = { tally: SONGS.map((song) => this.counts(song)), total: this.total };
    return { type: "snapshot", channel: "votes:7", at: this.at, state, isRewound };
  }

  push() {
    const payload = { tally: [...this.#dirty].map((song) => this.counts(song)), total: this.total };
    this.#dirty.clear();
    return { type: "push", channel: "votes:7", at: this.at, payload };
  }
}

const loaded = () => [
  { type: "navigate", route: { name: "show", ref: "a" } },
  { type: "show_loaded", ref: "a", show: showBody() },
].reduce(reduce, initial);

const votesOf = ({ show }) => ({
  at: show.at.votes, total: show.total,
  tally: Object.fromEntries(Object.entries(show.tally).map(([song, { up, down }]) => [song, [up, down]])),
});

const pick = (random, items) => items[Math.floor(random() * items.length)];
const crowdVotes = (random, server) => {
  for (let count = Math.floor(random() * 6); count > 0; count--) {
    server.vote(Math.floor(random() * 20), pick(random, SONGS), pick(random, CHOICES));
  }
};

test("a snapshot plus the pushes after it equals a fresh snapshot, with repeats, delays and reconnects", () => {
  for (let seed = 1; seed <= ROUND_COUNT; seed++) {
    const random = seeded(seed);
    const server = new Server();
    crowdVotes(random, server);
    let state = reduce(loaded(), server.snapshot());
    server.push();
    const past = [];
    for (let step = 0; step < 30; step++) {
      crowdVotes(random, server);
      const push = server.push();
      past.push(push);
      if (random() < 0.15) {
        // The page misses this push. The snapshot after the reconnect contains it, and may come after a newer push.
        const snapshot = server.snapshot();
        crowdVotes(random, server);
        const next = server.push();
        past.push(next);
        state = (random() < 0.5 ? [snapshot, next] : [next, snapshot]).reduce(reduce, state);
      } else state = reduce(state, push);
      const outdated = past.filter((old) => old.at < state.show.at.votes);
      if (random() < 0.3) state = reduce(state, pick(random, outdated) ?? push);
    }
    assert.deepEqual(votesOf(state), votesOf(reduce(loaded(), server.snapshot())), `seed ${seed}`);
  }
});

test("with own votes in between, the page ends with the server's counts when all are answered", () => {
  for (let seed = 1; seed <= ROUND_COUNT; seed++) {
    const random = seeded(seed);
    const server = new Server();
    const ballot = {};
    const empty = { type: "ballot", show: 7, ballot: {}, remaining: null, unsent: [] };
    let state = [server.snapshot(), empty].reduce(reduce, loaded());
    const late = [];
    for (let step = 0; step < 30; step++) {
      crowdVotes(random, server);
      if (random() < 0.5) {
        const votes = [[pick(random, SONGS), pick(random, CHOICES)]];
        state = reduce(state, { type: "casting", show: 7, votes, phase: "pending" });
        if (random() < 0.2) {
          state = reduce(state, { type: "cast_refused", show: 7, votes, error: { code: "rate" } });
        } else {
          const [[song, choice]] = votes;
          server.vote("me", song, choice);
          if (choice === "none") delete ballot[song];
          else ballot[song] = choice;
          const durability = pick(random, ["accepted", "committed"]);
          const reply = { at: server.at, durability, ballot: { ...ballot }, remaining: null };
          const answer = { type: "cast_ok", show: 7, votes, reply };
          if (random() < 0.5) state = reduce(state, answer);
          else late.push(answer);
        }
      }
      if (random() < 0.7) state = reduce(state, server.push());
      if (late.length) state = reduce(state, late.shift());
    }
    state = [...late, server.push(), { type: "committed", show: 7, at: server.at }].reduce(reduce, state);
    for (const song of SONGS) {
      const [, up, down] = server.counts(song);
      assert.deepEqual(countsOf(state.show, song), { up, down }, `seed ${seed}, song ${song}`);
    }
    assert.equal(totalOf(state.show), server.total, `seed ${seed}`);
    assert.deepEqual(state.show.ballot, Object.fromEntries(Object.entries(ballot)), `seed ${seed}`);
    assert.deepEqual([state.show.intents, state.show.accepted, state.show.settling], [{}, {}, {}], `seed ${seed}`);
  }
});

test("apply_stream.mjs prints the final tally of the reducer", () => {
  const lines = [
    { at: 130, state: { tally: [[101, 3, 0], [102, 1, 1]], total: 5 } },
    { ch: "votes:7", at: 132, tally: [[101, 4, 0]], total: 6 },
    { ch: "votes:7", at: 131, tally: [[101, 0, 0]], total: 0 },
    { ch: "votes:7", at: 140, tally: [[103, 1, 0]], total: 7 },
  ];
  const script = fileURLToPath(new URL("apply_stream.mjs", import.meta.url));
  const input = lines.map((line) => JSON.stringify(line)).join("\n");
  const output = execFileSync(process.execPath, [script], { input });
  assert.deepEqual(JSON.parse(output), { at: 140, tally: [[101, 4, 0], [102, 1, 1], [103, 1, 0]], total: 7 });
});
