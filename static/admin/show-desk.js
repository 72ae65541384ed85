/** The desk of one show: its state live, the acts that it allows now, its sets, tickets and results. */
import { h, setAttribute, setText } from "../dom.js";
import { download } from "./api.js";
import { createFollowing } from "./following.js";
import { number } from "./formats.js";
import { button, createFacts, createLoader, drawButtons } from "./parts.js";
import { actsOf, changes, doAct, RESULTS } from "./show-acts.js";
import { createSets } from "./show-sets.js";
import { createTickets } from "./show-tickets.js";

/** @import { Desk, OpenPage, ShowSet, ShowSettings } from "./types.js" */
/**
 * @typedef {{tally: [song: number, up: number, down: number][], total: number}} Votes
 * @typedef {{id: number, up: number|null, down: number|null}} Counted
 * @typedef {Omit<ShowSet, "songs"> & {songs: (ShowSet["songs"][number] & Counted)[]}} CountedSet
 * @typedef {{going: number, watching: number|null}} Attendance
 */

const COUNTS = "the counts";
const GOING = "who goes and watches";

/**
 * @param {Desk} desk
 * @param {string} ref  id or slug
 * @returns {OpenPage}
 */
export function createShowDesk(desk, ref) {
  const path = `/api/admin/shows/${encodeURIComponent(ref)}`;
  const loader = createLoader();
  const saving = createLoader();
  const title = h("h1", { tabindex: "-1" }, "Show");
  const state = h("p", { class: "show-state", role: "status" });
  const badge = h("span", { class: "badge" }); // the facts, which say the same, may be far below
  const news = h("p", { class: "news", role: "status" });
  const facts = createFacts("The show");
  const acts = h("p", { class: "toolbar" });
  const links = h("p", { class: "toolbar" });
  const following = createFollowing(desk, () => load());
  const sets = createSets(desk, () => shown, () => load());
  const tickets = createTickets(desk, () => shown);
  const element = h("div", { class: "stack" },
    h("p", { class: "page-head" }, h("a", { class: "back", href: "/admin/shows", data: { link: "" } }, "‹ Shows"), badge),
    h("div", { class: "page-head" }, title, links), loader.element, saving.element, state, following.element, news, acts, facts.element, sets.element, tickets.element);
  /** @type {ShowSettings|null} */
  let shown = null;
  /** @type {number|null} null: the counts have not come yet */
  let total = null;
  /** @type {number|null} */
  let going = null;
  /** @type {number|null} */
  let watching = null;
  let isClosed = false;

  const load = () => loader.load(async () => {
    const settings = /** @type {ShowSettings} */ (await desk.call(path));
    const show = /** @type {{setlists: CountedSet[], total: number, attendance_count: number, artist: {name: string}, venue: {name: string, city: string}}} */ (await desk.call(`/api/shows/${settings.id}`));
    return { settings, show };
  }, ({ settings, show }) => {
    const before = shown;
    const isChanged = before !== null && settings.revision > before.revision;
    if (isChanged) tellOfChange(before, settings);
    adopt(settings);
    sets.update(show.setlists);
    if (following.lacks(COUNTS)) count({ total: show.total, tally: show.setlists.flatMap(({ songs }) => songs.map(({ id, up, down }) => /** @type {const} */ ([id, up ?? 0, down ?? 0]))) });
    if (following.lacks(GOING)) attend({ going: show.attendance_count, watching: null });
    if (!before) begin(settings);
    else if (isChanged) tickets.load();
    const place = [show.artist.name, show.venue.name, show.venue.city];
    const day = local(settings.starts_local);
    // Without bdi, names in Arabic or Hebrew turn the numbers of the day around. What did not change is not drawn, and not read aloud, again.
    if (state.textContent !== `${place.join(", ")} · ${day}`) {
      state.replaceChildren(...place.flatMap((name, index) => [index ? ", " : "", h("bdi", {}, name)]), ` · ${day}`);
    }
  });

  /** @type {(before: ShowSettings, after: ShowSettings) => void} */
  function tellOfChange(before, after) {
    const found = changes(before, after);
    setText(news, `Changed just now: ${found.length ? found.join("; ") : "the sets, the songs or the tickets"}.`);
  }

  /** @param {ShowSettings} settings */
  function adopt(settings) {
    shown = settings;
    setText(title, settings.name);
    drawFacts();
    const list = actsOf(desk, settings);
    drawButtons(acts, list.map(({ label }) => label).join("|"), () => list.map(({ label, key }) => button(label, () => start(label), key)));
    tickets.draw();
  }

  function drawFacts() {
    if (!shown) return;
    const { voting, status, opens_local, closes_local, votes_per_user_max, results, requires_ticket, bill, time_zone } = shown;
    setText(badge, `Voting: ${voting}`);
    setAttribute(badge, "class", `badge${voting === "open" ? " badge-open" : ""}`);
    facts.update([
      ["Voting", voting], ["Status", status], ["Votes", number(total)], ["Fans going", number(going)], ["Fans watching", number(watching)],
      ["Opens", local(opens_local)], ["Ends", local(closes_local)], ["Times in", time_zone.replaceAll("_", " ")],
      ["Votes for each fan", votes_per_user_max === null ? "no limit" : number(votes_per_user_max)],
      ["Counts are seen by", RESULTS.find(([value]) => value === results)?.[1] ?? results],
      ["Ticket", requires_ticket ? "required" : "not required"], ["Bill", bill.map(({ name }) => name).join(", ") || "–"],
    ]);
  }

  /** @param {Votes} votes */
  function count(votes) {
    total = votes.total;
    sets.count(votes.tally);
    drawFacts();
  }

  /** @param {Attendance} counts */
  function attend(counts) {
    ({ going, watching } = counts);
    drawFacts();
  }

  /** @param {string} label  of an act, as it is now */
  async function start(label) {
    const act = shown && actsOf(desk, shown).find((one) => one.label === label);
    if (!act || !shown) return;
    await doAct(desk, shown, act, adopt);
    load();
  }

  /** @param {ShowSettings} settings */
  function begin({ id, slug }) {
    if (isClosed) return; // the answer came after the page was left
    links.replaceChildren(h("a", { class: "button button-main", href: `/admin/shows/${id}/stage`, data: { link: "" } }, "On stage", h("kbd", {}, "t")),
      h("a", { class: "button", href: `/shows/${slug}` }, "Its page"),
      button("Results as CSV", () => saving.load(() => download(`/api/shows/${id}/results?format=csv`, `${slug}.csv`),
        () => desk.tell(`The results are saved as ${slug}.csv.`))),
      ...(desk.has("audit") ? [h("a", { class: "button", href: `/admin/audit/show/${id}`, data: { link: "" } }, "Acts on it")] : []));
    /** The first state is what was just loaded. */
    const reloading = () => {
      let isFirst = true;
      return () => {
        if (!isFirst) load();
        isFirst = false;
      };
    };
    following.follow(`status:${id}`, "the state of voting", reloading());
    following.follow(`setlist:${id}`, "the sets", reloading());
    following.follow(`votes:${id}`, COUNTS, (votes) => count(/** @type {Votes} */ (votes)));
    following.follow(`attendance:${id}`, GOING, (counts) => attend(/** @type {Attendance} */ (counts)));
    tickets.load();
  }

  load();
  const keyed = /** @type {const} */ ([["v", "Open, pause, resume or reopen voting"], ["c", "Close voting"], ["e", "Edit name, bill and status"]]);
  return {
    element,
    shortcuts: [
      ...keyed.map(([key, label]) => ({ key, label, act: () => {
        const act = shown && actsOf(desk, shown).find((one) => one.key === key);
        if (act) start(act.label);
      } })),
      { key: "t", label: "Go on stage", act: () => shown && desk.go(`/admin/shows/${shown.id}/stage`) },
      ...sets.shortcuts,
    ],
    unsaved: () => [...sets.unsaved(), ...tickets.unsaved()],
    close() {
      isClosed = true;
      following.close();
    },
  };
}

/** @param {string} instant */
const local = (instant) => instant.slice(0, 16).replace("T", " ");
