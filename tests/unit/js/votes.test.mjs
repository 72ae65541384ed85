import assert from "node:assert/strict";
import test from "node:test";
import { RequestError } from "../../../static/client.js";
import { castReply, setUp, USER } from "./client_on_fakes.mjs";
import { FakeStorage, settled } from "./fakes.mjs";

test("a vote of a signed-in visitor is sent at once and deleted from the outbox when it is durable", async () => {
  const { client, clock, connect, emitted } = setUp();
  const socket = await connect();
  client.cast(7, 101, "up");
  await settled();
  const { id } = socket.last("cast");
  assert.deepEqual(socket.last("cast"), { id, op: "cast", show: 7, votes: [[101, "up"]], order: clock.now() });
  assert.deepEqual(client.outbox.unsent(7), [[101, "up"]]);
  await socket.reply("cast", castReply(131, { 101: "up" }));
  assert.deepEqual(client.outbox.shows(), []);
  assert.equal(emitted("cast_ok")[0].reply.at, 131);
});

test("each attempt has a greater order, and one behind another device goes ahead of it", async () => {
  const { client, clock, connect, emitted } = setUp();
  const socket = await connect();
  client.cast(7, 101, "up");
  await settled();
  await socket.reply("cast", castReply(131, { 101: "up" }));
  client.cast(7, 101, "down");
  await settled();
  assert.equal(socket.last("cast").order, clock.now() + 1);
  await socket.refuse("cast", { code: "conflict", message: "later" });
  await socket.reply("ballot", { ballot: { 101: "up" }, remaining: null, order: 5_000_000_000 });
  assert.equal(socket.last("cast").order, 5_000_000_001);
  assert.deepEqual(socket.last("cast").votes, [[101, "down"]]);
  await socket.reply("cast", castReply(140, { 101: "down" }));
  assert.equal(emitted("cast_ok").length, 2);
  assert.equal(emitted("cast_refused").length, 0);
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
