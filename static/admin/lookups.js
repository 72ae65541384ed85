/** Searches of the catalogue, for fields that pick an entry. */
import { queryOf } from "./parts.js";

/**
 * @import { Desk, Pick } from "./types.js"
 * @typedef {{id: number, name: string, city?: string, genre?: string}} Entry
 */

const COUNT = 8;

/**
 * @param {Desk} desk
 * @param {"artists"|"venues"|"songs"} kind
 * @returns {(words: string) => Promise<Pick[]>}
 */
export const searching = (desk, kind) => async (words) => {
  const { items } = /** @type {{items: (Entry & {title?: string, artist?: Entry})[]}} */ (
    await desk.call(`/api/${kind}?${queryOf({ q: words, limit: COUNT })}`));
  return items.map((entry) => ({ id: entry.id, text: [entry.title ?? entry.name, entry.artist?.name ?? entry.city].filter(Boolean).join(", ") }));
};

/** @param {string} value  of a field that picks */
export const idsOf = (value) => value.split(",").filter(Boolean).map(Number);
