import assert from "node:assert/strict";
import test from "node:test";
import { Outbox, showSentByOtherTab } from "../../../static/outbox.js";
import { Owner } from "../../../static/owner.js";
import { FakeStorage, seeded } from "./fakes.mjs";

const openOutbox = (storage) => new Outbox(storage, new Owner(storage));

test("the last choice of a song wins", () => {
  const outbox = openOutbox(new FakeStorage());
  for (const choice of ["up", "down", "none"]) outbox.put(7, 101, choice);
  assert.deepEqual(outbox.unsent(7), [[101, "none"]]);
});

test("withdrawals go first, because they make room in the budget", () => {
  const outbox = openOutbox(new FakeStorage());
  outbox.put(7, 101, "up");
  outbox.put(7, 102, "none");
  assert.deepEqual(outbox.unsent(7), [[102, "none"], [101, "up"]]);
});

test("an answer to an older choice leaves the newer one", () => {
  const outbox = openOutbox(new FakeStorage());
  outbox.put(7, 101, "up");
  outbox.put(7, 101, "down");
  outbox.acknowledge(7, [[101, "up"]], null);
  assert.deepEqual(outbox.unsent(7), [[101, "down"]]);
});

test("a commit forgets the acceptances up to its position and no others", () => {
  const outbox = openOutbox(new FakeStorage());
  outbox.put(7, 101, "up");
  outbox.put(7, 102, "up");
  outbox.acknowledge(7, [[101, "up"]], 130);
  outbox.acknowledge(7, [[102, "up"]], 140);
  outbox.commit(7, 135);
  outbox.forgetAcceptances(7);
  assert.deepEqual(outbox.unsent(7), [[102, "up"]]);
});

test("shows are kept apart and listed, other keys are not", () => {
  const storage = new FakeStorage();
  storage.setItem("something.else", "1");
  const outbox = openOutbox(storage);
  outbox.put(7, 101, "up");
  outbox.put(8, 801, "down");
  assert.deepEqual(outbox.shows().sort(), [7, 8]);
  outbox.drop(7, [[101, "up"]]);
  assert.deepEqual(outbox.shows(), [8]);
  assert.equal(storage.length, 2);
});

test("two tabs share one outbox", () => {
  const storage = new FakeStorage();
  const [one, other] = [openOutbox(storage), openOutbox(storage)];
  one.put(7, 101, "up");
  other.put(7, 102, "up");
  assert.equal(one.unsent(7).length, 2);
});

test("without storage, or with a full one, votes live as long as the page", () => {
  const full = new FakeStorage();
  full.isFull = true;
  for (const storage of [null, full]) {
    const outbox = openOutbox(storage);
    outbox.put(7, 101, "up");
    assert.deepEqual(outbox.unsent(7), [[101, "up"]]);
    assert.deepEqual(outbox.shows(), [7]);
    outbox.drop(7, [[101, "up"]]);
    assert.deepEqual(outbox.shows(), []);
  }
});

test("a vote that a full storage did not take is sent in place of the older choice that it holds", () => {
  const storage = new FakeStorage();
  const outbox = openOutbox(storage);
  outbox.put(7, 101, "up");
  storage.isFull = true;
  outbox.put(7, 101, "down");
  outbox.put(8, 801, "up");
  assert.deepEqual(outbox.unsent(7), [[101, "down"]]);
  assert.deepEqual(outbox.shows().sort(), [7, 8]);
  outbox.acknowledge(7, [[101, "down"]], null);
  assert.deepEqual(outbox.unsent(7), []);
});

test("a spoilt entry in storage counts as empty", () => {
  const storage = new FakeStorage();
  storage.setItem("mysetlist.outbox.unknown.nobody.7", "{not json");
  const outbox = openOutbox(storage);
  assert.deepEqual(outbox.unsent(7), []);
  outbox.put(7, 101, "up");
  assert.deepEqual(outbox.unsent(7), [[101, "up"]]);
});

test("an outbox of random taps keeps exactly the last choice of each song, across reloads", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = seeded(seed);
    const storage = new FakeStorage();
    const last = new Map();
    for (let tap = 0; tap < 40; tap++) {
      const song = 100 + Math.floor(random() * 8);
      const choice = ["up", "down", "none"][Math.floor(random() * 3)];
      openOutbox(storage).put(7, song, choice);
      last.set(song, choice);
    }
    assert.deepEqual(new Map(openOutbox(storage).unsent(7)), last);
  }
});

test("only an emptied outbox means that another tab has sent its votes", () => {
  assert.equal(showSentByOtherTab({ key: "mysetlist.outbox.db.5.7", newValue: null }), 7);
  assert.equal(showSentByOtherTab({ key: "mysetlist.outbox.db.5.7", newValue: "{}" }), null);
  assert.equal(showSentByOtherTab({ key: "something.else", newValue: null }), null);
  assert.equal(showSentByOtherTab({ key: null, newValue: null }), null); // the whole storage was cleared
});

test("what is taken is gone from the storage and from the memory", () => {
  const full = new FakeStorage();
  full.isFull = true;
  for (const storage of [null, full, new FakeStorage()]) {
    const outbox = openOutbox(storage);
    outbox.put(7, 101, "up");
    outbox.put(8, 801, "down");
    assert.deepEqual([...outbox.take()], [[7, [[101, "up"]]], [8, [[801, "down"]]]]);
    assert.deepEqual([outbox.shows(), outbox.unsent(7), [...outbox.take()]], [[], [], []]);
  }
});
