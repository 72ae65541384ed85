/** Parts that several of the late pages share: sections, long lists that begin short, charts of bars, links to other sites. */
import { h, setHidden } from "./dom.js";
import * as texts from "./home-texts.js";
import * as messages from "./messages.js";
import { phrase } from "./words.js";

/** @import { Source } from "./types.js" */

let count = 0;

/**
 * A part of a page with its heading; null: there is nothing to show in it.
 * @param {string} title
 * @param {string} lead  one sentence under the heading; empty: none
 * @param {...(Element|null)} parts
 */
export function section(title, lead, ...parts) {
  const id = `section-${count++}`;
  return h("section", { class: "part", "aria-labelledby": id },
    h("h2", { id }, title), lead ? h("p", { class: "part-lead" }, lead) : null, ...parts);
}

/**
 * A list whose rows beyond the first ones come with a tap.
 * @param {Element[]} rows
 * @param {number} shownCount
 * @param {{isOrdered?: boolean, className?: string}} [options]
 */
export function shortList(rows, shownCount, { isOrdered = false, className = "lines" } = {}) {
  const list = h(isOrdered ? "ol" : "ul", { class: className }, ...rows.slice(0, shownCount));
  if (rows.length <= shownCount) return h("div", {}, list);
  const more = h("button", { class: "button more", type: "button", on: { click: () => {
    const rest = rows.slice(shownCount);
    list.append(...rest);
    setHidden(more, true);
    rest[0]?.querySelector("a")?.focus(); // the button that had the focus is gone
  } } }, texts.showAll(rows.length));
  return h("div", {}, list, more);
}

/**
 * A chart of upright bars, the oldest on the left. Screen readers get its sentence; what it shows stands beside it as text too.
 * @param {string} label
 * @param {{value: number, mark?: number|null}[]} bars  value and mark: 0 to 1
 */
export function barChart(label, bars) {
  return h("div", { class: "bars", role: "img", "aria-label": label }, ...bars.map(({ value, mark = null }) => {
    const bar = h("i", { class: "bar" });
    bar.style.height = `${(value * 100).toFixed(1)}%`;
    const tick = h("b", { class: "bar-mark" });
    if (mark !== null) tick.style.bottom = `${(mark * 100).toFixed(1)}%`;
    return h("span", { class: "bar-slot" }, bar, mark === null ? null : tick);
  }));
}

/** @param {Source[]} sources */
export function sourceLinks(sources) {
  const pages = messages.webPages(sources);
  if (!pages.length) return null;
  return h("nav", { class: "sources", "aria-label": phrase("sources") },
    h("ul", {}, ...pages.map((source) => h("li", {}, h("a", { href: source.url, rel: "noopener" }, messages.siteName(source))))));
}

/** @param {string} text */
export const nothing = (text) => h("p", { class: "part-nothing" }, text);
