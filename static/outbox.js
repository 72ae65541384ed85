/**
 * Votes on their way, kept in the browser: they outlive a dead signal, a reload and a closed laptop.
 *
 * One entry a song, the last choice wins: `{song: [choice, position|null]}` under one key a show. The position is
 * set once the server has accepted the choice; the entry goes when the choice is durable, so that a vote lost
 * between the two is sent again. Storage is read on every call because tabs share it.
 */

const KEY_PREFIX = "mysetlist.outbox.";

/** The show whose waiting votes another tab has just sent, all of them; null for any other change of the storage. */
export function sentElsewhere({ key, newValue }) {
  return key?.startsWith(KEY_PREFIX) && newValue === null ? Number(key.slice(KEY_PREFIX.length)) : null;
}

export class Outbox {
  #storage;
  #memory = new Map();

  /** @param {Storage|null} storage  null, full or forbidden: the votes live as long as the page */
  constructor(storage) {
    this.#storage = storage;
  }

  put(show, song, choice) {
    this.#change(show, (entries) => {
      entries[song] = [choice, null];
    });
  }

  /** Votes to send, withdrawals first: they make room in the budget for the others. */
  unsent(show) {
    const votes = [];
    for (const [song, [choice, at]] of Object.entries(this.#load(show))) {
      if (at === null) votes.push([Number(song), choice]);
    }
    return votes.sort((a, b) => (b[1] === "none") - (a[1] === "none"));
  }

  /** @param {number|null} at  position of the acceptance, null when the votes are already durable */
  acknowledge(show, votes, at) {
    this.#change(show, (entries) => {
      for (const [song, choice] of votes) {
        // A newer choice made meanwhile is still to be sent.
        if (entries[song]?.[0] !== choice) continue;
        if (at === null) delete entries[song];
        else entries[song][1] = at;
      }
    });
  }

  commit(show, at) {
    this.#change(show, (entries) => {
      for (const [song, [, position]] of Object.entries(entries)) {
        if (position !== null && position <= at) delete entries[song];
      }
    });
  }

  drop(show, votes) {
    this.acknowledge(show, votes, null);
  }

  /** After a reconnect the word "committed" for earlier acceptances will not come: send them again. */
  forgetAcceptances(show) {
    this.#change(show, (entries) => {
      for (const entry of Object.values(entries)) entry[1] = null;
    });
  }

  shows() {
    const keys = new Set(this.#memory.keys());
    try {
      for (let index = 0; index < (this.#storage?.length ?? 0); index++) keys.add(this.#storage.key(index));
    } catch {
      // Storage taken away while the page runs: what is in memory is all there is.
    }
    return [...keys].filter((key) => key.startsWith(KEY_PREFIX)).map((key) => Number(key.slice(KEY_PREFIX.length)));
  }

  #change(show, change) {
    const entries = this.#load(show);
    change(entries);
    const key = KEY_PREFIX + show;
    const isEmpty = Object.keys(entries).length === 0;
    try {
      if (isEmpty) this.#storage.removeItem(key);
      else this.#storage.setItem(key, JSON.stringify(entries));
      this.#memory.delete(key);
    } catch {
      if (isEmpty) this.#memory.delete(key);
      else this.#memory.set(key, entries);
    }
  }

  #load(show) {
    const key = KEY_PREFIX + show;
    if (this.#memory.has(key)) return structuredClone(this.#memory.get(key));
    try {
      return JSON.parse(this.#storage.getItem(key)) ?? {};
    } catch {
      return {};
    }
  }
}
