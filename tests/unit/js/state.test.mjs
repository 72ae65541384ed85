import assert from "node:assert/strict";
import test from "node:test";
import {
  choiceOf, countsOf, durabilityOf, isAffordable, isTrendingUnknown, whyNotTaken, remainingOf, totalOf, trendingOf, votingOf, waitingCountOf,
} from "../../../static/selectors.js";
import { initial, reduce } from "../../../static/state.js";
import { showBody, SONGS } from "./fakes.mjs";

const run = (state, ...actions) => actions.reduce(reduce, state);
const loaded = (changes) => run(initial,
  { type: "navigate", route: { name: "show", ref: "aurora-7" } },
  { type: "show_loaded", ref: "aurora-7", show: showBody(changes) });
/** A visitor whose ballot the page knows. */
const visiting = (ballot = {}, remaining = null, changes = {}) =>
  run(loaded(changes), { type: "ballot", show: 7, ballot, remaining, unsent: [] });
const snapshot = (at, tally, total) =>
  ({ type: "snapshot", channel: "votes:7", at, state: { tally, total }, isRewound: false });
const push = (at, tally, total) => ({ type: "push", channel: "votes:7", at, payload: { tally, total } });
const casting = (song, choice, phase = "pending") => ({ type: "casting", show: 7, votes: [[song, choice]], phase });
const castOk = (song, choice, at, durability = "committed", remaining = null) => ({
  type: "cast_ok", show: 7, votes: [[song, choice]],
  reply: { at, durability, ballot: choice === "none" ? {} : { [song]: choice }, remaining },
});
const refused = (song, choice, code) => ({ type: "cast_refused", show: 7, votes: [[song, choice]], error: { code } });

test("a push sets the songs it names and leaves the others", () => {
  const { show } = run(loaded(), snapshot(100, [[101, 8, 0], [102, 6, 0]], 14), push(101, [[102, 7, 1]], 16));
  assert.deepEqual(countsOf(show, 101), { up: 8, down: 0 });
  assert.deepEqual(countsOf(show, 102), { up: 7, down: 1 });
  assert.equal(show.total, 16);
  assert.equal(show.at.votes, 101);
});

test("a stale push returns the very same state", () => {
  const state = run(loaded(), push(101, [[102, 7, 1]], 16));
  assert.equal(reduce(state, push(100, [[102, 1, 0]], 1)), state);
});

test("a push at the same position is applied, because a large change travels in several frames", () => {
  const { show } = run(loaded(), push(101, [[101, 9, 0]], 30), push(101, [[102, 9, 0]], 30));
  assert.equal(countsOf(show, 101).up, 9);
  assert.equal(countsOf(show, 102).up, 9);
});

test("a push that overtook its snapshot keeps its counts and its total", () => {
  const { show } = run(loaded(), push(105, [[101, 20, 0]], 40), snapshot(103, [[101, 15, 0], [102, 6, 1]], 35));
  assert.deepEqual(countsOf(show, 101), { up: 20, down: 0 });
  assert.deepEqual(countsOf(show, 102), { up: 6, down: 1 });
  assert.equal(show.total, 40);
  assert.equal(show.at.votes, 105);
});

test("a rewound snapshot replaces everything, because the server was restored", () => {
  const { show } = run(loaded(), push(105, [[101, 20, 0]], 40), { ...snapshot(10, [[102, 1, 0]], 1), isRewound: true });
  assert.deepEqual(countsOf(show, 101), { up: 0, down: 0 });
  assert.equal(show.total, 1);
  assert.equal(show.at.votes, 10);
});

test("events of a show that is not on screen change nothing", () => {
  const state = loaded();
  assert.equal(reduce(state, { ...push(101, [[1, 1, 1]], 1), channel: "votes:8" }), state);
  assert.equal(reduce(state, { type: "committed", show: 8, at: 5 }), state);
  assert.equal(reduce(state, { type: "no such action" }), state);
});

test("the own vote shows at once in the mark, the count and the total", () => {
  const { show } = run(visiting(), casting(101, "up"));
  assert.equal(choiceOf(show, 101), "up");
  assert.equal(durabilityOf(show, 101), "pending");
  assert.equal(countsOf(show, 101).up, 9);
  assert.equal(totalOf(show), 21);
});

test("a changed choice moves one vote from up to down", () => {
  const { show } = run(visiting({ 101: "up" }), casting(101, "down"));
  assert.deepEqual(countsOf(show, 101), { up: 7, down: 1 });
  assert.equal(totalOf(show), 20);
});

test("the own vote is not counted twice when the tally arrives after the reply", () => {
  const answered = run(visiting(), casting(101, "up"), castOk(101, "up", 110));
  assert.equal(countsOf(answered.show, 101).up, 9);
  const counted = run(answered, push(110, [[101, 9, 0]], 21));
  assert.equal(countsOf(counted.show, 101).up, 9);
  assert.equal(totalOf(counted.show), 21);
});

test("the own vote is not counted twice when the tally arrived before the reply", () => {
  const { show } = run(visiting(), casting(101, "up"), push(110, [[101, 9, 0]], 21), castOk(101, "up", 110));
  assert.equal(countsOf(show, 101).up, 9);
  assert.equal(totalOf(show), 21);
});

test("a vote without a later push stops being added when it is settled by time", () => {
  const sent = run(visiting(), casting(101, "up"), castOk(101, "up", 110));
  const { show } = run(sent, { type: "settle", show: 7, at: 110 });
  assert.equal(countsOf(show, 101).up, 8);
});

test("voting and withdrawing between two pushes leaves the count unchanged", () => {
  const voted = run(visiting(), casting(101, "up"), castOk(101, "up", 110));
  const { show } = run(voted, casting(101, "none"), castOk(101, "none", 111));
  assert.equal(countsOf(show, 101).up, 8);
  assert.equal(choiceOf(show, 101), "none");
  assert.deepEqual(show.settling, {});
});

test("before the ballot is known the tally is shown as the server sent it", () => {
  const { show } = run(loaded(), casting(101, "up", "waiting"));
  assert.equal(choiceOf(show, 101), "up");
  assert.equal(countsOf(show, 101).up, 8);
  assert.equal(totalOf(show), 20);
});

test("a refused vote rolls back to the server's choice and adds a notice", () => {
  const { show, notice } = run(visiting({ 101: "up" }), casting(101, "down"), refused(101, "down", "closed"));
  assert.equal(choiceOf(show, 101), "up");
  assert.deepEqual(countsOf(show, 101), { up: 8, down: 0 });
  assert.deepEqual({ code: notice.code, song: notice.song }, { code: "closed", song: 101 });
});

test("a refusal of an older choice keeps the newer one", () => {
  const { show } = run(visiting(), casting(101, "up"), casting(101, "down"), refused(101, "up", "conflict"));
  assert.equal(choiceOf(show, 101), "down");
});

test("a vote that was already accepted is refused without a notice", () => {
  const taken = run(visiting(), casting(101, "up"), castOk(101, "up", 110, "accepted"));
  const { show, notice } = run(taken, refused(101, "up", "closed"));
  assert.equal(notice, null);
  assert.equal(choiceOf(show, 101), "up");
});

test("a vote refused for a show that is not on screen adds a notice", () => {
  const refused = { type: "cast_refused", show: 9, votes: [[901, "up"]], error: { code: "closed" } };
  const { notice } = run(visiting(), refused);
  assert.equal(notice.isElsewhere, true);
});

test("accepted becomes committed when the server says that position is durable", () => {
  const accepted = run(visiting(), casting(101, "up"), castOk(101, "up", 110, "accepted"));
  assert.equal(durabilityOf(accepted.show, 101), "accepted");
  const early = run(accepted, { type: "committed", show: 7, at: 109 });
  assert.equal(durabilityOf(early.show, 101), "accepted");
  const later = run(early, { type: "committed", show: 7, at: 110 });
  assert.equal(durabilityOf(later.show, 101), "committed");
});

test("sending an accepted vote again after a reconnect keeps showing it as accepted", () => {
  const accepted = run(visiting(), casting(101, "up"), castOk(101, "up", 110, "accepted"));
  const { show } = run(accepted,
    { type: "ballot", show: 7, ballot: { 101: "up" }, remaining: null, unsent: [[101, "up"]] }, casting(101, "up"));
  assert.equal(durabilityOf(show, 101), "accepted");
});

test("losing the connection turns pending votes into waiting ones", () => {
  const { show, connection } = run(visiting(), casting(101, "up"),
    { type: "connection", status: "offline", refusal: null });
  assert.equal(connection, "offline");
  assert.equal(durabilityOf(show, 101), "waiting");
  assert.equal(waitingCountOf(show), 1);
});

test("a delayed vote waits and adds a notice, except after a lost connection", () => {
  const sent = run(visiting(), casting(101, "up"));
  const delayed = { type: "cast_delayed", show: 7, votes: [[101, "up"]] };
  const busy = run(sent, { ...delayed, error: { code: "overloaded" } });
  assert.equal(durabilityOf(busy.show, 101), "waiting");
  assert.equal(busy.notice.code, "overloaded");
  assert.equal(run(sent, { ...delayed, error: { code: "disconnected" } }).notice, null);
});

test("the ballot after a reconnect replaces own votes, and the outbox alone decides which votes wait", () => {
  const { show } = run(visiting({ 101: "up" }), casting(102, "up", "waiting"), casting(103, "up", "waiting"),
    { type: "ballot", show: 7, ballot: { 102: "up" }, remaining: null, unsent: [[103, "up"]] });
  assert.equal(choiceOf(show, 101), "none");
  assert.equal(durabilityOf(show, 102), "committed");
  assert.equal(durabilityOf(show, 103), "waiting");
});

test("the budget counts unanswered votes and gives back withdrawn ones", () => {
  const state = visiting({ 101: "up" }, 2, { votes_per_user_max: 3 });
  assert.equal(remainingOf(run(state, casting(102, "up")).show), 1);
  assert.equal(remainingOf(run(state, casting(101, "none")).show), 3);
  assert.equal(remainingOf(run(state, casting(101, "down")).show), 2);
  assert.equal(remainingOf(run(state, casting(102, "up"), castOk(102, "up", 110, "committed", 1)).show), 1);
});

test("with an empty budget only changes of existing votes are affordable", () => {
  const { show } = visiting({ 101: "up" }, 0);
  assert.equal(isAffordable(show, 101), true);
  assert.equal(isAffordable(show, 102), false);
  assert.equal(isAffordable(visiting().show, 102), true);
});

test("an anonymous visitor has the whole budget of the show", () => {
  const { show } = run(loaded({ votes_per_user_max: 10 }),
    { type: "ballot", show: 7, ballot: {}, remaining: undefined, unsent: [] });
  assert.equal(remainingOf(show), 10);
});

test("a reply that names only the songs of the cast leaves the other own votes", () => {
  const { show } = run(visiting({ 101: "up" }), casting(102, "down"), castOk(102, "down", 110));
  assert.equal(choiceOf(show, 101), "up");
  assert.equal(choiceOf(show, 102), "down");
});

test("closed, locked and final come from the status channel, newest position first", () => {
  const status = (at, voting) => ({ type: "push", channel: "status:7", at, payload: { ...showBody(), voting } });
  const state = run(loaded(), status(60, "locked"), status(59, "open"));
  assert.equal(votingOf(state.show, 0), "locked");
  assert.equal(votingOf(run(state, status(61, "final")).show, 0), "final");
});

test("closed before the opening time reads as early, afterwards as closed", () => {
  const opens_at = "2026-11-20T00:00:00Z";
  const { show } = loaded({ voting: "closed", opens_at });
  assert.equal(votingOf(show, Date.parse(opens_at) - 1), "early");
  assert.equal(votingOf(show, Date.parse(opens_at)), "closed");
});

test("a cancelled show takes no votes, even in an open window", () => {
  assert.equal(votingOf(loaded({ status: "cancelled" }).show, 0), "cancelled");
});

test("an answer for a show that the visitor has left is dropped", () => {
  const state = run(loaded(), { type: "navigate", route: { name: "show", ref: "other" } });
  assert.equal(reduce(state, { type: "show_loaded", ref: "aurora-7", show: showBody() }), state);
});

test("a missing show differs from a failed load", () => {
  const loading = run(initial, { type: "navigate", route: { name: "show", ref: "x" } });
  assert.equal(run(loading, { type: "show_failed", ref: "x", error: { code: "not_found" } }).show.phase, "missing");
  assert.equal(run(loading, { type: "show_failed", ref: "x", error: { code: "disconnected" } }).show.phase, "error");
});

test("an older list answer is dropped and a second page repeats no show", () => {
  const loading = (request, isMore) => ({ type: "list_loading", request, query: "a", status: "", isMore });
  const first = run(initial, loading(1, false), loading(2, false),
    { type: "list_loaded", request: 1, items: [{ id: 9 }], next: null });
  assert.deepEqual(first.list.items, []);
  const { list } = run(first, { type: "list_loaded", request: 2, items: [{ id: 1 }, { id: 2 }], next: "c" },
    loading(3, true), { type: "list_loaded", request: 3, items: [{ id: 2 }, { id: 3 }], next: null });
  assert.deepEqual(list.items.map((item) => item.id), [1, 2, 3]);
});

test("a failed second page keeps the first", () => {
  const { list } = run(initial, { type: "list_loading", request: 1, query: "", status: "", isMore: false },
    { type: "list_loaded", request: 1, items: [{ id: 1 }], next: "c" },
    { type: "list_loading", request: 2, query: "", status: "", isMore: true },
    { type: "list_failed", request: 2, error: { code: "disconnected" }, kept: [] });
  assert.deepEqual([list.phase, list.items.length, list.next], ["error", 1, "c"]);
});

test("a notice is dismissed by its own id only", () => {
  const state = run(initial, { type: "notice", code: "budget" }, { type: "notice", code: "closed" });
  assert.equal(reduce(state, { type: "notice_gone", id: 1 }), state);
  assert.equal(reduce(state, { type: "notice_gone", id: 2 }).notice, null);
});

test("sets keep all their fields, and fields missing on older servers get defaults", () => {
  const artist = { id: 3, slug: "bjork", name: "Björk" };
  const song = { id: 900, song_id: 31, title: "Jóga", position: 1, played_at: null, was_played: true, is_tape: true, medley: 2, note: "live 🎻",
    cover_of: { id: 4, name: "U2" } };
  const complete = { id: 90, type: "predicted", kind: "encore", name: "Encore", artist, songs: [song] };
  const bare = { id: 91, type: "predicted", name: "Set", songs: [{ id: 901, title: "Halo", position: 1 }] };
  const { show } = run(loaded(), { type: "push", channel: "setlist:7", at: 999, payload: { setlists: [complete, bare] } });
  assert.deepEqual(show.setlists[0], complete);
  assert.deepEqual(show.setlists[1], { ...bare, kind: "main", artist: null, songs: [
    { id: 901, song_id: null, title: "Halo", position: 1, played_at: null, was_played: null, is_tape: false, medley: null, note: "",
      cover_of: null },
  ] });
  assert.deepEqual(show.order, { 90: [900], 91: [901] });
});

test("hidden counts are cleared, and come back complete", () => {
  const open = loaded();
  const shut = reduce(open, { type: "channel_error", channel: "votes:7", error: { code: "forbidden" } });
  assert.deepEqual([shut.show.isHidden, shut.show.tally], [true, {}]);
  const taken = reduce(open, { type: "unsubscribed", channels: ["song:9", "votes:7"] });
  assert.equal(taken.show.isHidden, true);
  assert.equal(reduce(open, { type: "channel_error", channel: "votes:7", error: { code: "unavailable" } }), open);
  const back = reduce(shut, {
    type: "snapshot", channel: "votes:7", at: 9, state: { tally: [[SONGS[0], 3, 1]], total: 4 }, isRewound: false,
  });
  assert.deepEqual([back.show.isHidden, back.show.tally[SONGS[0]].up, back.show.total], [false, 3, 4]);
});

test("counts that are null are hidden, and the order is the setlist's", () => {
  const body = showBody({ results: "after_closing" });
  for (const song of body.setlists[0].songs) song.up = song.down = null;
  const { show } = loaded(body);
  assert.deepEqual([show.isHidden, show.status.results], [true, "after_closing"]);
  assert.deepEqual(show.order[70], SONGS);
});

test("marks show at once, roll back when refused, and count for this show and its artist only", () => {
  const open = loaded();
  const going = reduce(open, { type: "marking", subject: "show:7", wanted: true });
  assert.deepEqual(going.show.marks, { going: true, following: false });
  assert.deepEqual(reduce(open, { type: "marking", subject: "artist:1", wanted: true }).show.marks.following, true);
  assert.equal(reduce(open, { type: "marking", subject: "artist:2", wanted: true }), open);
  const error = { code: "not_found" };
  const undone = reduce(going, { type: "mark_refused", subject: "show:7", wanted: true, error });
  assert.deepEqual([undone.show.marks.going, undone.notice.isMark], [false, true]);
});

test("the relation counts are those of the show and of its artist", () => {
  let state = loaded();
  state = reduce(state, { type: "push", channel: "attendance:7", at: 3, payload: { going: 5, watching: 9 } });
  state = reduce(state, { type: "push", channel: "followers:1", at: 3, payload: { followers: 8 } });
  state = reduce(state, { type: "push", channel: "followers:7", at: 4, payload: { followers: 1 } });
  assert.deepEqual(state.show.relationCounts, { going: 5, watching: 9, followers: 8 });
});

test("the accuracy comes with the page and changes with the status", () => {
  const accuracy = { precision: 0.5, recall: 0.5, rank_correlation: 0, hits: 1, played: 2, predicted: 2 };
  const before = loaded();
  assert.equal(before.show.status.accuracy, null);
  const status = { status: "finished", voting: "final", opens_at: "", closes_at: "", now_playing: null, accuracy };
  const scored = reduce(before, { type: "push", channel: "status:7", at: 999, payload: status });
  assert.deepEqual(scored.show.status.accuracy, accuracy);
  const corrected = { ...status, accuracy: null };
  const gone = reduce(scored, { type: "push", channel: "status:7", at: 1000, payload: corrected });
  assert.equal(gone.show.status.accuracy, null);
});

test("the ranking is the answer's until the channel sends a state, then the channel's", () => {
  const item = (id, score) => ({ id, slug: `show-${id}`, artist_name: `Artist ${id}`, venue_name: "Hall", local_date: "2026-12-01", score });
  const named = run(initial, { type: "trending_loaded", items: [item(1, 9), item(2, 3)] });
  assert.deepEqual(trendingOf(named.trending).map(({ id, artist, share }) => [id, artist, share]),
    [[1, "Artist 1", 1], [2, "Artist 2", 1 / 3]]);
  const ranked = (type, at, ...shows) => ({ type, channel: "trending", at, payload: { shows }, state: { shows }, isRewound: false });
  const pushed = run(named, ranked("snapshot", 5, { id: 2, score: 8 }, { id: 1, score: 4 }));
  assert.deepEqual(trendingOf(pushed.trending).map(({ id, share }) => [id, share]), [[2, 1], [1, 0.5]]);
  assert.equal(reduce(pushed, ranked("push", 4, { id: 1, score: 9 })), pushed);
  assert.deepEqual(trendingOf(run(pushed, { type: "trending_loaded", items: [item(1, 9)] }).trending).map(({ id }) => id), [2, 1]);
});

test("a trending show without a name is requested, and not shown before", () => {
  const show = { id: 7, score: 1 };
  const unknown = run(initial, { type: "push", channel: "trending", at: 1, payload: { shows: [show] } });
  assert.equal(isTrendingUnknown(unknown.trending), false); // the names are on their way
  const failed = run(unknown, { type: "trending_failed" });
  assert.equal(isTrendingUnknown(failed.trending), true);
  assert.deepEqual(trendingOf(failed.trending), []);
  const many = Array.from({ length: 9 }, (_, index) => ({ id: index + 1, score: 9 - index }));
  const items = many.map(({ id, score }) => ({ id, score, slug: `s${id}`, artist_name: "A", venue_name: "V", local_date: "2026-12-01" }));
  assert.equal(trendingOf(run(initial, { type: "trending_loaded", items }).trending).length, 5);
});

test("a removed song frees its vote, and the visitor is told", () => {
  const setlists = (songs) => ({ setlists: [{ id: 1, type: "predicted", name: "Main set", songs }] });
  const removed = (at, songs) => ({ type: "push", channel: "setlist:7", at, payload: setlists(songs) });
  const before = visiting({ 101: "up", 102: "down" }, 1);
  const [first, second] = before.show.setlists[0].songs;
  const { show, notice } = run(before, removed(5, [second]));
  assert.deepEqual(show.ballot, { 102: "down" });
  assert.equal(show.remaining, 2);
  assert.deepEqual([notice.code, notice.title], ["removed", first.title]);
  assert.equal(run(before, removed(5, [first, second])).notice, null, "nothing was removed");
});

test("the refusal of a vote on a played song says that it was played", () => {
  const { show } = loaded();
  const songs = show.setlists[0].songs.map((song) => (song.id === 101 ? { ...song, played_at: "2026-11-25T20:10:00Z" } : song));
  const payload = { setlists: [{ ...show.setlists[0], songs }] };
  const playing = run(visiting(), { type: "push", channel: "setlist:7", at: 5, payload });
  assert.equal(run(playing, casting(101, "up"), refused(101, "up", "closed")).notice.code, "played");
  assert.equal(run(playing, casting(102, "up"), refused(102, "up", "closed")).notice.code, "closed");
});

test("a vote that lacks a ticket says so, and bars nobody", () => {
  const ticket = (isRequired, hasTicket, source = "code") => ({ type: "ticket_loaded", show: 7, isRequired, source, hasTicket });
  const of = (...actions) => run(visiting(), ...actions, casting(101, "up"), refused(101, "up", "forbidden"));
  for (const [source, code] of [["code", "ticket"], ["mail", "mail"], ["work", "work"]]) {
    const { show, notice } = of(ticket(true, false, source));
    assert.deepEqual([show.isBarred, notice.code], [false, code]);
  }
  assert.deepEqual([of(ticket(true, true)).show.isBarred, of(ticket(true, true)).notice.code], [true, "forbidden"]);
  assert.equal(of(ticket(false, null)).notice.code, "forbidden");
});

test("until the page knows about the ticket, a tap is neither taken nor refused", () => {
  const { show } = loaded({ requires_ticket: true });
  const user = { id: 5, role: "user" };
  const why = (visitor, hasTicket) => whyNotTaken({ refusal: null, ...visitor }, { ...show, hasTicket }, 101);
  assert.equal(why({ user: null, isUserKnown: false }, null), "unknown");
  assert.equal(why({ user, isUserKnown: true }, null), "unknown");
  assert.equal(why({ user, isUserKnown: true }, false), "ticket");
  assert.equal(why({ user, isUserKnown: true }, true), null);
  assert.equal(why({ user: null, isUserKnown: true }, null), "ticket");
});
