import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { backoffMs, Client, Outbox, RequestError } from "../../../static/client.js";
import { setUp, USER } from "./client_on_fakes.mjs";
import { seeded, settled } from "./fakes.mjs";

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

test("a token that the page holds says who this is from the first hello on", async () => {
  const { connect, sockets } = setUp({ token: () => "held" });
  await connect();
  assert.deepEqual(sockets[0].sent[0], { id: 1, op: "hello", token: "held" });
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
    if (!returns) assert.deepEqual(emitted("connection").at(-1), { type: "connection", status: "offline", refusal: code, reason: null });
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

test("a vote without a sign of life has the connection probed, and dropped", async () => {
  const { client, clock, connect, sockets, emitted } = setUp({ random: () => 0 });
  const socket = await connect();
  await clock.advance(10);
  client.cast(7, 101, "up");
  await clock.advance(2_000);
  assert.equal(socket.count("ping"), 1);
  await clock.advance(6_000);
  assert.equal(emitted("connection").at(-1).status, "reconnecting");
  await clock.advance(1_000);
  assert.equal(sockets.length, 2);
});

test("an answered vote has nothing probed", async () => {
  const { client, clock, connect, sockets } = setUp({ random: () => 0 });
  const socket = await connect();
  client.cast(7, 101, "up");
  await clock.advance(0);
  await socket.reply("cast", { at: 1, durability: "committed", ballot: { 101: "up" }, remaining: null });
  await clock.advance(3_000);
  assert.equal(socket.count("ping"), 0);
  assert.equal(sockets.length, 1);
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

test("a token that expires soon is renewed by a second hello", async () => {
  const { connect, emitted } = setUp();
  const socket = await connect();
  socket.receive({ expiring: { in_ms: 59_000 } });
  await settled();
  assert.equal(emitted("expiring")[0].in_ms, 59_000);
  assert.equal(socket.last("hello").token, "t");
});

test("client.d.ts declares exactly the public methods of client.js", () => {
  const types = readFileSync(new URL("../../../static/client.d.ts", import.meta.url), "utf8");
  for (const [name, { prototype }] of Object.entries({ Client, Outbox })) {
    const [, body] = types.match(new RegExp(`declare class ${name} \\{\n([^]*?)\n\\}`));
    const declared = [...body.matchAll(/^ {2}(\w+)(?:<.*>)?\(/gm)].map(([, method]) => method);
    assert.deepEqual(declared.sort(), Object.getOwnPropertyNames(prototype).sort());
  }
});

test("a page that is put aside has no connection, and goes on when it is shown again", async () => {
  const { client, clock, sockets, connect, greet, emitted } = setUp();
  await connect();
  client.watch(7);
  client.pause();
  assert.equal(sockets.at(-1).readyState, 3);
  assert.equal(emitted("connection").at(-1).status, "reconnecting");
  await clock.advance(120_000);
  assert.equal(sockets.length, 1, "nothing is tried meanwhile");
  client.connect();
  const socket = await greet();
  assert.equal(emitted("connection").at(-1).status, "live");
  assert.ok(socket.sent.some(({ op, channels }) => op === "subscribe" && channels.includes("votes:7")));
});
