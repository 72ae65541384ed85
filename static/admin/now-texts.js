/** The words and numbers of the page Now. */

import { moment } from "./formats.js";

/** @import { Figures, NodeRow } from "./types.js" */

/** @type {Record<"well"|"info"|"warning"|"critical"|"unknown", string>} */
export const LEVELS = { well: "Well", info: "For your information", warning: "Warning", critical: "Act now", unknown: "Unknown" };

/** @type {Record<NodeRow["state"], string>} */
export const NODE_LEVELS = { "ready": "well", "not ready": "critical", "draining": "warning", "stopped": "", "silent": "critical" };

/** @param {number|null} value */
export const count = (value) => (value === null ? "–" : value >= 100 ? Math.round(value).toLocaleString("en") : String(Math.round(value * 10) / 10));

/** @param {number|null} value */
export const milliseconds = (value) => {
  if (value === null) return "–";
  return value >= 1000 ? `${(value / 1000).toFixed(1)}\u00a0s` : `${Math.round(value)}\u00a0ms`;
};

/** @type {{name: keyof Figures, title: string, format(value: number|null): string}[]} */
export const FIGURES = [
  { name: "committed_votes", title: "Committed votes a second", format: count },
  { name: "acknowledgement_p99_ms", title: "Acknowledgement, 99 of 100", format: milliseconds },
  { name: "oldest_uncommitted_ms", title: "Oldest uncommitted vote", format: milliseconds },
  { name: "push_lag_p99_ms", title: "Commit to push, 99 of 100", format: milliseconds },
  { name: "watchers", title: "Watchers", format: count },
  { name: "sockets_behind", title: "Sockets behind", format: count },
  { name: "errors", title: "Errors a second", format: count },
];

export const FOR_OPERATORS = "For whoever runs the servers:";

export const TRACED = "Look for the trace in your tracing tool, and for the trace or the request in the logs of the node. Work without a request has a trace alone.";
export const NOT_TRACED = "Traces are off, so an error has the id of its request only: look for it in the logs of the node.";

/**
 * The time of day of an instant, UTC.
 * @param {string} instant
 */
export const time = (instant) => new Date(instant).toISOString().slice(11, 19);

/**
 * The time of day, with the day unless it is today, UTC.
 * @param {string} instant
 */
export const recent = (instant) => (instant.slice(0, 10) === new Date().toISOString().slice(0, 10) ? time(instant) : moment(instant));

/** @param {number} number */
export const groups = (number) => (number === 1 ? "1 group" : `${number} groups`);
