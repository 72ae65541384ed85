/** The lines of the charts on the page Now. */
import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.matchMedia = () => ({ matches: false }); // dom.js asks for it
const { pathOf, sinceMeasured } = await import("../../../static/admin/charts.js");

test("a line breaks where nothing was measured, and a single value is a dot", () => {
  assert.equal(pathOf([null, 10, 10, null, 0], 10), "M90.0 4.0h0L180.0 4.0M360.0 62.0h0");
});

test("a chart begins with the first value, and has the least number of values at least", () => {
  assert.deepEqual(sinceMeasured([null, null, null, 1, null], 1), [1, null]);
  assert.deepEqual(sinceMeasured([null, null, null, 1, null], 4), [null, null, 1, null]);
  assert.deepEqual(sinceMeasured([null, null], 7), [null, null]);
  assert.deepEqual(sinceMeasured([null, null, null], 2), [null, null]);
});
