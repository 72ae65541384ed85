/** The kinds of entries of the catalogue: their fields, and how a form becomes a request. */
import { REASON } from "./ask.js";
import { counted } from "./formats.js";
import { searching } from "./lookups.js";

/**
 * @import { Desk, Field, Pick } from "./types.js"
 * @typedef {"artist"|"venue"|"song"} Kind
 * @typedef {{id: number, revision: number, show_count: number, slug?: string, name?: string, title?: string,
 *   [field: string]: string|number|boolean|null|undefined}} Edited
 */

const NUMBERS = ["latitude", "longitude", "capacity", "artist"];

/** @type {Record<Kind, {one: string, title: string, required: string[], reach(count: number): string, fields: Field[]}>} */
export const ENTRIES = {
  artist: {
    one: "artist", title: "Artist", required: ["name"],
    reach: (count) => `${counted(count, "show")} ${count === 1 ? "has" : "have"} the artist on the bill.`,
    fields: [
      { name: "name", label: "Name", required: true, attributes: { maxlength: 200 } },
      { name: "genre", label: "Genre", attributes: { maxlength: 80 } },
      { name: "country", label: "Country (two letters, such as DE)", attributes: { maxlength: 2, pattern: "[A-Z]{2}" } },
      { name: "slug", label: "Slug, its place in addresses", attributes: { maxlength: 300 } },
    ],
  },
  venue: {
    one: "venue", title: "Venue", required: ["name", "city", "country", "latitude", "longitude", "time_zone"],
    reach: (count) => `${counted(count, "show")} ${count === 1 ? "is" : "are"} there.`,
    fields: [
      { name: "name", label: "Name", required: true, attributes: { maxlength: 200 } },
      { name: "city", label: "City", required: true, attributes: { maxlength: 120 } },
      { name: "region", label: "Region", attributes: { maxlength: 80 } },
      { name: "country", label: "Country (two letters, such as DE)", required: true, attributes: { maxlength: 2, pattern: "[A-Z]{2}" } },
      { name: "latitude", label: "Latitude", type: "number", required: true, attributes: { min: -90, max: 90, step: "any" } },
      { name: "longitude", label: "Longitude", type: "number", required: true, attributes: { min: -180, max: 180, step: "any" } },
      { name: "time_zone", label: "Time zone, such as Europe/Paris", required: true, attributes: { maxlength: 80 } },
      { name: "capacity", label: "Capacity", type: "number", attributes: { min: 1 } },
      { name: "slug", label: "Slug, its place in addresses", attributes: { maxlength: 300 } },
    ],
  },
  song: {
    one: "song", title: "Song", required: ["title", "artist"],
    reach: (count) => `${counted(count, "show")} ${count === 1 ? "has" : "have"} the song in a set.`,
    fields: [{ name: "title", label: "Title", required: true, attributes: { maxlength: 300 } }],
  },
};

/**
 * @param {Desk} desk
 * @param {Kind} kind
 * @param {Edited|null} before  null: a new entry
 * @param {Pick|null} [writer]  of a new song: the artist who wrote it
 * @returns {Field[]}
 */
export function fieldsOf(desk, kind, before, writer = null) {
  const fields = ENTRIES[kind].fields.map((field) => ({ ...field, value: String(before?.[field.name] ?? "") }));
  const artist = before?.artist ? { id: Number(before.artist), text: String(before.artist_name) } : writer;
  return [
    ...(kind === "song" ? [{ name: "artist", label: "Artist who wrote it", picks: { search: searching(desk, "artists"), chosen: artist ? [artist] : [] } }] : []),
    ...fields, ...(before ? [REASON] : []),
  ];
}

/**
 * @param {Kind} kind
 * @param {Record<string, string>} values
 * @param {Edited|null} before  only what differs from it is sent
 */
export function bodyOf(kind, values, before) {
  /** @type {Record<string, string|number|null>} */
  const body = {};
  for (const name of [...ENTRIES[kind].fields.map((field) => field.name), ...(kind === "song" ? ["artist"] : [])]) {
    const text = values[name] ?? "";
    if (before ? text === String(before[name] ?? "") : !text) continue;
    body[name] = NUMBERS.includes(name) ? (text ? Number(text) : null) : text;
  }
  return body;
}

/**
 * @param {Kind} kind
 * @param {Edited} before
 * @param {Edited} after
 */
export function differences(kind, before, after) {
  const names = [...ENTRIES[kind].fields, { name: "artist_name", label: "Artist" }];
  const lines = names.filter(({ name }) => before[name] !== after[name]).map(({ name, label }) =>
    `${label.split(/[,(]/)[0]?.trim()}: ${before[name] || "nothing"} → ${after[name] || "nothing"}`);
  return lines.length ? lines : ["Nothing changes."];
}
