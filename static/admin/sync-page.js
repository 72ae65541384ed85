/** The page Sync: providers and their quota, schedules, and runs that fetch data. */
import { h, setText } from "../dom.js";
import { ask } from "./ask.js";
import { ago, counted, duration, moment, number, percent } from "./formats.js";
import { button, createLoader, createPaged, queryOf, send, stepKeys } from "./parts.js";
import { createTable } from "./table.js";

/**
 * @import { ConsolePage, Desk, Question } from "./types.js"
 * @import { Act } from "./table.js"
 * @typedef {{circuit: string, reason: string|null, open_for_s: number, failures: number, day_count: number,
 *   day_max: number|null, day_left: number|null}} Gate
 * @typedef {{service: string, has_key: boolean, gate: Gate|null, availability_24h: number|null, availability_target: number,
 *   is_on_target: boolean|null, last_status: string|null, last_detail: string|null,
 *   alert: {status: string, detail: string, since: string}|null, cache: {hit_rate_24h: number|null, answer_count: number},
 *   queue: {waiting: number, due: number, running: number, due_since: string|null, is_paused: boolean},
 *   probe: {is_ok: boolean, took_ms: number, error: string|null, is_key_refused: boolean}|null}} Provider
 * @typedef {{id: number, service: string, kind: string, subject: string, priority: string, status: string, attempts: number,
 *   run_at: string, started_at: string|null, finished_at: string|null, error: string,
 *   stages: {stage: string, done: number, total: number}[], refused_count: number, warning: string|null}} Run
 * @typedef {{name: string, every_s: number, is_paused: boolean, next_at: string, last_at: string|null}} Schedule
 * @typedef {{schedules: Schedule[], paused_services: string[], items: Run[], next: string|null}} SyncState
 */

const MANAGER = "/api/admin/sync-manager";
const DIAGNOSTICS = "/api/external-apis/diagnostics";
const RUNS_MS = 3_000;
const PROVIDERS_MS = 15_000;

/** Kinds of runs that somebody may ask for, and what each needs. */
const KINDS = /** @type {[string, string][]} */ ([
  ["artist", "Details of an artist (number here)"], ["search", "Find an artist (name)"], ["shows", "Shows of an artist (number here)"],
  ["show", "One show (number here)"], ["venue", "Find a venue (name)"], ["setlists", "Setlists of an artist (number here)"],
  ["played", "Played set of a show (number here)"], ["songs", "Songs of an artist (number here)"],
]);

/** @type {ConsolePage} */
export const sync = { name: "sync", title: "Sync", key: "y", role: "admin", open };

/** @param {Desk} desk */
function open(desk) {
  const providers = createTable("Providers", ["Provider", "State", "Left today", "Circuit", "Answered, 24 h", "From cache", "Runs", "Acts"]);
  const schedules = createTable("Schedules", ["Schedule", "State", "Every", "Next", "Last", "Acts"]);
  const runs = createTable("Runs", ["Run", "State", "Progress", "When", "Says", "Acts"]);
  const ofProviders = createLoader();
  const outcome = h("p", { class: "note", role: "status" });
  const probe = button("Probe all now", () => loadProviders(true), "p");
  const fetchNow = button("Fetch now…", askForRun, "f");
  const paged = createPaged((cursor) => /** @type {Promise<SyncState>} */ (desk.call(`${MANAGER}?${queryOf({ cursor })}`)).then((state) => {
    drawSchedules(state);
    return state;
  }), drawRuns);
  const element = h("div", { class: "stack" },
    h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, "Sync"), h("p", { class: "toolbar" }, fetchNow, probe)),
    ofProviders.element, outcome, providers.element, schedules.element, runs.element, paged.element);
  let runsShown = 0;

  /** @param {boolean} isProbed  asks each provider now */
  function loadProviders(isProbed) {
    if (isProbed) setText(outcome, "Asking every provider…");
    return ofProviders.load(
      () => /** @type {Promise<{services: Provider[]}>} */ (desk.call(`${DIAGNOSTICS}?probe=${isProbed ? 1 : 0}`)),
      ({ services }) => {
        providers.update(services.map(providerRow));
        if (isProbed) setText(outcome, services.map(probed).filter(Boolean).join(" ") || "No provider has a key here, so none was asked.");
      });
  }

  /** @param {Provider} provider */
  function providerRow(provider) {
    const { service, has_key, gate, queue, alert } = provider;
    const state = !has_key ? "no key" : queue.is_paused ? "paused" : alert ? `${alert.status}: ${alert.detail}` : provider.last_status ?? "not asked yet";
    return {
      key: service, level: alert || (gate && gate.circuit !== "closed") ? "warning" : "",
      cells: [service, state, left(gate), circuit(gate), percent(provider.availability_24h), percent(provider.cache.hit_rate_24h),
        `${number(queue.waiting)} waiting, ${number(queue.running)} running${queue.due_since ? `, oldest due ${ago(new Date(queue.due_since))}` : ""}`],
      acts: has_key ? [pausing({ service }, service, queue.is_paused)] : [],
    };
  }

  /** @param {SyncState} state */
  function drawSchedules(state) {
    schedules.update(state.schedules.map(({ name, every_s, is_paused, next_at, last_at }) => ({
      key: name, level: is_paused ? "warning" : "",
      cells: [name, is_paused ? "paused" : "on", duration(every_s), is_paused ? "–" : moment(next_at), moment(last_at)],
      acts: [{ label: "Run now", act: () => act({
        title: `Run the schedule ${name} now?`, label: "Run now",
        lines: ["It queues its runs at once. Its next regular time stays."],
      }, { action: "run", schedule: name }, () => `The schedule ${name} runs now.`) }, pausing({ schedule: name }, name, is_paused)],
    })));
  }

  /** @param {Run[]} items */
  function drawRuns(items) {
    runsShown = items.length;
    runs.update(items.map((run) => ({
      key: String(run.id), level: run.status === "failed" ? "critical" : run.warning ? "warning" : "",
      cells: [`${run.id}: ${run.kind} ${run.subject}, ${run.service}`, run.attempts > 1 ? `${run.status}, attempt ${run.attempts}` : run.status,
        progress(run), when(run), run.error || run.warning || ""],
      acts: runActs(run),
    })));
  }

  /**
   * @param {Run} run
   * @returns {Act[]}
   */
  function runActs({ id, kind, subject, status }) {
    const what = `run ${id} (${kind} ${subject})`;
    if (["queued", "running"].includes(status)) {
      return [{ label: "Cancel", act: () => act({
        title: `Cancel ${what}?`, label: "Cancel the run", lines: ["What it has stored so far stays. It can be retried."],
      }, { action: "cancel", run: id }, () => `Run ${id} is cancelled.`) }];
    }
    if (!["failed", "cancelled"].includes(status)) return [];
    return [{ label: "Retry", act: () => act({
      title: `Retry ${what}?`, label: "Retry", lines: ["It is queued again, before all runs that no person waits for."],
    }, { action: "retry", run: id }, (run) => `Queued as run ${run}.`) }];
  }

  /** @type {(target: {service?: string, schedule?: string}, name: string, isPaused: boolean) => Act} */
  const pausing = (target, name, isPaused) => ({ label: isPaused ? "Resume" : "Pause", act: () => act({
    title: `${isPaused ? "Resume" : "Pause"} ${name}?`, label: isPaused ? "Resume" : "Pause",
    lines: [isPaused ? "Its waiting runs go on." : "No new run of it starts. Runs that have begun go on to their end; voting is not affected."],
  }, { action: isPaused ? "resume" : "pause", ...target }, () => `${name} is ${isPaused ? "on again" : "paused"}.`) });

  function askForRun() {
    act({
      title: "Fetch from a provider now", label: "Queue it", lines: ["The run starts as soon as the provider's limits allow it."],
      fields: [{ name: "kind", label: "What", type: "select", options: KINDS },
        { name: "subject", label: "Number or name", required: true, attributes: { maxlength: 300 } }],
    }, { action: "run" }, (run) => `Queued as run ${run}.`);
  }

  /**
   * @param {Omit<Question, "act">} question
   * @param {object} body
   * @param {(run: number|null) => string} result
   */
  async function act(question, body, result) {
    await ask(desk, { ...question, async act(values) {
      const { run } = /** @type {{run: number|null}} */ (await send(desk, "POST", MANAGER, { ...body, ...values }));
      return result(run);
    } });
    paged.reload();
    loadProviders(false);
  }

  // Somebody who has opened more pages of runs reads them: only the first page moves by itself.
  const stopRuns = desk.repeat(() => runsShown <= 20 && paged.reload(), RUNS_MS);
  const stopProviders = desk.repeat(() => loadProviders(false), PROVIDERS_MS);
  return {
    element,
    shortcuts: [
      { key: "p", label: "Probe all providers now", act: () => loadProviders(true) },
      { key: "f", label: "Fetch from a provider", act: askForRun },
      ...stepKeys(element, ".row-acts button", "button"),
    ],
    close() {
      stopRuns();
      stopProviders();
    },
  };
}

/** @param {Gate|null} gate */
const left = (gate) => (gate === null ? "–" : gate.day_left === null ? "no daily limit" : `${number(gate.day_left)} of\u00a0${number(gate.day_max)}`);

/** @param {Gate|null} gate */
function circuit(gate) {
  if (!gate) return "–";
  if (gate.circuit === "closed") return gate.failures ? counted(gate.failures, "failure") : "closed";
  return `${gate.circuit}${gate.open_for_s ? ` for ${duration(gate.open_for_s)}` : ""}${gate.reason ? `: ${gate.reason}` : ""}`;
}

/** @param {Provider} provider */
function probed({ service, probe }) {
  if (!probe) return "";
  if (probe.is_ok) return `${service} answered in ${probe.took_ms} ms.`;
  return probe.is_key_refused ? `${service} refuses our key.` : `${service} does not answer: ${(probe.error ?? "no reason given").replace(`${service}: `, "")}.`;
}

/** @param {Run} run */
const progress = ({ stages, refused_count }) => [
  ...stages.map(({ stage, done, total }) => `${stage} ${number(done)} of ${number(total)}`),
  ...(refused_count ? [`${counted(refused_count, "record")} refused`] : []),
].join(", ") || "–";

/** @param {Run} run */
function when({ started_at, finished_at, run_at }) {
  if (finished_at) return `ended ${ago(new Date(finished_at))}`;
  if (started_at) return `since ${ago(new Date(started_at))}`;
  return Date.parse(run_at) > Date.now() ? `at ${moment(run_at)}` : "due";
}
