/** The charts of a show's votes: a bar for each step of time, so many steps that a phone can show them, and its leading songs. */
import { h } from "./dom.js";
import { dateTime, votes } from "./messages.js";
import { barChart } from "./page-parts.js";
import { drawSongs } from "./song-history.js";
import { phrase } from "./words.js";

/**
 * @import { SongHistory } from "./song-history.js"
 * @typedef {{hour: string, votes: number}} HistoryHour
 */

const HOUR_MS = 3_600_000;
const STEPS_MAX = 48;
const STEP_HOURS = [1, 2, 3, 6, 12, 24, 48, 72, 168];

/**
 * The votes of a show in steps of equal length, the oldest first.
 * @param {HistoryHour[]} hours  oldest first; hours without votes are missing
 */
export function stepsOf(hours) {
  const at = hours.map(({ hour }) => Date.parse(hour));
  const first = at[0] ?? 0;
  const span = ((at[at.length - 1] ?? first) - first) / HOUR_MS + 1;
  const size = STEP_HOURS.find((step) => span / step <= STEPS_MAX) ?? Math.ceil(span / STEPS_MAX);
  const steps = Array.from({ length: Math.ceil(span / size) }, (_, index) => ({ begins_ms: first + index * size * HOUR_MS, votes: 0 }));
  hours.forEach(({ votes: added }, index) => {
    const step = steps[Math.floor(((at[index] ?? first) - first) / HOUR_MS / size)];
    if (step) step.votes += added;
  });
  return { size, steps };
}

/**
 * The parts of the history.
 * @param {{hours: HistoryHour[], songs: SongHistory[]|null}} history  songs null: the visitor may not see the counts
 * @param {string} zone
 * @param {number} now_ms
 */
export function draw({ hours, songs }, zone, now_ms) {
  return [drawHours(hours, zone), drawSongs(songs ?? [], zone, now_ms)].filter((part) => part !== null);
}

/**
 * @param {HistoryHour[]} hours
 * @param {string} zone
 */
function drawHours(hours, zone) {
  const { size, steps } = stepsOf(hours);
  const most = steps.reduce((best, step) => (step.votes > best.votes ? step : best), steps[0] ?? { begins_ms: 0, votes: 0 });
  const total = steps.reduce((sum, step) => sum + step.votes, 0);
  const when = (/** @type {number} */ ms) => dateTime(new Date(ms).toISOString(), zone);
  const unit = size % 24 ? phrase("history-hours", { count: size }) : phrase("history-days", { count: size / 24 });
  const label = phrase("history-label", { votes: votes(total), step: unit, most: most.votes, when: when(most.begins_ms) });
  const [first] = steps;
  const last = steps[steps.length - 1];
  return h("figure", { class: "chart" },
    barChart(label, steps.map((step) => ({ value: step.votes / Math.max(1, most.votes) }))),
    h("figcaption", {}, first && last ? h("span", { class: "chart-ends" }, h("span", {}, when(first.begins_ms)), h("span", {}, when(last.begins_ms))) : null,
      h("span", {}, label)));
}
