/** Requests on a socket that wait for their replies. */
import { RequestError } from "./api.js";

/**
 * @import { Clock, Socket, WireError } from "./client.d.ts"
 * @typedef {{resolve(ok: unknown): void, reject(error: RequestError): void, timer: unknown}} PendingRequest
 */

const TIMEOUT_MS = 15_000;

export class Requests {
  #clock;
  #nextId = 1;
  /** @type {Map<number, PendingRequest>} */
  #pending = new Map();

  /** @param {Clock} clock */
  constructor(clock) {
    this.#clock = clock;
  }

  /**
   * @template Reply
   * @param {Socket} socket
   * @param {string} op
   * @param {Record<string, unknown>} fields
   * @returns {Promise<Reply>} the reply's `ok`; rejects with RequestError
   */
  send(socket, op, fields) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => this.answer(id, { error: { code: "timeout" } }), TIMEOUT_MS);
      this.#pending.set(id, { resolve: (ok) => resolve(/** @type {Reply} */ (ok)), reject, timer });
      socket.send(JSON.stringify({ id, op, ...fields }));
    });
  }

  /**
   * @param {number} id
   * @param {{ok?: unknown, error?: WireError}} reply
   */
  answer(id, { ok, error }) {
    const request = this.#pending.get(id);
    if (!request) return;
    this.#pending.delete(id);
    this.#clock.clearTimeout(request.timer);
    if (error) request.reject(new RequestError(error));
    else request.resolve(ok);
  }

  /** @param {{error: WireError}} reply */
  answerAll(reply) {
    for (const id of [...this.#pending.keys()]) this.answer(id, reply);
  }
}
