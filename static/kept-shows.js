/**
 * The shows that the visitor saw last, kept in the browser to be read without a network.
 *
 * Owns:   one cache for each owner (owner.js). Those of other owners are deleted: counts may be for one account alone
 * Limits: SHOWS_MAX shows with CHARS_MAX characters together; the oldest go first
 * Without this storage (private windows, pages without TLS, a full disk) nothing is kept, and nothing else is missing.
 */

/** @import { KeptBallot, KeptShow, ShowBody } from "./types.js" */

const PREFIX = "mysetlist.shows.";
const SHOWS_MAX = 20;
const CHARS_MAX = 1_000_000;
const AT = "Kept-At";
const LENGTH = "Kept-Length";

/**
 * @template Result
 * @param {() => Promise<Result>} work
 * @param {Result} otherwise
 */
async function ifPossible(work, otherwise) {
  if (!globalThis.caches) return otherwise;
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    return otherwise; // forbidden or full
  }
}

/** @param {string} owner */
const cacheOf = (owner) => caches.open(PREFIX + owner);

/**
 * @param {string} owner
 * @param {ShowBody} show
 * @param {KeptBallot|null} ballot  null: not known
 * @param {number} at_ms  the moment of its counts
 */
export const keepShow = (owner, show, ballot, at_ms) => ifPossible(async () => {
  const text = JSON.stringify({ show, ballot });
  const cache = await cacheOf(owner);
  const headers = { "Content-Type": "application/json", [AT]: String(at_ms), [LENGTH]: String(text.length) };
  await cache.put(`/kept/${show.id}`, new Response(text, { headers }));
  let length = 0;
  for (const [index, { request, response }] of (await entriesOf(cache)).entries()) {
    length += Number(response.headers.get(LENGTH));
    if (index >= SHOWS_MAX || length > CHARS_MAX) await cache.delete(request);
  }
}, undefined);

/**
 * What was kept, newest first.
 * @param {string} owner
 * @returns {Promise<KeptShow[]>}
 */
export const keptShows = (owner) => ifPossible(async () => Promise.all((await entriesOf(await cacheOf(owner))).map(
  async ({ response }) => ({ .../** @type {Omit<KeptShow, "at_ms">} */ (await response.json()), at_ms: keptAt(response) }),
)), /** @type {KeptShow[]} */ ([]));

/**
 * Deletes what is kept for others; without an owner everything.
 * @param {string|null} owner
 */
export const deleteKeptShows = (owner = null) => ifPossible(async () => {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== PREFIX + owner) await caches.delete(name);
  }
}, undefined);

/** @param {Cache} cache */
async function entriesOf(cache) {
  const entries = await Promise.all((await cache.keys()).map(async (request) => ({ request, response: await cache.match(request) })));
  return entries.flatMap(({ request, response }) => (response ? [{ request, response }] : []))
    .sort((a, b) => keptAt(b.response) - keptAt(a.response));
}

/** @param {Response} response */
const keptAt = (response) => Number(response.headers.get(AT));
