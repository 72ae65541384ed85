import assert from "node:assert/strict";
import test from "node:test";
import { StoredMap } from "../../../static/stored-map.js";
import { FakeStorage, seeded } from "./fakes.mjs";

const KEY = "test.map";
const openTabs = () => {
  const storage = new FakeStorage();
  return { storage, one: new StoredMap(storage, KEY), other: new StoredMap(storage, KEY) };
};

test("entries are set, replaced and deleted, and a map without entries leaves no key", () => {
  const { storage, one } = openTabs();
  one.write({ a: 1, b: 2 });
  one.write({ a: 3, b: undefined, never: undefined });
  assert.deepEqual(one.read(), { a: 3 });
  assert.deepEqual(JSON.parse(storage.getItem(KEY)), { a: 3 });
  one.write({ a: undefined });
  assert.deepEqual(one.read(), {});
  assert.equal(storage.length, 0);
});

test("a reader gets a copy", () => {
  const { storage, one } = openTabs();
  storage.isFull = true;
  one.write({ a: 1 });
  one.read().a = 2;
  assert.deepEqual(one.read(), { a: 1 });
});

test("tabs see what each other has written", () => {
  const { one, other } = openTabs();
  one.write({ a: 1, b: 1 });
  other.write({ a: 2, c: 2 });
  one.write({ b: undefined });
  for (const tab of [one, other]) assert.deepEqual(tab.read(), { a: 2, c: 2 });
});

test("a change that a full storage does not take wins over the older stored value", () => {
  const { storage, one } = openTabs();
  one.write({ a: "old", b: "stays", c: "old" });
  storage.isFull = true;
  one.write({ a: "new", d: "new" });
  one.write({ c: undefined });
  assert.deepEqual(one.read(), { a: "new", b: "stays", d: "new" });
  assert.deepEqual(JSON.parse(storage.getItem(KEY)), { a: "old", b: "stays", c: "old" });
});

test("a full storage does not hide what another tab wrote before or writes after", () => {
  const { storage, one, other } = openTabs();
  one.write({ mine: 1, shared: 1 });
  storage.isFull = true;
  one.write({ mine: 2 });
  storage.isFull = false;
  other.write({ shared: 2, theirs: 2 });
  assert.deepEqual(one.read(), { mine: 2, shared: 2, theirs: 2 });
});

test("the next write that succeeds stores all changes from memory, and later writes of other tabs win again", () => {
  const { storage, one, other } = openTabs();
  one.write({ a: 1, b: 1 });
  storage.isFull = true;
  one.write({ a: 2, b: undefined });
  storage.isFull = false;
  one.write({ c: 3 });
  assert.deepEqual(other.read(), { a: 2, c: 3 });
  other.write({ a: 4 });
  assert.deepEqual(one.read(), { a: 4, c: 3 });
});

test("without a storage, or with one that is forbidden, entries live as long as the map", () => {
  const refuse = () => {
    throw new DOMException("the operation is insecure", "SecurityError");
  };
  for (const storage of [null, { getItem: refuse, setItem: refuse, removeItem: refuse }]) {
    const map = new StoredMap(storage, KEY);
    map.write({ a: 1, b: 2 });
    map.write({ a: undefined });
    assert.deepEqual(map.read(), { b: 2 });
  }
});

test("a stored text that is not a JSON object counts as empty and is replaced by the next write", () => {
  for (const text of ["{not json", "null", "5", ""]) {
    const { storage, one } = openTabs();
    storage.setItem(KEY, text);
    assert.deepEqual(one.read(), {}, text);
    one.write({ a: 1 });
    assert.deepEqual(one.read(), { a: 1 }, text);
  }
});

test("for random writes while the storage fills and empties, a tab always reads its own last write", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = seeded(seed);
    const { storage, one } = openTabs();
    const expected = {};
    for (let step = 0; step < 60; step++) {
      storage.isFull = random() < 0.5;
      const name = `n${Math.floor(random() * 6)}`;
      const value = random() < 0.3 ? undefined : step;
      one.write({ [name]: value });
      if (value === undefined) delete expected[name];
      else expected[name] = value;
      assert.deepEqual(one.read(), expected, `seed ${seed}`);
    }
    storage.isFull = false;
    one.write({});
    assert.deepEqual(new StoredMap(storage, KEY).read(), expected, `seed ${seed}`);
  }
});
