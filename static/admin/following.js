/** Channels of a show that a page follows: it says which of them do not come, and asks for their states itself meanwhile. */
import { h, setHidden, setText } from "../dom.js";

/** @import { Desk } from "./types.js" */

const ASK_EVERY_MS = 5_000;

/** @type {Record<string, string>} */
const REASONS = {
  forbidden: "This account may not see it.",
  not_found: "It comes over a websocket only, and there is none.",
};

/**
 * @param {Desk} desk
 * @param {() => unknown} ask  loads over HTTP what the channels would have told
 */
export function createFollowing(desk, ask) {
  const element = h("p", { class: "refused", role: "status", hidden: true });
  /** @type {Map<string, string>} what does not come, and why */
  const missing = new Map();
  /** @type {(() => void)[]} */
  const stops = [];
  /** @type {(() => void)|null} */
  let stopAsking = null;

  function draw() {
    setHidden(element, missing.size === 0);
    // The connection is live, but this page is not: nothing on it says so.
    document.body.toggleAttribute("data-partly-live", missing.size > 0);
    if (missing.size) {
      setText(element, `Not live: ${[...missing.keys()].join(", ")}. ${[...new Set(missing.values())].join(" ")} This page asks again every ${ASK_EVERY_MS / 1000} seconds.`);
      stopAsking ??= desk.repeat(ask, ASK_EVERY_MS);
    } else {
      stopAsking?.();
      stopAsking = null;
    }
  }

  return {
    element,
    /**
     * @param {string} channel
     * @param {string} what  it tells, in words
     * @param {(state: unknown) => void} onState
     */
    follow(channel, what, onState) {
      stops.push(desk.watch(channel, {
        onState(state) {
          if (missing.delete(what)) draw();
          onState(state);
        },
        onRefused({ code, message }) {
          missing.set(what, REASONS[code] ?? message ?? code);
          draw();
        },
      }));
    },
    /** Whether the channel that tells this does not come. @param {string} what */
    lacks: (what) => missing.has(what),
    close() {
      missing.clear();
      draw();
      for (const stop of stops) stop();
    },
  };
}
