/** The figures of the last hour on the page Now of the console. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createHistory } from "../../../static/admin/history.js";

const NONE = {
  committed_votes: 0, acknowledgement_p99_ms: null, oldest_uncommitted_ms: 0, push_lag_p99_ms: null, watchers: 0,
  sockets_behind: 0, errors: 0,
};
const at = (seconds) => new Date(Date.UTC(2026, 10, 29, 12) + seconds * 1000).toISOString();

function ofServer(votes) {
  const nothing = votes.map(() => null);
  const history = { step_s: 10, until: at(0), ...Object.fromEntries(Object.keys(NONE).map((name) => [name, nothing])) };
  return { ...history, committed_votes: votes };
}

test("seconds that come later join a step of ten seconds: votes as a mean, times as the worst", () => {
  const history = createHistory();
  history.replace(ofServer([null, 4]));
  history.add(at(1), { ...NONE, committed_votes: 10, acknowledgement_p99_ms: 20 });
  history.add(at(2), { ...NONE, committed_votes: 20, acknowledgement_p99_ms: 90 });
  history.add(at(3), { ...NONE, committed_votes: 30 });
  history.add(at(12), { ...NONE, committed_votes: 7 });
  assert.deepEqual(history.values("committed_votes").slice(-4), [null, 4, 20, 7]);
  assert.deepEqual(history.values("acknowledgement_p99_ms").slice(-4), [null, null, 90, null]);
});

test("charts reach from the first measured step to the newest second, and over two minutes at least", () => {
  const history = createHistory();
  history.add(at(0), NONE);
  history.add(at(7), NONE);
  assert.deepEqual(history.values("committed_votes"), [...Array(11).fill(null), 0]);
  assert.equal(history.span_s(), 117);
  for (let second = 10; second <= 195; second += 5) history.add(at(second), NONE);
  assert.deepEqual([history.span_s(), history.values("committed_votes").length], [195, 20]);
  history.replace(ofServer(Array(360).fill(1)));
  assert.equal(history.span_s(), 3_600);
});

test("a node that has just started has no hour, so the charts show none", () => {
  const history = createHistory();
  history.replace(ofServer([...Array(330).fill(null), ...Array(30).fill(5)]));
  assert.deepEqual(history.values("committed_votes"), Array(30).fill(5));
  assert.equal(history.span_s(), 300);
  history.replace(ofServer([...Array(359).fill(null), 5]));
  assert.deepEqual(history.values("committed_votes"), [...Array(11).fill(null), 5]);
  history.replace(ofServer(Array(360).fill(null)));
  assert.equal(history.values("committed_votes").length, 12);
});

test("the hour does not grow", () => {
  const history = createHistory();
  history.replace(ofServer(Array.from({ length: 360 }, (_, index) => index)));
  history.add(at(5), { ...NONE, committed_votes: 1000 });
  assert.equal(history.values("committed_votes").length, 360);
  assert.equal(history.values("committed_votes").at(-1), 1000);
  assert.equal(history.values("committed_votes")[0], 1);
});

test("the table has a row for each five minutes that were measured, the newest first", () => {
  const history = createHistory();
  history.replace(ofServer([null, ...Array(60).fill(6)]));
  const rows = history.every(5);
  assert.deepEqual(rows.map((row) => row.at), [at(-300), at(-600)]);
  assert.deepEqual(rows.map((row) => row.values.committed_votes), [6, 6]);
});
