/** The page Abuse: groups of ballots that look like the work of one hand, why, and what becomes of their votes. */
import { h, setText } from "../dom.js";
import { ask, REASON } from "./ask.js";
import { createFilters } from "./fields.js";
import { counted, moment, number } from "./formats.js";
import { button, createFacts, createLoader, createPaged, drawButtons, queryOf, send, stepKeys } from "./parts.js";
import { createTable } from "./table.js";

/**
 * @import { ConsolePage, Desk, OpenPage } from "./types.js"
 * @typedef {"open"|"set_aside"|"restored"|"void"} State
 * @typedef {{id: number, show_id: number, show_name: string, state: State, decision: State, score: number,
 *   reasons: {kind: string, weight: number, words: string}[], ballot_count: number, began_at: string, ended_at: string,
 *   found_at: string, decided_by: number|null, decided_at: string|null}} Group
 * @typedef {{song_id: number, title: string, up: number, down: number}} GroupVotes
 * @typedef {{user_id: number, made_at: string, is_set_aside: boolean, first_at: string|null, votes: [song: number, choice: string][]}} Member
 * @typedef {{show_id: number, is_automatic: boolean, revision: number}} Rule
 * @typedef {{decision: State, durability: "committed"|"accepted"|null,
 *   effect: {ballots: number, up: number, down: number, withdrawn: number}}} Decided
 */

const EVERY_MS = 10_000;
const PAGE_COUNT = 25;

/** @type {Record<State, string>} */
const STATES = { open: "not decided", set_aside: "set aside", restored: "counts again", void: "void" };

/** @type {ConsolePage} */
export const abuse = { name: "abuse", title: "Abuse", key: "b", role: "moderator", open: (desk, [first, second]) => {
  if (first === "show" && second) return openList(desk, second);
  return first ? openGroup(desk, first) : openList(desk, "");
} };

/**
 * @param {Desk} desk
 * @param {string} show  id; empty: the groups of all shows
 * @returns {OpenPage}
 */
function openList(desk, show) {
  const table = createTable("Groups", ["Group", "State", "Score", "Ballots", "Show", "Found", "The strongest sign"]);
  const rule = createLoader();
  const says = h("p", { class: "note" });
  const acts = h("p", { class: "toolbar" });
  const path = show ? `/api/admin/shows/${encodeURIComponent(show)}/groups` : "/api/admin/groups";
  const rulePath = `/api/admin/shows/${encodeURIComponent(show)}/group-rule`;
  let shown = 0;
  let revision = 0; // of the show whose rule is shown
  const paged = createPaged((cursor) => /** @type {Promise<{items: Group[], next: string|null}>} */ (
    desk.call(`${path}?${queryOf({ ...filters.values(), cursor, limit: PAGE_COUNT })}`)), (items) => {
    shown = items.length;
    table.update(items.map(rowOf));
  });
  const filters = createFilters("Filter groups", [
    { name: "state", label: "State", type: "select", options: [["", "All"], ["open", "Not decided"], ["set_aside", "Set aside"], ["restored", "Count again"], ["void", "Void"]] },
  ], () => paged.reload());

  const loadRule = () => show ? rule.load(() => /** @type {Promise<Rule>} */ (desk.call(rulePath)), ({ is_automatic, ...read }) => {
    revision = read.revision;
    setText(says, is_automatic ? "Groups of this show are set aside as soon as they are found, without a person." : "Groups of this show wait for a person.");
    drawButtons(acts, String(is_automatic), () => [button(is_automatic ? "Wait for a person…" : "Set aside without a person…", () => changeRule(!is_automatic))]);
  }) : undefined;

  /** @param {boolean} is_automatic */
  async function changeRule(is_automatic) {
    let body = { is_automatic, revision };
    await ask(desk, {
      async refresh() {
        body = { is_automatic, revision: /** @type {Rule} */ (await desk.call(rulePath)).revision };
        return [];
      },
      title: is_automatic ? "Set groups aside without a person?" : "Wait for a person?", label: is_automatic ? "Set aside without a person" : "Wait for a person",
      async preview() {
        const after = /** @type {Rule} */ (await send(desk, "PUT", `${rulePath}?preview=true`, body));
        return [after.is_automatic ? "From now on the votes of a new group leave the counts at once. Staff can restore them." : "The votes of a new group count until somebody decides.",
          "Groups that were found before stay as they are."];
      },
      async act() {
        await send(desk, "PUT", rulePath, body);
        return is_automatic ? "New groups of this show are set aside at once." : "New groups of this show wait for a person.";
      },
    });
    loadRule();
  }

  const stop = desk.repeat(() => {
    loadRule();
    if (shown <= PAGE_COUNT) paged.reload();
  }, EVERY_MS);
  return {
    element: h("div", { class: "stack" }, h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, show ? `Abuse: groups of show ${show}` : "Abuse"), acts),
      rule.element, says, h("p", { class: "note" }, "No single sign makes a group. Its votes count until they are set aside, and both numbers are reported."),
      filters.element, table.element, paged.element),
    shortcuts: [...stepKeys(table.element, "th a", "group"), { key: "/", label: "Filter by state", act: () => filters.controls.state?.focus() }],
    close: stop,
  };
}

/** @param {Group} group */
const rowOf = ({ id, show_name, show_id, state, score, ballot_count, found_at, reasons }) => ({
  key: String(id), href: `/admin/abuse/${id}`, level: state === "open" ? "warning" : "",
  cells: [`Group ${id}`, STATES[state], number(score), number(ballot_count), show_name || `show ${show_id}`, moment(found_at),
    [...reasons].sort((one, other) => other.weight - one.weight)[0]?.words ?? ""],
});

/**
 * @param {Desk} desk
 * @param {string} id
 * @returns {OpenPage}
 */
function openGroup(desk, id) {
  const path = `/api/admin/groups/${encodeURIComponent(id)}`;
  const loader = createLoader();
  const title = h("h1", { tabindex: "-1" }, `Group ${id}`);
  const acts = h("p", { class: "toolbar" });
  const facts = createFacts("The group");
  const reasons = h("ul", { class: "signs", "aria-labelledby": "signs-title" });
  const votes = createTable("Its votes", ["Song", "Up", "Down"]);
  const members = createTable("Its ballots", ["Account", "State", "Account made", "First vote", "Votes"]);
  const paged = createPaged((cursor) => /** @type {Promise<{items: Member[], next: string|null}>} */ (
    desk.call(`${path}/members?${queryOf({ cursor, limit: 50 })}`)), (items) => members.update(items.map(memberRow)));
  const element = h("div", { class: "stack" }, h("p", {}, h("a", { class: "back", href: "/admin/abuse", data: { link: "" } }, "‹ Abuse")),
    h("div", { class: "page-head" }, title, acts), loader.element, facts.element,
    h("section", {}, h("h2", { id: "signs-title" }, "Why"), reasons), votes.element, members.element, paged.element);
  /** @type {{group: Group, votes: GroupVotes[]}|null} */
  let shown = null;

  const load = () => loader.load(() => /** @type {Promise<{group: Group, votes: GroupVotes[]}>} */ (desk.call(path)), (found) => {
    const before = shown;
    shown = found;
    draw(found);
    if (!before || before.group.state !== found.group.state) paged.reload();
  });

  /** @param {{group: Group, votes: GroupVotes[]}} found */
  function draw({ group, votes: of }) {
    const { show_id, show_name, state, decision, score, ballot_count, began_at, ended_at, decided_by, decided_at } = group;
    setText(title, `Group ${group.id}: ${show_name || `show ${show_id}`}`);
    facts.update([
      ["State", state === decision ? STATES[state] : `${STATES[state]}; soon ${STATES[decision]}`], ["Score", number(score)], ["Ballots", number(ballot_count)],
      ["From", moment(began_at)], ["To", moment(ended_at)], ["Decided", decided_at ? `${moment(decided_at)}${decided_by === null ? "" : ` by account ${decided_by}`}` : "not yet"],
    ]);
    const most = Math.max(...group.reasons.map(({ weight }) => weight), 1);
    reasons.replaceChildren(...[...group.reasons].sort((one, other) => other.weight - one.weight).map(({ weight, words }) => h("li", {},
      h("meter", { min: 0, max: most, value: weight, "aria-label": `Weight ${number(weight)}` }), h("span", {}, words))));
    votes.update(of.map(({ song_id, title: song, up, down }) => ({ key: String(song_id), cells: [song, number(up), number(down)] })));
    drawButtons(acts, decision, () => [...choices(decision).map(({ label, key, start }) => button(label, start, key)),
      h("a", { class: "button", href: `/admin/shows/${show_id}`, data: { link: "" } }, "Its show"),
      h("a", { class: "button", href: `/admin/abuse/show/${show_id}`, data: { link: "" } }, "All groups of it")]);
  }

  /** What may be decided now. @param {State} decision */
  const choices = (decision) => [
    ...(decision === "open" || decision === "restored" ? [{ key: "a", label: "Set aside…", start: () => decide("set_aside", "Set aside", false) }] : []),
    ...(decision === "set_aside" ? [{ key: "r", label: "Restore…", start: () => decide("restored", "Restore", false) }] : []),
    ...(decision === "void" ? [] : [{ key: "v", label: "Void…", start: () => decide("void", "Void for good", true) }]),
  ];

  /** @type {(decision: State, label: string, isGrave: boolean) => Promise<void>} */
  async function decide(decision, label, isGrave) {
    if (!shown) return;
    const { group, votes: of } = shown;
    await ask(desk, {
      title: `${label}: group ${group.id}?`, label, isGrave, fields: [REASON],
      lines: [...of.slice(0, 4).map((one) => `${one.title}: ${number(one.up)} up, ${number(one.down)} down`), ...(of.length > 4 ? [`and ${counted(of.length - 4, "more song")}`] : [])],
      async preview({ reason = "" }) {
        return effectLines(/** @type {Decided} */ (await send(desk, "POST", `${path}?preview=true`, { decision, reason })));
      },
      async act({ reason = "" }) {
        const { durability } = /** @type {Decided} */ (await send(desk, "POST", path, { decision, reason }));
        const told = { set_aside: "set aside", restored: "restored", void: "void", open: "open" }[decision];
        return `Group ${group.id} is ${told}. ${durability === "committed" ? "No count differs any more." : "The counts follow: the group is large, or PostgreSQL does not answer."}`;
      },
    });
    load();
  }

  const stop = desk.repeat(load, EVERY_MS);
  return {
    element,
    shortcuts: /** @type {const} */ ([["a", "Set the group aside"], ["r", "Restore its votes"], ["v", "Void its votes for good"]]).map(([key, label]) => ({ key, label, act: () => {
      if (shown) choices(shown.group.decision).find((choice) => choice.key === key)?.start();
    } })),
    close: stop,
  };
}

/** What a decision does, in words. @param {Decided} decided */
function effectLines({ decision, effect: { ballots, up, down, withdrawn } }) {
  const votes = `${counted(ballots, "ballot")} with ${counted(up, "vote")} up and ${number(down)} down`;
  if (decision === "restored") return [`${votes} ${ballots === 1 ? "counts" : "count"} again at once, on every page.`];
  const leave = `${votes} ${ballots === 1 ? "leaves" : "leave"} the counts at once, on every page.`;
  return decision === "void" ? [leave, `${counted(withdrawn, "vote")} ${withdrawn === 1 ? "is" : "are"} withdrawn for good. Nobody can bring them back.`]
    : [leave, "They are kept: Restore brings exactly them back."];
}

/** @param {Member} member */
const memberRow = ({ user_id, made_at, is_set_aside, first_at, votes }) => ({
  key: String(user_id), href: `/admin/people/${user_id}`,
  cells: [String(user_id), is_set_aside ? "set aside" : "counts", moment(made_at), moment(first_at),
    `${votes.filter(([, choice]) => choice === "up").length} up, ${votes.filter(([, choice]) => choice === "down").length} down`],
});
