/** The page Audit: every act that needed the rights of staff, to filter, to read and to export. */
import { h } from "../dom.js";
import { download } from "./api.js";
import { createFilters } from "./fields.js";
import { moment } from "./formats.js";
import { button, createLoader, createPaged, queryOf } from "./parts.js";
import { createTable } from "./table.js";

/**
 * @import { ConsolePage, Desk } from "./types.js"
 * @typedef {{id: number, at: string, actor: number|null, act: string, object: string, reason: string|null,
 *   before: Record<string, unknown>, after: Record<string, unknown>, detail: Record<string, unknown>}} AuditAct
 */

const PATH = "/api/admin/audit";

/** @type {ConsolePage} */
export const audit = { name: "audit", title: "Audit", key: "u", role: "admin", open };

/**
 * @param {Desk} desk
 * @param {string[]} path  the kind and the number of an object: its acts only
 */
function open(desk, path) {
  const table = createTable("Acts, the latest first", ["When", "Who", "Act", "On", "What it changed", "Reason"]);
  const exporting = createLoader();
  const paged = createPaged((cursor) => /** @type {Promise<{items: AuditAct[], next: string|null}>} */ (
    desk.call(`${PATH}?${queryOf({ ...filters.values(), cursor, limit: 50 })}`)), (acts) => table.update(acts.map(rowOf)));
  const filters = createFilters("Filter the audit log", [
    { name: "actor", label: "Account", type: "search", attributes: { inputmode: "numeric", pattern: "[0-9]*", size: 8 } },
    { name: "act", label: "Act", type: "search", attributes: { placeholder: "show.lock", maxlength: 60 } },
    { name: "object", label: "On", type: "search", value: path.map(decodeURIComponent).join(":"), attributes: { placeholder: "show:7", maxlength: 200 } },
    { name: "from", label: "From (UTC)", type: "date" },
    { name: "to", label: "To (UTC)", type: "date" },
  ], () => paged.reload());
  const save = () => exporting.load(() => download(`${PATH}?${queryOf({ ...filters.values(), format: "csv" })}`, "audit.csv"),
    () => desk.tell("The acts of this filter are saved as audit.csv, at most the latest 10,000."));
  const element = h("div", { class: "stack" },
    h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, "Audit"), h("p", { class: "toolbar" }, button("Export as CSV", save, "e"))),
    filters.element, exporting.element, table.element, paged.element);
  paged.reload();
  return {
    element,
    shortcuts: [
      { key: "/", label: "Filter by act", act: () => filters.controls.act?.focus() },
      { key: "e", label: "Export as CSV", act: save },
      { key: "r", label: "Load again", act: () => paged.reload() },
    ],
  };
}

/** @param {AuditAct} act */
function rowOf({ id, at, actor, act, object, reason, before, after, detail }) {
  const changes = Object.keys(after).map((name) => `${wordsOf(name)}: ${told(before[name])} → ${told(after[name])}`);
  const rest = Object.entries(detail).map(([name, value]) => `${wordsOf(name)}: ${told(value)}`);
  return {
    key: String(id),
    cells: [moment(at), actor === null ? "a command" : `account ${actor}`, act, object, [...changes, ...rest].join(", "), reason ?? ""],
  };
}

/** @param {string} name  of a field */
const wordsOf = (name) => name.replaceAll("_", " ");

/** @param {unknown} value */
const told = (value) => (value === null || value === "" ? "nothing" : typeof value === "object" ? JSON.stringify(value) : String(value));
