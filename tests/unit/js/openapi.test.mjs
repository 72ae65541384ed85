import assert from "node:assert/strict";
import test from "node:test";
import { addressOf, codesOf, formatSchema, matches, operationsOf, resolveReference } from "../../../static/openapi.js";

const API = {
  paths: {
    "/api/shows": { get: { tags: ["shows"], summary: "Shows.", "x-access": "anyone", parameters: [{ name: "near", in: "query" }] } },
    "/api/shows/{show}": { delete: { tags: ["shows"], summary: "Away.", "x-access": "admin", parameters: [{ name: "show", in: "path" }] } },
  },
  components: {
    schemas: {
      Song: { type: "object", properties: { title: { type: "string" } }, required: ["title"] },
      Tree: { type: "object", properties: { branches: { type: "array", items: { $ref: "#/components/schemas/Tree" } } } },
    },
    responses: {
      gone: { content: { "application/problem+json": { schema: { properties: { code: { enum: ["closed", "locked"] } } } } } },
    },
  },
};

test("an object is formatted field by field, with optional fields marked", () => {
  const schema = {
    type: "object",
    properties: {
      id: { type: "integer", minimum: 1, maximum: 9 },
      name: { anyOf: [{ type: "string", maxLength: 5 }, { type: "null" }], description: "For people." },
      song: { $ref: "#/components/schemas/Song" },
      kind: { enum: ["up", "down"] },
      pairs: { type: "array", items: { type: "array", prefixItems: [{ type: "integer" }, { const: "x" }] }, maxItems: 3 },
      counts: { type: "object", additionalProperties: { type: "number", exclusiveMinimum: 0 } },
    },
    required: ["id"],
  };
  assert.equal(formatSchema(schema, API), `{
  id: integer (≥ 1, ≤ 9)
  name?: string (at most 5 characters) | null  — For people.
  song?: {
    title: string
  }
  kind?: "up" | "down"
  pairs?: [[integer, "x"], …] (at most 3)
  counts?: {
    [name]: number (> 0)
  }
}`);
});

test("a schema that contains itself is named where it appears again", () => {
  assert.equal(formatSchema({ $ref: "#/components/schemas/Tree" }, API), "{\n  branches?: [Tree, …]\n}");
});

test("a schema without a type is anything", () => {
  assert.equal(formatSchema({}, API), "anything");
  assert.equal(formatSchema({ type: "object" }, API), "{ … }");
  assert.equal(formatSchema({ type: "integer", default: 20 }, API), "integer (default 20)");
});

test("operations are found by every word of a search", () => {
  const [list, away] = operationsOf(API);
  assert.deepEqual([list.method, away.method, away.tag], ["GET", "DELETE", "shows"]);
  assert.ok(matches(list, ""));
  assert.ok(matches(list, "get  NEAR"));
  assert.ok(!matches(list, "get admin"));
  assert.ok(matches(away, "admin delete"));
});

test("the codes of an answer", () => {
  assert.deepEqual(codesOf(resolveReference({ $ref: "#/components/responses/gone" }, API)), ["closed", "locked"]);
  assert.deepEqual(codesOf({ description: "OK" }), []);
});

test("an address has the path with its values and no empty parameters", () => {
  const operation = { path: "/api/shows/{show}", parameters: [
    { name: "show", in: "path" }, { name: "q", in: "query" }, { name: "near", in: "query" },
  ] };
  assert.equal(addressOf(operation, { show: "a/b", q: "", near: "1,2 &" }), "/api/shows/a%2Fb?near=1%2C2+%26");
  assert.equal(addressOf(operation, { show: "7" }), "/api/shows/7");
});
