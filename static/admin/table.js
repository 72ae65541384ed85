/** A table that keeps its rows: what did not change is not drawn again, so that focus and selection stay. */
import { h, setAttribute, setHidden, setText } from "../dom.js";
import { focusFirst } from "./parts.js";

/**
 * @typedef {{label: string, act(): unknown}} Act
 * @typedef {{key: string, cells: string[], level?: string, href?: string, acts?: Act[]}} Row
 *   href: of its first cell; acts: its buttons, in one more cell
 */

/** @type {WeakMap<Element, Act[]>} the acts that the buttons of a cell do now */
const actsOf = new WeakMap();

/**
 * @param {string} title
 * @param {string[]} heads
 */
export function createTable(title, heads) {
  const heading = h("h2", { tabindex: "-1" }, title);
  const body = h("tbody", {});
  const empty = h("p", { class: "note", hidden: true }, "None.");
  const table = h("table", { class: "table" }, h("caption", { class: "sr" }, title),
    h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))), body);
  // It scrolls by itself where it is wider than the page, also by keys.
  const frame = h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": title }, table);
  const element = h("section", { class: "table-part" }, heading, frame, empty);
  /** @type {Map<string, HTMLTableRowElement>} */
  let drawn = new Map();
  return {
    element,
    /** @param {Row[]|null} rows  null: not for this user */
    update(rows) {
      const focused = body.contains(document.activeElement) ? document.activeElement : null;
      const focusedRow = focused?.closest("tr");
      setHidden(element, rows === null);
      setHidden(empty, (rows?.length ?? 0) > 0);
      setHidden(frame, !rows?.length);
      /** @type {typeof drawn} */
      const next = new Map();
      for (const { key, cells, level = "", href, acts } of rows ?? []) {
        const row = drawn.get(key) ?? createRow(cells, href, acts);
        cells.forEach((text, index) => {
          const cell = row.cells[index];
          if (cell) setText(cell.querySelector("a") ?? cell, text);
        });
        if (acts) drawActs(/** @type {HTMLElement} */ (row.cells[cells.length]), acts);
        setAttribute(row, "data-level", level || null);
        next.set(key, row);
      }
      const order = [...next.values()];
      if (order.length !== body.rows.length || order.some((row, index) => body.rows[index] !== row)) body.replaceChildren(...order);
      drawn = next;
      if (!focused || body.contains(focused)) return;
      focusFirst(focusedRow && body.contains(focusedRow) ? focusedRow.querySelector("button, a") : null, frame, heading);
    },
  };
}

/**
 * @param {string[]} cells
 * @param {string} [href]
 * @param {Act[]} [acts]
 */
function createRow(cells, href, acts) {
  return h("tr", {}, ...cells.map((_, index) => {
    if (index > 0) return h("td", {});
    const isPage = href?.startsWith("/admin");
    return h("th", { scope: "row" }, href ? h("a", { href, data: isPage ? { link: "" } : {} }) : null);
  }), acts ? h("td", { class: "row-acts" }) : null);
}

/**
 * @param {HTMLElement} cell
 * @param {Act[]} acts
 */
function drawActs(cell, acts) {
  actsOf.set(cell, acts);
  const labels = acts.map(({ label }) => label).join("|");
  if (cell.dataset.labels === labels) return;
  cell.dataset.labels = labels;
  cell.replaceChildren(...acts.map(({ label }, index) =>
    h("button", { class: "button", type: "button", on: { click: () => actsOf.get(cell)?.[index]?.act() } }, label)));
}
