/**
 * Keeps one show up to date for days, without anybody who could reload the page.
 *
 * The page of the show comes by HTTP: often while there is no event stream, twice a minute beside one. So a stream that has died
 * silently, a browser without streams and a set that slept need no code of their own.
 * Owns:  one request, one stream, one timer
 * Never: gives up; keeps what it has shown
 */
import { apply, isHidden, load } from "./state.js";

/**
 * @import { ShowBody } from "../types.js"
 * @import { WallState } from "./state.js"
 */

const POLL_MS = 4000;
const CHECK_MS = 30000;
const BACKOFF_BASE_MS = 1000;
const BACKOFF_MAX_MS = 30000;
const TIMEOUT_MS = 15000;
const CLOCK_NOISE_MS = 1500; // the server's clock comes in whole seconds, and travels

/**
 * @param {number} attempt
 * @returns {number} a random delay, so that all walls of a service do not come back at once [ms]
 */
function backoffMs(attempt) {
  return Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);
}

export class Feed {
  /** @param {string} ref  id or slug of the show */
  constructor(ref) {
    this.ref = ref;
    /** @type {WallState|null} */
    this.state = null;
    /** Whether the last request was answered. */
    this.isConnected = true;
    /** The server's clock minus this one's. */
    this.skew_ms = 0;
    /** @type {XMLHttpRequest|null} */
    this.request = null;
    /** @type {EventSource|null} */
    this.stream = null;
    /** The stream has brought something. */
    this.isStreaming = false;
    /** Position of the counts that the stream has brought, and the one that it should have reached at the next check. */
    this.reached = 0;
    this.expected = 0;
    this.failureCount = 0;
    this.streamFailureCount = 0;
    this.streamAfter_ms = 0;
    /** @type {number|undefined} */
    this.timer = undefined;
  }

  /** @param {ShowBody|null} body  the show that came with the page */
  start(body) {
    if (body) this.state = load(null, body, false);
    // The set woke up, or its network is back.
    addEventListener("online", () => this.poll());
    addEventListener("pageshow", () => this.poll());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.poll();
    });
    this.poll();
  }

  /** Asks for the show now, unless it is being asked for. */
  poll() {
    if (this.request) return;
    clearTimeout(this.timer);
    const sent_ms = Date.now();
    const request = new XMLHttpRequest();
    this.request = request;
    request.open("GET", `/api/shows/${this.ref}`);
    request.timeout = TIMEOUT_MS;
    request.onloadend = () => {
      this.request = null;
      const body = request.status === 200 ? parsed(request.responseText) : null;
      if (body) this.onAnswer(body, request.getResponseHeader("Date"), sent_ms);
      else this.onFailure();
    };
    request.send();
  }

  /**
   * @param {ShowBody} body
   * @param {string|null} date
   * @param {number} sent_ms
   */
  onAnswer(body, date, sent_ms) {
    this.isConnected = true;
    this.failureCount = 0;
    const middle_ms = (sent_ms + Date.now()) / 2;
    const skew_ms = Date.parse(date || "") + 500 - middle_ms;
    // A small difference is noise, and would make the countdown jump.
    if (Math.abs(skew_ms - this.skew_ms) > CLOCK_NOISE_MS) this.skew_ms = skew_ms;
    const wasHidden = this.state !== null && isHidden(this.state.show);
    const isStale = this.isStreaming && !wasHidden && this.reached < this.expected;
    this.expected = body.at;
    // A stream that lags behind for a whole check is dead, although nothing has ended it.
    if (isStale) this.closeStream();
    this.state = load(this.state, body, this.isStreaming);
    if (wasHidden !== isHidden(this.state.show)) this.closeStream();
    if (!this.stream) this.openStream();
    this.pollIn(this.isStreaming ? CHECK_MS : POLL_MS * (0.8 + 0.4 * Math.random()));
  }

  onFailure() {
    this.isConnected = false;
    this.closeStream();
    this.pollIn(backoffMs(this.failureCount));
    this.failureCount += 1;
  }

  /** @param {number} delay_ms */
  pollIn(delay_ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(), delay_ms);
  }

  openStream() {
    if (!this.state || typeof EventSource === "undefined" || performance.now() < this.streamAfter_ms) return;
    const kinds = isHidden(this.state.show) ? "status,setlist,attendance" : "votes,status,setlist,attendance";
    const stream = new EventSource(`/api/shows/${this.state.show.id}/events?channels=${kinds}`);
    this.stream = stream;
    stream.onmessage = ({ data }) => {
      if (stream === this.stream) this.onPush(data);
    };
    // Counts were hidden, or the server is about to end the stream.
    for (const name of ["notice", "end"]) stream.addEventListener(name, () => this.renew(stream));
    stream.onerror = () => {
      this.streamFailureCount += 1;
      this.streamAfter_ms = performance.now() + backoffMs(this.streamFailureCount);
      this.renew(stream);
    };
  }

  /** @param {string} data */
  onPush(data) {
    if (!this.state) return;
    if (!this.isStreaming) {
      this.isStreaming = true;
      this.streamFailureCount = 0;
      this.pollIn(CHECK_MS);
    }
    const wasHidden = isHidden(this.state.show);
    const push = JSON.parse(data);
    if (push.ch === `votes:${this.state.show.id}`) this.reached = push.at;
    this.state = apply(this.state, push);
    if (isHidden(this.state.show) !== wasHidden && this.stream) this.renew(this.stream);
  }

  /**
   * Ends a stream and asks what holds now. The browser would also come back by itself, but not after every refusal.
   * @param {EventSource} stream
   */
  renew(stream) {
    if (stream !== this.stream) return;
    this.closeStream();
    this.pollIn(backoffMs(0));
  }

  closeStream() {
    if (this.stream) this.stream.close();
    this.stream = null;
    this.isStreaming = false;
    this.reached = 0;
    this.expected = 0;
    if (this.state) this.state = { show: this.state.show, watching: null };
  }
}

/**
 * @param {string} text
 * @returns {ShowBody|null} null: it comes from somebody between here and the server
 */
function parsed(text) {
  try {
    const body = JSON.parse(text);
    return Array.isArray(body.setlists) ? body : null;
  } catch (_error) {
    return null;
  }
}
