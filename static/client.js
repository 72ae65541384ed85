/**
 * The websocket client: one connection that comes back by itself, and votes that are never forgotten on the way.
 *
 * Owns:    the socket, request ids, subscriptions with their positions, heartbeats, the outbox
 * Tells:   everything through `on(event)`; the events are listed in client.d.ts and are actions of state.js
 * Needs:   clock, storage, socket and random numbers can all be handed in, so that tests need none of them
 * Never:   touches the DOM; sends a toggle (a vote is state, so sending it again is always safe)
 */
import { RequestError, signIn as signInHere } from "./api.js";
import { Lanes } from "./vote-queue.js";
import { Marks } from "./marks.js";
import { Outbox } from "./outbox.js";

export { Outbox, RequestError };

const PROTOCOL = "mysetlist.v1";
const BACKOFF_BASE_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const WAKE_MAX_MS = 800;
const ASK_AGAIN_MAX_MS = 2_000;
const OPEN_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
const PONG_TIMEOUT_MS = 6_000;
const PING_DEFAULT_MS = 25_000;
const REFUSAL_MIN = 4400;
const WATCHED = ["votes", "setlist", "status"];

/** Full jitter: anywhere between nothing and the doubled step, so that a full hall does not return at once. */
export function backoffMs(attempt, random = Math.random) {
  return random() * Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(attempt, 16));
}

function socketAddress() {
  const { protocol, host } = globalThis.location;
  return `${protocol === "https:" ? "wss" : "ws"}://${host}/ws`;
}

export class Client {
  #on; #url; #openSocket; #clock; #random; #isOnline; #signIn;
  #socket = null;
  #isReady = false;
  #isWanted = false;
  #user = null;
  #attempt = 0;
  #drain = null;
  #nextId = 1;
  #requests = new Map();
  #channels = new Map(); // channel -> position, null before the first state
  #watched = new Set();
  #hidden = new Set(); // channels whose counts are not for this visitor yet
  #statuses = new Map(); // show -> what `status:` said last
  #lanes;
  #identifying = null;
  #reconnectTimer = null;
  #resubscribeTimer = null;
  #openTimer = null;
  #pingTimer = null;
  #ping_ms = PING_DEFAULT_MS;
  #heard_ms = 0;

  /** @param {import("./client").ClientOptions} options */
  constructor({ on, url, openSocket, storage, clock, random, isOnline, signIn }) {
    this.#on = on;
    this.#url = url ?? socketAddress;
    this.#openSocket = openSocket ?? ((address, protocol) => new WebSocket(address, protocol));
    this.#clock = clock ?? {
      now: () => Date.now(),
      setTimeout: (work, delay_ms) => setTimeout(work, delay_ms),
      clearTimeout: (timer) => clearTimeout(timer),
    };
    this.#random = random ?? Math.random;
    this.#isOnline = isOnline ?? (() => globalThis.navigator?.onLine ?? true);
    this.#signIn = signIn ?? signInHere;
    this.outbox = new Outbox(storage ?? null);
    const way = {
      on: (event) => this.#tell(event),
      clock: this.#clock,
      canSend: () => this.#isReady,
      request: (op, fields) => this.request(op, fields),
      identify: () => this.#becomeSomebody(),
      forgetUser: () => {
        this.#user = null;
      },
      delay_ms: (retry_after_ms, attempt) => this.#delay_ms(retry_after_ms, attempt),
    };
    this.#lanes = new Lanes(this.outbox, way);
    this.marks = new Marks(storage ?? null, way);
  }

  connect() {
    this.#isWanted = true;
    if (this.#socket) return;
    this.#clock.clearTimeout(this.#reconnectTimer);
    this.#reconnectTimer = null;
    const address = typeof this.#url === "function" ? this.#url() : this.#url;
    const socket = this.#openSocket(address, PROTOCOL);
    this.#socket = socket;
    this.#openTimer = this.#clock.setTimeout(() => this.#lose(socket), OPEN_TIMEOUT_MS);
    socket.onopen = () => this.#greet(socket);
    socket.onmessage = ({ data }) => socket === this.#socket && this.#receive(JSON.parse(data));
    socket.onclose = ({ code }) => socket === this.#socket && this.#closed(code);
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

  /** The network is back or the page is looked at again: find out now whether the connection still lives. */
  wake() {
    if (this.#isReady) this.#probe();
    else if (this.#isWanted && !this.#socket) {
      this.#attempt = 0;
      this.#reconnectIn(this.#random() * WAKE_MAX_MS);
    }
  }

  /** The network is gone: a socket left over from it would only look alive. */
  sleep() {
    if (this.#socket) this.#lose(this.#socket);
    else if (this.#isWanted) this.#announce();
  }

  /** @returns {Promise<object>} the reply's `ok`; rejects with RequestError */
  request(op, fields = {}) {
    if (!this.#socket || this.#socket.readyState !== 1) {
      return Promise.reject(new RequestError({ code: "disconnected" }));
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => this.#answer(id, { error: { code: "timeout" } }), REQUEST_TIMEOUT_MS);
      this.#requests.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ id, op, ...fields }));
    });
  }

  subscribe(channels) {
    for (const channel of channels) if (!this.#channels.has(channel)) this.#channels.set(channel, null);
    return this.#isReady ? this.#subscribe(channels) : Promise.resolve();
  }

  unsubscribe(channels) {
    for (const channel of channels) {
      this.#channels.delete(channel);
      this.#hidden.delete(channel);
    }
    if (this.#isReady) this.request("unsubscribe", { channels }).catch(() => {});
  }

  /** Counts, setlists, status and the own ballot of one show, kept up across reconnects. */
  watch(show) {
    this.#watched.add(show);
    const unsent = this.outbox.unsent(show);
    if (unsent.length) this.#tell({ type: "casting", show, votes: unsent, phase: "waiting" });
    for (const kind of WATCHED) this.#channels.set(`${kind}:${show}`, null);
    if (this.#isReady) {
      this.#subscribe(WATCHED.map((kind) => `${kind}:${show}`));
      this.#resume(show);
    }
  }

  unwatch(show) {
    this.#watched.delete(show);
    this.unsubscribe(WATCHED.map((kind) => `${kind}:${show}`));
  }

  /** Keeps the choice and sends it as soon as there is a way; the outcome arrives as events. */
  cast(show, song, choice) {
    this.outbox.put(show, song, choice);
    const phase = this.#isReady ? "pending" : "waiting";
    this.#tell({ type: "casting", show, votes: [[song, choice]], phase });
    this.#lanes.flush(show);
  }

  /** Another tab of this visitor has voted: what this one holds of the ballot is out of date. */
  async refresh(show) {
    if (!this.#isReady || !this.#watched.has(show)) return;
    try {
      if (!this.#user) await this.#identify();
      await this.#resume(show);
    } catch (error) {
      // Shown a little later then: with the next vote, or after the next reconnect.
      if (!(error instanceof RequestError)) throw error;
    }
  }

  /** Says that the visitor goes to a show, or not; sent as soon as there is a way. */
  attend(show, going) {
    this.marks.put(`show:${show}`, going);
  }

  /** Says that the visitor follows an artist, or not. */
  follow(artist, following) {
    this.marks.put(`artist:${artist}`, following);
  }

  async #greet(socket) {
    try {
      const { user, ping_ms, time_ms } = await this.request("hello");
      if (socket !== this.#socket) return;
      this.#clock.clearTimeout(this.#openTimer);
      this.#isReady = true;
      this.#attempt = 0;
      this.#user = user;
      this.#ping_ms = ping_ms ?? PING_DEFAULT_MS;
      this.#schedulePing();
      this.#tell({ type: "hello", user, skew_ms: time_ms - this.#clock.now() });
      this.#announce();
    } catch (error) {
      if (socket === this.#socket) this.#lose(socket, error.retry_after_ms);
      return;
    }
    if (this.#channels.size) this.#subscribe([...this.#channels.keys()]);
    for (const show of new Set([...this.outbox.shows(), ...this.#watched])) {
      this.outbox.forgetAcceptances(show);
      this.#lanes.clear(show);
      this.#resume(show);
    }
    this.marks.say();
  }

  /** The ballot comes before the outbox, so that the page knows what the tally already holds. */
  async #resume(show) {
    if (this.#watched.has(show)) {
      try {
        const held = this.#user ? await this.request("ballot", { show }) : { ballot: {}, remaining: undefined };
        this.#tell({ type: "ballot", show, ...held, unsent: this.outbox.unsent(show) });
      } catch (error) {
        if (error.code === "disconnected") return;
      }
    }
    this.#lanes.flush(show);
  }

  async #subscribe(channels) {
    if (!channels.length) return;
    const since = {};
    for (const channel of channels) {
      const at = this.#channels.get(channel);
      if (at !== null && at !== undefined) since[channel] = at;
    }
    const failed = [];
    let retry_ms = null;
    try {
      const reply = await this.request("subscribe", { channels, since });
      for (const [channel, { at, state, error }] of Object.entries(reply.channels)) {
        if (!this.#channels.has(channel)) continue;
        if (error) {
          this.#tell({ type: "channel_error", channel, error });
          if (error.code === "forbidden") {
            this.#hidden.add(channel);
            this.#channels.set(channel, null);
          }
          if (!new RequestError(error).isTransient) continue;
          failed.push(channel);
          retry_ms = Math.max(retry_ms ?? 0, error.retry_after_ms ?? 0);
          continue;
        }
        // Below what was asked for: the server was restored from a backup, and its word is the newer one.
        const isRewound = at < (since[channel] ?? 0);
        if (isRewound) this.#channels.set(channel, at);
        else this.#advance(channel, at);
        this.#hidden.delete(channel);
        if (state !== undefined) this.#tell({ type: "snapshot", channel, at, state, isRewound });
      }
    } catch (error) {
      if (!error.isTransient || error.code === "disconnected") return;
      failed.push(...channels);
      retry_ms = error.retry_after_ms;
    }
    if (!failed.length) return;
    this.#clock.clearTimeout(this.#resubscribeTimer);
    this.#resubscribeTimer = this.#clock.setTimeout(() => {
      const wanted = failed.filter((channel) => this.#channels.has(channel));
      if (this.#isReady && wanted.length) this.#subscribe(wanted);
    }, this.#delay_ms(retry_ms, 2));
  }

  #receive(frame) {
    this.#heard_ms = this.#clock.now();
    if (frame.re !== undefined) this.#answer(frame.re, frame);
    else if (frame.ch !== undefined) {
      // A push that crossed its unsubscription is nobody's.
      if (!this.#channels.has(frame.ch)) return;
      this.#advance(frame.ch, frame.at);
      this.#tell({ type: "push", channel: frame.ch, at: frame.at, payload: frame });
    } else if (frame.committed) {
      if (frame.committed.show !== undefined) this.outbox.commit(frame.committed.show, frame.committed.at);
      this.#tell({ type: "committed", ...frame.committed });
    } else if (frame.drain) this.#drain = frame.drain;
    else if (frame.expiring) {
      this.#tell({ type: "expiring", ...frame.expiring });
      // Refused, it ends when the token does.
      this.#identify().catch(() => {});
    } else if (frame.unsubscribed) {
      const channels = frame.unsubscribed.channels.filter((channel) => this.#channels.has(channel));
      // Whoever drops what it held must be given the whole again.
      for (const channel of channels) this.#channels.set(channel, null);
      this.#tell({ type: "unsubscribed", channels });
      this.#askAgain(channels);
    }
  }

  /** Tells the page, and looks whether counts that were hidden are for this visitor now. */
  #tell(event) {
    this.#on(event);
    const { type, channel = "" } = event;
    if ((type === "snapshot" || type === "push") && channel.startsWith("status:")) {
      const status = event.state ?? event.payload;
      this.#statuses.set(Number(channel.slice("status:".length)), status);
      if (status.voting === "final" || status.results === "live") this.#askAgain([...this.#hidden]);
    } else if (type === "cast_ok" && this.#statuses.get(event.show)?.results === "after_vote") {
      this.#subscribe([...this.#hidden]);
    }
  }

  /** A whole hall is told at once and must not answer at once. */
  #askAgain(channels) {
    if (!channels.length) return;
    this.#clock.setTimeout(() => {
      const wanted = channels.filter((channel) => this.#channels.has(channel));
      if (this.#isReady && wanted.length) this.#subscribe(wanted);
    }, this.#random() * ASK_AGAIN_MAX_MS);
  }

  #advance(channel, at) {
    this.#channels.set(channel, Math.max(this.#channels.get(channel) ?? 0, at));
  }

  #answer(id, { ok, error }) {
    const request = this.#requests.get(id);
    if (!request) return;
    this.#requests.delete(id);
    this.#clock.clearTimeout(request.timer);
    if (error) request.reject(new RequestError(error));
    else request.resolve(ok);
  }

  async #becomeSomebody() {
    if (!this.#user) await this.#identify();
  }

  /** A visitor becomes somebody at the first vote, once, even when two shows are sent at the same time. */
  #identify() {
    this.#identifying ??= (async () => {
      const { token } = await this.#signIn();
      const { user, time_ms } = await this.request("hello", { token });
      this.#user = user;
      this.#tell({ type: "hello", user, skew_ms: time_ms - this.#clock.now() });
    })().finally(() => {
      this.#identifying = null;
    });
    return this.#identifying;
  }

  #delay_ms(retry_after_ms, attempt) {
    return retry_after_ms ? retry_after_ms * (1 + this.#random()) : backoffMs(attempt, this.#random);
  }

  #schedulePing() {
    this.#clock.clearTimeout(this.#pingTimer);
    // Early by up to a fifth, so that the pings of one hall spread out.
    const delay_ms = this.#ping_ms * (1 - 0.2 * this.#random());
    this.#pingTimer = this.#clock.setTimeout(() => {
      if (this.#clock.now() - this.#heard_ms >= this.#ping_ms / 2) this.#probe();
      this.#schedulePing();
    }, delay_ms);
  }

  #probe() {
    const socket = this.#socket;
    const asked_ms = this.#clock.now();
    this.request("ping").catch(() => {});
    this.#clock.setTimeout(() => {
      if (socket === this.#socket && this.#heard_ms < asked_ms) this.#lose(socket);
    }, PONG_TIMEOUT_MS);
  }

  /** Gives a socket up without waiting for the other side, which may be long gone. */
  #lose(socket, retry_after_ms = null) {
    if (socket !== this.#socket) return;
    socket.close();
    this.#closed(1006, retry_after_ms);
  }

  #closed(code, retry_after_ms = null) {
    this.#forgetSocket();
    if (code >= REFUSAL_MIN) {
      this.#isWanted = false;
      this.#announce(code);
      return;
    }
    const { min_ms, max_ms } = this.#drain ?? {};
    const delay_ms = this.#drain
      ? min_ms + this.#random() * (max_ms - min_ms)
      : this.#delay_ms(retry_after_ms, this.#attempt);
    this.#drain = null;
    this.#attempt += 1;
    this.#reconnectIn(delay_ms);
    this.#announce();
  }

  #forgetSocket() {
    this.#socket = null;
    this.#isReady = false;
    this.#clock.clearTimeout(this.#openTimer);
    this.#clock.clearTimeout(this.#pingTimer);
    for (const id of [...this.#requests.keys()]) this.#answer(id, { error: { code: "disconnected" } });
  }

  #reconnectIn(delay_ms) {
    this.#clock.clearTimeout(this.#reconnectTimer);
    this.#reconnectTimer = this.#clock.setTimeout(() => this.connect(), delay_ms);
  }

  #announce(refusal = null) {
    const away = this.#isOnline() && !refusal ? "reconnecting" : "offline";
    this.#tell({ type: "connection", status: this.#isReady ? "live" : away, refusal });
  }
}
