/** The sets of a show: moved by drag or by keys, added to, cut, and then saved at once with a preview. */
import { h, setHidden, setText } from "../dom.js";
import { ask, REASON } from "./ask.js";
import { makeDraggable } from "./drag.js";
import { number } from "./formats.js";
import { searching } from "./lookups.js";
import { button, send, step, stepKeys } from "./parts.js";
import { effectLines } from "./show-acts.js";

/**
 * @import { Desk, Effect, Shortcut, ShowSet, ShowSettings } from "./types.js"
 * @typedef {{key: string, id?: number, song?: number, title: string, note: string, is_tape: boolean, medley: number|null}} DraftSong
 * @typedef {{key: string, id?: number, type: ShowSet["type"], kind: ShowSet["kind"], name: string, artist: number|null, songs: DraftSong[]}} DraftSet
 */

const KINDS = /** @type {[string, string][]} */ ([["main", "Main set"], ["encore", "Encore"], ["alternate", "Alternate"]]);

/**
 * @param {Desk} desk
 * @param {() => ShowSettings|null} show
 * @param {() => Promise<unknown>} reload
 */
export function createSets(desk, show, reload) {
  const lists = h("div", { class: "sets" });
  const says = h("span", { class: "note", role: "status" });
  const save = button("Save the sets…", saveAll, "s");
  const drop = button("Discard", discard);
  const changed = h("p", { class: "toolbar unsaved", hidden: true }, says, save, drop);
  const element = h("section", { "aria-labelledby": "sets-title" },
    h("div", { class: "page-head" }, h("h2", { id: "sets-title" }, "Sets"), h("p", { class: "toolbar" }, button("Add a song…", add, "n"), button("Add a set…", addSet))),
    changed, lists);
  save.classList.add("button-main");
  /** @type {Map<number, [up: number, down: number]>} */
  const counts = new Map();
  /** @type {DraftSet[]} what the server has */
  let stored = [];
  /** @type {DraftSet[]} */
  let draft = [];
  let stored_revision = 0;
  let made = 0;

  /** @param {string} key */
  const songOf = (key) => draft.flatMap(({ songs }) => songs).find((song) => song.key === key);

  /** @param {DraftSong} song */
  function createSong({ key, id, title, note, is_tape }) {
    const hint = [note, is_tape ? "tape" : ""].filter(Boolean).join(", ");
    return h("li", { class: "set-song", tabindex: "-1", data: { key } },
      h("span", { class: "grip", "aria-hidden": "true" }, "⠿"),
      h("span", { class: "set-text" },
        h("span", { class: "set-title" }, title, hint ? h("span", { class: "note" }, hint) : null, id ? null : h("span", { class: "badge badge-open" }, "new")),
        h("span", { class: "note set-votes", data: { song: id ?? "" } })),
      h("span", { class: "set-acts" },
        h("button", { class: "button", type: "button", "aria-label": `Move ${title} up`, on: { click: () => move(key, -1) } }, "↑"),
        h("button", { class: "button", type: "button", "aria-label": `Move ${title} down`, on: { click: () => move(key, 1) } }, "↓"),
        h("button", { class: "button", type: "button", "aria-label": `Note on ${title}`, on: { click: () => writeNote(key) } }, "Note"),
        h("button", { class: "button", type: "button", "aria-label": `Remove ${title}`, on: { click: () => remove(key) } }, "✕")));
  }

  function draw() {
    const focused = document.activeElement?.closest(".set-song");
    const key = focused instanceof HTMLElement ? focused.dataset.key : undefined;
    lists.replaceChildren(...draft.map((set) => h("section", { class: "set", data: { key: set.key } },
      h("h3", {}, set.name, h("span", { class: "badge" }, set.type === "actual" ? "played" : "predicted")),
      h("ol", { class: "set-songs", "aria-label": set.name }, ...set.songs.map(createSong)))));
    if (!draft.length) lists.replaceChildren(h("p", { class: "note" }, "This show has no set yet."));
    drawCounts();
    if (key) focusOn(key);
    const isChanged = JSON.stringify(draft) !== JSON.stringify(stored);
    setHidden(changed, !isChanged);
    if (isChanged) setText(says, "Not saved yet: fans still see the old order.");
  }

  function drawCounts() {
    for (const place of /** @type {NodeListOf<HTMLElement>} */ (lists.querySelectorAll(".set-votes"))) {
      const [up, down] = counts.get(Number(place.dataset.song)) ?? [0, 0];
      setText(place, up || down ? `${number(up)} up, ${number(down)} down` : "");
    }
  }

  /** @param {string} key */
  function focusOn(key) {
    const item = lists.querySelector(`[data-key="${key}"].set-song`);
    if (item instanceof HTMLElement) item.focus();
  }

  /** Takes the order of the page: a drag has changed it. */
  function readOrder() {
    const songs = new Map(draft.flatMap((set) => set.songs.map((song) => [song.key, song])));
    draft = draft.map((set) => ({ ...set, songs: [...lists.querySelectorAll(`[data-key="${set.key}"] .set-song`)]
      .map((item) => /** @type {DraftSong} */ (songs.get(/** @type {HTMLElement} */ (item).dataset.key ?? ""))) }));
    draw();
  }

  /** Moves a song by one place; beyond the end of a set, into the next set of the same type. @type {(key: string, by: 1|-1) => void} */
  function move(key, by) {
    const at = draft.findIndex(({ songs }) => songs.some((song) => song.key === key));
    const set = draft[at];
    if (!set) return;
    const from = set.songs.findIndex((song) => song.key === key);
    const [song] = set.songs.splice(from, 1);
    const other = draft[at + by];
    if (song && from + by >= 0 && from + by <= set.songs.length) set.songs.splice(from + by, 0, song);
    else if (song && other?.type === set.type) other.songs.splice(by > 0 ? 0 : other.songs.length, 0, song);
    else if (song) set.songs.splice(from, 0, song);
    draw();
    focusOn(key);
  }

  /** @param {string} key */
  function remove(key) {
    const item = lists.querySelector(`[data-key="${key}"].set-song`);
    const next = item?.nextElementSibling ?? item?.previousElementSibling;
    draft = draft.map((set) => ({ ...set, songs: set.songs.filter((song) => song.key !== key) }));
    draw();
    if (next instanceof HTMLElement) focusOn(next.dataset.key ?? "");
  }

  /** @param {string} key */
  async function writeNote(key) {
    const song = songOf(key);
    if (!song) return;
    await ask(desk, { title: `Note on ${song.title}`, label: "Take it over", lines: ["It is saved with the sets. Fans see it beside the song."],
      fields: [{ name: "note", label: "Note", value: song.note, attributes: { maxlength: 200 } }, { name: "tape", label: "It comes from a tape", type: "checkbox", value: song.is_tape ? "on" : "" }],
      async act({ note, tape }) {
        song.note = note ?? "";
        song.is_tape = tape === "on";
        return "Save the sets to keep it.";
      } });
    draw();
    focusOn(key);
  }

  async function add() {
    if (!draft.length) return;
    const options = /** @type {[string, string][]} */ (draft.map(({ key, name }) => [key, name]));
    let key = "";
    await ask(desk, { title: "Add a song", label: "Add", lines: ["A title that the artist does not have yet becomes a new song."],
      fields: [{ name: "title", label: "Title", attributes: { maxlength: 200 } },
        { name: "song", label: "Or a song of the catalogue", picks: { search: searching(desk, "songs") } },
        { name: "set", label: "Set", type: "select", options }],
      async preview({ title, song }) {
        return title || song ? [] : ["Type a title, or choose a song."];
      },
      async act({ title, song, set }) {
        const target = draft.find((one) => one.key === set);
        if (!title && !song) return "No song was given, so none was added.";
        const found = song ? /** @type {{id: number, title: string}} */ (await desk.call(`/api/songs/${song}`)) : null;
        key = `new-${++made}`;
        target?.songs.push({ key, title: found?.title ?? title ?? "", ...(found ? { song: found.id } : {}), note: "", is_tape: false, medley: null });
        return "Save the sets to keep it.";
      } });
    draw();
    if (key) focusOn(key);
  }

  async function addSet() {
    await ask(desk, { title: "Add a set", label: "Add", lines: ["It is saved with the sets."],
      fields: [{ name: "name", label: "Name", required: true, attributes: { maxlength: 200 } }, { name: "kind", label: "Kind", type: "select", options: KINDS },
        { name: "type", label: "Its songs", type: "select", options: [["predicted", "Predicted: fans vote on them"], ["actual", "Played"]] }],
      async act({ name, kind, type }) {
        draft.push({ key: `set-new-${++made}`, name: name ?? "", artist: null, songs: [],
          kind: /** @type {ShowSet["kind"]} */ (kind), type: /** @type {ShowSet["type"]} */ (type) });
        return "Save the sets to keep it.";
      } });
    draw();
  }

  function discard() {
    draft = structuredClone(stored);
    draw();
    reload();
  }

  async function saveAll() {
    const now = show();
    if (!now || changed.hidden) return;
    const sets = draft.map(({ key: _, songs, ...set }) => ({ ...set, songs: songs.map(({ key: __, title, ...song }) =>
      (song.id || song.song ? song : { ...song, title })) }));
    const path = `/api/admin/shows/${now.id}/sets`;
    /** @param {Record<string, string>} values */
    const body = ({ reason }) => ({ sets, revision: stored_revision, ...(reason ? { reason } : {}) });
    const isSaved = await ask(desk, { title: "Save the sets?", label: "Save", fields: [REASON],
      async preview(values) {
        const { effect } = /** @type {{effect: Effect}} */ (await send(desk, "PUT", `${path}?preview=true`, body(values)));
        return [...differences(stored, draft), ...effectLines(effect),
          ...(effect.votes_lost ? ["Removed songs can be put back with their votes for 30 days."] : [])];
      },
      // The draft stays. When only something else of the show was changed, it is saved on top of that.
      async refresh() {
        await reload();
        return [];
      },
      async act(values) {
        await send(desk, "PUT", `${path}?confirm=true`, body(values));
        return "The sets are saved. Fans see them now.";
      } });
    if (isSaved) stored = structuredClone(draft);
    if (isSaved) reload();
  }

  makeDraggable(lists, { handle: ".grip", item: ".set-song", list: ".set-songs" }, readOrder);
  lists.addEventListener("keydown", (event) => {
    const item = event.target instanceof HTMLElement && event.target.matches(".set-song") ? event.target : null;
    if (!item || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    if (event.altKey) move(item.dataset.key ?? "", event.key === "ArrowUp" ? -1 : 1);
    else step(lists, ".set-song", event.key === "ArrowUp" ? -1 : 1);
  });
  const chosen = () => {
    const item = document.activeElement?.closest(".set-song");
    return item instanceof HTMLElement ? item.dataset.key ?? "" : "";
  };
  /** @type {(act: (key: string) => unknown) => () => void} */
  const onChosen = (act) => () => {
    const key = chosen();
    if (key) act(key);
    else step(lists, ".set-song", 1);
  };
  /** @type {Shortcut[]} */
  const shortcuts = [
    ...stepKeys(lists, ".set-song", "song"),
    { key: "J", label: "Move the song down", act: onChosen((key) => move(key, 1)) },
    { key: "K", label: "Move the song up", act: onChosen((key) => move(key, -1)) },
    { key: "x", label: "Remove the song", act: onChosen(remove) },
    { key: "o", label: "Note on the song", act: onChosen(writeNote) },
    { key: "n", label: "Add a song", act: add },
    { key: "s", label: "Save the sets", act: saveAll },
  ];
  return {
    element, shortcuts,
    unsaved: () => (changed.hidden ? [] : ["The changes of the sets are not saved."]),
    /** @param {ShowSet[]} sets  as the server has them now */
    update(sets) {
      const now = show();
      const next = sets.map((set) => draftOf(set, now?.artist ?? 0));
      const wasChanged = JSON.stringify(draft) !== JSON.stringify(stored);
      const isNew = JSON.stringify(next) !== JSON.stringify(stored);
      if (wasChanged && isNew) {
        setText(says, "Somebody else changed the sets meanwhile. Saving is refused; discard your changes to see theirs.");
        return;
      }
      stored_revision = now?.revision ?? 0;
      if (!isNew) return;
      stored = next;
      draft = structuredClone(next);
      draw();
    },
    /** @param {[song: number, up: number, down: number][]} tally  of the songs that changed */
    count(tally) {
      for (const [song, up, down] of tally) counts.set(song, [up, down]);
      drawCounts();
    },
  };
}

/** @type {(set: ShowSet, artist: number) => DraftSet} */
const draftOf = ({ id, type, kind, name, artist, songs }, headliner) => ({
  key: `set-${id}`, id, type, kind, name, artist: artist.id === headliner ? null : artist.id,
  songs: songs.map((song) => ({ key: `song-${song.id}`, id: song.id, title: song.title, note: song.note, is_tape: song.is_tape, medley: song.medley })),
});

/**
 * What an order changes, in words.
 * @param {DraftSet[]} before
 * @param {DraftSet[]} after
 */
function differences(before, after) {
  /** @param {DraftSet[]} sets */
  const placesOf = (sets) => new Map(sets.flatMap((set) => set.songs.map((song, index) => [song.key, { set: set.name, place: index + 1, song }])));
  const [old, next] = [placesOf(before), placesOf(after)];
  // A song that only moves up because another is gone has not been moved by anybody.
  const [from, to] = [orderOf(old, next), orderOf(next, old)];
  const lines = [];
  for (const [key, { set, place, song }] of next) {
    const was = old.get(key);
    if (was && (was.song.note !== song.note || was.song.is_tape !== song.is_tape)) {
      lines.push(`${song.title}: ${song.note ? `note “${song.note}”` : "no note"}${song.is_tape ? ", from a tape" : ""}`);
    }
    if (!was) lines.push(`${song.title} is new, place ${place} of ${set}`);
    else if (was.set !== set || from.indexOf(key) !== to.indexOf(key)) lines.push(`${song.title}: place ${was.place} → ${place}${was.set === set ? "" : ` of ${set}`}`);
  }
  for (const [key, { song }] of old) if (!next.has(key)) lines.push(`${song.title} is removed`);
  for (const { id, name } of after) if (!id) lines.push(`${name} is a new set`);
  return lines.length > 8 ? [...lines.slice(0, 7), `and ${lines.length - 7} more changes`] : lines;
}

/** @type {(all: Map<string, unknown>, others: Map<string, unknown>) => string[]} the keys that both have, in the order of `all` */
const orderOf = (all, others) => [...all.keys()].filter((key) => others.has(key));
