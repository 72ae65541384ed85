/** The service levels on the page Now: how much of each error budget is left, and how fast it goes. */
import { h, setHidden, setText } from "../dom.js";
import { createFigure, sinceMeasured } from "./charts.js";
import { counted, moment } from "./formats.js";
import { createTable } from "./table.js";

/** @import { LevelRow } from "./types.js" */

/** The windows that the page shows. @type {Record<string, string>} */
const WINDOWS = { "5m": "5 min", "1h": "1 h", "6h": "6 h", "3d": "3 days" };
const LOW = 0.25;
const DAYS_LEAST = 7; // of a chart

/** @param {number|null} burn */
const times = (burn) => (burn === null ? "–" : String(burn >= 10 ? Math.round(burn) : Math.round(burn * 10) / 10));

/** @param {number|null} left */
const leftText = (left) => (left === null ? "–" : left < 0 ? "overdrawn" : `${Math.floor(left * 100)} % left`);

/** @param {number} share */
const percent = (share) => `${Number((share * 100).toFixed(3))}\u00a0%`;

export function createBudgets() {
  /** @type {Map<string, ReturnType<typeof createFigure>>} */
  const figures = new Map();
  const charts = h("div", { class: "figures" });
  const table = createTable("Service levels", ["Level", "Error budget", ...Object.values(WINDOWS).map((window) => `Burn ${window}`),
    "Aim", "Kept", "Missed"], { isNamed: true });
  const details = h("details", { class: "as-table" }, h("summary", {}, "The service levels as a table"), table.element);
  const note = h("p", { class: "note" });
  const element = h("section", { class: "budgets", "aria-label": "Error budgets" }, charts, details, note);
  return {
    element,
    /** @param {LevelRow[]|null} rows  null: not for this user */
    update(rows) {
      setHidden(element, rows === null);
      if (!rows) return;
      setHidden(details, !rows.length);
      setHidden(charts, !rows.length);
      for (const row of rows) {
        let figure = figures.get(row.name);
        if (!figure) {
          figure = createFigure(`Error budget: ${row.words}`);
          figures.set(row.name, figure);
          charts.append(figure.element);
        }
        drawFigure(figure, row);
      }
      table.update(rows.map(tableRow));
      setText(note, noteText(rows));
    },
  };
}

/**
 * @param {ReturnType<typeof createFigure>} figure
 * @param {LevelRow} row
 */
function drawFigure(figure, { words, budget_left, burns, burn_by_day }) {
  const days = sinceMeasured(burn_by_day, DAYS_LEAST);
  const highest = Math.max(0, ...burn_by_day.filter((one) => one !== null));
  const hour = burns.find(({ window }) => window === "1h")?.burn ?? null;
  const span = counted(days.length, "day");
  figure.update({
    value: leftText(budget_left),
    top: budget_left === null ? `${span} · no events` : `burn ${times(hour)} in 1 h · ${span} up to ${times(highest)} a day`,
    label: `Error budget of ${words}: ${leftText(budget_left)}; burn by day over ${span}, at most ${times(highest)}`,
    values: days,
    // Burn 1 is what is allowed: less must not look like much.
    highest: Math.max(1, highest),
  });
}

/** @param {LevelRow} row */
const tableRow = ({ name, words, objective, event_count, missed_count, budget_left, burns }) => ({
  key: name,
  level: budget_left === null ? "" : budget_left < 0 ? "critical" : budget_left < LOW ? "warning" : "",
  cells: [words, leftText(budget_left), ...burns.filter(({ window }) => window in WINDOWS).map(({ burn }) => times(burn)),
    percent(objective), event_count ? percent(1 - missed_count / event_count) : "–",
    `${missed_count.toLocaleString("en")} of ${event_count.toLocaleString("en")}`],
});

/** @param {LevelRow[]} rows */
function noteText(rows) {
  const [first] = rows;
  if (!first) return "The error budgets are kept in PostgreSQL, which does not answer now.";
  const since = rows.map(({ since: one }) => one).filter((one) => one !== null).sort()[0];
  const counted = since ? ` Counted since ${moment(since)}.` : " Nothing was counted yet.";
  return `An error budget is what may go wrong in ${first.days_counted} days, over all nodes. Burn 1 uses it up in exactly that time.${counted}`;
}
