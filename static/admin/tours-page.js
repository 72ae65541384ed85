/** The page Tours: shows of an artist between two dates, which have a leaderboard together. */
import { h } from "../dom.js";
import { ask } from "./ask.js";
import { number } from "./formats.js";
import { idsOf, searching } from "./lookups.js";
import { button, createLoader, send, stepKeys } from "./parts.js";
import { createTable } from "./table.js";

/**
 * @import { ConsolePage, Desk, Field, OpenPage } from "./types.js"
 * @typedef {{id: number, name: string, first_date: string, last_date: string, artist: {id: number, name: string}, shows: number}} Tour
 */

const PATH = "/api/admin/tours";
const EVERY_MS = 10_000;

/** @type {ConsolePage} */
export const tours = { name: "tours", title: "Tours", key: "t", role: "admin", open };

/**
 * @param {Desk} desk
 * @returns {OpenPage}
 */
function open(desk) {
  const loader = createLoader();
  const table = createTable("Tours", ["Tour", "Artist", "First date", "Last date", "Shows", "Acts"], { isNamed: true, none: "There is no tour yet." });
  const load = () => loader.load(() => /** @type {Promise<{items: Tour[]}>} */ (desk.call(`${PATH}?limit=100`)), ({ items }) =>
    table.update(items.map((one) => ({
      key: String(one.id),
      cells: [one.name, one.artist.name, one.first_date, one.last_date, number(one.shows)],
      acts: [{ label: "Edit…", act: () => edit(one) }, { label: "Delete…", act: () => remove(one) }],
    }))));

  async function make() {
    await ask(desk, {
      title: "New tour", label: "Make the tour",
      fields: [
        { name: "artist", label: "Artist", picks: { search: searching(desk, "artists") } }, ...fieldsOf(null),
      ],
      preview: async (values) => {
        const [artist] = idsOf(values.artist ?? "");
        if (!artist || !values.name || !values.first_date || !values.last_date) return [];
        return linesOf(/** @type {Tour} */ (await send(desk, "POST", `/api/admin/artists/${artist}/tours?preview=true`, bodyOf(values))));
      },
      async act(values) {
        const [artist] = idsOf(values.artist ?? "");
        await send(desk, "POST", `/api/admin/artists/${artist ?? 0}/tours`, bodyOf(values));
        return `The tour ${values.name} is made.`;
      },
    });
    load();
  }

  /** @param {Tour} tour */
  async function edit(tour) {
    await ask(desk, {
      title: `Edit ${tour.name}`, label: "Save", fields: fieldsOf(tour),
      preview: async (values) => linesOf(/** @type {Tour} */ (await send(desk, "PATCH", `${PATH}/${tour.id}?preview=true`, bodyOf(values)))),
      async act(values) {
        await send(desk, "PATCH", `${PATH}/${tour.id}`, bodyOf(values));
        return `The tour ${values.name} is saved.`;
      },
    });
    load();
  }

  /** @param {Tour} tour */
  async function remove(tour) {
    await ask(desk, {
      title: `Delete ${tour.name}?`, label: "Delete for good", isGrave: true,
      lines: ["Its leaderboard is gone. Its shows and their points stay."],
      preview: async () => {
        await send(desk, "DELETE", `${PATH}/${tour.id}?preview=true`);
        return [];
      },
      async act() {
        await send(desk, "DELETE", `${PATH}/${tour.id}`);
        return `The tour ${tour.name} is deleted.`;
      },
    });
    load();
  }

  const stop = desk.repeat(load, EVERY_MS);
  return {
    element: h("div", { class: "stack" },
      h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, "Tours"), h("p", { class: "toolbar" }, button("New tour…", make, "n"))),
      h("p", { class: "note" }, "A tour is all shows of an artist from the first to the last date. Fans see one leaderboard for it: the sum of the points that they got for their picks at its finished shows."),
      loader.element, table.element),
    shortcuts: [{ key: "n", label: "New tour", act: make }, ...stepKeys(table.element, ".row-acts button", "tour")],
    close: stop,
  };
}

/**
 * @param {Tour|null} tour  null: a new one
 * @returns {Field[]}
 */
const fieldsOf = (tour) => [
  { name: "name", label: "Name", required: true, value: tour?.name ?? "", attributes: { maxlength: 200 } },
  { name: "first_date", label: "First date", type: "date", required: true, value: tour?.first_date ?? "", hint: "as tickets have it" },
  { name: "last_date", label: "Last date", type: "date", required: true, value: tour?.last_date ?? "" },
];

/** @param {Record<string, string>} values */
const bodyOf = ({ name, first_date, last_date }) => ({ name, first_date, last_date });

/** @param {Tour} tour */
const linesOf = ({ artist, shows }) => [
  shows === 1 ? `1 show of ${artist.name} is in it.` : `${number(shows)} shows of ${artist.name} are in it.`,
  "Its leaderboard is there in a moment.",
];
