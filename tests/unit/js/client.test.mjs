import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { backoffMs, Client, Outbox, RequestError } from "../../../static/client.js";
import { FakeClock, FakeSocket, FakeStorage, seeded, settled } from "./fakes.mjs";

const USER = { id: 5, role: "user" };

function setUp({ user = USER, storage = new FakeStorage(), random = () => 0.5, ...rest } = {}) {
  const clock = new FakeClock();
  const sockets = [];
  const events = [];
  const network = { isOnline: true };
  const client = new Client({
    url: "ws://test/ws", storage, clock, random,
    on: (event) => events.push(event),
    isOnline: () => network.isOnline,
    openSocket: (address, protocol) => {
      sockets.push(new FakeSocket(address, protocol));
      return sockets.at(-1);
    },
    signIn: async () => ({ token: "t" }),
    ...rest,
  });
  const greet = async () => {
    sockets.at(-1).open();
    await sockets.at(-1).reply("hello", { user, role: "user", node: "n", time_ms: clock.now() + 40, ping_ms: 20_000 });
    return sockets.at(-1);
  };
  const connect = () => {
    client.connect();
    return greet();
  };
  const emitted = (type) => events.filter((event) => event.type === type);
  return { client, clock, sockets, events, network, storage, connect, greet, emitted };
}

const castReply = (at, ballot, durability = "committed") => ({ at, durability, ballot, remaining: null });

test("the backoff has full jitter, doubles, and is at most half a minute", () => {
  const random = seeded(3);
  for (let attempt = 0; attempt < 40; attempt++) {
    const ceiling = Math.min(30_000, 500 * 2 ** attempt);
    assert.equal(backoffMs(attempt, () => 1), ceiling);
    assert.equal(backoffMs(attempt, () => 0), 0);
    assert.ok(backoffMs(attempt, random) <= ceiling);
  }
});

test("connecting uses the subprotocol, says hello and emits that the connection is live", async () => {
  const { connect, sockets, emitted } = setUp();
  await connect();
  assert.deepEqual([sockets[0].address, sockets[0].protocol], ["ws://test/ws", "mysetlist.v1"]);
  assert.deepEqual(sockets[0].sent[0], { id: 1, op: "hello" });
  assert.deepEqual(emitted("hello")[0], { type: "hello", user: USER, skew_ms: 40 });
  assert.equal(emitted("connection").at(-1).status, "live");
});

test("replies resolve their requests by id in any order, and errors reject them", async () => {
  const { client, connect } = setUp();
  const socket = await connect();
  const first = client.request("a");
  const second = client.request("b");
  const refused = assert.rejects(first, (error) => error instanceof RequestError && error.code === "not_found");
  await socket.reply("b", { b: 1 });
  await socket.refuse("a", { code: "not_found", message: "no" });
  assert.deepEqual(await second, { b: 1 });
  await refused;
});

test("a request without a reply times out", async () => {
  const { client, clock, connect } = setUp();
  await connect();
  const refused = assert.rejects(client.request("a"), { code: "timeout" });
  await clock.advance(15_000);
  await refused;
});

test("after a reconnect subscriptions resume with the last position of each channel", async () => {
  const { client, clock, connect, greet, emitted } = setUp();
  client.subscribe(["votes:7", "status:7"]);
  const socket = await connect();
  await socket.reply("subscribe", { channels: {
    "votes:7": { at: 130, state: { tally: [], total: 0 } }, "status:7": { error: { code: "not_found" } },
  } });
  socket.receive({ ch: "votes:7", at: 140, tally: [], total: 0 });
  socket.drop();
  await clock.advance(1_000);
  const next = await greet();
  assert.deepEqual(next.last("subscribe").since, { "votes:7": 140 });
  await next.reply("subscribe", { channels: { "votes:7": { at: 140 }, "status:7": { at: 3, state: {} } } });
  assert.equal(emitted("snapshot").filter((event) => event.channel === "votes:7").length, 1);
});

test("a position below the requested one is emitted as a rewind", async () => {
  const { client, clock, connect, greet, emitted } = setUp();
  client.subscribe(["votes:7"]);
  const socket = await connect();
  await socket.reply("subscribe", { channels: { "votes:7": { at: 130, state: {} } } });
  socket.drop();
  await clock.advance(1_000);
  const next = await greet();
  await next.reply("subscribe", { channels: { "votes:7": { at: 20, state: {} } } });
  assert.equal(emitted("snapshot").at(-1).isRewound, true);
});

test("a channel that fails with a transient error is requested again", async () => {
  const { client, clock, connect } = setUp();
  client.subscribe(["votes:7"]);
  const socket = await connect();
  const error = { code: "overloaded", retry_after_ms: 1_000 };
  await socket.reply("subscribe", { channels: { "votes:7": { error } } });
  await clock.advance(1_600);
  assert.equal(socket.count("subscribe"), 2);
});

test("after drain the client reconnects within the time that the server asked for", async () => {
  const { clock, connect, sockets } = setUp({ random: () => 0.5 });
  const socket = await connect();
  socket.receive({ drain: { min_ms: 500, max_ms: 5_000 } });
  socket.drop(4000);
  await clock.advance(2_749);
  assert.equal(sockets.length, 1);
  await clock.advance(1);
  assert.equal(sockets.length, 2);
});

test("the client reconnects after close codes below 4400 and not from 4400 on", async () => {
  const codes = [[1001, true], [1006, true], [4001, true], [4399, true], [4400, false], [4403, false]];
  for (const [code, returns] of codes) {
    const { clock, connect, sockets, emitted } = setUp();
    const socket = await connect();
    socket.drop(code);
    await clock.advance(60_000);
    assert.equal(sockets.length > 1, returns, `close code ${code}`);
    if (!returns) assert.deepEqual(emitted("connection").at(-1), { type: "connection", status: "offline", refusal: code });
  }
});

test("a silent connection is probed and dropped when no reply comes", async () => {
  const { clock, connect, sockets } = setUp({ random: () => 0 });
  const socket = await connect();
  await clock.advance(20_000);
  assert.equal(socket.count("ping"), 1);
  await clock.advance(6_000);
  assert.equal(sockets.length, 2);
});

test("an answered ping keeps the connection", async () => {
  const { clock, connect, sockets } = setUp({ random: () => 0 });
  const socket = await connect();
  for (let turn = 0; turn < 5; turn++) {
    await clock.advance(20_000);
    await socket.reply("ping", { time_ms: 0 });
  }
  assert.equal(sockets.length, 1);
});

test("a socket that never opens is dropped and a new one is opened", async () => {
  const { client, clock, sockets } = setUp();
  client.connect();
  await clock.advance(12_000);
  assert.equal(sockets.length, 2);
});

test("offline differs from reconnecting, and waking up reconnects at once", async () => {
  const { client, clock, connect, network, sockets, emitted } = setUp();
  await connect();
  network.isOnline = false;
  client.sleep();
  assert.equal(emitted("connection").at(-1).status, "offline");
  network.isOnline = true;
  const before = sockets.length;
  client.wake();
  await clock.advance(800);
  assert.equal(sockets.length, before + 1);
});

test("a vote of a signed-in visitor is sent at once and deleted from the outbox when it is durable", async () => {
  const { client, connect, emitted } = setUp();
  const socket = await connect();
  client.cast(7, 101, "up");
  await settled();
  assert.deepEqual(socket.last("cast"), { id: socket.last("cast").id, op: "cast", show: 7, votes: [[101, "up"]] });
  assert.deepEqual(client.outbox.unsent(7), [[101, "up"]]);
  await socket.reply("cast", castReply(131, { 101: "up" }));
  assert.deepEqual(client.outbox.shows(), []);
  assert.equal(emitted("cast_ok")[0].reply.at, 131);
});

test("the first vote of an anonymous visitor signs in once, says hello with the token, then casts", async () => {
  let signIns = 0;
  const { client, connect } = setUp({ user: null, signIn: async () => ({ token: `t${++signIns}` }) });
  const socket = await connect();
  client.cast(7, 101, "up");
  client.cast(8, 801, "up");
  await settled();
  assert.equal(socket.last("hello").token, "t1");
  await socket.reply("hello", { user: USER, role: "user", time_ms: 0, ping_ms: 20_000 });
  assert.equal(signIns, 1);
  assert.equal(socket.count("cast"), 2);
});

test("offline votes are emitted as waiting and sent after the ballot, only the last choice of each song", async () => {
  const { client, connect, emitted } = setUp();
  client.watch(7);
  client.cast(7, 101, "up");
  client.cast(7, 101, "down");
  client.cast(7, 102, "up");
  assert.ok(emitted("casting").every((event) => event.phase === "waiting"));
  const socket = await connect();
  assert.equal(socket.count("cast"), 0);
  await socket.reply("ballot", { ballot: {}, remaining: null });
  assert.deepEqual(socket.last("cast").votes, [[101, "down"], [102, "up"]]);
  assert.deepEqual(emitted("ballot")[0].unsent, [[101, "down"], [102, "up"]]);
});

test("a reload sends the stored votes, also those of a show that is not open", async () => {
  const storage = new FakeStorage();
  setUp({ storage }).client.cast(7, 101, "up");
  const { connect } = setUp({ storage });
  const socket = await connect();
  assert.deepEqual(socket.last("cast").votes, [[101, "up"]]);
});

test("a vote in flight when the connection breaks is sent again on the next one", async () => {
  const { client, clock, connect, greet, emitted } = setUp();
  const socket = await connect();
  client.cast(7, 101, "up");
  await settled();
  socket.drop();
  await clock.advance(1_000);
  const next = await greet();
  assert.deepEqual(next.last("cast").votes, [[101, "up"]]);
  assert.equal(emitted("cast_refused").length, 0);
});

test("an accepted vote is kept until it is committed, and sent again after a reconnect", async () => {
  const { client, clock, connect, greet } = setUp();
  const socket = await connect();
  client.cast(7, 101, "up");
  await settled();
  await socket.reply("cast", castReply(131, { 101: "up" }, "accepted"));
  assert.deepEqual(client.outbox.unsent(7), []);
  assert.deepEqual(client.outbox.shows(), [7]);
  socket.drop();
  await clock.advance(1_000);
  const next = await greet();
  assert.deepEqual(next.last("cast").votes, [[101, "up"]]);
  await next.reply("cast", castReply(140, { 101: "up" }, "accepted"));
  next.receive({ committed: { show: 7, at: 140 } });
  assert.deepEqual(client.outbox.shows(), []);
});

test("after overloaded, unavailable and rate_limited the vote is sent again, not before the time that the server asks for", async () => {
  for (const code of ["overloaded", "unavailable", "rate_limited"]) {
    const { client, clock, connect, emitted } = setUp({ random: () => 0.25 });
    const socket = await connect();
    client.cast(7, 101, "up");
    await settled();
    await socket.refuse("cast", { code, message: "", retry_after_ms: 2_000 });
    assert.equal(emitted("cast_delayed")[0].error.code, code);
    await clock.advance(2_499);
    assert.equal(socket.count("cast"), 1);
    await clock.advance(1);
    assert.equal(socket.count("cast"), 2);
  }
});

test("closed, locked, budget and not_found drop the vote and emit the refusal", async () => {
  for (const code of ["closed", "locked", "budget", "not_found", "forbidden"]) {
    const { client, connect, emitted } = setUp();
    const socket = await connect();
    client.cast(7, 101, "up");
    await settled();
    await socket.refuse("cast", { code, message: "" });
    assert.deepEqual(emitted("cast_refused").map((event) => [event.votes, event.error.code]), [[[[101, "up"]], code]]);
    assert.deepEqual(client.outbox.shows(), []);
    assert.equal(socket.count("cast"), 1);
  }
});

test("when a cast is refused its votes are sent one by one, so that the good ones are not lost", async () => {
  const { client, connect, emitted } = setUp();
  for (const song of [101, 102, 103]) client.cast(7, song, "up");
  const socket = await connect();
  await socket.refuse("cast", { code: "not_found", message: "" });
  assert.deepEqual(socket.last("cast").votes, [[101, "up"]]);
  await socket.reply("cast", castReply(131, { 101: "up" }));
  await socket.refuse("cast", { code: "not_found", message: "" });
  await socket.reply("cast", castReply(132, { 103: "up" }));
  assert.deepEqual(emitted("cast_refused").flatMap((event) => event.votes), [[102, "up"]]);
  assert.deepEqual(client.outbox.shows(), []);
});

test("taps while a cast is in flight are sent together in the next one", async () => {
  const { client, connect } = setUp();
  const socket = await connect();
  client.cast(7, 101, "up");
  await settled();
  client.cast(7, 101, "none");
  client.cast(7, 102, "up");
  await socket.reply("cast", castReply(131, { 101: "up" }));
  assert.equal(socket.count("cast"), 2);
  assert.deepEqual(socket.last("cast").votes, [[101, "none"], [102, "up"]]);
});

test("a session that the server no longer knows is renewed and the vote sent again", async () => {
  const { client, clock, connect } = setUp();
  const socket = await connect();
  client.cast(7, 101, "up");
  await settled();
  await socket.refuse("cast", { code: "unauthenticated", message: "" });
  await clock.advance(1_000);
  assert.equal(socket.last("hello").token, "t");
  await socket.reply("hello", { user: USER, time_ms: 0 });
  assert.equal(socket.count("cast"), 2);
});

test("a sign-in that fails keeps the vote and tries again", async () => {
  let signIns = 0;
  const { client, clock, connect } = setUp({
    user: null,
    signIn: async () => {
      if (++signIns === 1) throw new RequestError({ code: "unavailable" });
      return { token: "t" };
    },
  });
  const socket = await connect();
  client.cast(7, 101, "up");
  await clock.advance(5_000);
  assert.equal(signIns, 2);
  assert.equal(socket.last("hello").token, "t");
  assert.deepEqual(client.outbox.unsent(7), [[101, "up"]]);
});

test("a vote in another tab makes this tab request the ballot as the same visitor", async () => {
  let signIns = 0;
  const { client, connect, emitted } = setUp({ user: null, signIn: async () => ({ token: `t${++signIns}` }) });
  client.watch(7);
  const socket = await connect();
  client.refresh(8);
  client.refresh(7);
  await settled();
  assert.equal(socket.last("hello").token, "t1");
  await socket.reply("hello", { user: USER, time_ms: 0 });
  await socket.reply("ballot", { ballot: { 101: "up" }, remaining: 4 });
  const { show, ballot, remaining } = emitted("ballot").at(-1);
  assert.deepEqual([show, ballot, remaining], [7, { 101: "up" }, 4]);
  client.refresh(7);
  assert.equal(socket.count("ballot"), 2);
  assert.equal(signIns, 1);
});

test("a ballot that cannot be fetched leaves the page as it is", async () => {
  const { client, connect, emitted } = setUp({
    user: null,
    signIn: async () => {
      throw new RequestError({ code: "unavailable" });
    },
  });
  client.watch(7);
  await connect();
  await client.refresh(7);
  assert.equal(emitted("ballot").length, 1);
});

test("marks made offline are kept and sent once, only the last one of each subject", async () => {
  const storage = new FakeStorage();
  const first = setUp({ storage });
  first.client.attend(7, true);
  first.client.attend(7, false);
  first.client.attend(7, true);
  first.client.follow(3, true);
  const { connect, emitted, client } = setUp({ storage });
  const socket = await connect();
  assert.deepEqual([socket.last("attend").show, socket.last("attend").going], [7, true]);
  assert.equal(socket.count("follow"), 0);
  await socket.reply("attend", { at: 9, durability: "committed" });
  assert.deepEqual([socket.last("follow").artist, socket.last("follow").following], [3, true]);
  await socket.reply("follow", { at: 10, durability: "committed" });
  assert.deepEqual(emitted("mark_ok").map((event) => event.subject), ["show:7", "artist:3"]);
  assert.deepEqual([socket.count("attend"), socket.count("follow")], [1, 1]);
  assert.deepEqual(client.marks.unsaid(), {});
});

test("a mark with a transient error is sent again, one that is refused is emitted and dropped", async () => {
  const { client, clock, connect, emitted } = setUp();
  const socket = await connect();
  client.follow(3, true);
  await settled();
  await socket.refuse("follow", { code: "unavailable", retry_after_ms: 1_000 });
  assert.equal(socket.count("follow"), 1);
  await clock.advance(2_000);
  assert.equal(socket.count("follow"), 2);
  await socket.refuse("follow", { code: "not_found" });
  assert.equal(emitted("mark_refused")[0].error.code, "not_found");
  await clock.advance(60_000);
  assert.equal(socket.count("follow"), 2);
});

test("a mark that a full storage did not take is sent with those that it holds", async () => {
  const storage = new FakeStorage();
  const { client, connect } = setUp({ storage });
  client.attend(7, true);
  client.attend(8, true);
  storage.isFull = true;
  client.attend(7, false);
  client.follow(3, true);
  assert.deepEqual(client.marks.unsaid(), { "show:7": false, "show:8": true, "artist:3": true });
  const socket = await connect();
  assert.deepEqual([socket.last("attend").show, socket.last("attend").going], [7, false]);
  await socket.reply("attend", { at: 9, durability: "committed" });
  await socket.reply("attend", { at: 10, durability: "committed" });
  await socket.reply("follow", { at: 11, durability: "committed" });
  assert.deepEqual([socket.count("attend"), socket.count("follow")], [2, 1]);
  assert.deepEqual(client.marks.unsaid(), {});
});

test("a mark in flight when the connection breaks is sent again on the next one", async () => {
  const { client, clock, connect, greet } = setUp();
  const socket = await connect();
  client.attend(7, true);
  await settled();
  assert.equal(socket.count("attend"), 1);
  socket.drop();
  await clock.advance(1_000);
  const next = await greet();
  assert.equal(next.last("attend").going, true);
});

test("a mark that changes while the older one is in flight is sent after it", async () => {
  const { client, connect } = setUp();
  const socket = await connect();
  client.attend(7, true);
  await settled();
  client.attend(7, false);
  await socket.reply("attend", { at: 9, durability: "committed" });
  assert.deepEqual([socket.count("attend"), socket.last("attend").going], [2, false]);
  await socket.reply("attend", { at: 10, durability: "committed" });
  assert.deepEqual(client.marks.unsaid(), {});
});

test("the first mark of an anonymous visitor signs in", async () => {
  const { client, connect } = setUp({ user: null });
  const socket = await connect();
  client.attend(7, true);
  await settled();
  assert.equal(socket.last("hello").token, "t");
  await socket.reply("hello", { user: USER, time_ms: 0 });
  assert.equal(socket.count("attend"), 1);
});

test("a token that expires soon is renewed by a second hello", async () => {
  const { connect, emitted } = setUp();
  const socket = await connect();
  socket.receive({ expiring: { in_ms: 59_000 } });
  await settled();
  assert.equal(emitted("expiring")[0].in_ms, 59_000);
  assert.equal(socket.last("hello").token, "t");
});

test("a mark that is committed does not commit votes", async () => {
  const { connect, emitted } = setUp();
  const socket = await connect();
  socket.receive({ committed: { artist: 3, at: 9 } });
  assert.deepEqual(emitted("committed"), [{ type: "committed", artist: 3, at: 9 }]);
});

const STATUS = { status: "live", voting: "open", opens_at: "", closes_at: "", now_playing: null };

test("a removed subscription is requested again after a delay; hidden counts are requested when they are final", async () => {
  const { client, clock, connect, emitted } = setUp();
  client.subscribe(["votes:7", "status:7"]);
  const socket = await connect();
  await socket.reply("subscribe", { channels: {
    "votes:7": { at: 1, state: { tally: [], total: 0 } }, "status:7": { at: 1, state: { ...STATUS, results: "live" } },
  } });
  socket.receive({ unsubscribed: { channels: ["votes:7"] } });
  assert.deepEqual(emitted("unsubscribed")[0].channels, ["votes:7"]);
  assert.equal(socket.count("subscribe"), 1);
  await clock.advance(2_000);
  assert.deepEqual(socket.last("subscribe").channels, ["votes:7"]);
  assert.deepEqual(socket.last("subscribe").since, {});
  await socket.reply("subscribe", { channels: { "votes:7": { error: { code: "forbidden" } } } });
  await clock.advance(5_000);
  socket.receive({ ch: "status:7", at: 2, ...STATUS, results: "after_closing" });
  await clock.advance(2_000);
  assert.equal(socket.count("subscribe"), 2);
  socket.receive({ ch: "status:7", at: 3, ...STATUS, voting: "final", results: "after_closing" });
  await clock.advance(2_000);
  assert.equal(socket.count("subscribe"), 3);
});

test("counts hidden until the own vote are requested after it", async () => {
  const { client, connect } = setUp();
  client.watch(7);
  const socket = await connect();
  await socket.reply("subscribe", { channels: {
    "votes:7": { error: { code: "forbidden" } }, "status:7": { at: 1, state: { ...STATUS, results: "after_vote" } },
  } });
  await socket.reply("ballot", { ballot: {}, remaining: null });
  client.cast(7, 101, "up");
  await settled();
  await socket.reply("cast", castReply(5, { 101: "up" }));
  assert.deepEqual(socket.last("subscribe").channels, ["votes:7"]);
  assert.equal(socket.count("subscribe"), 2);
});

test("client.d.ts declares exactly the public methods of client.js", () => {
  const types = readFileSync(new URL("../../../static/client.d.ts", import.meta.url), "utf8");
  for (const [name, { prototype }] of Object.entries({ Client, Outbox })) {
    const [, body] = types.match(new RegExp(`declare class ${name} \\{\n([^]*?)\n\\}`));
    const declared = [...body.matchAll(/^ {2}(\w+)(?:<.*>)?\(/gm)].map(([, method]) => method);
    assert.deepEqual(declared.sort(), Object.getOwnPropertyNames(prototype).sort());
  }
});
