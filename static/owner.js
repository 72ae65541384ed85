/**
 * Whose votes and marks wait in this browser: an account in a database. Each owner has its own keys in the storage, so
 * nothing that waits is ever sent for another.
 *
 * A visitor without an account is an owner, too. What they leave waiting goes to the account that they get or sign in to.
 */

/** @import { User } from "./client.js" */

const KEY = "mysetlist.owner";
const UNKNOWN = "unknown"; // before the first answer of the server
const NOBODY = "nobody"; // a visitor without an account

export class Owner {
  #storage;
  #installation = UNKNOWN;
  #account = NOBODY;

  /** @param {Storage|null} storage  until the server says who the visitor is, it is the owner of the last visit */
  constructor(storage) {
    this.#storage = storage;
    try {
      const [installation, account] = storage?.getItem(KEY)?.split(".") ?? [];
      if (installation && account) [this.#installation, this.#account] = [installation, account];
    } catch {
      // Forbidden: what waits is in memory only.
    }
  }

  /** Part of the keys of everything that waits. */
  get name() {
    return `${this.#installation}.${this.#account}`;
  }

  /** Id of the database; an older node does not tell it, and then it is the one before. */
  get installation() {
    return this.#installation;
  }

  /**
   * @param {string} installation  id of the server's database
   * @param {User|null} user
   */
  is(installation, user) {
    return this.#installation === installation && this.#account === accountOf(user);
  }

  /**
   * @param {string} installation
   * @param {User|null} user
   * @returns {"heir"|"account"|"server"} heir: the new owner gets what waits; else what makes them a stranger
   */
  change(installation, user) {
    const before = { installation: this.#installation, account: this.#account };
    this.#installation = installation;
    this.#account = accountOf(user);
    try {
      this.#storage?.setItem(KEY, this.name);
    } catch {
      // Full or forbidden: the next visit learns from the server who the visitor is.
    }
    if (before.installation !== installation && before.installation !== UNKNOWN) return "server";
    return before.account === NOBODY ? "heir" : "account";
  }
}

/** @param {User|null} user */
const accountOf = (user) => (user ? String(user.id) : NOBODY);
