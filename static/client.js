/**
 * The client of the voting server: a connection that comes back by itself, and votes that are kept until the server has them.
 *
 * Owns:    who the visitor is; its parts own the connection, subscriptions, outbox and marks
 * Gives:   events through `on(event)`; client.d.ts lists them, and each is an action of state.js
 * Needs:   clock, storage, socket and random numbers, all of which tests can replace
 * Never:   touches the DOM; sends a toggle (a vote is a state, so sending it again is always safe)
 */
import { RequestError, signIn, whyBlocked } from "./api.js";
import { backoffMs, Connection } from "./connection.js";
import { Marks } from "./marks.js";
import { Outbox } from "./outbox.js";
import { Owner } from "./owner.js";
import { Polling } from "./polling.js";
import { Subscriptions } from "./subscriptions.js";
import { VoteQueue } from "./vote-queue.js";

export { backoffMs, Outbox, Owner, RequestError };

/**
 * @import { CastReply, Choice, ClientEvent, ClientOptions, Clock, Socket, User } from "./client.d.ts"
 * @import { Client as DeclaredClient } from "./client.d.ts"
 * @import { ClientLink, ServerFrame } from "./types.js"
 * @typedef {{user: User|null, installation?: string, ping_ms?: number, time_ms: number}} Hello
 */

const PROTOCOL = "mysetlist.v1";
const PING_DEFAULT_MS = 25_000;
const WATCHED_KINDS = ["votes", "setlist", "status"];

/** @type {Clock} */
const SYSTEM_CLOCK = {
  now: () => Date.now(),
  setTimeout: (work, delay_ms) => setTimeout(work, delay_ms),
  clearTimeout: (timer) => clearTimeout(/** @type {number} */ (timer)),
};

function pageSocketUrl() {
  const { protocol, host } = globalThis.location;
  return `${protocol === "https:" ? "wss" : "ws"}://${host}/ws`;
}

/** @param {number} show */
const watchedChannels = (show) => WATCHED_KINDS.map((kind) => `${kind}:${show}`);

/** @implements {DeclaredClient} */
export class Client {
  #on; #clock; #signIn; #token; #connection; #owner; #subscriptions; #voteQueue;
  /** The browser's cookie says who the visitor is, also that nobody is signed in. Other programs bring a token instead. */
  #hasCookie;
  /** @type {User|null} */
  #user = null;
  /** @type {Set<number>} */
  #watchedShows = new Set();
  /** @type {Promise<void>|null} */
  #authentication = null;

  /** @param {ClientOptions} options */
  constructor(options) {
    this.#on = options.on;
    const clock = options.clock ?? SYSTEM_CLOCK;
    this.#clock = clock;
    const random = options.random ?? Math.random;
    const url = options.url ?? pageSocketUrl;
    const connect = options.openSocket ?? (globalThis.WebSocket
      ? (/** @type {string} */ address) => /** @type {Socket} */ (new WebSocket(address, PROTOCOL)) : null);
    this.#signIn = options.signIn ?? signIn;
    this.#token = options.token ?? (() => "");
    this.#hasCookie = !options.signIn;
    this.#connection = new Connection({
      clock, random,
      isOnline: options.isOnline ?? (() => globalThis.navigator?.onLine ?? true),
      openSocket: connect && (() => connect(typeof url === "function" ? url() : url, PROTOCOL)),
      // HTTP is only known to be at the same address in a page of the server.
      openPolling: options.openPolling ?? (options.url ? null : (onAnswer) => new Polling(clock, random, onAnswer)),
      whyBlocked: options.whyBlocked ?? whyBlocked,
      greet: (socket) => this.#greet(socket),
      onReady: () => this.#onReady(),
      onFrame: (frame) => this.#receive(frame),
      onStatus: (status, refusal, reason) => this.#emit({ type: "connection", status, refusal, reason }),
    });
    const storage = options.storage ?? null;
    /** @type {ClientLink} */
    const link = {
      clock, random,
      emit: (event) => this.#emit(event),
      isReady: () => this.#connection.isReady,
      request: (op, fields) => this.request(op, fields),
      ensureUser: () => this.#ensureUser(),
      forgetUser: () => {
        this.#user = null;
      },
      retryDelayMs: (retry_after_ms, attempt) => this.#connection.retryDelayMs(retry_after_ms, attempt),
    };
    this.#subscriptions = new Subscriptions(link);
    this.#owner = new Owner(storage);
    this.outbox = new Outbox(storage, this.#owner);
    this.#voteQueue = new VoteQueue(this.outbox, link);
    this.marks = new Marks(storage, this.#owner, link);
  }

  connect() {
    this.#connection.open();
  }

  close() {
    this.#connection.close();
  }

  /** The browser puts the page aside, and may show it again: `connect` goes on then. */
  pause() {
    this.close();
    this.#emit({ type: "connection", status: "reconnecting", refusal: null, reason: null });
  }

  /** The network is back, or the page is visible again: checks now whether the connection still works. */
  wake() {
    this.#connection.wake();
  }

  /** The network is gone: an old socket would only seem to be connected. */
  sleep() {
    this.#connection.sleep();
  }

  /**
   * @template [Reply=Record<string, unknown>]
   * @param {string} op
   * @param {Record<string, unknown>} [fields]
   * @returns {Promise<Reply>} the reply's `ok`; rejects with RequestError
   */
  request(op, fields = {}) {
    return this.#connection.request(op, fields);
  }

  /** @param {string[]} channels */
  subscribe(channels) {
    this.#subscriptions.add(channels);
    return this.#connection.isReady ? this.#subscriptions.request(channels) : Promise.resolve();
  }

  /** @param {string[]} channels */
  unsubscribe(channels) {
    this.#subscriptions.remove(channels);
    // A connection that is lost has no subscriptions either.
    if (this.#connection.isReady) this.request("unsubscribe", { channels }).catch(() => {});
  }

  /**
   * Keeps counts, setlists, status and the own ballot of one show up to date, across reconnects.
   * @param {number} show
   */
  watch(show) {
    this.#watchedShows.add(show);
    const unsent = this.outbox.unsent(show);
    if (unsent.length) this.#emit({ type: "casting", show, votes: unsent, phase: "waiting" });
    const channels = watchedChannels(show);
    this.#subscriptions.forgetPositions(channels);
    if (this.#connection.isReady) {
      this.#subscriptions.request(channels);
      this.#syncBallot(show);
    }
  }

  /** @param {number} show */
  unwatch(show) {
    this.#watchedShows.delete(show);
    this.unsubscribe(watchedChannels(show));
  }

  /**
   * Keeps the choice and sends it as soon as the connection is ready. The outcome arrives as events.
   * @param {number} show
   * @param {number} song
   * @param {Choice} choice
   */
  cast(show, song, choice) {
    this.outbox.put(show, song, choice);
    const phase = this.#connection.isReady ? "pending" : "waiting";
    this.#emit({ type: "casting", show, votes: [[song, choice]], phase });
    this.#voteQueue.flush(show);
  }

  /**
   * Another tab of this visitor has voted: asks for the ballot again.
   * @param {number} show
   */
  async refresh(show) {
    if (!this.#connection.isReady || !this.#watchedShows.has(show)) return;
    try {
      if (!this.#user) await this.#authenticate();
      await this.#syncBallot(show);
    } catch (error) {
      // The ballot comes later: with the next vote or after the next reconnect.
      if (!(error instanceof RequestError)) throw error;
    }
  }

  /**
   * Says whether the visitor goes to a show. Kept and sent like a vote.
   * @param {number} show
   * @param {boolean} going
   */
  attend(show, going) {
    this.marks.put(`show:${show}`, going);
  }

  /**
   * Says whether the visitor follows an artist. Kept and sent like a vote.
   * @param {number} artist
   * @param {boolean} following
   */
  follow(artist, following) {
    this.marks.put(`artist:${artist}`, following);
  }

  /**
   * @param {Socket} socket
   * @returns {Promise<number>} the silence after which a connection is checked [ms]
   */
  #greet = async (socket) => {
    const token = this.#token();
    /** @type {Hello} */
    const hello = await this.request("hello", token ? { token } : {});
    if (this.#connection.isCurrent(socket)) this.#recognise(hello);
    return hello.ping_ms ?? PING_DEFAULT_MS;
  };

  /**
   * The server says who the visitor is. What waits from somebody else is dropped, because it must not count for them.
   * @param {Hello} hello
   */
  #recognise = ({ user, installation = this.#owner.installation, time_ms }) => {
    this.#user = user;
    this.#emit({ type: "hello", user, skew_ms: time_ms - this.#clock.now() });
    if (this.#owner.is(installation, user) || (!user && !this.#hasCookie)) return;
    const votes = this.outbox.take();
    const marks = this.marks.take();
    const change = this.#owner.change(installation, user);
    this.marks.restore(change === "heir" ? marks : {});
    let count = 0;
    for (const [show, list] of votes) {
      count += list.length;
      if (change === "heir") for (const [song, choice] of list) this.outbox.put(show, song, choice);
    }
    if (change === "heir") return;
    if (count) this.#emit({ type: "dropped", count, difference: change });
    if (this.#connection.isReady) for (const show of this.#watchedShows) this.#syncBallot(show);
  };

  #onReady = () => {
    this.#subscriptions.request(this.#subscriptions.channels());
    for (const show of new Set([...this.outbox.shows(), ...this.#watchedShows])) {
      this.outbox.forgetAcceptances(show);
      this.#voteQueue.reset(show);
      this.#syncBallot(show);
    }
    this.marks.flush();
  };

  /**
   * Asks for the ballot and then sends the outbox. The ballot comes first: with it the page knows which own votes the
   * tally contains.
   * @param {number} show
   */
  #syncBallot = async (show) => {
    if (this.#watchedShows.has(show)) {
      try {
        /** @type {{ballot: CastReply["ballot"], remaining: number|null|undefined}} */
        const held = this.#user ? await this.request("ballot", { show }) : { ballot: {}, remaining: undefined };
        this.#emit({ type: "ballot", show, ...held, unsent: this.outbox.unsent(show) });
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        if (error.code === "disconnected") return;
      }
    }
    this.#voteQueue.flush(show);
  };

  /** @param {ServerFrame} frame */
  #receive = (frame) => {
    if (frame.ch !== undefined) {
      // The client has unsubscribed while this push was on its way.
      if (!this.#subscriptions.has(frame.ch)) return;
      this.#subscriptions.advance(frame.ch, frame.at);
      this.#emit({ type: "push", channel: frame.ch, at: frame.at, payload: frame });
    } else if (frame.committed) {
      if (frame.committed.show !== undefined) this.outbox.commit(frame.committed.show, frame.committed.at);
      this.#emit({ type: "committed", ...frame.committed });
    } else if (frame.expiring) {
      this.#emit({ type: "expiring", ...frame.expiring });
      // When the server refuses, the connection ends with the token.
      this.#authenticate().catch(() => {});
    } else if (frame.unsubscribed) {
      const channels = frame.unsubscribed.channels.filter((channel) => this.#subscriptions.has(channel));
      // The page drops these states, so it needs the whole ones again.
      this.#subscriptions.forgetPositions(channels);
      this.#emit({ type: "unsubscribed", channels });
      this.#subscriptions.requestSoon(channels);
    }
  };

  /** @param {ClientEvent} event */
  #emit = (event) => {
    this.#on(event);
    this.#subscriptions.observe(event);
  };

  #ensureUser = async () => {
    if (!this.#user) await this.#authenticate();
  };

  /** Gets a token and says hello with it: once, even when two shows are sent at the same time. */
  #authenticate = () => {
    if (!this.#authentication) this.#authentication = (async () => {
      const { token } = await this.#signIn().catch((error) => {
        // Then the network has too many new accounts, not this visitor too many votes.
        if (error.code === "rate_limited") error.code = "too_many_accounts";
        throw error;
      });
      this.#recognise(await this.request("hello", { token }));
    })().finally(() => {
      this.#authentication = null;
    });
    return this.#authentication;
  };
}
