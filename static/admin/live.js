/** The one websocket of the console. While the tab is hidden, it watches no channel, and nothing is repeated. */
import { Client } from "../client.js";
import { heldToken } from "./api.js";

/** @import { ClientEvent } from "../client.js" */
/** @import { Watcher } from "./types.js" */

export class Live {
  #client; #onStatus;
  /** @type {Map<string, Watcher>} */
  #watchers = new Map();
  /** @type {Set<() => void>} */
  #resumers = new Set();
  #isHidden = document.visibilityState === "hidden";

  /** @param {(status: "live"|"polling"|"reconnecting"|"offline", refusal: number|null) => void} onStatus */
  constructor(onStatus) {
    this.#onStatus = onStatus;
    this.#client = new Client({ on: (event) => this.#receive(event), storage: null, token: heldToken });
    document.addEventListener("visibilitychange", () => this.#pauseOrResume());
    addEventListener("online", () => this.#client.wake());
    addEventListener("offline", () => this.#client.sleep());
    addEventListener("pageshow", () => this.#client.wake());
    this.#client.connect();
  }

  /**
   * @param {string} channel  one page at a time watches it: a newer watcher takes the place of the older one
   * @param {Watcher} watcher
   */
  watch(channel, watcher) {
    this.#watchers.set(channel, watcher);
    if (!this.#isHidden) this.#client.subscribe([channel]);
    return () => {
      if (this.#watchers.get(channel) !== watcher) return;
      this.#watchers.delete(channel);
      this.#client.unsubscribe([channel]);
    };
  }

  /**
   * @param {() => void} work
   * @param {number} every_ms
   */
  repeat(work, every_ms) {
    /** @type {ReturnType<typeof setInterval>|undefined} */
    let timer;
    const resume = () => {
      clearInterval(timer);
      if (this.#isHidden) return;
      work();
      timer = setInterval(work, every_ms);
    };
    this.#resumers.add(resume);
    resume();
    return () => {
      this.#resumers.delete(resume);
      clearInterval(timer);
    };
  }

  #pauseOrResume() {
    this.#isHidden = document.visibilityState === "hidden";
    const channels = [...this.#watchers.keys()];
    if (!this.#isHidden) this.#client.wake();
    if (channels.length && this.#isHidden) this.#client.unsubscribe(channels);
    else if (channels.length) this.#client.subscribe(channels);
    for (const resume of this.#resumers) resume();
  }

  /** @param {ClientEvent} event */
  #receive(event) {
    if (event.type === "connection") this.#onStatus(event.status, event.refusal);
    else if (event.type === "snapshot") this.#watchers.get(event.channel)?.onState(event.state);
    else if (event.type === "push") this.#watchers.get(event.channel)?.onState(event.payload);
    else if (event.type === "channel_error") this.#watchers.get(event.channel)?.onRefused(event.error);
  }
}
