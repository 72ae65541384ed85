import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import {
  accuracyLines, billLine, clockTime, connectionLine, dateTime, inTime, longDate, ownName, ownShowName, REASON, setTitles,
  songTags, sourceLine, stateLine, webPages,
  windowLine,
} from "../../../static/messages.js";
import { notice, refusal } from "../../../static/refusals.js";

const NOW_MS = Date.parse("2026-11-23T20:00:00Z");
const ZONE = "America/Los_Angeles";
const after = (minutes) => new Date(NOW_MS + minutes * 60_000).toISOString();

test("a line does not end within the name of a zone", () => {
  // Chile has no short name in English; here its summer time.
  assert.ok(dateTime("2026-11-23T20:00:00Z", "America/Santiago").endsWith("GMT-\u20603"));
});

test("a show has a name of its own only when somebody gave it one", () => {
  const named = (name) => ownShowName({ name, artist: { name: "Justice" }, venue: { name: "Red Rocks" } });
  assert.deepEqual(["Justice", "Justice at Red Rocks", "A night of light"].map(named), ["", "", "A night of light"]);
});

test("the default name of a show is that of the server", () => {
  // tests/unit/words/test_show_names.py and tests/integration/catalog/test_entry_editing.py compare the server's with the same file.
  const cases = JSON.parse(readFileSync(new URL("show-names.json", import.meta.url), "utf8"));
  for (const { artist, venue, name } of cases) {
    assert.equal(ownShowName({ name, artist: { name: artist }, venue: { name: venue } }), "");
  }
});

test("relative times use the unit that a person would use", () => {
  const textOf = (seconds) => inTime(NOW_MS + seconds * 1_000, NOW_MS);
  assert.deepEqual([0, -1, 10, 600, 5_000, 7_200, 200_000, -600].map(textOf),
    ["just now", "just now",
      "in 10 seconds", "in 10 minutes", "in 83 minutes", "in 2 hours", "in 2 days", "10 minutes ago"]);
});

test("the calendar day at the venue is not converted to the visitor's zone", () => {
  assert.match(longDate("2026-11-23"), /Monday.*23.*2026/);
});

test("the window line has the time in the show's zone and the distance from now", () => {
  const line = windowLine("open", { closes_at: after(42) }, ZONE, NOW_MS);
  assert.match(line, /^Voting open until .*12:42.*\(in 42 minutes\)$/);
  assert.match(windowLine("early", { opens_at: after(60 * 30) }, ZONE, NOW_MS), /^Voting opens .*in 30 hours/);
  assert.match(windowLine("closed", { closes_at: after(-10) }, ZONE, NOW_MS), /^Voting closed .*10 minutes ago/);
});

test("the window line covers missing and past times", () => {
  assert.equal(windowLine("open", { closes_at: null }, ZONE, NOW_MS), "Voting is open");
  assert.equal(windowLine("open", { closes_at: after(-1) }, ZONE, NOW_MS), "Voting is closing");
  assert.equal(windowLine("closed", { closes_at: null }, ZONE, NOW_MS), "Voting is closed");
});

test("every state with disabled buttons has a reason", () => {
  for (const voting of ["early", "locked", "closed", "final", "cancelled"]) assert.ok(REASON[voting], voting);
});

test("every error code of the protocol has its own notice", () => {
  const codes = ["closed", "locked", "budget", "not_found", "forbidden", "rate_limited", "overloaded", "unavailable",
    "internal", "unauthenticated", "bad_request", "too_large", "conflict", "paused", "ticket", "other_account", "other_server",
    "too_many_accounts"];
  assert.equal(new Set(codes.map((code) => notice({ code, count: 3, isElsewhere: false }, "Glass"))).size, codes.length);
  assert.equal(new Set([4400, 4401, 4403, 1000].map(refusal)).size, 4);
});

test("dropped votes are told with their number and the true reason", () => {
  const told = (code, count) => notice({ code, count, isElsewhere: false }, null);
  assert.equal(told("other_account", 1), "1 waiting vote was not sent, because another account made it in this browser.");
  assert.equal(told("other_account", 3), "3 waiting votes were not sent, because another account made them in this browser.");
  assert.equal(told("other_server", 2), "2 waiting votes were not sent, because they were made on another server at this address.");
});

test("each reason for a missing websocket has its own sentence, and none blames the network of a page that is live", () => {
  const reasons = ["missing", "blocked", "overloaded", "rate_limited", "origin"];
  for (const status of ["polling", "reconnecting"]) {
    assert.equal(new Set(reasons.map((reason) => connectionLine(status, reason))).size, reasons.length);
  }
  assert.equal(connectionLine("live", "blocked"), "");
  assert.equal(connectionLine("reconnecting", null), "");
});

test("a time in a zone that the browser does not know is told in UTC, with this name", () => {
  assert.match(clockTime("2026-11-24T03:00:00Z", "Mars/Olympus"), /^3:00.PM UTC$|^3:00.AM UTC$/);
  assert.match(dateTime("2026-11-24T03:00:00Z", "Mars/Olympus"), /UTC/);
  assert.match(clockTime("2026-11-24T03:00:00Z", "America/New_York"), /^10:00.PM$/);
});

test("the state of voting fits into the toolbar", () => {
  const votingWindow = { opens_at: "2026-11-24T01:00:00Z", closes_at: "2026-11-24T03:00:00Z" };
  const told = (voting, now) => stateLine(voting, votingWindow, Date.parse(now));
  assert.equal(told("open", "2026-11-24T02:00:00Z"), "Closes in 60 minutes");
  assert.equal(told("open", "2026-11-24T03:00:01Z"), "Closing");
  assert.equal(told("early", "2026-11-24T00:00:00Z"), "Opens in 60 minutes");
  assert.deepEqual(["locked", "closed", "final", "cancelled"].map((voting) => told(voting, "2026-11-24T02:00:00Z")),
    ["Voting paused", "Voting closed", "Final result", "Cancelled"]);
});

test("sets have distinct titles among their neighbours", () => {
  const [own, other] = [{ id: 1, name: "Aurora" }, { id: 2, name: "Björk" }];
  const titles = (...sets) => setTitles(sets.map(([kind, artist = own]) => ({ kind, artist })), own.id);
  assert.deepEqual(titles(["main"], ["encore"], ["alternate"], ["main", other]),
    ["Main set", "Encore", "Alternate set", "Björk"]);
  assert.deepEqual(titles(["main"], ["main"], ["encore"], ["encore"], ["main", other], ["encore", other]),
    ["Set 1", "Set 2", "Encore 1", "Encore 2", "Björk", "Björk, encore"]);
  assert.deepEqual(titles(["main", null], ["something new", null]), ["Main set", "Main set"]);
});

test("a set's name is shown only when it adds something to the heading", () => {
  for (const name of ["Main set", "Encore 2", "Set 1", "Support set", "Played", "predicted setlist", "", null]) {
    assert.equal(ownName({ name }, "Björk"), "", name);
  }
  assert.equal(ownName({ name: "Piano set" }, "Set 1"), "Piano set");
  assert.equal(ownName({ name: "Björk" }, "Björk"), "");
});

test("tags say how a song differs, and a plain song has none", () => {
  const plain = { is_tape: false, cover_of: null, medley: null, note: "" };
  assert.deepEqual(songTags(plain), []);
  assert.deepEqual(songTags({ ...plain, cover_of: { id: 2, name: "U2" }, medley: 1, note: "acoustic" }),
    ["Cover of U2", "Medley", "acoustic"]);
  assert.deepEqual(songTags({ ...plain, is_tape: true }), ["From tape"]);
  // A song from tape is not a cover.
  assert.deepEqual(songTags({ ...plain, is_tape: true, cover_of: { id: 2, name: "U2" } }), ["From tape, by U2"]);
});

test("the bill names the support acts", () => {
  const bill = ["Aurora", "Björk", "نور", "U2"].map((name, place) => ({ name, billing: place ? "support" : "headliner" }));
  // The name in Arabic is isolated, and with it the list.
  assert.equal(billLine(bill), "with \u2068Björk, \u2068نور\u2069, and U2\u2069");
  assert.equal(billLine(bill.slice(0, 2)), "with Björk");
  assert.equal(billLine(bill.slice(0, 1)), "");
  assert.equal(billLine(undefined), "");
});

test("the accuracy of the crowd has a line and a detail, both empty when the crowd predicted nothing", () => {
  const textOf = (hits, played, predicted) => {
    const { line, detail } = accuracyLines({ hits, played, predicted });
    return [line, detail];
  };
  assert.deepEqual(textOf(14, 18, 16), ["The crowd predicted 14 of 18 songs", "14 of its 16 picks were played."]);
  assert.deepEqual(textOf(1, 18, 2), ["The crowd predicted 1 of 18 songs", "1 of its 2 picks was played."]);
  assert.deepEqual(textOf(18, 18, 18), ["The crowd predicted all 18 songs", "18 of its 18 picks were played."]);
  assert.deepEqual(textOf(0, 18, 1), ["The crowd predicted none of the 18 songs", "Its one pick was not played."]);
  assert.deepEqual(textOf(0, 18, 0), ["", ""]);
  assert.equal(accuracyLines({ hits: 14, played: 18, predicted: 16, baseline: 0.5 }).detail,
    "14 of its 16 picks were played. The setlist of the show before had 9 of the 18.");
  assert.deepEqual(accuracyLines(null), { line: "", detail: "" });
  assert.deepEqual(accuracyLines(undefined), { line: "", detail: "" });
});

test("a source's text says what it shows; an unknown service is named by its host", () => {
  const textOf = (service, about, url = "https://www.example.org/x") => sourceLine({ service, about, url });
  assert.equal(textOf("ticketmaster", "show"), "Tickets on Ticketmaster");
  assert.equal(textOf("ticketmaster", "artist"), "About the artist on Ticketmaster");
  assert.equal(textOf("setlistfm", "show"), "Songs played, on setlist.fm");
  assert.equal(textOf("setlistfm", "prediction"), "Predicted from setlists on setlist.fm");
  assert.equal(textOf("setlistfm", "artist"), "About the artist on setlist.fm");
  assert.equal(textOf("spotify", "prediction"), "Predicted from the most played songs on Spotify");
  assert.equal(textOf("spotify", "artist"), "Listen on Spotify");
  assert.equal(textOf("musicbrainz", "artist"), "About the artist on MusicBrainz");
  assert.equal(textOf("bandsintown", "show"), "About the show on example.org");
  assert.deepEqual(webPages([{ url: "javascript:alert(1)" }, { url: "https://" }, { url: "http://a.org" }]), [{ url: "http://a.org" }]);
  assert.deepEqual(webPages(undefined), []);
});
