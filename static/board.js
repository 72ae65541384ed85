/**
 * The songs as live bars. Rows are made once and then only written to: a push changes text and transforms.
 *
 * Rows change places only when the reducer's `order` does, and a held row (under a pointer, or with the focus in
 * it) is never taken out of the document: doing so would lose the focus or the tap in progress.
 */
import { choiceOf, countsOf, durabilityOf, isAffordable } from "./derive.js";
import { h, icon, setAttribute, setHidden, setText } from "./dom.js";
import * as words from "./words.js";

const MOVE_MS = 420;
const SCALE_MIN = 10; // below ten votes one vote must not look like a landslide
const TYPES = { predicted: "Predicted setlist", actual: "Played" };

/**
 * @param {{onVote(song: number, choice: "up"|"down"|"none"): void, tools: HTMLElement}} parts
 *   `tools` goes beside the heading of the first predicted setlist, the one whose order it sets
 */
export function createBoard({ onVote, tools }) {
  const sections = new Map();
  const element = h("div", { class: "board" });
  const touched = new Map(); // pointer id -> song
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
  const canHover = matchMedia("(hover: hover)");
  let lastTouch_ms = 0;

  const songAt = (node) => Number(node?.closest?.("[data-song]")?.dataset.song) || null;
  const touch = () => {
    lastTouch_ms = performance.now();
  };
  element.addEventListener("pointerdown", (event) => {
    touch();
    const song = songAt(event.target);
    if (song) touched.set(event.pointerId, song);
  });
  const release = (event) => {
    if (touched.delete(event.pointerId)) touch();
  };
  addEventListener("pointerup", release);
  addEventListener("pointercancel", release);
  addEventListener("scroll", touch, { passive: true });
  element.addEventListener("keydown", touch);

  return {
    element,
    /** Songs whose rows must stay where they are. */
    held() {
      const songs = [...touched.values(), songAt(document.activeElement)];
      if (canHover.matches) songs.push(songAt(element.querySelector(".row:hover")));
      return songs.filter(Boolean);
    },
    idle_ms: () => performance.now() - lastTouch_ms,
    update(show, voting) {
      const present = new Set(show.setlists.map((setlist) => setlist.id));
      for (const [id, section] of sections) {
        if (present.has(id)) continue;
        section.element.remove();
        sections.delete(id);
      }
      element.dataset.count = show.setlists.length;
      for (const setlist of show.setlists) {
        if (!sections.has(setlist.id)) {
          sections.set(setlist.id, createSection(setlist.id, onVote, isCalm));
          element.append(sections.get(setlist.id).element);
        }
        sections.get(setlist.id).update(show, setlist, voting, this.held);
      }
      const sorted = show.setlists.find((setlist) => setlist.type === "predicted");
      const head = sorted ? sections.get(sorted.id).head : null;
      if (tools.parentNode !== head) {
        if (head) head.append(tools);
        else tools.remove();
      }
    },
  };
}

function createSection(id, onVote, isCalm) {
  const type = h("span", { class: "section-type" });
  const name = h("span", { class: "section-name" });
  const heading = h("h2", { id: `setlist-${id}` }, type, " ", name);
  const head = h("div", { class: "section-head" }, heading);
  const list = h("ol", { class: "rows", "aria-labelledby": heading.id });
  const empty = h("p", { class: "empty small" }, "No songs yet.");
  const element = h("section", { class: "section" }, head, list, empty);
  const rows = new Map();
  let order = [];

  return {
    element,
    head,
    update(show, setlist, voting, held) {
      element.dataset.type = setlist.type;
      setText(type, TYPES[setlist.type]);
      setText(name, setlist.name === TYPES[setlist.type] ? "" : (setlist.name ?? ""));
      setHidden(empty, setlist.songs.length > 0);
      const songs = new Map(setlist.songs.map((song) => [song.id, song]));
      for (const [song, row] of rows) {
        if (songs.has(song)) continue;
        row.element.remove();
        rows.delete(song);
      }
      for (const song of songs.keys()) if (!rows.has(song)) rows.set(song, createRow(song, onVote));
      const next = show.order[setlist.id];
      if (next !== order) {
        place(list, next.map((song) => rows.get(song).element), held(), isCalm.matches);
        order = next;
      }
      const counts = new Map(next.map((song) => [song, countsOf(show, song)]));
      const scale = Math.max(SCALE_MIN, ...[...counts.values()].flatMap(({ up, down }) => [up, down]));
      next.forEach((song, index) => {
        rows.get(song).update(show, songs.get(song), index + 1, counts.get(song), scale, voting);
        // A record of what was played is not a row of noughts.
        const { up, down } = counts.get(song);
        rows.get(song).showVotes(setlist.type !== "actual" || voting === "open" || up + down > 0);
      });
    },
  };
}

function createRow(id, onVote) {
  const fill = h("span", { class: "fill" });
  const fillDown = h("span", { class: "fill-down" });
  const rank = h("span", { class: "rank", "aria-hidden": "true" });
  const title = h("span", { class: "title" });
  const spoken = h("span", { class: "sr" });
  const playing = h("span", { class: "playing" },
    h("span", { class: "beat", "aria-hidden": "true" }, h("i"), h("i"), h("i")), "Playing now");
  const played = h("span", { class: "played" });
  const markerText = h("span");
  const marker = h("span", { class: "marker" }, h("span", { class: "dot", "aria-hidden": "true" }), markerText);
  const buttons = {};
  const counts = {};
  for (const way of ["up", "down"]) {
    counts[way] = h("span", { class: "count", data: { count: way } });
    buttons[way] = h("button", {
      class: `vote vote-${way}`, type: "button", data: { vote: way }, "aria-describedby": "reason",
      on: {
        click: ({ currentTarget }) =>
          onVote(id, currentTarget.getAttribute("aria-pressed") === "true" ? "none" : way),
      },
    }, icon(way), counts[way]);
  }
  const group = h("div", { class: "votes", role: "group" }, buttons.up, buttons.down);
  const text = h("div", { class: "text" }, title, spoken, h("span", { class: "meta" }, playing, played, marker));
  const element = h("li", { class: "row", data: { song: id } }, fill, fillDown, rank, text, group);

  return {
    element,
    showVotes(isShown) {
      setHidden(group, !isShown);
      setHidden(spoken, !isShown);
    },
    update(show, song, place, { up, down }, scale, voting) {
      const choice = choiceOf(show, id);
      const durability = durabilityOf(show, id);
      const isPlaying = show.status.now_playing === id;
      setText(rank, String(place));
      setText(title, song.title);
      setAttribute(title, "title", song.title);
      setText(counts.up, words.count(up));
      setText(counts.down, words.count(down));
      setText(spoken, `. ${words.count(up)} up, ${words.count(down)} down.`);
      slide(fill, up / scale);
      slide(fillDown, down / scale);
      setAttribute(element, "data-choice", choice);
      setAttribute(element, "data-playing", isPlaying);
      setHidden(playing, !isPlaying);
      setHidden(played, isPlaying || !song.played_at);
      if (song.played_at) setText(played, `Played ${words.clockTime(song.played_at, show.info.time_zone)}`);
      setHidden(marker, durability === null);
      setAttribute(marker, "data-durability", durability);
      if (durability) setText(markerText, words.DURABILITY[durability]);
      for (const way of ["up", "down"]) {
        const button = buttons[way];
        setAttribute(button, "aria-label", `Vote ${way}: ${song.title}`);
        setAttribute(button, "aria-pressed", String(choice === way));
        setAttribute(button, "disabled", voting !== "open");
        // Still focusable: the tap is answered with the reason.
        setAttribute(button, "aria-disabled", voting === "open" && !isAffordable(show, id) ? "true" : null);
      }
      setAttribute(group, "aria-label", `Your vote on ${song.title}`);
    },
  };
}

/** Written through the CSSOM, which the content security policy allows, unlike style attributes. */
function slide(bar, share) {
  const transform = `translateX(${((share - 1) * 100).toFixed(1)}%)`;
  if (bar.style.transform !== transform) bar.style.transform = transform;
}

/** Puts the rows into `wanted` order, moving each from where it was seen last (FLIP); held rows are not touched. */
function place(list, wanted, held, isCalm) {
  const before = new Map([...list.children].map((row) => [row, row.getBoundingClientRect().top]));
  const isHeld = (row) => row.parentNode === list && held.includes(Number(row.dataset.song));
  let next = null;
  for (const row of [...wanted].reverse()) {
    if (!isHeld(row) && (row.parentNode !== list || row.nextSibling !== next)) list.insertBefore(row, next);
    next = row;
  }
  if (isCalm) return;
  for (const row of wanted) {
    const shift = before.has(row) ? before.get(row) - row.getBoundingClientRect().top : 0;
    if (Math.abs(shift) < 1) continue;
    row.animate([{ transform: `translateY(${shift}px)` }, { transform: "none" }],
      { duration: MOVE_MS, easing: "cubic-bezier(.2,.7,.2,1)" });
  }
}
