import assert from "node:assert/strict";
import test from "node:test";
import { castReply, setUp } from "./client_on_fakes.mjs";
import { FakeStorage, settled } from "./fakes.mjs";

const [ANNA, BEN] = [{ id: 5, role: "user" }, { id: 6, role: "user" }];

/** A page of a visitor: the cookie, not a token, says who it is. */
const openPage = async (storage, user, { installation = "db", signIn } = {}) => {
  const page = setUp({ storage, user, installation, signIn });
  await page.connect();
  return page;
};

/** Leaves one vote waiting, as a page does whose connection breaks. */
const leaveWaiting = async (storage, user, options) => {
  const page = await openPage(storage, user, options);
  page.sockets[0].drop();
  page.client.cast(7, 101, "up");
  page.client.attend(7, true);
};

test("waiting votes and marks of the same account are sent by the next page", async () => {
  const storage = new FakeStorage();
  await leaveWaiting(storage, ANNA);
  const { sockets, emitted } = await openPage(storage, ANNA);
  assert.deepEqual(sockets[0].last("cast").votes, [[101, "up"]]);
  assert.equal(sockets[0].count("attend"), 1);
  assert.deepEqual(emitted("dropped"), []);
});

test("waiting votes and marks of another account are dropped with a word, never sent", async () => {
  const storage = new FakeStorage();
  await leaveWaiting(storage, ANNA);
  const { client, sockets, emitted, clock } = await openPage(storage, BEN);
  await clock.advance(60_000);
  assert.deepEqual([sockets[0].count("cast"), sockets[0].count("attend")], [0, 0]);
  assert.deepEqual(emitted("dropped"), [{ type: "dropped", count: 1, difference: "account" }]);
  assert.deepEqual([client.outbox.shows(), client.marks.unsaid()], [[], {}]);
  const back = await openPage(storage, ANNA);
  assert.equal(back.sockets[0].count("cast"), 0);
});

test("after a sign-out nobody sends the votes of the account", async () => {
  const storage = new FakeStorage();
  await leaveWaiting(storage, ANNA);
  const { sockets, emitted } = await openPage(storage, null);
  assert.equal(sockets[0].count("cast"), 0);
  assert.equal(emitted("dropped")[0].count, 1);
});

test("a song's number means another song in another database, so votes for it are dropped, also those of nobody", async () => {
  for (const user of [ANNA, null]) {
    const storage = new FakeStorage();
    await leaveWaiting(storage, user, { installation: "old" });
    const { sockets, emitted } = await openPage(storage, user, { installation: "new" });
    assert.equal(sockets[0].count("cast"), 0);
    assert.deepEqual(emitted("dropped"), [{ type: "dropped", count: 1, difference: "server" }]);
  }
});

test("votes of a visitor without an account go to the account that they get", async () => {
  const storage = new FakeStorage();
  await leaveWaiting(storage, null);
  const { sockets, emitted } = await openPage(storage, ANNA);
  assert.deepEqual(sockets[0].last("cast").votes, [[101, "up"]]);
  assert.deepEqual(emitted("dropped"), []);
});

test("an account that was erased meanwhile: the vote under way is not cast for the new account", async () => {
  const { client, clock, connect, emitted } = setUp({ user: ANNA, signIn: async () => ({ token: "t" }) });
  client.watch(7);
  const socket = await connect();
  await socket.reply("ballot", { ballot: {}, remaining: null });
  client.cast(7, 101, "up");
  await settled();
  await socket.refuse("cast", { code: "unauthenticated" });
  await clock.advance(1_000);
  await socket.reply("hello", { user: BEN, installation: "db", time_ms: 0 });
  assert.equal(socket.count("cast"), 1);
  assert.deepEqual(emitted("dropped").map(({ count }) => count), [1]);
  await socket.reply("ballot", { ballot: {}, remaining: null });
  assert.deepEqual(emitted("ballot").at(-1).unsent, []);
});

test("a page without a storage drops the votes of the account before, too", async () => {
  const { client, clock, connect, sockets, emitted } = setUp({ storage: null, user: ANNA, signIn: undefined });
  await connect();
  sockets[0].drop();
  client.cast(7, 101, "up");
  await clock.advance(1_000);
  sockets[1].open();
  await sockets[1].reply("hello", { user: BEN, installation: "db", time_ms: 0 });
  assert.equal(sockets[1].count("cast"), 0);
  assert.equal(emitted("dropped")[0].count, 1);
});

test("a program that signs in with tokens keeps its votes while it says hello without one", async () => {
  const { client, clock, connect, greet } = setUp({ user: null });
  const socket = await connect();
  client.cast(7, 101, "up");
  await settled();
  await socket.reply("hello", { user: ANNA, installation: "db", time_ms: 0 });
  socket.drop();
  await clock.advance(1_000);
  const next = await greet();
  await next.reply("hello", { user: ANNA, installation: "db", time_ms: 0 });
  assert.deepEqual(next.last("cast").votes, [[101, "up"]]);
  await next.reply("cast", castReply(131, { 101: "up" }));
});

test("the close after an erasure is final, another close 1000 is not", async () => {
  for (const [reason, returns] of [["account erased", false], ["closed by an administrator", true]]) {
    const { clock, connect, sockets, emitted } = setUp();
    const socket = await connect();
    socket.onclose({ code: 1000, reason });
    await clock.advance(60_000);
    assert.equal(sockets.length > 1, returns, reason);
    if (!returns) assert.equal(emitted("connection").at(-1).refusal, 1000);
  }
});

test("a banned account that is refused in reply to hello does not try again", async () => {
  const { client, clock, sockets, emitted } = setUp();
  client.connect();
  sockets[0].open();
  await sockets[0].refuse("hello", { code: "forbidden", message: "Banned." });
  await clock.advance(60_000);
  assert.equal(sockets.length, 1);
  assert.equal(emitted("connection").at(-1).refusal, 4403);
});
