/** Taps that come before the page knows whether the visitor has the ticket of the show. The last one on each song counts. */

/** @import { Choice } from "./client.js" */

/** @param {(song: number, choice: Choice) => void} vote */
export function createEarlyTaps(vote) {
  /** @type {Map<number, Choice>} */
  const taps = new Map();
  return {
    /** @type {(song: number, choice: Choice) => void} */
    keep: (song, choice) => taps.set(song, choice),
    forget: () => taps.clear(),
    /** The page knows now, or could not ask. */
    cast() {
      const kept = [...taps];
      taps.clear();
      for (const [song, choice] of kept) vote(song, choice);
    },
  };
}
