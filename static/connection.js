/**
 * The connection to the server: a websocket that reconnects by itself, or HTTP in its place where no websocket gets through.
 *
 * Owns:    sockets, heartbeats; Requests owns what waits for a reply
 * Limits:  one socket in use, and one websocket that is tried while HTTP is in use
 * Never:   knows what the messages mean, except the words about the connection itself (drain, the error before a close)
 */
import { RequestError } from "./api.js";
import { Requests } from "./requests.js";
import { giveUp, UpgradePace } from "./upgrade-pace.js";

/**
 * @import { Clock, PollingReason, Socket, WireError } from "./client.d.ts"
 * @import { ConnectionStatus, ServerFrame } from "./types.js"
 * @typedef {{
 *   clock: Clock, random(): number, isOnline(): boolean,
 *   openSocket: (() => Socket)|null, openPolling: ((onAnswer: (took_ms: number) => void) => Socket)|null, whyBlocked(): Promise<PollingReason>,
 *   greet(socket: Socket): Promise<number>,
 *   onReady(): void, onFrame(frame: ServerFrame): void,
 *   onStatus(status: ConnectionStatus, refusal: number|null, reason: PollingReason|null): void,
 * }} Parts
 *   openSocket null: the browser has no websocket. openPolling null: only websockets are used.
 *   greet says hello and gives the server's ping interval [ms]. It rejects with RequestError.
 */

const BACKOFF_BASE_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const WAKE_MAX_MS = 800;
const HANGING_MS = 1_000; // an attempt this old is given up when the network or the page comes back
const OPEN_TIMEOUT_MS = 10_000;
const FALLBACK_MIN_MS = 4_000;
const FALLBACK_SPREAD_MS = 2_000;
const PONG_TIMEOUT_MS = 6_000;
const ANSWER_MS = 2_000; // a vote without a sign of life for so long has the connection probed
const FINAL_CLOSE_CODE_MIN = 4400;
const CLOSE_NORMAL = 1000;
const CLOSE_BAD_TOKEN = 4401;
const CLOSE_BANNED = 4403;
const ERASED = "account erased"; // the reason of the close 1000 after which the account does not come back

/** @type {Record<string, number>} the close code that a refused hello stands for */
const FINAL_REFUSALS = { forbidden: CLOSE_BANNED, unauthenticated: CLOSE_BAD_TOKEN };

/**
 * Full jitter: a random delay up to the doubled step, so that a full hall does not reconnect at once.
 * @param {number} attempt
 * @param {() => number} random
 */
export function backoffMs(attempt, random = Math.random) {
  return random() * Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(attempt, 16));
}

export class Connection {
  #parts;
  /** @type {Socket|null} the one in use */
  #socket = null;
  /** @type {Socket|null} a websocket that is tried while the polling is in use */
  #candidate = null;
  #isPolling = false;
  #isReady = false;
  #isWanted = false;
  #opened_ms = 0;
  #attempt = 0;
  /** @type {{min_ms: number, max_ms: number}|null} the delay that a draining server asked for */
  #drain = null;
  /** @type {WireError|null} what the server said before it closed */
  #farewell = null;
  /** @type {PollingReason|null} */
  #reason = null;
  #requests; #pace;
  /** @type {Map<"open"|"reconnect"|"fallback"|"upgrade"|"ping"|"answer", unknown>} the timers that run */
  #timers = new Map();
  #ping_ms = 0;
  #received_ms = 0;

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
    this.#requests = new Requests(parts.clock);
    this.#pace = new UpgradePace(parts.clock, parts.random);
  }

  get isReady() {
    return this.#isReady;
  }

  /** @param {Socket} socket */
  isCurrent(socket) {
    return socket === this.#socket;
  }

  open() {
    this.#isWanted = true;
    if (this.#socket) return;
    this.#cancel("reconnect");
    this.#fallBackLater();
    const socket = this.#dial();
    if (!socket) {
      this.#fallBack();
      return;
    }
    this.#socket = socket;
    this.#opened_ms = this.#parts.clock.now();
    this.#after("open", () => this.abandon(socket), OPEN_TIMEOUT_MS);
  }

  close() {
    this.#isWanted = false;
    giveUp(this.#forgetSockets(), CLOSE_NORMAL);
  }

  /** The network is back, or the page is visible again: checks now whether the connection still works. */
  wake() {
    if (!this.#isWanted) return;
    if (this.#isPolling) {
      this.#upgrade();
    } else if (this.#isReady) {
      this.#probe();
    } else {
      this.#attempt = 0;
      const isHanging = this.#socket !== null && this.#parts.clock.now() - this.#opened_ms >= HANGING_MS;
      if (this.#socket && !isHanging) return;
      this.#forgetSocket()?.close();
      this.#reconnectIn(this.#parts.random() * WAKE_MAX_MS);
      this.#fallBackLater();
    }
  }

  /** The network is gone: an old socket would only seem to be connected. */
  sleep() {
    if (this.#socket) this.abandon(this.#socket);
    else if (this.#isWanted) this.#tellStatus();
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
    const sent_ms = this.#parts.clock.now();
    if (op === "cast") this.#after("answer", () => this.#received_ms < sent_ms && this.#probe(), ANSWER_MS);
    return this.#requests.send(socket, op, fields);
  }

  /** @type {(retry_after_ms: number|null, attempt: number) => number} */
  retryDelayMs(retry_after_ms, attempt) {
    const { random } = this.#parts;
    return retry_after_ms ? retry_after_ms * (1 + random()) : backoffMs(attempt, random);
  }

  /**
   * Drops a socket without waiting for the server, which may be unreachable.
   * @param {Socket} socket
   * @param {number|null} retry_after_ms
   */
  abandon(socket, retry_after_ms = null) {
    if (socket !== this.#socket) return;
    socket.close();
    this.#onClose(1006, "", retry_after_ms);
  }

  /** @returns {Socket|null} null: the browser has no websocket, or forbids this one */
  #dial = () => {
    let socket;
    try {
      socket = this.#parts.openSocket?.();
    } catch {
      // A policy of the page or of the browser forbids it, so it fails at once and every time.
    }
    if (!socket) {
      this.#reason = "missing";
      return null;
    }
    return this.#listen(socket);
  };

  /** @param {Socket} socket */
  #listen = (socket) => {
    socket.onopen = () => {
      if (socket === this.#socket) this.#greet(socket);
      else if (socket === this.#candidate) socket.send(JSON.stringify({ id: 0, op: "hello" }));
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.#candidate) this.#promote(socket);
      else if (socket === this.#socket) this.#receive(JSON.parse(data));
    };
    socket.onclose = ({ code, reason = "" }) => {
      if (socket === this.#socket) this.#onClose(code, reason);
      else if (socket === this.#candidate) this.#upgradeLater();
    };
    return socket;
  };

  /** @param {Socket} socket */
  #greet = async (socket) => {
    try {
      this.#ping_ms = await this.#parts.greet(socket);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.#farewell = error;
      const refusal = FINAL_REFUSALS[error.code];
      if (refusal && socket === this.#socket) {
        socket.close();
        this.#onClose(refusal);
      } else this.abandon(socket, error.retry_after_ms);
      return;
    }
    if (socket !== this.#socket) return;
    this.#cancel("open");
    this.#cancel("fallback");
    this.#isReady = true;
    this.#attempt = 0;
    this.#schedulePing();
    if (this.#isPolling) this.#explain();
    else this.#reason = null;
    this.#tellStatus();
    this.#parts.onReady();
  };

  // ── HTTP in place of a websocket

  /** Falls back to HTTP when no websocket is ready in time. */
  #fallBackLater = () => {
    if (!this.#parts.openPolling || this.#timers.has("fallback") || this.#isPolling) return;
    this.#after("fallback", () => this.#fallBack(), FALLBACK_MIN_MS + FALLBACK_SPREAD_MS * this.#parts.random());
  };

  #fallBack = () => {
    this.#cancel("fallback");
    if (!this.#isWanted || this.#isReady || !this.#parts.openPolling) return;
    if (!this.#parts.isOnline()) return this.#fallBackLater();
    const hanging = this.#forgetSocket();
    this.#cancel("reconnect");
    this.#isPolling = true;
    this.#pace.begin(this.#opened_ms);
    this.#socket = this.#listen(this.#parts.openPolling((took_ms) => {
      if (this.#pace.isBack(took_ms, this.#candidate, this.#reason)) this.#upgrade();
    }));
    // It may be slow only: the first to open goes on.
    const isSlow = hanging?.readyState === 0;
    if (isSlow) this.#candidate = hanging;
    else hanging?.close();
    this.#upgradeLater(isSlow ? OPEN_TIMEOUT_MS : undefined);
  };

  /** @param {number} [delay_ms] */
  #upgradeLater = (delay_ms = this.#pace.nextMs(this.#reason)) => {
    this.#after("upgrade", () => this.#upgrade(), delay_ms);
  };

  /** Tries a websocket while HTTP is in use. */
  #upgrade = () => {
    if (!this.#isPolling || !this.#parts.openSocket) return;
    giveUp(this.#candidate);
    this.#pace.tried();
    this.#candidate = this.#dial();
    this.#upgradeLater(this.#candidate ? OPEN_TIMEOUT_MS : undefined);
  };

  /**
   * A websocket that opens may still carry nothing. This one has carried an answer, so it takes the place of HTTP.
   * @param {Socket} socket
   */
  #promote = (socket) => {
    this.#candidate = null;
    this.#cancel("upgrade");
    this.#forgetSocket()?.close();
    this.#isPolling = false;
    this.#socket = socket;
    this.#after("open", () => this.abandon(socket), OPEN_TIMEOUT_MS);
    this.#greet(socket);
  };

  /** Finds out why there is no websocket, for the page to say it. */
  #explain = async () => {
    if (this.#reason) return;
    this.#reason = await this.#parts.whyBlocked();
    if (this.#isPolling && this.#isReady) this.#tellStatus();
  };

  // ── messages

  /** @param {ServerFrame} frame */
  #receive = (frame) => {
    this.#received_ms = this.#parts.clock.now();
    if (frame.re === null) this.#farewell = frame.error ?? null;
    else if (frame.re !== undefined) this.#requests.answer(frame.re, frame);
    else if (frame.drain) this.#drain = frame.drain;
    else this.#parts.onFrame(frame);
  };

  #schedulePing = () => {
    // Up to a fifth earlier, so that the pings of one hall do not arrive together.
    this.#after("ping", () => {
      if (this.#parts.clock.now() - this.#received_ms >= this.#ping_ms / 2) this.#probe();
      this.#schedulePing();
    }, this.#ping_ms * (1 - 0.2 * this.#parts.random()));
  };

  #probe = () => {
    const socket = this.#socket;
    const sent_ms = this.#parts.clock.now();
    // The timer below decides; this request's own timeout comes later.
    this.request("ping").catch(() => {});
    this.#parts.clock.setTimeout(() => {
      if (socket && this.#received_ms < sent_ms) this.abandon(socket);
    }, PONG_TIMEOUT_MS);
  };

  // ── ends

  /**
   * @param {number} code
   * @param {string} reason
   * @param {number|null} retry_after_ms
   */
  #onClose = (code, reason = "", retry_after_ms = null) => {
    this.#forgetSocket();
    if (code >= FINAL_CLOSE_CODE_MIN || (code === CLOSE_NORMAL && reason === ERASED)) {
      this.#isWanted = false;
      this.#forgetSockets();
      this.#tellStatus(code);
      return;
    }
    this.#isPolling = false;
    this.#forgetCandidate();
    const delay_ms = this.#drain
      ? this.#drain.min_ms + this.#parts.random() * (this.#drain.max_ms - this.#drain.min_ms)
      : this.retryDelayMs(retry_after_ms ?? this.#farewell?.retry_after_ms ?? null, this.#attempt);
    const farewell = this.#farewell?.code;
    if (farewell === "overloaded" || farewell === "rate_limited") this.#reason = farewell;
    this.#farewell = null;
    this.#drain = null;
    this.#attempt += 1;
    this.#reconnectIn(delay_ms);
    this.#fallBackLater();
    this.#tellStatus();
  };

  /** Forgets the socket in use and gives it. */
  #forgetSocket = () => {
    const socket = this.#socket;
    this.#socket = null;
    this.#isReady = false;
    for (const name of /** @type {const} */ (["open", "ping", "answer"])) this.#cancel(name);
    this.#requests.answerAll({ error: { code: "disconnected" } });
    return socket;
  };

  #forgetCandidate = () => {
    giveUp(this.#candidate);
    this.#candidate = null;
    this.#cancel("upgrade");
  };

  /** Ends every attempt. */
  #forgetSockets = () => {
    this.#forgetCandidate();
    this.#isPolling = false;
    for (const name of /** @type {const} */ (["reconnect", "fallback"])) this.#cancel(name);
    return this.#forgetSocket();
  };

  /** @param {number} delay_ms */
  #reconnectIn = (delay_ms) => {
    this.#after("reconnect", () => this.open(), delay_ms);
  };

  /**
   * Runs `work` later, in place of what the timer of this name would have run.
   * @param {"open"|"reconnect"|"fallback"|"upgrade"|"ping"|"answer"} name
   * @param {() => void} work
   * @param {number} delay_ms
   */
  #after = (name, work, delay_ms) => {
    this.#cancel(name);
    this.#timers.set(name, this.#parts.clock.setTimeout(() => {
      this.#timers.delete(name);
      work();
    }, delay_ms));
  };

  /** @param {"open"|"reconnect"|"fallback"|"upgrade"|"ping"|"answer"} name */
  #cancel = (name) => {
    this.#parts.clock.clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  };

  /** @param {number|null} refusal  close code after which nothing is tried again */
  #tellStatus = (refusal = null) => {
    const connected = this.#isPolling ? "polling" : "live";
    const away = this.#parts.isOnline() && !refusal ? "reconnecting" : "offline";
    this.#parts.onStatus(this.#isReady ? connected : away, refusal, this.#reason);
  };
}
