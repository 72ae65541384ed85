/** The figures of the last hour: what the server had, and each second that came since. */

/**
 * @import { Figures, History } from "./types.js"
 * @typedef {Record<keyof Figures, number|null>} Values
 * @typedef {{at_ms: number, seconds: Values[]}} Step
 */

const NAMES = /** @type {(keyof Figures)[]} */ ([
  "committed_votes", "acknowledgement_p99_ms", "oldest_uncommitted_ms", "push_lag_p99_ms", "watchers", "sockets_behind", "errors",
]);
const MEANS = new Set(["committed_votes", "errors"]); // the others: the worst second of a step
const STEPS_MAX = 360;
const STEPS_LEAST = 12; // two minutes: less is a sliver or jumps about
const STEP_MS = 10_000;

/** @param {Values[]} seconds */
function combined(seconds) {
  return /** @type {Values} */ (Object.fromEntries(NAMES.map((name) => {
    const values = seconds.map((one) => one[name]).filter((one) => one !== null);
    if (!values.length) return [name, null];
    const sum = values.reduce((all, one) => all + one, 0);
    return [name, MEANS.has(name) ? sum / values.length : Math.max(...values)];
  })));
}

/** @param {Step} step */
const isMeasured = ({ seconds }) => seconds.some((second) => NAMES.some((name) => second[name] !== null));

export function createHistory() {
  /** @type {Step[]} the oldest first */
  let steps = [];
  let newest_ms = 0;

  /** From the first step that was measured, and at least the least number of steps. */
  function shown() {
    const first = steps.findIndex(isMeasured);
    const found = first < 0 ? [] : steps.slice(first);
    while (found.length < STEPS_LEAST) found.unshift({ at_ms: (found[0]?.at_ms ?? newest_ms) - STEP_MS, seconds: [] });
    return found;
  }

  return {
    /** @param {History} history */
    replace(history) {
      const until_ms = Date.parse(history.until);
      newest_ms = until_ms;
      const length = history.committed_votes.length;
      steps = history.committed_votes.map((_, index) => ({
        at_ms: until_ms - (length - index) * history.step_s * 1000,
        seconds: [/** @type {Values} */ (Object.fromEntries(NAMES.map((name) => [name, history[name][index] ?? null])))],
      }));
    },
    /**
     * @param {string} at
     * @param {Values} second
     */
    add(at, second) {
      const at_ms = Date.parse(at);
      newest_ms = at_ms;
      const last = steps.at(-1);
      if (last && at_ms - last.at_ms < STEP_MS) last.seconds.push(second);
      else steps.push({ at_ms, seconds: [second] });
      steps = steps.slice(-STEPS_MAX);
    },
    /** The time over which the charts reach, until the newest second [s]. */
    span_s: () => (newest_ms - (shown()[0]?.at_ms ?? newest_ms)) / 1000,
    /** @param {keyof Figures} name */
    values: (name) => shown().map(({ seconds }) => combined(seconds)[name]),
    /**
     * @param {number} minutes
     * @returns {{at: string, values: Values}[]} the newest first
     */
    every(minutes) {
      /** @type {Map<number, Values[]>} */
      const rows = new Map();
      for (const { at_ms, seconds } of steps) {
        const step = combined(seconds);
        if (NAMES.every((name) => step[name] === null)) continue; // before the first node started
        const begin_ms = Math.floor(at_ms / (minutes * 60_000)) * minutes * 60_000;
        rows.set(begin_ms, [...(rows.get(begin_ms) ?? []), step]);
      }
      return [...rows].map(([at_ms, values]) => ({ at: new Date(at_ms).toISOString(), values: combined(values) })).reverse();
    },
  };
}
