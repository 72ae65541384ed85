/**
 * Marks of the visitor, that they go to a show or follow an artist, kept until the server has them. For each subject the
 * last mark counts.
 *
 * One entry for each subject, `{"show:7": true}`, under one key for each owner in the browser's storage, which the tabs of a
 * visitor share.
 */
import { RequestError } from "./api.js";
import { StoredMap } from "./stored-map.js";

/**
 * @import { Subject } from "./client.js"
 * @import { Owner } from "./owner.js"
 * @import { ClientLink } from "./types.js"
 */

const KEY_PREFIX = "mysetlist.marks.";

export class Marks {
  #storage; #owner; #link;
  /** @type {StoredMap<boolean>} */
  #unsent;
  #isBusy = false;
  #attempt = 0;
  /** @type {unknown} */
  #timer = null;

  /**
   * @param {Storage|null} storage  null, full or forbidden: the marks live as long as the page
   * @param {Owner} owner  whose marks they are; before it changes, `take` what waits
   * @param {ClientLink} link
   */
  constructor(storage, owner, link) {
    this.#storage = storage;
    this.#owner = owner;
    this.#link = link;
    this.#unsent = this.#open();
  }

  /**
   * @param {Subject} subject
   * @param {boolean} wanted
   */
  put(subject, wanted) {
    this.#unsent.write({ [subject]: wanted });
    this.#link.emit({ type: "marking", subject, wanted });
    this.flush();
  }

  /**
   * Removes the owner's marks. With `restore` they go to the next owner.
   * @returns {Record<Subject, boolean>}
   */
  take() {
    const taken = this.#unsent.read();
    this.#unsent.write(Object.fromEntries(Object.keys(taken).map((subject) => [subject, undefined])));
    return taken;
  }

  /**
   * The owner has changed: keeps their marks from now on.
   * @param {Record<Subject, boolean>} marks
   */
  restore(marks) {
    this.#unsent = this.#open();
    if (Object.keys(marks).length) this.#unsent.write(marks);
  }

  /** @returns {Record<Subject, boolean>} the marks that the server does not have yet */
  unsaid() {
    return this.#unsent.read();
  }

  /** Sends the marks one after the other, as soon as the connection is ready. */
  async flush() {
    const [next] = /** @type {[Subject, boolean][]} */ (Object.entries(this.#unsent.read()));
    if (!this.#link.isReady() || this.#isBusy || this.#timer !== null || !next) return;
    const [subject, wanted] = next;
    this.#isBusy = true;
    try {
      await this.#link.ensureUser();
      const { at } = await this.#send(subject, wanted);
      this.#attempt = 0;
      this.#forget(subject, wanted);
      this.#link.emit({ type: "mark_ok", subject, wanted, at });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.#recover(subject, wanted, error);
    } finally {
      this.#isBusy = false;
    }
    this.flush();
  }

  /** @returns {StoredMap<boolean>} */
  #open = () => {
    return new StoredMap(this.#storage, KEY_PREFIX + this.#owner.name);
  };

  /**
   * @param {Subject} subject
   * @param {boolean} wanted
   * @returns {Promise<{at: number}>}
   */
  #send = (subject, wanted) => {
    const [kind, number] = subject.split(":");
    return kind === "show"
      ? this.#link.request("attend", { show: Number(number), going: wanted })
      : this.#link.request("follow", { artist: Number(number), following: wanted });
  };

  /**
   * @param {Subject} subject
   * @param {boolean} wanted
   * @param {RequestError} error
   */
  #recover = (subject, wanted, error) => {
    if (error.code === "unauthenticated") this.#link.forgetUser();
    if (!error.isTransient) {
      this.#forget(subject, wanted);
      this.#link.emit({ type: "mark_refused", subject, wanted, error });
    } else if (this.#link.isReady()) {
      this.#timer = this.#link.clock.setTimeout(() => {
        this.#timer = null;
        this.flush();
      }, this.#link.retryDelayMs(error.retry_after_ms, ++this.#attempt));
    }
  };

  /**
   * Deletes a mark, unless the visitor has changed it in the meantime.
   * @param {Subject} subject
   * @param {boolean} wanted
   */
  #forget = (subject, wanted) => {
    if (this.#unsent.read()[subject] === wanted) this.#unsent.write({ [subject]: undefined });
  };
}
