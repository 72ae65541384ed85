/** The page Database: its state, its sizes, and the operations that keep it well. */
import { h, setAttribute, setHidden, setText } from "../dom.js";
import { ask } from "./ask.js";
import { ago, bytes, duration, moment, number, percent } from "./formats.js";
import { button, createFacts, createLoader, send } from "./parts.js";
import { createTable } from "./table.js";

/**
 * @import { ConsolePage, Desk } from "./types.js"
 * @typedef {{version: string, database: string, started_at: string, connections_max: number, size_bytes: number,
 *   commits: number, rollbacks: number, deadlocks: number, temp_bytes: number, cache_hit_rate: number|null}} Server
 * @typedef {{name: string, rows_estimate: number, dead_rows_estimate: number, table_bytes: number|null, index_bytes: number|null,
 *   last_vacuum_at: string|null, last_autovacuum_at: string|null}} TableStats
 * @typedef {{name: string, table: string, bytes: number|null, scans: number, is_unused: boolean, is_valid: boolean}} IndexStats
 * @typedef {{pid: number, type: string, mode: string, relation: string|null, waiting_s: number|null, blocked_by: number[],
 *   query: string|null}} WaitingLock
 * @typedef {{query: string|null, calls: number, total_ms: number, mean_ms: number, max_ms: number}} Statement
 * @typedef {{server: Server, tables: TableStats[], indexes: IndexStats[], connections: {count: number}[],
 *   replication: {standbys: {name: string|null, state: string|null, lag_bytes: number|null, lag_s: number|null}[],
 *   slots: {name: string, is_active: boolean, kept_bytes: number|null}[]},
 *   longest_transaction: {pid: number, application: string|null, age_s: number, query: string|null}|null,
 *   locks_waiting: WaitingLock[], slowest_statements: Statement[]|null, migrations: string[]}} Statistics
 * @typedef {{service: string, status: string|null, detail: string, seen_at: string, availability_24h: number|null,
 *   latency_mean_ms: number|null, latency_max_ms: number}} Health
 * @typedef {{id: number, operation: string, options: Record<string, unknown>, status: string, stage: string, done: number,
 *   total: number, result: Record<string, unknown>, error: string, started_by: number|null, started_at: string,
 *   finished_at: string|null}} Operation
 * @typedef {{newest: {made_at: string, age_s: number, file_name: string, size_bytes: number, host: string}|null, age_max_s: number,
 *   is_overdue: boolean}} Backups
 * @typedef {{is_in_use: boolean, why_not: string, behind_s: number}} Replica
 * @typedef {{statistics: Statistics, health: Health[], operations: Operation[], backups: Backups, replica: Replica|null}} DatabaseState
 */

const PATH = "/api/database/operations";
const EVERY_MS = 5_000;
const TABLES_SHOWN = 15;
const UNUSED_BYTES = 10_000_000; // a smaller index that nothing uses costs nothing
const STATEMENT_CHARS = 140;

/** @type {ConsolePage} */
export const database = { name: "database", title: "Database", key: "d", role: "admin", open };

/** What each operation does, before somebody starts it. */
const OPERATIONS = {
  "vacuum": { label: "Vacuum", lines: ["Makes the space of deleted rows usable again. Voting goes on; the disk has more work meanwhile."] },
  "reindex": { label: "Rebuild indexes", lines: ["Builds every index anew beside the old one. Voting goes on; it needs free space for the largest index."] },
  "integrity-check": { label: "Check integrity", lines: ["Compares counts with votes and looks for broken rules. Without the repair it changes nothing."] },
  "cleanup": { label: "Clean up", lines: ["Deletes what has been kept for long enough: removed songs with their votes, accounts without data and events of webhooks after 30 days, sent emails after 180, other logs after 2 to 400. Votes that count stay. Once a day all but the accounts goes by itself."] },
};

/** @typedef {keyof typeof OPERATIONS} Kind */

/** @param {Desk} desk */
function open(desk) {
  const loader = createLoader();
  const server = createFacts("The server");
  const health = createTable("Health", ["Service", "State", "Last 24 h", "Mean time", "Longest", "Seen"]);
  const operations = createTable("Operations", ["Operation", "State", "Progress", "Started", "Took", "Result"]);
  const locks = createTable("Sessions that wait for a lock", ["Session", "State", "Waits for", "Blocked by", "Statement"]);
  const tables = createTable("Largest tables", ["Table", "Size", "Indexes", "Rows", "Dead rows", "Vacuumed", "Acts"]);
  const indexes = createTable("Indexes to look at", ["Index", "State", "Table", "Size", "Scans"]);
  const statements = createTable("Slowest statements", ["Statement", "Total", "Calls", "Mean", "Longest"]);
  const replication = createTable("Replication", ["Name", "State", "Behind"]);
  const uncounted = h("p", { class: "note", hidden: true }, "This server does not count statements (pg_stat_statements is off).");
  const note = h("p", { class: "note" });
  const backup = h("p", { class: "note backup" });
  const reads = h("p", { class: "note replica", hidden: true });
  const kinds = /** @type {Kind[]} */ (Object.keys(OPERATIONS));
  const acts = h("p", { class: "toolbar" }, ...kinds.map((kind, index) => button(`${OPERATIONS[kind].label}…`, () => start(kind), String(index + 1))));
  const element = h("div", { class: "stack" },
    h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, "Database"), acts),
    loader.element, server.element, note, backup, reads, health.element, operations.element, locks.element, replication.element,
    tables.element, indexes.element, statements.element, uncounted);
  /** @type {TableStats[]} */
  let known = [];

  const load = () => loader.load(() => /** @type {Promise<DatabaseState>} */ (desk.call(PATH)), draw);

  /** @param {DatabaseState} state */
  function draw({ statistics, health: services, operations: recent, backups, replica }) {
    const { server: found, longest_transaction: longest } = statistics;
    known = [...statistics.tables].sort((one, other) => sizeOf(other) - sizeOf(one));
    server.update([
      ["PostgreSQL", found.version], ["Database", found.database], ["Size", bytes(found.size_bytes)],
      ["Connections", `${statistics.connections.reduce((sum, { count }) => sum + count, 0)} of ${found.connections_max}`],
      ["From memory", percent(found.cache_hit_rate)], ["Commits", number(found.commits)], ["Rollbacks", number(found.rollbacks)],
      ["Deadlocks", number(found.deadlocks)], ["Up", duration((Date.now() - Date.parse(found.started_at)) / 1000)],
      ["Migration", statistics.migrations.at(-1) ?? "none"],
    ]);
    setText(note, longest ? `The longest transaction is ${duration(longest.age_s)} old: ${longest.application || `session ${longest.pid}`}${longest.query ? `, ${shortened(longest.query)}` : ""}` : "No transaction runs.");
    setAttribute(backup, "data-level", backups.is_overdue ? "warning" : null);
    setText(backup, backupText(backups));
    setHidden(reads, replica === null);
    setAttribute(reads, "data-level", replica?.is_in_use ? null : "warning");
    setText(reads, replica?.is_in_use ? "Lists, search, statistics and exports come from the replica." : `Lists, search, statistics and exports come from the primary, and not from the replica: ${replica?.why_not}.`);
    health.update(services.map((one) => ({
      key: one.service, level: one.status === "down" ? "critical" : one.status === "degraded" ? "warning" : "",
      cells: [one.service, [one.status ?? "unknown", one.detail].filter(Boolean).join(": "), percent(one.availability_24h),
        milliseconds(one.latency_mean_ms), milliseconds(one.latency_mean_ms && one.latency_max_ms), moment(one.seen_at)],
    })));
    operations.update(recent.map(operationRow));
    locks.update(statistics.locks_waiting.length ? statistics.locks_waiting.map((lock) => ({
      key: String(lock.pid), level: "warning", cells: [String(lock.pid), lock.waiting_s === null ? "waits" : `waits ${duration(lock.waiting_s)}`,
        `${lock.mode} of ${lock.relation ?? lock.type}`, lock.blocked_by.join(", "), shortened(lock.query ?? "")],
    })) : null);
    tables.update(known.slice(0, TABLES_SHOWN).map((table) => ({
      key: table.name, cells: [table.name, bytes(table.table_bytes), bytes(table.index_bytes), number(table.rows_estimate),
        number(table.dead_rows_estimate), moment(latest(table.last_vacuum_at, table.last_autovacuum_at))],
      acts: [{ label: "Vacuum", act: () => start("vacuum", table.name) }, { label: "Reindex", act: () => start("reindex", table.name) }],
    })));
    const odd = statistics.indexes.filter(({ is_unused, is_valid, bytes: size }) => !is_valid || (is_unused && (size ?? 0) > UNUSED_BYTES));
    indexes.update(odd.length ? odd.map((index) => ({
      key: index.name, level: index.is_valid ? "" : "critical",
      cells: [index.name, index.is_valid ? "never used" : "broken: rebuild it", index.table, bytes(index.bytes), number(index.scans)],
    })) : null);
    const { standbys, slots } = statistics.replication;
    replication.update(standbys.length + slots.length ? [
      ...standbys.map(({ name, state, lag_bytes }) => ({ key: `standby ${name}`, cells: [name ?? "standby", state ?? "unknown", bytes(lag_bytes)] })),
      ...slots.map(({ name, is_active, kept_bytes }) => ({ key: `slot ${name}`, level: is_active ? "" : "warning",
        cells: [`slot ${name}`, is_active ? "active" : "nobody reads it", bytes(kept_bytes)] })),
    ] : null);
    statements.update(statistics.slowest_statements?.map((one, index) => ({
      key: `${index} ${one.query}`, cells: [shortened(one.query ?? "of another user"), milliseconds(one.total_ms), number(one.calls), milliseconds(one.mean_ms), milliseconds(one.max_ms)],
    })) ?? null);
    setHidden(uncounted, statistics.slowest_statements !== null);
    // One operation at a time: while one runs, the server would refuse another.
    for (const one of element.querySelectorAll(".page-head .button, .row-acts .button")) {
      /** @type {HTMLButtonElement} */ (one).disabled = recent.some(({ status }) => status === "running");
    }
  }

  /**
   * @param {Kind} kind
   * @param {string} [table]
   */
  async function start(kind, table) {
    const { label, lines } = OPERATIONS[kind];
    const takesTable = kind === "vacuum" || kind === "reindex";
    await ask(desk, {
      title: table ? `${label}: ${table}?` : `${label}?`, label, lines,
      fields: kind === "integrity-check" ? [{ name: "repair", label: "Also repair counts that differ from their votes", type: "checkbox" }]
        : takesTable && !table ? [{ name: "table", label: "Table", type: "select", options: [["", "All tables"], ...known.map(({ name }) => /** @type {[string, string]} */ ([name, name]))] }] : [],
      async act({ table: chosen, repair }) {
        const name = table ?? chosen;
        const { id } = /** @type {Operation} */ (await send(desk, "POST", PATH, { operation: kind, ...(name ? { table: name } : {}), ...(repair ? { repair: true } : {}) }));
        return `Operation ${id} has started. Its progress is below.`;
      },
    });
    load();
  }

  const stop = desk.repeat(load, EVERY_MS);
  return {
    element,
    shortcuts: kinds.map((kind, index) => ({ key: String(index + 1), label: OPERATIONS[kind].label, act: () => {
      if (!acts.querySelector("button")?.disabled) start(kind);
    } })),
    close: stop,
  };
}

/** @param {TableStats} table */
const sizeOf = ({ table_bytes, index_bytes }) => (table_bytes ?? 0) + (index_bytes ?? 0);

/** @param {Backups} backups */
function backupText({ newest, age_max_s, is_overdue }) {
  if (!newest) return "No backup was noted yet. Whoever runs the servers writes one with the command mysetlist backup; backups made in another way are not known here.";
  const { age_s, size_bytes, file_name, host, made_at } = newest;
  return `The newest backup is ${duration(age_s)} old${is_overdue ? `, and may be ${duration(age_max_s)}` : ""}: ${file_name}, ${bytes(size_bytes)}, written on ${host} at ${moment(made_at)}.`;
}

/** @param {string} statement */
const shortened = (statement) => (statement.length > STATEMENT_CHARS ? `${statement.slice(0, STATEMENT_CHARS)}…` : statement);

/** @type {(one: string|null, other: string|null) => string|null} */
const latest = (one, other) => ((one ?? "") > (other ?? "") ? one : other);

/** @param {number|null} value */
const milliseconds = (value) => (value === null ? "–" : value >= 1000 ? `${(value / 1000).toFixed(1)}\u00a0s` : `${value.toFixed(1)}\u00a0ms`);

/** @param {Operation} operation */
function operationRow(operation) {
  const { id, operation: kind, options, status, stage, done, total, result, error, started_by, started_at, finished_at } = operation;
  const ended = finished_at ? Date.parse(finished_at) : Date.now();
  const on = "table" in options ? ` of ${options.table}` : options.repair ? " with repair" : "";
  return {
    key: String(id), level: status === "failed" || status === "interrupted" ? "critical" : "",
    cells: [`${id}: ${kind}${on}`, status, status === "running" ? `${stage} ${total ? percent(done / total) : ""}` : "–",
      `${ago(new Date(started_at))} by ${started_by === null ? "the command line" : `account ${started_by}`}`,
      duration((ended - Date.parse(started_at)) / 1000), error || resultText(result)],
  };
}

/** @param {Record<string, unknown>} result */
function resultText(result) {
  const amounts = Object.entries(result).map(([name, value]) => ({ name: name.replaceAll("_", " "), amount: amountOf(name, value) }));
  if (!amounts.length) return "";
  return amounts.filter(({ amount }) => amount).map(({ name, amount }) => `${name}: ${amount}`).join(", ") || "nothing found, nothing changed";
}

/** @type {(name: string, value: unknown) => string} empty: nothing */
function amountOf(name, value) {
  if (typeof value === "number") return value === 0 ? "" : name.startsWith("bytes") ? bytes(value) : number(value);
  if (Array.isArray(value)) return amountOf(name, value.length);
  if (value && typeof value === "object") return Object.entries(value).map(([part, amount]) => `${part} ${amount}`).join("; ");
  return String(value ?? "");
}
