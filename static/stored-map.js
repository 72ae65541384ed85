/**
 * A map kept in the browser's storage under one key, as a JSON object.
 *
 * The tabs of a visitor share the storage, so every call reads it. A change that the storage does not take (it is full,
 * forbidden or missing) stays in memory, where it wins over the stored value until a later write succeeds. Other entries
 * still come from the storage: a full storage hides nothing that another tab has written.
 *
 * Limits: the owner limits the number of entries; changes that are only in memory are lost with the page.
 */

/** The storage of the browser; null: it is blocked, as cookies are, and everything lives as long as the page. */
export function browserStorage() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

/** @template Value  anything that JSON keeps, except undefined */
export class StoredMap {
  #storage; #key;
  /** @type {Map<string, Value|undefined>} changes that are not in the storage; undefined: deleted */
  #unwritten = new Map();

  /**
   * @param {Storage|null} storage
   * @param {string} key
   */
  constructor(storage, key) {
    this.#storage = storage;
    this.#key = key;
  }

  /** @returns {Record<string, Value>} a copy of all entries */
  read() {
    const entries = this.#readStored();
    for (const [name, value] of this.#unwritten) {
      if (value === undefined) delete entries[name];
      else entries[name] = value;
    }
    return entries;
  }

  /**
   * Sets the named entries and leaves the others.
   * @param {Record<string, Value|undefined>} changes  undefined deletes an entry
   */
  write(changes) {
    for (const [name, value] of Object.entries(changes)) this.#unwritten.set(name, value);
    const entries = this.read();
    if (this.#writeStored(entries)) this.#unwritten.clear();
  }

  #readStored = () => {
    try {
      return { ...JSON.parse(this.#storage?.getItem(this.#key) ?? "{}") };
    } catch {
      return {}; // The storage is forbidden, or the text is not JSON.
    }
  };

  /** @param {Record<string, Value>} entries */
  #writeStored = (entries) => {
    if (!this.#storage) return false;
    try {
      if (Object.keys(entries).length) this.#storage.setItem(this.#key, JSON.stringify(entries));
      else this.#storage.removeItem(this.#key);
      return true;
    } catch {
      return false; // Full or forbidden.
    }
  };
}
