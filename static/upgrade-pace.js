/** When to try a websocket again while HTTP is in use: soon at first, because most networks only stall for some seconds. */

/** @import { Clock, PollingReason, Socket } from "./client.d.ts" */

const CONNECTING = 0;
const CLOSED = 3;
const STEP_MIN_MS = 2_000;
const STEP_MAX_MS = 30_000;
const QUICK_MS = 1_000; // an answer over HTTP that took no longer shows that the network is well
const HANGING_MS = 1_000; // while the network is well, an attempt this old does not come through

export class UpgradePace {
  #clock; #random;
  #tries = 0;
  #tried_ms = 0;
  #isQuick = false; // whether the last answer over HTTP was

  /**
   * @param {Clock} clock
   * @param {() => number} random
   */
  constructor(clock, random) {
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * HTTP comes into use.
   * @param {number} tried_ms  when a websocket was tried last
   */
  begin(tried_ms) {
    this.#isQuick = false;
    this.#tries = 0;
    this.#tried_ms = tried_ms;
  }

  /** A websocket is tried now. */
  tried() {
    this.#tried_ms = this.#clock.now();
  }

  /**
   * How long to wait before the next try [ms]: each time up to twice as long, and as long as can be when the server takes no more.
   * @param {PollingReason|null} reason  why there is no websocket
   */
  nextMs(reason) {
    const step_ms = isUnwelcome(reason) ? STEP_MAX_MS : Math.min(STEP_MAX_MS, STEP_MIN_MS * 2 ** this.#tries);
    this.#tries += 1;
    return step_ms * (1 + this.#random());
  }

  /**
   * HTTP has answered. When answers become quick, a network that stalled is back: gives whether to try a websocket at once.
   * @param {number} took_ms
   * @param {Socket|null} candidate  the websocket that was tried last
   * @param {PollingReason|null} reason
   */
  isBack(took_ms, candidate, reason) {
    const wasQuick = this.#isQuick;
    this.#isQuick = took_ms <= QUICK_MS;
    // Nothing hangs where none is tried, or where it was closed; one that is open may still carry an answer.
    const state = candidate?.readyState ?? CLOSED;
    const isFree = state === CLOSED || (state === CONNECTING && this.#clock.now() - this.#tried_ms >= HANGING_MS);
    return this.#isQuick && !wasQuick && isFree && !isUnwelcome(reason);
  }
}

/**
 * Whether the server itself takes no more.
 * @param {PollingReason|null} reason
 */
const isUnwelcome = (reason) => reason === "overloaded" || reason === "rate_limited";

/**
 * Lets go of a websocket. One that is closed before it is open is an error for browsers, so it is closed then.
 * @param {Socket|null} socket
 * @param {number} [code]
 */
export function giveUp(socket, code) {
  if (socket?.readyState !== CONNECTING) return socket?.close(code);
  socket.onmessage = socket.onclose = null;
  socket.onopen = () => socket.close(code);
}
