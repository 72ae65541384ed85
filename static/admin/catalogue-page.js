/** The page Catalogue: artists, venues and songs, to find, make, edit and merge; and matches of providers to decide about. */
import { h, setHidden, setText } from "../dom.js";
import { ask } from "./ask.js";
import { bodyOf, differences, ENTRIES, fieldsOf } from "./catalogue-entries.js";
import { createFilters } from "./fields.js";
import { search } from "./lookups.js";
import { createMatches } from "./matches.js";
import { createMerges } from "./merges.js";
import { button, createLoader, createPaged, queryOf, send, stepKeys } from "./parts.js";
import { createTable } from "./table.js";

/**
 * @import { ConsolePage, Desk } from "./types.js"
 * @import { Edited, Kind } from "./catalogue-entries.js"
 * @import { Entry } from "./lookups.js"
 */

const PAGE_COUNT = 20;
const SONGS_MAX = 50;

/** @type {ConsolePage} */
export const catalogue = { name: "catalogue", title: "Catalogue", key: "k", role: "admin", open };

/** @param {Desk} desk */
function open(desk) {
  /** @type {Kind} */
  let kind = "artist";
  const matches = createMatches(desk);
  const merges = createMerges(desk, () => paged.reload());
  const table = createTable("Entries", ["Name", "Where it belongs", "Number", "Acts"]);
  const opening = createLoader();
  const hintText = h("span", { role: "status" });
  const allSongs = button("All songs", () => showSongs(null));
  const hint = h("p", { class: "note toolbar" }, hintText, allSongs);
  /** @type {Entry|null} the artist whose songs are listed; null: the songs of all */
  let artistOfSongs = null;
  const paged = createPaged((cursor) => {
    const { kind: wanted, q = "" } = filters.values();
    kind = /** @type {Kind} */ (wanted);
    if (kind !== "song" || q) artistOfSongs = null;
    drawHint(q);
    return listed(q, cursor);
  }, (items) => table.update(items.map(rowOf)));
  const filters = createFilters("Find entries", [
    { name: "kind", label: "Kind", type: "select", options: [["artist", "Artists"], ["venue", "Venues"], ["song", "Songs"]] },
    { name: "q", label: "Words", type: "search", attributes: { maxlength: 100 } },
  ], () => paged.reload());

  /**
   * @param {string} q
   * @param {string} cursor
   * @returns {Promise<{items: Entry[], next: string|null}>}
   */
  async function listed(q, cursor) {
    if (kind !== "song") return desk.call(`/api/${kind}s?${queryOf({ q, cursor, limit: PAGE_COUNT })}`);
    if (q) return { items: await search(desk, "songs", q, SONGS_MAX), next: null };
    return desk.call(`/api/admin/songs?${queryOf({ artist: artistOfSongs?.id ?? "", cursor, limit: PAGE_COUNT })}`);
  }

  /** @param {string} q */
  function drawHint(q) {
    const isOfAll = artistOfSongs === null;
    setText(hintText, kind !== "song" || q ? "" : isOfAll ? "All songs, the newest first." : `The songs of ${artistOfSongs?.name}, by title.`);
    setHidden(allSongs, isOfAll);
    setHidden(hint, hintText.textContent === "");
  }

  /** @param {Entry|null} artist  null: the songs of all artists */
  function showSongs(artist) {
    artistOfSongs = artist;
    const { kind: kinds, q } = filters.controls;
    if (kinds) kinds.value = "song";
    if (q) q.value = "";
    paged.reload();
    kinds?.focus();
  }

  /** @param {Entry} entry */
  function rowOf(entry) {
    const shown = kind;
    const { id, name, title, city, country, genre, artist } = entry;
    return {
      key: `${shown}-${id}`, cells: [title ?? name ?? "", [artist?.name, genre, city, country].filter(Boolean).join(", ") || "–", String(id)],
      acts: [{ label: "Edit", act: () => edit(shown, entry) }, { label: "Merge", act: () => merges.merge(shown, id, title ?? name ?? "") },
        ...(shown === "artist" ? [{ label: "Songs", act: () => showSongs(entry) }] : [])],
    };
  }

  /** @type {(of: Kind, entry: Entry) => Promise<void>} */
  async function edit(of, { id }) {
    const path = `/api/admin/${of}s/${id}`;
    // A change of nothing tells the fields and the revision.
    const fetch = () => /** @type {Promise<Edited>} */ (send(desk, "PATCH", `${path}?preview=true`, {}));
    await opening.load(fetch, async (first) => {
      let found = first;
      /** @param {Record<string, string>} values */
      const body = (values) => ({ ...bodyOf(of, values, found), revision: found.revision, ...(values.reason ? { reason: values.reason } : {}) });
      await ask(desk, {
        title: `Edit ${ENTRIES[of].one} ${id}`, label: "Save", fields: fieldsOf(desk, of, found),
        async preview(values) {
          const after = /** @type {Edited} */ (await send(desk, "PATCH", `${path}?preview=true`, body(values)));
          return [...differences(of, found, after), ENTRIES[of].reach(after.show_count)];
        },
        async refresh() {
          found = await fetch();
          return fieldsOf(desk, of, found);
        },
        async act(values) {
          await send(desk, "PATCH", path, body(values));
          return `${ENTRIES[of].title} ${id} is changed.`;
        },
      });
      paged.reload();
    });
  }

  async function make() {
    const of = kind;
    const writer = of === "song" && artistOfSongs ? { id: artistOfSongs.id, text: artistOfSongs.name ?? "" } : null;
    const isReady = (/** @type {Record<string, string>} */ values) => ENTRIES[of].required.every((name) => values[name]);
    const path = (/** @type {Record<string, string>} */ { another }, /** @type {boolean} */ preview) => `/api/admin/${of}s?${queryOf({ preview, another: another === "on" })}`;
    await ask(desk, {
      title: `New ${ENTRIES[of].one}`, label: "Make", fields: [...fieldsOf(desk, of, null, writer),
        { name: "another", label: "Make it although one of this name is there", type: "checkbox" }],
      async preview(values) {
        if (!isReady(values)) return ["Fill in what is required to see what is made."];
        const made = /** @type {Edited} */ (await send(desk, "POST", path(values, true), bodyOf(of, values, null)));
        return [`A new ${ENTRIES[of].one}: ${made.name ?? made.title}${made.artist_name ? ` of ${made.artist_name}` : ""}${made.slug ? `, at /${of}s/${made.slug}` : ""}.`];
      },
      async act(values) {
        const made = /** @type {Edited} */ (await send(desk, "POST", path(values, false), bodyOf(of, values, null)));
        return `${made.name ?? made.title} is made, as ${ENTRIES[of].one} ${made.id}.`;
      },
    });
    paged.reload();
  }

  paged.reload();
  matches.load();
  merges.load();
  return {
    element: h("div", { class: "stack" },
      h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, "Catalogue"), h("p", { class: "toolbar" }, button("New…", make, "m"))),
      matches.element, filters.element, hint, opening.element, table.element, paged.element, merges.element),
    shortcuts: [
      { key: "/", label: "Find entries", act: () => filters.controls.q?.focus() },
      { key: "m", label: "Make a new entry of this kind", act: make },
      ...matches.shortcuts,
      ...stepKeys(table.element, ".row-acts button", "entry"),
    ],
  };
}
