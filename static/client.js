/**
 * The websocket client: one connection that reconnects by itself, and votes that are kept until the server has them.
 *
 * Owns:    the socket, requests that wait for their replies, heartbeats; its parts own subscriptions, outbox and marks
 * Gives:   events through `on(event)`; client.d.ts lists them, and each is an action of state.js
 * Needs:   clock, storage, socket and random numbers, all of which tests can replace
 * Never:   touches the DOM; sends a toggle (a vote is a state, so sending it again is always safe)
 *
 * Over 400 lines: requests, heartbeats and reconnects read and change the state of one socket. In two modules this state
 * would be public between them, and a page would load one more file.
 */
import { RequestError, signIn } from "./api.js";
import { Marks } from "./marks.js";
import { Outbox } from "./outbox.js";
import { Subscriptions } from "./subscriptions.js";
import { VoteQueue } from "./vote-queue.js";

export { Outbox, RequestError };

/**
 * @import { CastReply, Choice, ClientEvent, ClientOptions, Clock, Socket, User, WireError } from "./client.d.ts"
 * @import { Client as DeclaredClient } from "./client.d.ts"
 * @import { ClientLink, ServerFrame } from "./types.js"
 * @typedef {{user: User|null, ping_ms?: number, time_ms: number}} Hello
 * @typedef {{resolve(ok: unknown): void, reject(error: RequestError): void, timer: unknown}} PendingRequest
 */

const PROTOCOL = "mysetlist.v1";
const BACKOFF_BASE_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const WAKE_MAX_MS = 800;
const OPEN_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
const PONG_TIMEOUT_MS = 6_000;
const PING_DEFAULT_MS = 25_000;
const FINAL_CLOSE_CODE_MIN = 4400;
const WATCHED_KINDS = ["votes", "setlist", "status"];

/** @type {Clock} */
const SYSTEM_CLOCK = {
  now: () => Date.now(),
  setTimeout: (work, delay_ms) => setTimeout(work, delay_ms),
  clearTimeout: (timer) => clearTimeout(/** @type {number} */ (timer)),
};

/**
 * Full jitter: a random delay up to the doubled step, so that a full hall does not reconnect at once.
 * @param {number} attempt
 * @param {() => number} random
 */
export function backoffMs(attempt, random = Math.random) {
  return random() * Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(attempt, 16));
}

function pageSocketUrl() {
  const { protocol, host } = globalThis.location;
  return `${protocol === "https:" ? "wss" : "ws"}://${host}/ws`;
}

/** @param {number} show */
const watchedChannels = (show) => WATCHED_KINDS.map((kind) => `${kind}:${show}`);

/** @implements {DeclaredClient} */
export class Client {
  #on; #url; #openSocket; #clock; #random; #isOnline; #signIn; #subscriptions; #voteQueue;
  /** @type {Socket|null} */
  #socket = null;
  #isReady = false;
  #isWanted = false;
  /** @type {User|null} */
  #user = null;
  #attempt = 0;
  /** @type {{min_ms: number, max_ms: number}|null} the delay that a draining server asked for */
  #drain = null;
  #nextId = 1;
  /** @type {Map<number, PendingRequest>} */
  #requests = new Map();
  /** @type {Set<number>} */
  #watchedShows = new Set();
  /** @type {Promise<void>|null} */
  #authentication = null;
  /** @type {unknown} */
  #reconnectTimer = null;
  /** @type {unknown} */
  #openTimer = null;
  /** @type {unknown} */
  #pingTimer = null;
  #ping_ms = PING_DEFAULT_MS;
  #received_ms = 0;

  /** @param {ClientOptions} options */
  constructor(options) {
    this.#on = options.on;
    this.#url = options.url ?? pageSocketUrl;
    this.#openSocket = options.openSocket
      ?? ((address, protocol) => /** @type {Socket} */ (new WebSocket(address, protocol)));
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#random = options.random ?? Math.random;
    this.#isOnline = options.isOnline ?? (() => globalThis.navigator?.onLine ?? true);
    this.#signIn = options.signIn ?? signIn;
    const storage = options.storage ?? null;
    /** @type {ClientLink} */
    const link = {
      clock: this.#clock,
      random: () => this.#random(),
      emit: (event) => this.#emit(event),
      isReady: () => this.#isReady,
      request: (op, fields) => this.request(op, fields),
      ensureUser: () => this.#ensureUser(),
      forgetUser: () => {
        this.#user = null;
      },
      retryDelayMs: (retry_after_ms, attempt) => this.#retryDelayMs(retry_after_ms, attempt),
    };
    this.#subscriptions = new Subscriptions(link);
    this.outbox = new Outbox(storage);
    this.#voteQueue = new VoteQueue(this.outbox, link);
    this.marks = new Marks(storage, link);
  }

  connect() {
    this.#isWanted = true;
    if (this.#socket) return;
    this.#clock.clearTimeout(this.#reconnectTimer);
    this.#reconnectTimer = null;
    const address = typeof this.#url === "function" ? this.#url() : this.#url;
    const socket = this.#openSocket(address, PROTOCOL);
    this.#socket = socket;
    this.#openTimer = this.#clock.setTimeout(() => this.#abandonSocket(socket), OPEN_TIMEOUT_MS);
    socket.onopen = () => this.#greet(socket);
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#onClose(code);
  }

  close() {
    this.#isWanted = false;
    this.#clock.clearTimeout(this.#reconnectTimer);
    this.#reconnectTimer = null;
    const socket = this.#socket;
    if (socket) {
      this.#forgetSocket();
      socket.close(1000);
    }
  }

  /** The network is back, or the page is visible again: checks now whether the connection still works. */
  wake() {
    if (this.#isReady) this.#probe();
    else if (this.#isWanted && !this.#socket) {
      this.#attempt = 0;
      this.#reconnectIn(this.#random() * WAKE_MAX_MS);
    }
  }

  /** The network is gone: an old socket would only seem to be connected. */
  sleep() {
    if (this.#socket) this.#abandonSocket(this.#socket);
    else if (this.#isWanted) this.#emitConnection();
  }

  /**
   * @template [Reply=Record<string, unknown>]
   * @param {string} op
   * @param {Record<string, unknown>} [fields]
   * @returns {Promise<Reply>} the reply's `ok`; rejects with RequestError
   */
  request(op, fields = {}) {
    const socket = this.#socket;
    if (socket?.readyState !== 1) return Promise.reject(new RequestError({ code: "disconnected" }));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => this.#answer(id, { error: { code: "timeout" } }), REQUEST_TIMEOUT_MS);
      this.#requests.set(id, { resolve: (ok) => resolve(/** @type {Reply} */ (ok)), reject, timer });
      socket.send(JSON.stringify({ id, op, ...fields }));
    });
  }

  /** @param {string[]} channels */
  subscribe(channels) {
    this.#subscriptions.add(channels);
    return this.#isReady ? this.#subscriptions.request(channels) : Promise.resolve();
  }

  /** @param {string[]} channels */
  unsubscribe(channels) {
    this.#subscriptions.remove(channels);
    // A connection that is lost has no subscriptions either.
    if (this.#isReady) this.request("unsubscribe", { channels }).catch(() => {});
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
    if (this.#isReady) {
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
    const phase = this.#isReady ? "pending" : "waiting";
    this.#emit({ type: "casting", show, votes: [[song, choice]], phase });
    this.#voteQueue.flush(show);
  }

  /**
   * Another tab of this visitor has voted: asks for the ballot again.
   * @param {number} show
   */
  async refresh(show) {
    if (!this.#isReady || !this.#watchedShows.has(show)) return;
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

  /** @param {Socket} socket */
  async #greet(socket) {
    try {
      /** @type {Hello} */
      const { user, ping_ms, time_ms } = await this.request("hello");
      if (socket !== this.#socket) return;
      this.#clock.clearTimeout(this.#openTimer);
      this.#isReady = true;
      this.#attempt = 0;
      this.#user = user;
      this.#ping_ms = ping_ms ?? PING_DEFAULT_MS;
      this.#schedulePing();
      this.#emit({ type: "hello", user, skew_ms: time_ms - this.#clock.now() });
      this.#emitConnection();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.#abandonSocket(socket, error.retry_after_ms);
      return;
    }
    this.#subscriptions.request(this.#subscriptions.channels());
    for (const show of new Set([...this.outbox.shows(), ...this.#watchedShows])) {
      this.outbox.forgetAcceptances(show);
      this.#voteQueue.reset(show);
      this.#syncBallot(show);
    }
    this.marks.flush();
  }

  /**
   * Asks for the ballot and then sends the outbox. The ballot comes first: with it the page knows which own votes the
   * tally contains.
   * @param {number} show
   */
  async #syncBallot(show) {
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
  }

  /** @param {ServerFrame} frame */
  #receive(frame) {
    this.#received_ms = this.#clock.now();
    if (frame.re !== undefined) {
      this.#answer(frame.re, frame);
    } else if (frame.ch !== undefined) {
      // The client has unsubscribed while this push was on its way.
      if (!this.#subscriptions.has(frame.ch)) return;
      this.#subscriptions.advance(frame.ch, frame.at);
      this.#emit({ type: "push", channel: frame.ch, at: frame.at, payload: frame });
    } else if (frame.committed) {
      if (frame.committed.show !== undefined) this.outbox.commit(frame.committed.show, frame.committed.at);
      this.#emit({ type: "committed", ...frame.committed });
    } else if (frame.drain) {
      this.#drain = frame.drain;
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
  }

  /** @param {ClientEvent} event */
  #emit(event) {
    this.#on(event);
    this.#subscriptions.observe(event);
  }

  /**
   * @param {number} id
   * @param {{ok?: unknown, error?: WireError}} reply
   */
  #answer(id, { ok, error }) {
    const request = this.#requests.get(id);
    if (!request) return;
    this.#requests.delete(id);
    this.#clock.clearTimeout(request.timer);
    if (error) request.reject(new RequestError(error));
    else request.resolve(ok);
  }

  async #ensureUser() {
    if (!this.#user) await this.#authenticate();
  }

  /** Gets a token and says hello with it: once, even when two shows are sent at the same time. */
  #authenticate() {
    this.#authentication ??= (async () => {
      const { token } = await this.#signIn();
      /** @type {Hello} */
      const { user, time_ms } = await this.request("hello", { token });
      this.#user = user;
      this.#emit({ type: "hello", user, skew_ms: time_ms - this.#clock.now() });
    })().finally(() => {
      this.#authentication = null;
    });
    return this.#authentication;
  }

  /**
   * @param {number|null} retry_after_ms
   * @param {number} attempt
   */
  #retryDelayMs(retry_after_ms, attempt) {
    return retry_after_ms ? retry_after_ms * (1 + this.#random()) : backoffMs(attempt, this.#random);
  }

  #schedulePing() {
    this.#clock.clearTimeout(this.#pingTimer);
    // Up to a fifth earlier, so that the pings of one hall do not arrive together.
    const delay_ms = this.#ping_ms * (1 - 0.2 * this.#random());
    this.#pingTimer = this.#clock.setTimeout(() => {
      if (this.#clock.now() - this.#received_ms >= this.#ping_ms / 2) this.#probe();
      this.#schedulePing();
    }, delay_ms);
  }

  #probe() {
    const socket = this.#socket;
    const sent_ms = this.#clock.now();
    // The timer below decides; this request's own timeout comes later.
    this.request("ping").catch(() => {});
    this.#clock.setTimeout(() => {
      if (socket && this.#received_ms < sent_ms) this.#abandonSocket(socket);
    }, PONG_TIMEOUT_MS);
  }

  /**
   * Drops a socket without waiting for the server, which may be unreachable.
   * @param {Socket} socket
   * @param {number|null} retry_after_ms
   */
  #abandonSocket(socket, retry_after_ms = null) {
    if (socket !== this.#socket) return;
    socket.close();
    this.#onClose(1006, retry_after_ms);
  }

  /**
   * @param {number} code
   * @param {number|null} retry_after_ms
   */
  #onClose(code, retry_after_ms = null) {
    this.#forgetSocket();
    if (code >= FINAL_CLOSE_CODE_MIN) {
      this.#isWanted = false;
      this.#emitConnection(code);
      return;
    }
    const delay_ms = this.#drain
      ? this.#drain.min_ms + this.#random() * (this.#drain.max_ms - this.#drain.min_ms)
      : this.#retryDelayMs(retry_after_ms, this.#attempt);
    this.#drain = null;
    this.#attempt += 1;
    this.#reconnectIn(delay_ms);
    this.#emitConnection();
  }

  #forgetSocket() {
    this.#socket = null;
    this.#isReady = false;
    this.#clock.clearTimeout(this.#openTimer);
    this.#clock.clearTimeout(this.#pingTimer);
    for (const id of [...this.#requests.keys()]) this.#answer(id, { error: { code: "disconnected" } });
  }

  /** @param {number} delay_ms */
  #reconnectIn(delay_ms) {
    this.#clock.clearTimeout(this.#reconnectTimer);
    this.#reconnectTimer = this.#clock.setTimeout(() => this.connect(), delay_ms);
  }

  /** @param {number|null} refusal  close code after which the client does not reconnect */
  #emitConnection(refusal = null) {
    const away = this.#isOnline() && !refusal ? "reconnecting" : "offline";
    this.#emit({ type: "connection", status: this.#isReady ? "live" : away, refusal });
  }
}
