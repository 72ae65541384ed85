import assert from "node:assert/strict";
import test from "node:test";
import { inTime, longDate, notice, REASON, refusal, windowLine } from "../../../static/words.js";

const NOW_MS = Date.parse("2026-11-23T20:00:00Z");
const ZONE = "America/Los_Angeles";
const after = (minutes) => new Date(NOW_MS + minutes * 60_000).toISOString();

test("relative times read like a person would say them", () => {
  const told = (seconds) => inTime(NOW_MS + seconds * 1_000, NOW_MS);
  assert.deepEqual([0, -1, 10, 600, 5_000, 7_200, 200_000, -600].map(told),
    ["just now", "just now",
      "in 10 seconds", "in 10 minutes", "in 83 minutes", "in 2 hours", "in 2 days", "10 minutes ago"]);
});

test("the calendar day at the venue does not pass through the visitor's zone", () => {
  assert.match(longDate("2026-11-23"), /Monday.*23.*2026/);
});

test("the window line names the moment in the show's zone and how far off it is", () => {
  const line = windowLine("open", { closes_at: after(42) }, ZONE, NOW_MS);
  assert.match(line, /^Voting open until .*12:42.*\(in 42 minutes\)$/);
  assert.match(windowLine("early", { opens_at: after(60 * 30) }, ZONE, NOW_MS), /^Voting opens .*in 30 hours/);
  assert.match(windowLine("closed", { closes_at: after(-10) }, ZONE, NOW_MS), /^Voting closed .*10 minutes ago/);
});

test("missing and passed moments have words too", () => {
  assert.equal(windowLine("open", { closes_at: null }, ZONE, NOW_MS), "Voting is open");
  assert.equal(windowLine("open", { closes_at: after(-1) }, ZONE, NOW_MS), "Voting is closing");
  assert.equal(windowLine("closed", { closes_at: null }, ZONE, NOW_MS), "Voting is closed");
});

test("every state in which the buttons are off has its reason", () => {
  for (const voting of ["early", "locked", "closed", "final", "cancelled"]) assert.ok(REASON[voting], voting);
});

test("every error code of the protocol has a sentence of its own", () => {
  const codes = ["closed", "locked", "budget", "not_found", "forbidden", "rate_limited", "overloaded", "unavailable",
    "internal", "unauthenticated", "bad_request", "too_large", "conflict"];
  assert.equal(new Set(codes.map((code) => notice(code, "Glass", false))).size, codes.length);
  for (const code of [4400, 4401, 4403]) assert.ok(refusal(code));
});
