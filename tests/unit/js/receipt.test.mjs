/** A receipt that the server's own code has made, checked as a browser does. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { check } from "../../../static/receipt-check.js";

const { receipt: RECEIPT, foreign: FOREIGN } = JSON.parse(readFileSync(new URL("receipt.json", import.meta.url), "utf8"));

function changed(change) {
  const receipt = structuredClone(RECEIPT);
  change(receipt);
  return receipt;
}

const areIn = async (receipt) => (await check(receipt)).votes.map((vote) => vote.isIn);

test("an honest receipt: each vote is in the ledger, and the signature is good", async () => {
  const { signature, size, votes } = await check(RECEIPT);
  assert.deepEqual([signature, size], ["good", 12]);
  assert.deepEqual(votes, [
    { song: 101, choice: "up", index: 2, isIn: true },
    { song: 102, choice: "down", index: 10, isIn: true },
  ]);
});

test("a vote of another choice, song, show or place is not proved", async () => {
  assert.deepEqual(await areIn(changed((receipt) => { receipt.votes[0].choice = "down"; })), [false, true]);
  assert.deepEqual(await areIn(changed((receipt) => { receipt.votes[0].song = 103; })), [false, true]);
  assert.deepEqual(await areIn(changed((receipt) => { receipt.votes[1].index = 9; })), [true, false]);
  assert.deepEqual(await areIn(changed((receipt) => { receipt.votes[1].index = 12; })), [true, false]);
  assert.deepEqual(await areIn(changed((receipt) => { receipt.votes[0].proof.pop(); })), [false, true]);
  assert.deepEqual(await areIn(changed((receipt) => { receipt.votes[0].entry = receipt.votes[1].entry; })), [false, true]);
  assert.deepEqual(await areIn(changed((receipt) => { receipt.show = 8; })), [false, false]);
});

test("an entry of another fan, or of another kind, proves no vote, though it is in the ledger", async () => {
  const [ofAnother, ofAnotherKind] = FOREIGN;
  assert.deepEqual(await areIn(changed((receipt) => { receipt.votes = [ofAnother]; })), [true]);
  assert.deepEqual(await areIn(changed((receipt) => { receipt.votes[0] = ofAnother; })), [false, false]);
  assert.deepEqual(await areIn(changed((receipt) => { receipt.votes[1] = ofAnotherKind; })), [true, false]);
});

test("a checkpoint that was altered, or signed by another key, proves nothing", async () => {
  for (const change of [
    (receipt) => { receipt.checkpoint = receipt.checkpoint.replace("\n12\n", "\n13\n"); },
    (receipt) => { receipt.checkpoint = receipt.checkpoint.slice(0, -20); },
    (receipt) => { receipt.key = receipt.key.replace("shows/7", "shows/8"); },
    (receipt) => { receipt.key = ""; },
  ]) {
    const receipt = changed(change);
    const checked = await check(receipt);
    assert.equal(checked.signature, "bad");
    assert.deepEqual(checked.votes.map((vote) => vote.isIn), [false, false]);
  }
});
