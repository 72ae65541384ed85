import assert from "node:assert/strict";
import test from "node:test";
import { castReply, setUp } from "./client_on_fakes.mjs";
import { settled } from "./fakes.mjs";

const STATUS = { status: "live", voting: "open", opens_at: "", closes_at: "", now_playing: null };

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
