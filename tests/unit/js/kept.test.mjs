import assert from "node:assert/strict";
import test from "node:test";
import { countsFromLine } from "../../../static/messages.js";
import { choiceOf, countsOf, remainingOf } from "../../../static/selectors.js";
import { bodyOf } from "../../../static/show-state.js";
import { initial, reduce } from "../../../static/state.js";
import { showBody } from "./fakes.mjs";

const run = (state, ...actions) => actions.reduce(reduce, state);
const loaded = () => run(initial,
  { type: "navigate", route: { name: "show", ref: "aurora-7" } },
  { type: "show_loaded", ref: "aurora-7", show: showBody() });
const push = (at, tally, total) => ({ type: "push", channel: "votes:7", at, payload: { tally, total } });

test("counts have a moment while there is no connection, and none with one", () => {
  const connection = (status) => ({ type: "connection", status, refusal: null, reason: null });
  const kept = run(initial, { type: "navigate", route: { name: "show", ref: "aurora-7" } },
    { type: "show_loaded", ref: "aurora-7", show: showBody(), kept: { at_ms: 5_000, ballot: { ballot: { 101: "up" }, remaining: 3 } } });
  assert.deepEqual([kept.countsFrom_ms, kept.isKept], [5_000, true]);
  assert.deepEqual([choiceOf(kept.show, 101), remainingOf(kept.show)], ["up", 3], "the own votes are kept too");
  const lost = run(kept, connection("offline"), { type: "counts_from", at_ms: 9_000 });
  assert.equal(lost.countsFrom_ms, 5_000, "a later loss does not make old counts newer");
  assert.equal(run(lost, connection("polling")).countsFrom_ms, null);
  const fresh = run(lost, connection("live"), { type: "show_loaded", ref: "aurora-7", show: showBody() });
  assert.deepEqual([fresh.countsFrom_ms, fresh.isKept], [null, false]);
  assert.equal(run(fresh, { type: "counts_from", at_ms: 9_000 }).countsFrom_ms, 9_000);
});

test("a show is kept with the counts that have come since, and hidden counts stay hidden", () => {
  const { show } = run(loaded(), push(101, [[102, 7, 1]], 16));
  const again = run(initial, { type: "navigate", route: { name: "show", ref: "aurora-7" } },
    { type: "show_loaded", ref: "aurora-7", show: bodyOf(show), kept: { at_ms: 1, ballot: null } }).show;
  assert.deepEqual({ ...again, tally: null, at: null }, { ...show, tally: null, at: null, info: again.info });
  assert.deepEqual(countsOf(again, 102), { up: 7, down: 1 });
  const hidden = run(loaded(), { type: "unsubscribed", channels: ["votes:7"] }).show;
  assert.ok(bodyOf(hidden).setlists.every(({ songs }) => songs.every(({ up, down }) => up === null && down === null)));
});

test("the page says from when its counts are, at once when it is offline, else after five seconds", () => {
  const now_ms = Date.parse("2026-11-30T21:00:00");
  const at_ms = Date.parse("2026-11-30T20:04:00");
  assert.equal(countsFromLine("offline", at_ms, now_ms), "You are offline. The counts are from 8:04 PM.");
  assert.equal(countsFromLine("offline", now_ms, now_ms), "You are offline. The counts are from 9:00 PM.");
  assert.equal(countsFromLine("reconnecting", now_ms - 4_900, now_ms), "");
  assert.match(countsFromLine("reconnecting", now_ms - 5_000, now_ms), /^There is no connection to the server\. The counts are from /);
  assert.match(countsFromLine("offline", at_ms - 86_400_000, now_ms), /from Nov 29, 8:04 PM\.$/);
  for (const status of ["live", "polling"]) assert.equal(countsFromLine(status, at_ms, now_ms), "");
  assert.equal(countsFromLine("offline", null, now_ms), "");
});
