/** The page Shows: the list, a new show; and the desk and the stage of one show. */
import { h } from "../dom.js";
import { ask } from "./ask.js";
import { createFilters } from "./fields.js";
import { moment, number } from "./formats.js";
import { idsOf, searching } from "./lookups.js";
import { button, createPaged, queryOf, send, stepKeys } from "./parts.js";
import { createShowDesk } from "./show-desk.js";
import { effectLines, RESULTS, withSeconds } from "./show-acts.js";
import { createStage } from "./show-stage.js";
import { createTable } from "./table.js";

/**
 * @import { ShowItem } from "../types.js"
 * @import { ConsolePage, Desk, ShowSettings } from "./types.js"
 */

/** @type {ConsolePage} */
export const shows = { name: "shows", title: "Shows", key: "s", role: "moderator", open(desk, [ref, part]) {
  if (!ref) return open(desk);
  return part === "stage" ? createStage(desk, ref) : createShowDesk(desk, ref);
} };

/** @param {Desk} desk */
function open(desk) {
  const isAdmin = desk.user.role === "admin";
  const table = createTable("Shows", ["Show", "Voting", "Status", "Day", "Voting ends", "Votes"], { isNamed: true, none: "No such show." });
  const paged = createPaged((cursor) => /** @type {Promise<{items: ShowItem[], next: string|null}>} */ (
    desk.call(`/api/shows?${queryOf({ ...filters.values(), cursor, limit: 25 })}`)), (items) => table.update(items.map(rowOf)));
  const filters = createFilters("Find shows", [
    { name: "q", label: "Words", type: "search", attributes: { maxlength: 100 } },
    { name: "status", label: "Status", type: "select", options: [["", "All"], ["live", "Live"], ["upcoming", "Upcoming"], ["finished", "Finished"], ["cancelled", "Cancelled"]] },
    { name: "from", label: "From", type: "date" },
    { name: "to", label: "To", type: "date" },
  ], () => paged.reload());

  async function make() {
    let made = 0;
    const isMade = await ask(desk, {
      title: "New show", label: "Make the show",
      fields: [
        { name: "artist", label: "Artist", picks: { search: searching(desk, "artists") } },
        { name: "bill", label: "Support acts", picks: { search: searching(desk, "artists"), max: 50 } },
        { name: "venue", label: "Venue", picks: { search: searching(desk, "venues") } },
        { name: "starts_at", label: "Starts (local time at the venue)", type: "datetime-local", required: true },
        { name: "name", label: "Name (empty: artist at venue)", attributes: { maxlength: 300 } },
        { name: "votes_per_user_max", label: "Votes for each fan (empty: no limit)", type: "number", attributes: { min: 1 } },
        { name: "results", label: "Who sees counts before they are final", type: "select", options: RESULTS },
        { name: "requires_ticket", label: "A vote requires a ticket", type: "checkbox" },
      ],
      async preview(values) {
        if (!values.artist || !values.venue || !values.starts_at) return ["Choose the artist, the venue and the start."];
        const show = /** @type {ShowSettings} */ (await send(desk, "POST", "/api/admin/shows?preview=true", bodyOf(values)));
        return [`${show.name}, ${show.starts_local.slice(0, 16).replace("T", " ")} (${show.time_zone})`,
          `Voting opens ${moment(show.opens_at)} and ends ${moment(show.closes_at)}.`, ...effectLines(show.effect)];
      },
      async act(values) {
        const show = /** @type {ShowSettings} */ (await send(desk, "POST", "/api/admin/shows", bodyOf(values)));
        made = show.id;
        return `${show.name} is made.`;
      },
    });
    if (isMade) desk.go(`/admin/shows/${made}`);
  }

  paged.reload();
  return {
    element: h("div", { class: "stack" },
      h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, "Shows"), h("p", { class: "toolbar" }, ...(isAdmin ? [button("New show…", make, "m")] : []))),
      filters.element, table.element, paged.element),
    shortcuts: [
      { key: "/", label: "Find shows", act: () => filters.controls.q?.focus() },
      ...stepKeys(table.element, "th a", "show"),
      ...(isAdmin ? [{ key: "m", label: "Make a new show", act: make }] : []),
    ],
  };
}

/** @param {Record<string, string>} values */
function bodyOf({ artist, bill, venue, starts_at, name, votes_per_user_max, results, requires_ticket }) {
  return {
    artist: Number(artist), venue: Number(venue), bill: idsOf(bill ?? ""), starts_at: withSeconds(starts_at), results, requires_ticket: requires_ticket === "on",
    ...(name ? { name } : {}), ...(votes_per_user_max ? { votes_per_user_max: Number(votes_per_user_max) } : {}),
  };
}

/** @param {ShowItem} show */
const rowOf = ({ id, name, artist, venue, voting, status, local_date, closes_at, vote_count }) => ({
  key: String(id), href: `/admin/shows/${id}`, level: voting === "locked" || status === "cancelled" ? "warning" : "",
  cells: [name || `${artist.name}, ${venue.name}`, voting, status, local_date, moment(closes_at), number(vote_count)],
});
