import assert from "node:assert/strict";
import test from "node:test";
import { setUp, USER } from "./client_on_fakes.mjs";
import { FakeStorage, settled } from "./fakes.mjs";

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

test("a mark that is committed does not commit votes", async () => {
  const { connect, emitted } = setUp();
  const socket = await connect();
  socket.receive({ committed: { artist: 3, at: 9 } });
  assert.deepEqual(emitted("committed"), [{ type: "committed", artist: 3, at: 9 }]);
});
