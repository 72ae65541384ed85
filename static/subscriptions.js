/**
 * The channels that the client is subscribed to, each with the position of its newest state.
 *
 * A channel whose counts are hidden from this visitor is refused as `forbidden`. It is asked for again when the counts
 * may be visible: after the visitor's own vote, or when the result is final, as the show's setting says.
 */
import { RequestError } from "./api.js";

/**
 * @import { ChannelStates, ClientEvent, WireError } from "./client.js"
 * @import { ClientLink } from "./types.js"
 * @typedef {{channels: Record<string, {at: number, state?: unknown, error?: WireError}>}} SubscribeReply
 */

const RESUBSCRIBE_MAX_MS = 2_000;
const RETRY_ATTEMPT = 2;

export class Subscriptions {
  #link;
  /** @type {Map<string, number|null>} channel -> position, null before the first state */
  #positions = new Map();
  /** @type {Set<string>} channels whose counts are hidden from this visitor */
  #hidden = new Set();
  /** @type {Map<number, ChannelStates["status"]>} show -> the newest state of its `status:` channel */
  #statuses = new Map();
  /** @type {unknown} */
  #retryTimer = null;

  /** @param {ClientLink} link */
  constructor(link) {
    this.#link = link;
  }

  /** @returns {string[]} */
  channels() {
    return [...this.#positions.keys()];
  }

  /** @param {string} channel */
  has(channel) {
    return this.#positions.has(channel);
  }

  /**
   * Adds channels without asking the server. A channel that is there already keeps its position.
   * @param {string[]} channels
   */
  add(channels) {
    for (const channel of channels) if (!this.#positions.has(channel)) this.#positions.set(channel, null);
  }

  /** @param {string[]} channels */
  remove(channels) {
    for (const channel of channels) {
      this.#positions.delete(channel);
      this.#hidden.delete(channel);
    }
  }

  /**
   * The page has no states of these channels, or drops them: the next request asks for the whole ones.
   * @param {string[]} channels
   */
  forgetPositions(channels) {
    for (const channel of channels) this.#positions.set(channel, null);
  }

  /**
   * @param {string} channel
   * @param {number} at
   */
  advance(channel, at) {
    this.#positions.set(channel, Math.max(this.#positions.get(channel) ?? 0, at));
  }

  /**
   * Asks the server for channels that were added, from their positions on.
   * @param {string[]} channels
   */
  async request(channels) {
    if (!channels.length) return;
    /** @type {Record<string, number>} */
    const since = {};
    for (const channel of channels) {
      const at = this.#positions.get(channel);
      if (at !== null && at !== undefined) since[channel] = at;
    }
    /** @type {SubscribeReply} */
    let reply;
    try {
      reply = await this.#link.request("subscribe", { channels, since });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (error.isTransient && error.code !== "disconnected") this.#retry(channels, error.retry_after_ms);
      return;
    }
    const failed = [];
    let retry_ms = 0;
    for (const [channel, answer] of Object.entries(reply.channels)) {
      if (!this.#positions.has(channel)) continue;
      if (!answer.error) {
        this.#receive(channel, answer, since[channel] ?? 0);
      } else if (this.#refuse(channel, answer.error)) {
        failed.push(channel);
        retry_ms = Math.max(retry_ms, answer.error.retry_after_ms ?? 0);
      }
    }
    if (failed.length) this.#retry(failed, retry_ms);
  }

  /**
   * Asks again for channels within two seconds: the server tells a whole hall at once, which must not answer at once.
   * @param {string[]} channels
   */
  requestSoon(channels) {
    if (channels.length) this.#requestIn(channels, this.#link.random() * RESUBSCRIBE_MAX_MS);
  }

  /**
   * Reads the client's events for signs that hidden counts are visible to this visitor now.
   * @param {ClientEvent} event
   */
  observe(event) {
    if ((event.type === "snapshot" || event.type === "push") && event.channel.startsWith("status:")) {
      const status = /** @type {ChannelStates["status"]} */ (event.type === "push" ? event.payload : event.state);
      this.#statuses.set(Number(event.channel.slice("status:".length)), status);
      if (status.voting === "final" || status.results === "live") this.requestSoon([...this.#hidden]);
    } else if (event.type === "cast_ok" && this.#statuses.get(event.show)?.results === "after_vote") {
      this.request([...this.#hidden]);
    }
  }

  /**
   * @param {string} channel
   * @param {{at: number, state?: unknown}} answer
   * @param {number} since
   */
  #receive = (channel, { at, state }, since) => {
    // A position below the one asked for: the server was restored from a backup, and its state is the valid one.
    const isRewound = at < since;
    if (isRewound) this.#positions.set(channel, at);
    else this.advance(channel, at);
    this.#hidden.delete(channel);
    if (state !== undefined) this.#link.emit({ type: "snapshot", channel, at, state, isRewound });
  };

  /**
   * @param {string} channel
   * @param {WireError} error
   * @returns {boolean} whether asking again may help
   */
  #refuse = (channel, error) => {
    this.#link.emit({ type: "channel_error", channel, error });
    if (error.code === "forbidden") {
      this.#hidden.add(channel);
      this.#positions.set(channel, null);
    }
    return new RequestError(error).isTransient;
  };

  /**
   * @param {string[]} channels
   * @param {number|null} retry_after_ms
   */
  #retry = (channels, retry_after_ms) => {
    this.#link.clock.clearTimeout(this.#retryTimer);
    this.#retryTimer = this.#requestIn(channels, this.#link.retryDelayMs(retry_after_ms, RETRY_ATTEMPT));
  };

  /**
   * @param {string[]} channels
   * @param {number} delay_ms
   */
  #requestIn = (channels, delay_ms) => {
    return this.#link.clock.setTimeout(() => {
      const wanted = channels.filter((channel) => this.#positions.has(channel));
      if (this.#link.isReady() && wanted.length) this.request(wanted);
    }, delay_ms);
  };
}
