/** What staff may do with a show in its state, and what each act asks and says before. */
import { ask, REASON } from "./ask.js";
import { counted } from "./formats.js";
import { idsOf, searching } from "./lookups.js";
import { send } from "./parts.js";

/**
 * @import { Desk, Effect, Field, ShowSettings } from "./types.js"
 * @typedef {{title: string, label: string, sure?: string, key?: string, path?: string, method?: string, fields?: Field[], lines?: string[],
 *   isGrave?: boolean, result: string, body(values: Record<string, string>): Record<string, unknown>}} ShowAct
 *   sure: on the button that does it, where the label is no verb
 */

export const RESULTS = /** @type {[string, string][]} */ ([
  ["live", "Everybody, at once"], ["after_vote", "Fans who have voted"], ["after_closing", "Only staff, until the result is final"],
]);

/** The fields of a show that an act may change, in words. */
const NAMES = /** @type {[keyof ShowSettings, string][]} */ ([
  ["name", "Name"], ["status", "Status"], ["voting", "Voting"], ["starts_local", "Start"], ["opens_local", "Voting opens"], ["closes_local", "Voting ends"],
  ["votes_per_user_max", "Votes for each fan"], ["results", "Counts are seen by"], ["venue", "Venue"], ["requires_ticket", "Requires a ticket"],
]);

/** @param {ShowSettings} show */
const billOf = ({ bill }) => bill.map(({ name }) => name).join(", ");

/** @param {unknown} value */
const told = (value) => (value === null ? "no limit" : /^\d{4}-\d\d-\d\dT\d/.test(String(value)) ? String(value).slice(0, 16).replace("T", " ") : String(value));

/**
 * What differs between two states of a show.
 * @param {ShowSettings} before
 * @param {ShowSettings} after
 */
export function changes(before, after) {
  const found = NAMES.filter(([name]) => before[name] !== after[name]).map(([name, text]) => `${text}: ${told(before[name])} → ${told(after[name])}`);
  return billOf(before) === billOf(after) ? found : [...found, `Bill: ${billOf(after)}`];
}

/** @param {Effect|null} effect */
export function effectLines(effect) {
  if (!effect) return [];
  return [
    effect.votes_lost ? `${counted(effect.votes_lost, "vote")} would not count any more; ${counted(effect.votes_kept, "vote")} stay.` : `No vote is lost; ${counted(effect.votes_kept, "vote")} count.`,
    ...(effect.fans_going ? [`${counted(effect.fans_going, "fan")} said that they go.`] : []),
    ...(effect.fans_mailed ? [`${counted(effect.fans_mailed, "fan")} get an email about it, unless it is undone within ten minutes.`] : []),
  ];
}

/**
 * Asks for an act, shows its preview, and does it.
 * @param {Desk} desk
 * @param {ShowSettings} show
 * @param {ShowAct} act
 * @param {(after: ShowSettings) => void} adopt  takes the state after it
 */
export function doAct(desk, show, { title, label, sure = label, path = "", method = "POST", fields = [], lines = [], isGrave = false, result, body }, adopt) {
  const address = `/api/admin/shows/${show.id}${path}`;
  let before = show;
  const hasReason = fields.some(({ name }) => name === "reason");
  /** @type {(values: Record<string, string>) => object} */
  const bodyOf = ({ reason, ...values }) => ({ ...body(values), revision: before.revision, ...(reason ? { reason } : {}) });
  const required = fields.filter((field) => field.required).map(({ name }) => name);
  return ask(desk, {
    title, label: sure, lines, isGrave, fields: hasReason ? fields : [...fields, REASON],
    async preview(values) {
      if (required.some((name) => !values[name])) return ["Fill in what is required to see what changes."];
      const after = /** @type {ShowSettings} */ (await send(desk, method, `${address}?preview=true`, bodyOf(values)));
      const found = changes(before, after);
      return [...(found.length ? found : ["Nothing changes."]), ...effectLines(after.effect)];
    },
    async refresh() {
      before = /** @type {ShowSettings} */ (await desk.call(`/api/admin/shows/${show.id}`));
      return actsOf(desk, before).find((one) => one.label === label)?.fields ?? [];
    },
    async act(values) {
      adopt(/** @type {ShowSettings} */ (await send(desk, method, address, bodyOf(values))));
      return result;
    },
  });
}

/** @type {(title: string, label: string, fields: Field[], body: ShowAct["body"], rest?: Partial<ShowAct>) => ShowAct} */
const change = (title, label, fields, body, rest = {}) => ({ title, label, fields, body, method: "PATCH", result: "The show is changed.", ...rest });

/** @param {string} local  a time at the show */
const minutes = (local) => local.slice(0, 16);

/** A time as a field gives it, with the seconds that the server wants. @param {string|undefined} local */
export const withSeconds = (local = "") => (local.length === 16 ? `${local}:00` : local);

/**
 * The acts that the server honours now for this user, the most urgent first.
 * @param {Desk} desk
 * @param {ShowSettings} show
 * @returns {ShowAct[]}
 */
export function actsOf(desk, show) {
  const { voting, status, opens_at, closes_at } = show;
  const now = Date.now();
  const isAdmin = desk.user.role === "admin";
  const isEarly = voting === "closed" && Date.parse(opens_at) > now;
  /** @type {ShowAct[]} */
  const acts = [];
  if (voting === "open") {
    acts.push({ title: "Pause voting?", label: "Pause voting", key: "v", path: "/lock", result: "Voting is paused.", body: () => ({ is_locked: true }) });
  }
  if (voting === "locked") {
    acts.push({ title: "Resume voting?", label: "Resume voting", key: "v", path: "/lock", result: "Voting is open again.", body: () => ({ is_locked: false }) });
  }
  if ((voting === "open" || voting === "locked") && Date.parse(closes_at) > now) {
    acts.push({ title: "Close voting now?", label: "Close voting", key: "c", path: "/close", isGrave: true, result: "Voting is closed. The result is final once every vote is counted.", body: () => ({}) });
  }
  if (!isAdmin) return acts;
  if (isEarly && status !== "cancelled") acts.push(change("Open voting now?", "Open voting", [], () => ({ opens_at: new Date().toISOString() }), { key: "v", result: "Voting is open." }));
  if (!isEarly && (voting === "closed" || voting === "final") && status !== "cancelled") {
    acts.push({
      title: "Reopen voting?", label: "Reopen voting", key: "v", path: "/reopen", result: "Voting is open again. All votes stay.",
      fields: [{ name: "closes_at", label: `New end of voting (${show.time_zone})`, type: "datetime-local", required: true }, { ...REASON, required: true }],
      body: ({ closes_at: end }) => ({ closes_at: withSeconds(end) }),
    });
  }
  if (voting !== "final") {
    acts.push(change("Voting window", "Window", [
      { name: "opens_at", label: `Opens (${show.time_zone})`, type: "datetime-local", required: true, value: minutes(show.opens_local) },
      { name: "closes_at", label: `Ends (${show.time_zone})`, type: "datetime-local", required: true, value: minutes(show.closes_local) },
    ], (values) => Object.fromEntries(Object.entries({ opens_at: show.opens_local, closes_at: show.closes_local })
      .filter(([name, before]) => values[name] !== minutes(before)).map(([name]) => [name, withSeconds(values[name])])), { sure: "Save" }));
    acts.push(change("Votes for each fan", "Budget", [{ name: "votes", label: "Votes for each fan (empty: no limit)", type: "number", value: String(show.votes_per_user_max ?? ""), attributes: { min: 1, max: 1_000_000 } }],
      ({ votes }) => ({ votes_per_user_max: votes ? Number(votes) : null }), { sure: "Save", lines: ["A lower budget takes no vote away: fans above it may change votes, but add none."] }));
    acts.push(change("Who sees counts before they are final?", "Embargo", [{ name: "results", label: "Counts are seen by", type: "select", options: RESULTS, value: show.results }], ({ results }) => ({ results }), { sure: "Save" }));
  }
  acts.push(change("Name, bill and status", "Edit", [
    { name: "name", label: "Name", required: true, value: show.name, attributes: { maxlength: 300 } },
    { name: "bill", label: "Support acts", picks: { search: searching(desk, "artists"), max: 50, chosen: show.bill.filter(({ billing }) => billing === "support").map(({ id, name }) => ({ id, text: name })) } },
    { name: "status", label: "Status", type: "select", value: status, options: [["upcoming", "Upcoming"], ["live", "Live"], ["finished", "Finished"], ["cancelled", "Cancelled"]] },
  ], ({ name, bill, status: next }) => ({ name, bill: idsOf(bill ?? ""), status: next }), { key: "e", sure: "Save" }));
  acts.push(change("Postpone the show", "Postpone", [{ name: "starts_at", label: `New start (${show.time_zone})`, type: "datetime-local", required: true, value: minutes(show.starts_local) }],
    ({ starts_at }) => ({ starts_at: withSeconds(starts_at) }), { lines: ["Every vote stays. The end of voting moves along; the opening too when voting has not begun."], result: "The show has a new date." }));
  if (status !== "cancelled") {
    acts.push(change("Cancel the show?", "Cancel show", [], () => ({ status: "cancelled" }), { isGrave: true, lines: ["Voting ends, votes stay. A new date brings the show back."], result: "The show is cancelled." }));
  }
  return acts;
}
