import assert from "node:assert/strict";
import test from "node:test";
import { setUp } from "./client_on_fakes.mjs";
import { FakeSocket, settled } from "./fakes.mjs";

/** A client whose websockets hang or fail, with a socket that stands for HTTP. */
function setUpBlocked(options = {}) {
  const polls = [];
  const openPolling = (onAnswer) => {
    polls.push(Object.assign(new FakeSocket("http", ""), { onAnswer }));
    return polls.at(-1);
  };
  const parts = setUp({ openPolling, whyBlocked: async () => "blocked", ...options });
  const poll = async () => {
    polls.at(-1).open();
    await polls.at(-1).reply("hello", { user: null, installation: "db", time_ms: 0, ping_ms: 600_000 });
    return polls.at(-1);
  };
  return { ...parts, polls, poll };
}

test("a websocket that hangs is replaced by HTTP within six seconds, and votes go there", async () => {
  const { client, clock, polls, poll, emitted } = setUpBlocked();
  client.connect();
  await clock.advance(3_999);
  assert.equal(polls.length, 0);
  await clock.advance(2_001);
  const http = await poll();
  assert.deepEqual(emitted("connection").at(-1), { type: "connection", status: "polling", refusal: null, reason: "blocked" });
  client.cast(7, 101, "up");
  await settled();
  assert.equal(http.last("hello").token, "t");
});

test("a websocket that fails at once again and again is replaced, too", async () => {
  const { client, clock, sockets, poll, emitted } = setUpBlocked();
  client.connect();
  for (let round = 0; round < 30; round++) {
    if (sockets.at(-1).readyState === 0) sockets.at(-1).drop();
    await clock.advance(200);
  }
  await poll();
  assert.equal(emitted("connection").at(-1).status, "polling");
});

test("a browser without websockets uses HTTP at once and says so", async () => {
  for (const openSocket of [() => null, () => {
    throw new DOMException("forbidden", "SecurityError");
  }]) {
    const { client, poll, emitted } = setUpBlocked({ openSocket });
    client.connect();
    await poll();
    assert.equal(emitted("connection").at(-1).reason, "missing");
  }
});

test("a slow websocket takes over as soon as it has carried an answer, and the states are asked for again", async () => {
  const { client, clock, sockets, polls, poll, emitted } = setUpBlocked();
  client.watch(7);
  client.connect();
  await clock.advance(6_000);
  await poll();
  const [slow] = sockets;
  slow.open();
  assert.deepEqual(slow.sent, [{ id: 0, op: "hello" }]);
  assert.equal(polls[0].readyState, 1);
  slow.receive({ re: 0, ok: {} });
  assert.equal(polls[0].readyState, 3);
  await slow.reply("hello", { user: null, installation: "db", time_ms: 0, ping_ms: 20_000 });
  assert.equal(emitted("connection").at(-1).status, "live");
  assert.deepEqual(slow.last("subscribe").channels, ["votes:7", "setlist:7", "status:7"]);
});

test("a websocket that opens and stays silent never takes over", async () => {
  const { client, clock, sockets, poll, emitted } = setUpBlocked();
  client.connect();
  await clock.advance(6_000);
  await poll();
  for (let round = 0; round < 5; round++) {
    sockets.at(-1).open();
    await clock.advance(40_000);
  }
  assert.ok(sockets.length > 2);
  assert.equal(emitted("connection").at(-1).status, "polling");
});

test("the network or the page that comes back starts a new websocket, also while one hangs", async () => {
  const { client, clock, sockets } = setUpBlocked();
  client.connect();
  client.wake();
  await clock.advance(900);
  assert.equal(sockets.length, 1); // this one is new
  await clock.advance(600);
  client.wake();
  await clock.advance(800);
  assert.equal(sockets.length, 2);
  assert.equal(sockets[0].readyState, 3);
});

test("waking up while HTTP is in use tries a websocket at once", async () => {
  const { client, clock, sockets, poll } = setUpBlocked();
  client.connect();
  await clock.advance(6_000);
  await poll();
  const before = sockets.length;
  client.wake();
  assert.equal(sockets.length, before + 1);
});

/** How many websockets a client has begun, 0.5 s after 0.5 s. */
async function begun(clock, sockets, seconds, each = () => {}) {
  const found = [];
  for (let step = 0; step < 2 * seconds; step++) {
    await clock.advance(500);
    await each();
    found.push(sockets.length);
  }
  return found;
}

test("when a network that stalled is back, a websocket takes over within seconds", async () => {
  const { client, clock, sockets, polls, poll, emitted } = setUpBlocked();
  client.connect();
  await clock.advance(6_000);
  const before = sockets.length;
  await poll();
  polls[0].onAnswer(5_000); // it had waited with all others
  assert.equal(sockets.length, before);
  await clock.advance(4_000);
  polls[0].onAnswer(80);
  assert.equal(sockets.length, before + 1);
  sockets[0].open(); // too late: never two at once
  assert.deepEqual([sockets[0].readyState, sockets[0].sent], [3, []]);
  sockets.at(-1).open();
  sockets.at(-1).receive({ re: 0, ok: {} });
  assert.equal(polls[0].readyState, 3);
  await sockets.at(-1).reply("hello", { user: null, installation: "db", time_ms: 0, ping_ms: 20_000 });
  assert.equal(emitted("connection").at(-1).status, "live");
});

test("quick answers one after the other say nothing new: a websocket that hangs is tried again after ten seconds", async () => {
  const { client, clock, sockets, polls, poll } = setUpBlocked();
  client.connect();
  await clock.advance(6_000);
  await poll();
  polls[0].onAnswer(50);
  const before = sockets.length;
  const counts = await begun(clock, sockets, 9, () => polls[0].onAnswer(50));
  assert.equal(counts.at(-1), before);
  await clock.advance(1_000);
  assert.equal(sockets.length, before + 1);
});

test("a network that blocks websockets is asked after 2 to 4 s, then twice as late each time, up to a minute", async () => {
  const { client, clock, sockets, poll } = setUpBlocked({ random: () => 0 });
  client.connect();
  await clock.advance(4_000);
  await poll();
  sockets[0].drop();
  const waits = [];
  for (let round = 0, last_ms = clock.now(); round < 6; round++) {
    const before = sockets.length;
    while (sockets.length === before) await clock.advance(500);
    waits.push(clock.now() - last_ms);
    last_ms = clock.now();
    sockets.at(-1).drop();
  }
  assert.deepEqual(waits, [2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test("a server that takes no more websockets is left alone for half a minute, however quick its answers are", async () => {
  const { client, clock, sockets, polls, poll } = setUpBlocked({ whyBlocked: async () => "overloaded" });
  client.connect();
  sockets[0].open();
  sockets[0].receive({ re: null, error: { code: "overloaded", message: "Too many.", retry_after_ms: 60_000 } });
  sockets[0].drop(4003);
  await clock.advance(6_000);
  await poll();
  polls[0].onAnswer(50);
  const counts = await begun(clock, sockets, 29, () => polls[0].onAnswer(50));
  assert.equal(counts.at(-1), 1);
  await clock.advance(20_000);
  assert.equal(sockets.length, 2);
});

test("what the server says before it closes is the reason, and its time is kept", async () => {
  const { client, clock, sockets, polls, poll, emitted } = setUpBlocked();
  client.connect();
  sockets[0].open();
  sockets[0].receive({ re: null, error: { code: "overloaded", message: "Too many.", retry_after_ms: 30_000 } });
  sockets[0].drop(4003);
  await clock.advance(3_000);
  assert.equal(sockets.length, 1);
  assert.equal(emitted("connection").at(-1).reason, "overloaded");
  await clock.advance(3_000);
  assert.equal(polls.length, 1);
  await poll();
  assert.deepEqual([emitted("connection").at(-1).status, emitted("connection").at(-1).reason], ["polling", "overloaded"]);
});

test("while the browser says that it is offline, HTTP is not tried", async () => {
  const { client, clock, network, polls } = setUpBlocked();
  network.isOnline = false;
  client.connect();
  await clock.advance(60_000);
  assert.equal(polls.length, 0);
  network.isOnline = true;
  await clock.advance(6_000);
  assert.equal(polls.length, 1);
});

test("when HTTP is lost, the client connects anew", async () => {
  const { client, clock, polls, poll, sockets, emitted } = setUpBlocked();
  client.connect();
  await clock.advance(6_000);
  (await poll()).drop();
  assert.equal(emitted("connection").at(-1).status, "reconnecting");
  const before = sockets.length;
  await clock.advance(8_000);
  assert.ok(sockets.length > before);
  assert.equal(polls.length, 2);
});
