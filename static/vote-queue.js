/**
 * Sends the votes of the outbox to the server, one cast at a time for each show. It sends a cast again as long as another
 * attempt may succeed.
 *
 * The server takes all votes of a cast or none. When it refuses a cast, the queue sends its votes one by one. So it finds
 * the vote that the server refuses, and does not lose the others.
 */
import { RequestError } from "./api.js";

/**
 * @import { CastReply, Vote } from "./client.js"
 * @import { Outbox } from "./outbox.js"
 * @import { ClientLink } from "./types.js"
 * @typedef {{isBusy: boolean, isOneByOne: boolean, attempt: number, timer: unknown}} Queue
 */

const CAST_VOTES_MAX = 20;

export class VoteQueue {
  #outbox; #link;
  /** @type {Map<number, number>} show -> the greatest known order of a cast */
  #orders = new Map();
  /** @type {Map<number, Queue>} */
  #queues = new Map();

  /**
   * @param {Outbox} outbox
   * @param {ClientLink} link
   */
  constructor(outbox, link) {
    this.#outbox = outbox;
    this.#link = link;
  }

  /**
   * Forgets the delays and refusals of a show, because there is a new connection.
   * @param {number} show
   */
  reset(show) {
    this.#link.clock.clearTimeout(this.#queueOf(show).timer);
    this.#queues.delete(show);
  }

  /** @param {number} show */
  async flush(show) {
    const queue = this.#queueOf(show);
    if (!this.#link.isReady() || queue.isBusy || queue.timer !== null || !this.#outbox.unsent(show).length) return;
    queue.isBusy = true;
    /** @type {Vote[]} */
    let votes = [];
    try {
      await this.#link.ensureUser();
      votes = this.#outbox.unsent(show).slice(0, queue.isOneByOne ? 1 : CAST_VOTES_MAX);
      if (votes.length) await this.#cast(show, votes);
      queue.attempt = 0;
      queue.isBusy = false;
      this.flush(show);
    } catch (error) {
      queue.isBusy = false;
      if (!(error instanceof RequestError)) throw error;
      this.#recover(show, queue, votes, error);
    }
  }

  /**
   * @param {number} show
   * @param {Vote[]} votes
   */
  #cast = async (show, votes) => {
    this.#link.emit({ type: "casting", show, votes, phase: "pending" });
    const reply = await this.#request(show, votes);
    this.#outbox.acknowledge(show, votes, reply.durability === "accepted" ? reply.at : null);
    this.#link.emit({ type: "cast_ok", show, votes, reply });
  };

  /**
   * Each attempt has a greater order than the one before, so the server refuses a late copy of an earlier attempt. The clock
   * only keeps a page that was loaded again above its earlier numbers.
   * @param {number} show
   * @param {Vote[]} votes
   * @returns {Promise<CastReply>}
   */
  #request = async (show, votes) => {
    const send = () => {
      const order = Math.max((this.#orders.get(show) ?? 0) + 1, this.#link.clock.now());
      this.#orders.set(show, order);
      return this.#link.request("cast", { show, votes, order });
    };
    try {
      return /** @type {CastReply} */ (/** @type {unknown} */ (await send()));
    } catch (error) {
      if (!(error instanceof RequestError) || error.code !== "conflict") throw error;
      // Another device of this fan counts ahead of this one.
      const { order } = /** @type {{order: number}} */ (await this.#link.request("ballot", { show }));
      this.#orders.set(show, order);
      return /** @type {CastReply} */ (/** @type {unknown} */ (await send()));
    }
  };

  /**
   * @param {number} show
   * @param {Queue} queue
   * @param {Vote[]} votes
   * @param {RequestError} error
   */
  #recover = (show, queue, votes, error) => {
    if (error.code === "unauthenticated") this.#link.forgetUser();
    if (error.isTransient) {
      this.#link.emit({ type: "cast_delayed", show, votes, error });
      // After a lost connection the client reconnects by itself and then flushes the outbox.
      if (!this.#link.isReady()) return;
      queue.timer = this.#link.clock.setTimeout(() => {
        queue.timer = null;
        this.flush(show);
      }, this.#link.retryDelayMs(error.retry_after_ms, ++queue.attempt));
      return;
    }
    if (votes.length > 1) {
      queue.isOneByOne = true;
    } else {
      const lost = votes.length ? votes : this.#outbox.unsent(show);
      this.#outbox.drop(show, lost);
      this.#link.emit({ type: "cast_refused", show, votes: lost, error });
    }
    if (!this.#outbox.unsent(show).length) queue.isOneByOne = false;
    this.flush(show);
  };

  /** @param {number} show */
  #queueOf = (show) => {
    const queue = this.#queues.get(show) ?? { isBusy: false, isOneByOne: false, attempt: 0, timer: null };
    this.#queues.set(show, queue);
    return queue;
  };
}
