/**
 * What a visitor says of shows and artists, kept until it is said: they go, they follow. The last word on each counts.
 *
 * One entry a subject, `{"show:7": true}`, in the browser's storage, which the tabs of a visitor share.
 */
import { RequestError } from "./api.js";
import { StoredMap } from "./stored-map.js";

const KEY = "mysetlist.marks";

export class Marks {
  #unsaid; #way;
  #isBusy = false;
  #attempt = 0;
  #timer = null;

  /**
   * @param {Storage|null} storage  null, full or forbidden: what is said lives as long as the page
   * @param {object} way  as of vote-queue.js
   */
  constructor(storage, way) {
    this.#unsaid = new StoredMap(storage, KEY);
    this.#way = way;
  }

  /** @param {string} subject  show:7 or artist:3 */
  put(subject, wanted) {
    this.#unsaid.write({ [subject]: wanted });
    this.#way.on({ type: "marking", subject, wanted });
    this.say();
  }

  /** @returns {Record<string, boolean>} what is still to be said */
  unsaid() {
    return this.#unsaid.read();
  }

  /** Says what is to be said, one after the other, as soon as there is a way. */
  async say() {
    const [next] = Object.entries(this.#unsaid.read());
    if (!this.#way.canSend() || this.#isBusy || this.#timer !== null || !next) return;
    const [subject, wanted] = next;
    this.#isBusy = true;
    try {
      await this.#way.identify();
      const { at } = await this.#send(subject, wanted);
      this.#attempt = 0;
      this.#forget(subject, wanted);
      this.#way.on({ type: "mark_ok", subject, wanted, at });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.#recover(subject, wanted, error);
    } finally {
      this.#isBusy = false;
    }
    this.say();
  }

  #send(subject, wanted) {
    const [kind, number] = subject.split(":");
    return kind === "show"
      ? this.#way.request("attend", { show: Number(number), going: wanted })
      : this.#way.request("follow", { artist: Number(number), following: wanted });
  }

  #recover(subject, wanted, error) {
    if (error.code === "unauthenticated") this.#way.forgetUser();
    if (!error.isTransient) {
      this.#forget(subject, wanted);
      this.#way.on({ type: "mark_refused", subject, wanted, error });
    } else if (this.#way.canSend()) {
      this.#timer = this.#way.clock.setTimeout(() => {
        this.#timer = null;
        this.say();
      }, this.#way.delay_ms(error.retry_after_ms, ++this.#attempt));
    }
  }

  /** Something else that was said of the same subject meanwhile stays. */
  #forget(subject, wanted) {
    if (this.#unsaid.read()[subject] === wanted) this.#unsaid.write({ [subject]: undefined });
  }
}
