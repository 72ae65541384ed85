/** Numbers and times in words, as all pages of the console write them. Times are UTC. */

/** @param {string|null} instant */
export const moment = (instant) => (instant === null ? "–" : `${new Date(instant).toISOString().slice(0, 16).replace("T", " ")}\u00a0UTC`);

/** @param {number|null} value */
export const number = (value) => (value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: 1 }));

/** @param {number|null} share  0..1 */
export const percent = (share) => (share === null ? "–" : `${(share * 100).toFixed(1)}\u00a0%`);

/** @param {number|null} size */
export function bytes(size) {
  if (size === null) return "–";
  const unit = ["B", "KB", "MB", "GB", "TB"].findIndex((_, index) => size < 1000 ** (index + 1) || index === 4);
  return `${unit === 0 ? size : (size / 1000 ** unit).toFixed(1)}\u00a0${["B", "KB", "MB", "GB", "TB"][unit]}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)}\u00a0s`;
  if (seconds < 3_570) return `${Math.round(seconds / 60)}\u00a0min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)}\u00a0h` : `${Math.round(seconds / 86_400)}\u00a0days`;
}

/** @type {(count: number, one: string, many?: string) => string} */
export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** @param {Date} date */
export const ago = (date) => {
  const seconds = Math.max(0, (Date.now() - date.getTime()) / 1000);
  return seconds < 5 ? "just now" : `${duration(seconds)} ago`;
};
