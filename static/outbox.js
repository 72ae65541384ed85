/**
 * Votes that the server has not made durable yet, kept in the browser: they outlive a lost connection, a reload and a
 * closed laptop.
 *
 * Each song has one entry, with its last choice: `{song: [choice, position|null]}`, under one key for each owner and show.
 * The position is set when the server accepts the choice. The entry is deleted when the choice is durable, so a vote that is
 * lost in between is sent again.
 */
import { StoredMap } from "./stored-map.js";

/**
 * @import { Choice, Vote } from "./client.js"
 * @import { Owner } from "./owner.js"
 * @typedef {[choice: Choice, position: number|null]} Entry
 */

const KEY_PREFIX = "mysetlist.outbox.";

/**
 * The show whose votes another tab has just finished sending; null for any other change of the storage.
 * @param {Pick<StorageEvent, "key"|"newValue">} event
 */
export function showSentByOtherTab({ key, newValue }) {
  return key?.startsWith(KEY_PREFIX) && newValue === null ? Number(key.slice(key.lastIndexOf(".") + 1)) : null;
}

export class Outbox {
  #storage; #owner;
  /** @type {Map<number, StoredMap<Entry>>} */
  #maps = new Map();

  /**
   * @param {Storage|null} storage  null, full or forbidden: the votes live as long as the page
   * @param {Owner} owner  whose votes they are; before it changes, `take` what waits
   */
  constructor(storage, owner) {
    this.#storage = storage;
    this.#owner = owner;
  }

  /**
   * @param {number} show
   * @param {number} song
   * @param {Choice} choice
   */
  put(show, song, choice) {
    this.#mapOf(show).write({ [song]: [choice, null] });
  }

  /**
   * Votes to send. Withdrawals come first: they make room in the budget for the others.
   * @param {number} show
   * @returns {Vote[]}
   */
  unsent(show) {
    /** @type {Vote[]} */
    const votes = [];
    for (const [song, [choice, position]] of Object.entries(this.#mapOf(show).read())) {
      if (position === null) votes.push([Number(song), choice]);
    }
    return votes.sort((a, b) => Number(b[1] === "none") - Number(a[1] === "none"));
  }

  /**
   * The server answered these votes: marks them as accepted, or deletes durable ones.
   * @param {number} show
   * @param {Vote[]} votes
   * @param {number|null} at  position of the acceptance; null: the votes are already durable
   */
  acknowledge(show, votes, at) {
    const map = this.#mapOf(show);
    const entries = map.read();
    // A newer choice, made in the meantime, must still be sent.
    const answered = votes.filter(([song, choice]) => entries[song]?.[0] === choice);
    map.write(Object.fromEntries(answered.map(([song, choice]) => [song, at === null ? undefined : [choice, at]])));
  }

  /**
   * Deletes the votes that are durable now.
   * @param {number} show
   * @param {number} at  all votes that were accepted up to this position are durable
   */
  commit(show, at) {
    const map = this.#mapOf(show);
    const durable = Object.entries(map.read()).filter(([, [, position]]) => position !== null && position <= at);
    map.write(Object.fromEntries(durable.map(([song]) => [song, undefined])));
  }

  /**
   * Deletes votes that the server refused.
   * @param {number} show
   * @param {Vote[]} votes
   */
  drop(show, votes) {
    this.acknowledge(show, votes, null);
  }

  /**
   * After a reconnect the server does not say `committed` for earlier acceptances: marks those votes as unsent.
   * @param {number} show
   */
  forgetAcceptances(show) {
    const map = this.#mapOf(show);
    map.write(Object.fromEntries(Object.entries(map.read()).map(([song, [choice]]) => [song, [choice, null]])));
  }

  /**
   * Removes the owner's votes.
   * @returns {Map<number, Vote[]>} by show
   */
  take() {
    /** @type {Map<number, Vote[]>} */
    const taken = new Map();
    for (const show of this.shows()) {
      const map = this.#mapOf(show);
      const entries = map.read();
      taken.set(show, Object.entries(entries).map(([song, [choice]]) => [Number(song), choice]));
      map.write(Object.fromEntries(Object.keys(entries).map((song) => [song, undefined])));
    }
    this.#maps.clear();
    return taken;
  }

  /** @returns {number[]} the shows that have votes of the owner */
  shows() {
    const shows = new Set([...this.#maps].filter(([, map]) => Object.keys(map.read()).length).map(([show]) => show));
    const prefix = this.#prefix();
    try {
      for (let index = 0; index < (this.#storage?.length ?? 0); index++) {
        const key = this.#storage?.key(index);
        if (key?.startsWith(prefix)) shows.add(Number(key.slice(prefix.length)));
      }
    } catch {
      // The storage became forbidden while the page runs: only the maps in memory are left.
    }
    return [...shows];
  }

  #prefix = () => `${KEY_PREFIX}${this.#owner.name}.`;

  /** @param {number} show */
  #mapOf = (show) => {
    const map = this.#maps.get(show) ?? new StoredMap(this.#storage, this.#prefix() + show);
    this.#maps.set(show, map);
    return map;
  };
}
