/**
 * The way of votes from the outbox to the server: one cast under way a show, asked again while it may help.
 *
 * All or none of a cast is taken. When one is refused its votes are sent one by one, so that a bad one is found and does
 * not take the good ones with it.
 */
import { RequestError } from "./api.js";

const CAST_VOTES_MAX = 20;

export class Lanes {
  #outbox; #way;
  #lanes = new Map(); // show -> {isBusy, isCareful, attempt, timer}

  /**
   * @param {import("./outbox.js").Outbox} outbox
   * @param {object} way  on, clock; canSend, whether there is a way now; request, as Client.request; identify, makes the
   *   visitor somebody if they are not; forgetUser, they are not who they were; delay_ms, (retry_after_ms, attempt) -> how
   *   long to wait
   */
  constructor(outbox, way) {
    this.#outbox = outbox;
    this.#way = way;
  }

  /** Waits no longer for a show, and is not careful any more: the connection is a new one. */
  clear(show) {
    this.#way.clock.clearTimeout(this.#lane(show).timer);
    this.#lanes.delete(show);
  }

  async flush(show) {
    const lane = this.#lane(show);
    if (!this.#way.canSend() || lane.isBusy || lane.timer !== null || !this.#outbox.unsent(show).length) return;
    lane.isBusy = true;
    let votes = [];
    try {
      await this.#way.identify();
      votes = this.#outbox.unsent(show).slice(0, lane.isCareful ? 1 : CAST_VOTES_MAX);
      if (votes.length) await this.#send(show, votes);
      lane.attempt = 0;
      lane.isBusy = false;
      this.flush(show);
    } catch (error) {
      lane.isBusy = false;
      if (!(error instanceof RequestError)) throw error;
      this.#recover(show, lane, votes, error);
    }
  }

  async #send(show, votes) {
    this.#way.on({ type: "casting", show, votes, phase: "pending" });
    const reply = await this.#way.request("cast", { show, votes });
    this.#outbox.acknowledge(show, votes, reply.durability === "accepted" ? reply.at : null);
    this.#way.on({ type: "cast_ok", show, votes, reply });
  }

  #recover(show, lane, votes, error) {
    if (error.code === "unauthenticated") this.#way.forgetUser();
    if (error.isTransient) {
      this.#way.on({ type: "cast_delayed", show, votes, error });
      // A lost connection has its own way back, and the outbox is sent at the end of it.
      if (!this.#way.canSend()) return;
      lane.timer = this.#way.clock.setTimeout(() => {
        lane.timer = null;
        this.flush(show);
      }, this.#way.delay_ms(error.retry_after_ms, ++lane.attempt));
      return;
    }
    if (votes.length > 1) {
      lane.isCareful = true;
    } else {
      const lost = votes.length ? votes : this.#outbox.unsent(show);
      this.#outbox.drop(show, lost);
      this.#way.on({ type: "cast_refused", show, votes: lost, error });
    }
    if (!this.#outbox.unsent(show).length) lane.isCareful = false;
    this.flush(show);
  }

  #lane(show) {
    if (!this.#lanes.has(show)) this.#lanes.set(show, { isBusy: false, isCareful: false, attempt: 0, timer: null });
    return this.#lanes.get(show);
  }
}
