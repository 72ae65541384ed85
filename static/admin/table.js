/**
 * A table that keeps its rows: what did not change is not drawn again, so that focus and selection stay. Where it is wider than the
 * page, each row stands as a card, in which every cell has the head of its column: so no button is out of sight.
 */
import { h, setAttribute, setChildren, setHidden, setText } from "../dom.js";
import { focusFirst, isLong } from "./parts.js";

/**
 * @typedef {{label: string, act(): unknown}} Act
 * @typedef {{key: string, cells: string[], level?: string, href?: string, acts?: Act[]}} Row
 *   href: of its first cell; acts: its buttons, in one more cell
 */

const DAY = /^\d{4}-\d\d-\d\d/;

/** @type {WeakMap<Element, Act[]>} the acts that the buttons of a cell do now */
const actsOf = new WeakMap();

/**
 * @param {string} title
 * @param {string[]} heads
 * @param {{isNamed?: boolean, none?: string}} [options]
 *   isNamed: what stands above it says the same as the title, so that only screen readers get it; none: said of a table without rows
 */
export function createTable(title, heads, { isNamed = false, none = "None." } = {}) {
  const heading = h("h2", { tabindex: "-1", class: isNamed ? "sr" : null }, title);
  // The roles are those of the elements. Browsers forget them for cards.
  const body = h("tbody", { role: "rowgroup" });
  const empty = h("p", { class: "note", hidden: true }, none);
  const table = h("table", { class: "table", role: "table" }, h("caption", { class: "sr" }, title),
    h("thead", { role: "rowgroup" },
      h("tr", { role: "row" }, ...heads.map((head) => h("th", { scope: "col", role: "columnheader" }, head)))), body);
  // It scrolls by itself where even a card is too wide, also by keys.
  const frame = h("div", { class: "table-frame", tabindex: "0", role: "region", "aria-label": title }, table);
  const element = h("section", { class: "table-part" }, heading, frame, empty);
  /** @type {Map<string, HTMLTableRowElement>} */
  let drawn = new Map();
  let drawnText = "";
  let drawnWidth = 0;

  function fit() {
    table.classList.remove("cards");
    table.classList.toggle("cards", frame.scrollWidth > frame.clientWidth);
  }

  // Not within the observer's turn: what changes there is observed again.
  new ResizeObserver(() => requestAnimationFrame(() => {
    if (frame.clientWidth === drawnWidth) return;
    drawnWidth = frame.clientWidth;
    fit();
  })).observe(frame);
  return {
    element,
    /** @param {Row[]|null} rows  null: not for this user */
    update(rows) {
      const focused = body.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
      const focusedRow = focused?.closest("tr");
      setHidden(element, rows === null);
      setHidden(empty, (rows?.length ?? 0) > 0);
      setHidden(frame, !rows?.length);
      /** @type {typeof drawn} */
      const next = new Map();
      for (const { key, cells, level = "", href, acts } of rows ?? []) {
        const row = drawn.get(key) ?? createRow(heads, cells, href, acts);
        cells.forEach((text, index) => {
          const cell = row.cells[index];
          if (!cell) return;
          setText(cell.querySelector("a") ?? cell, text);
          cell.classList.toggle("when", DAY.test(text));
          cell.classList.toggle("long", isLong(text));
        });
        if (acts) drawActs(/** @type {HTMLElement} */ (row.cells[cells.length]), acts);
        setAttribute(row, "data-level", level || null);
        next.set(key, row);
      }
      setChildren(body, [...next.values()]);
      drawn = next;
      const text = JSON.stringify(rows?.map(({ cells, acts }) => [cells, acts?.length]));
      if (text !== drawnText) fit();
      drawnText = text;
      if (!focused || focused === document.activeElement) return;
      if (body.contains(focused)) focused.focus();
      else focusFirst(focusedRow && body.contains(focusedRow) ? focusedRow.querySelector("button, a") : null, frame, heading);
    },
  };
}

/**
 * @param {string[]} heads
 * @param {string[]} cells
 * @param {string} [href]
 * @param {Act[]} [acts]
 */
function createRow(heads, cells, href, acts) {
  return h("tr", { role: "row" }, ...cells.map((_, index) => {
    if (index > 0) return h("td", { role: "cell", data: { head: heads[index] ?? "" } });
    const isPage = href?.startsWith("/admin");
    return h("th", { scope: "row", role: "rowheader" }, href ? h("a", { href, data: isPage ? { link: "" } : {} }) : null);
  }), acts ? h("td", { class: "row-acts", role: "cell" }) : null);
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
