/** How the counts of a show's leading songs have moved: a line for each of them, and the same as a table for screen readers. */
import { h } from "./dom.js";
import { count, dateTime } from "./messages.js";
import { phrase } from "./words.js";

/**
 * @typedef {{hour: string, up: number, down: number}} SongHour  the counts at the end of the hour
 * @typedef {{title: string, up: number, down: number, hours: SongHour[]}} SongHistory
 * @typedef {{at_ms: number, value: number}} Point
 */

const SVG = "http://www.w3.org/2000/svg";
const HOUR_MS = 3_600_000;
const WIDTH = 100;
const HEIGHT = 24;
const COLUMNS_MAX = 6;

/**
 * The score of a song at each hour in which it changed, and now.
 * @param {SongHistory} song
 * @param {number} now_ms
 * @returns {Point[]}
 */
export function pointsOf({ up, down, hours }, now_ms) {
  const points = hours.map((one) => ({ at_ms: Math.min(Date.parse(one.hour) + HOUR_MS, now_ms), value: one.up - one.down }));
  return [...points, { at_ms: now_ms, value: up - down }];
}

/**
 * The score at an instant; null: not known so early.
 * @type {(points: Point[], at_ms: number) => number|null}
 */
export const valueAt = (points, at_ms) => points.reduce(
  (/** @type {number|null} */ found, point) => (point.at_ms <= at_ms ? point.value : found), null);

/**
 * The chart; null: there are fewer than two instants to draw.
 * @param {SongHistory[]} songs  the best first
 * @param {string} zone
 * @param {number} now_ms
 */
export function drawSongs(songs, zone, now_ms) {
  const lines = songs.map((song) => ({ title: song.title, points: pointsOf(song, now_ms) }));
  const all = lines.flatMap(({ points }) => points);
  const first_ms = Math.min(...all.map(({ at_ms }) => at_ms));
  if (!all.length || first_ms >= now_ms) return null;
  const values = all.map(({ value }) => value);
  const [low, high] = [Math.min(0, ...values), Math.max(1, ...values)];
  const when = (/** @type {number} */ ms) => dateTime(new Date(ms).toISOString(), zone);
  const lead = phrase("history-songs-lead", { first: when(first_ms), last: when(now_ms) });
  const x = (/** @type {number} */ ms) => ((ms - first_ms) / (now_ms - first_ms)) * WIDTH;
  const y = (/** @type {number} */ value) => HEIGHT - 1 - ((value - low) / (high - low)) * (HEIGHT - 2);
  const rows = lines.map(({ title, points }) => h("li", {},
    h("span", { class: "song-line-title", dir: "auto", translate: "no" }, title),
    lineOf(points.map(({ at_ms, value }) => [x(at_ms), y(value)])),
    h("span", { class: "song-line-value" }, count(points[points.length - 1]?.value ?? 0))));
  return h("figure", { class: "chart" },
    h("h3", {}, phrase("history-songs-heading")),
    h("ol", { class: "song-lines", "aria-hidden": "true" }, ...rows),
    h("figcaption", {}, lead),
    tableOf(lines, first_ms, now_ms, zone));
}

/**
 * A line of steps: a count stays until it changes.
 * @param {number[][]} places
 */
function lineOf(places) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "song-line");
  const path = document.createElementNS(SVG, "path");
  const steps = places.map(([x = 0, y = 0], index) => (index ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `M${x.toFixed(1)} ${y.toFixed(1)}`));
  path.setAttribute("d", steps.join(""));
  svg.append(path);
  return svg;
}

/**
 * @param {{title: string, points: Point[]}[]} lines
 * @param {number} first_ms
 * @param {number} last_ms
 * @param {string} zone
 */
function tableOf(lines, first_ms, last_ms, zone) {
  const columns = Math.min(COLUMNS_MAX, Math.max(2, Math.round((last_ms - first_ms) / HOUR_MS) + 1));
  const instants = Array.from({ length: columns }, (_, index) => first_ms + ((last_ms - first_ms) * index) / (columns - 1));
  const table = h("table", {},
    h("caption", {}, phrase("history-songs-heading")),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, phrase("history-songs-song")),
      ...instants.map((ms) => h("th", { scope: "col" }, dateTime(new Date(ms).toISOString(), zone))))),
    h("tbody", {}, ...lines.map(({ title, points }) => h("tr", {}, h("th", { scope: "row", dir: "auto", translate: "no" }, title),
      ...instants.map((ms) => {
        const value = valueAt(points, ms);
        return h("td", {}, value === null ? "–" : count(value));
      })))));
  return h("div", { class: "sr" }, table);
}
