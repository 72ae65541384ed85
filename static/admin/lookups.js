/** Searches of the catalogue, for fields that pick an entry. */
import { queryOf } from "./parts.js";

/**
 * @import { Desk, Pick } from "./types.js"
 * @typedef {{id: number, name?: string, title?: string, city?: string, country?: string, genre?: string, artist?: {name: string}}} Entry
 * @typedef {"artists"|"venues"|"songs"} Kind
 */

const PICKS_MAX = 8;

/**
 * @param {Desk} desk
 * @param {Kind} kind
 * @param {string} words
 * @param {number} limit
 * @returns {Promise<Entry[]>} the best matches first
 */
export async function search(desk, kind, words, limit) {
  const found = /** @type {Record<Kind, Entry[]>} */ (await desk.call(`/api/search?${queryOf({ q: words, kind, limit })}`));
  return found[kind];
}

/**
 * @param {Desk} desk
 * @param {Kind} kind
 * @returns {(words: string) => Promise<Pick[]>}
 */
export const searching = (desk, kind) => async (words) => (await search(desk, kind, words, PICKS_MAX)).map(({ id, name, title, city, artist }) => ({
  id, text: [title ?? name, artist?.name ?? city].filter(Boolean).join(", "),
}));

/** @param {string} value  of a field that picks */
export const idsOf = (value) => value.split(",").filter(Boolean).map(Number);
