/** The page Now: what is wrong and what to do, the figures of the last hour or since the page was opened, and who and what is there. */
import { RequestError } from "../client.js";
import { h, setAttribute, setHidden, setText } from "../dom.js";
import { createBudgets } from "./budgets.js";
import { createChart } from "./charts.js";
import { duration, number, percent } from "./formats.js";
import { createHistory } from "./history.js";
import * as texts from "./now-texts.js";
import { createTable } from "./table.js";

/**
 * @import { ActRow, Button, ConsolePage, Desk, ErrorRow, Finding, LiveShow, NodeRow, Overview, ServiceRow } from "./types.js"
 */

const CHANNEL = "overview";
const POLL_MS = 5_000;
const CHECK_MS = 1_000;
const HISTORY_MS = 3_600_000;
// Two polls were lost, or eight pushes.
const SILENT_MS = 8_000;

/** @type {ConsolePage} */
export const now = { name: "now", title: "Now", key: "n", role: "moderator", open };

/** @param {Desk} desk */
function open(desk) {
  const history = createHistory();
  const level = h("span", { class: "verdict-level" });
  const sentence = h("p", { class: "verdict-sentence", role: "status" });
  const act = h("p", { class: "verdict-act" });
  const verdict = h("section", { class: "verdict", "aria-label": "Verdict" }, level, sentence, act);
  const others = h("ul", { class: "findings" });
  const age = h("p", { class: "note" });
  const charts = texts.FIGURES.map(({ name, title, format }) => ({ name, chart: createChart(title, format) }));
  const minutes = createTable("Figures by five minutes", ["Time (UTC)", ...texts.FIGURES.map(({ title }) => title)], { isNamed: true });
  const details = h("details", { class: "as-table", on: { toggle: () => drawMinutes() } },
    h("summary", {}, "The figures as a table"), minutes.element);
  const budgets = createBudgets();
  const nodes = createTable("Nodes", ["Node", "State", "Votes/s", "Watchers", "Behind", "Connections", "Shards", "Version"]);
  const services = createTable("Engines and providers", ["Name", "State", "Last 24 h", "Mean time"]);
  const shows = createTable("Shows to watch", ["Show", "Suspicion", "State", "Votes/s", "Votes"]);
  const errors = createTable("Last errors", ["What", "Times", "Last", "Trace", "Request", "Nodes"]);
  const traceNote = h("p", { class: "note" });
  errors.element.append(traceNote);
  const acts = createTable("Who did what", ["When", "Who", "Act", "On"]);
  const element = h("div", { class: "now" }, h("h1", { tabindex: "-1" }, "Now"), verdict, others,
    h("section", { class: "figures", "aria-label": "Figures" }, ...charts.map(({ chart }) => chart.element)), details, budgets.element,
    h("div", { class: "tables" }, nodes.element, services.element, shows.element, errors.element, acts.element), age);

  let heard_ms = performance.now();
  let heard_at = "";

  /** Whoever reads an old verdict must know that it is old. */
  function checkAge() {
    if (!heard_at || performance.now() - heard_ms < SILENT_MS) return;
    setAttribute(verdict, "data-level", "unknown");
    setText(level, `Nothing heard since ${texts.time(heard_at)} UTC. The last verdict was:`);
  }

  /** @param {Overview} overview */
  function update(overview) {
    heard_ms = performance.now();
    heard_at = overview.seen_at;
    if (overview.history) history.replace(overview.history);
    history.add(overview.seen_at, overview.figures);
    drawVerdict(overview);
    const span = duration(history.span_s());
    for (const { name, chart } of charts) chart.update(overview.figures[name], history.values(name), span);
    if (details.open) drawMinutes();
    budgets.update(overview.levels);
    nodes.update(overview.nodes?.map(nodeRow) ?? null);
    services.update(overview.services?.map(serviceRow) ?? null);
    shows.update(overview.shows.map(showRow));
    setText(traceNote, overview.is_traced ? texts.TRACED : texts.NOT_TRACED);
    errors.update(overview.errors?.map(errorRow) ?? null);
    acts.update(overview.acts?.map(actRow) ?? null);
    setText(age, `As of ${texts.time(overview.seen_at)} UTC${overview.is_complete ? "" : ". Other nodes cannot be asked right now: this is what one node knows"}.`);
  }

  /** @param {Overview} overview */
  function drawVerdict({ verdict: found, findings }) {
    setAttribute(verdict, "data-level", found.level);
    setText(level, texts.LEVELS[found.level]);
    setText(sentence, found.sentence);
    act.replaceChildren(h("span", {}, ...actOf(found)), ...buttonsOf(found.button));
    others.replaceChildren(...findings.slice(1).map((finding) => h("li", { data: { level: finding.severity } },
      h("p", {}, h("strong", {}, finding.cause), " ", ...actOf(finding)), ...buttonsOf(finding.button))));
    setHidden(others, findings.length < 2);
  }

  /** @param {Button|null} button */
  function buttonsOf(button) {
    if (!button || !desk.has(button.page)) return [];
    return [h("a", { class: "button", href: `/admin/${button.page}`, data: { link: "" } }, button.label)];
  }

  function drawMinutes() {
    minutes.update(history.every(5).map(({ at, values }) => ({
      key: at, cells: [texts.time(at), ...texts.FIGURES.map(({ name, format }) => format(values[name]))],
    })));
  }

  /** @param {boolean} withHistory */
  async function load(withHistory) {
    try {
      update(/** @type {Overview} */ (await desk.call(`/api/admin/overview?history=${withHistory}`)));
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setAttribute(verdict, "data-level", "unknown");
      setText(level, texts.LEVELS.unknown);
      setText(sentence, "This node does not answer.");
      setText(act, error.message);
    }
  }

  /** @type {(() => void)|null} */
  let stopPolling = null;
  // Also when the tab is seen again: the charts lack what came meanwhile.
  const stopLoading = desk.repeat(() => load(true), HISTORY_MS);
  const stopChecking = desk.repeat(checkAge, CHECK_MS);
  const stopWatching = desk.watch(CHANNEL, {
    onState(state) {
      stopPolling?.();
      stopPolling = null;
      update(/** @type {Overview} */ ({ ...(/** @type {object} */ (state)), history: null }));
    },
    // The channel is for administrators; over HTTP there is none. The same document comes by asking for it.
    onRefused() {
      stopPolling ??= desk.repeat(() => load(false), POLL_MS);
    },
  });
  return {
    element,
    shortcuts: [{ key: "t", label: "Show the figures as a table", act: () => { details.open = !details.open; } }],
    close() {
      stopLoading();
      stopWatching();
      stopChecking();
      stopPolling?.();
    },
  };
}

/**
 * A text whose commands stand between backticks.
 * @param {string} text
 */
const withCode = (text) => text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));

/**
 * What helps. Staff backstage have no terminal: what is not theirs says so first.
 * @param {{act: string, by: Finding["by"]}} finding
 */
const actOf = ({ act, by }) => (by === "operator" ? [h("strong", {}, texts.FOR_OPERATORS), " ", ...withCode(act)] : withCode(act));

/** @param {NodeRow} row */
const nodeRow = ({ node, state, reasons, figures, connection_count, shards_held, version }) => ({
  key: node, level: texts.NODE_LEVELS[state],
  cells: [node, [state, ...reasons].join(": "), ...[figures.committed_votes, figures.watchers, figures.sockets_behind, connection_count, shards_held].map(number), version],
});

/** @param {ServiceRow} row */
const serviceRow = ({ service, status, detail, availability_24h, latency_mean_ms }) => ({
  key: service, level: status === "ok" ? "well" : status === "down" ? "critical" : status ? "warning" : "unknown",
  cells: [service, [status ?? "unknown", detail].filter(Boolean).join(": "),
    percent(availability_24h), texts.milliseconds(latency_mean_ms)],
});

/** @param {LiveShow} row */
const showRow = ({ id, slug, name, status, artist, venue, votes, votes_per_s, suspicion }) => ({
  key: String(id), level: suspicion ? "warning" : "", href: `/shows/${slug}`,
  cells: [name || `${artist}, ${venue}`, suspicion ? texts.groups(suspicion) : "none", status, texts.count(votes_per_s), number(votes)],
});

/** @param {ErrorRow} row */
const errorRow = ({ action, detail, count, last_at, request_id, trace_id, nodes }) => ({
  key: `${action} ${detail}`,
  cells: [detail ? `${action}: ${detail}` : action, number(count), texts.recent(last_at), trace_id || "–", request_id || "–", nodes.join(", ")],
});

/** @param {ActRow} row */
const actRow = ({ at, actor, action, subject }) => ({
  key: `${at} ${action} ${subject}`,
  cells: [texts.recent(at), actor === null ? "a command" : `account ${actor}`, action, subject],
});
