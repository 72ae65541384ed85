/**
 * The songs as live bars. Rows are made once and then only written to: a push changes text and transforms.
 *
 * Rows change places only when the reducer's `order` does, and a held row (under a pointer, or with the focus in
 * it) is never taken out of the document: doing so would lose the focus or the tap in progress.
 */
import { choiceOf, countsOf, durabilityOf, isAffordable } from "./selectors.js";
import { h, icon, setAttribute, setHidden, setText, slideBar, sliding } from "./dom.js";
import * as words from "./messages.js";

const SCALE_MIN = 10; // below ten votes one vote must not look like a landslide
/**
 * @param {{onVote(song: number, choice: "up"|"down"|"none"): void, tools: HTMLElement}} parts
 *   `tools` goes beside the heading of the first predicted setlist, the one whose order it sets
 */
export function createBoard({ onVote, tools }) {
  const groups = new Map();
  const element = h("div", { class: "board" });
  const touched = new Map(); // pointer id -> song
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
      const types = [...new Set(show.setlists.map((setlist) => setlist.type))];
      keepOnly(groups, types);
      element.dataset.count = types.length;
      for (const type of types) {
        if (!groups.has(type)) groups.set(type, createGroup(type, onVote));
        groups.get(type).update(show, show.setlists.filter((setlist) => setlist.type === type), voting, this.held);
      }
      putInOrder(element, types.map((type) => groups.get(type).element));
      const head = groups.get("predicted")?.head ?? null;
      if (tools.parentNode !== head) {
        if (head) head.append(tools);
        else tools.remove();
      }
    },
  };
}

/** The sets of one type: those expected, or those played. A single set needs no heading of its own. */
function createGroup(type, onVote) {
  const name = h("span", { class: "section-name", dir: "auto" });
  const heading = h("h2", { id: `sets-${type}` }, h("span", { class: "section-type" }, words.SETLIST[type]), " ", name);
  const head = h("div", { class: "section-head" }, heading);
  const body = h("div", { class: "sets" });
  const element = h("section", { class: "section", data: { type } }, head, body);
  const sets = new Map();

  return {
    element,
    head,
    update(show, setlists, voting, held) {
      const isSingle = setlists.length === 1;
      setText(name, isSingle && setlists[0].name !== words.SETLIST[type] ? (setlists[0].name ?? "") : "");
      keepOnly(sets, setlists.map((setlist) => setlist.id));
      const counts = new Map(setlists.flatMap(({ songs }) => songs.map(({ id }) => [id, countsOf(show, id)])));
      const scale = Math.max(SCALE_MIN, ...[...counts.values()].flatMap(({ up, down }) => [up, down]));
      const titles = words.setTitles(setlists, show.info.artist.id);
      setlists.forEach((setlist, index) => {
        if (!sets.has(setlist.id)) sets.set(setlist.id, createSet(setlist.id, heading.id, onVote));
        const title = isSingle ? null : titles[index];
        sets.get(setlist.id).update(show, setlist, { title, counts, scale, voting, held });
      });
      putInOrder(body, setlists.map((setlist) => sets.get(setlist.id).element));
    },
  };
}

function createSet(id, groupId, onVote) {
  const title = h("span", { dir: "auto" });
  const name = h("span", { class: "section-name", dir: "auto" });
  const heading = h("h3", { id: `setlist-${id}`, class: "set-head" }, title, " ", name);
  const list = h("ol", { class: "rows" });
  const empty = h("p", { class: "empty small" }, "No songs yet.");
  const element = h("div", { class: "set" }, heading, list, empty);
  const rows = new Map();
  let order = [];

  return {
    element,
    update(show, setlist, { title: shownTitle, counts, scale, voting, held }) {
      setHidden(heading, shownTitle === null);
      setAttribute(list, "aria-labelledby", shownTitle === null ? groupId : `${groupId} ${heading.id}`);
      setText(title, shownTitle ?? "");
      setText(name, words.ownName(setlist, shownTitle));
      setHidden(empty, setlist.songs.length > 0);
      const songs = new Map(setlist.songs.map((song) => [song.id, song]));
      keepOnly(rows, [...songs.keys()]);
      for (const song of songs.keys()) if (!rows.has(song)) rows.set(song, createRow(song, onVote));
      const next = show.order[setlist.id];
      if (next !== order) {
        place(list, next.map((song) => rows.get(song).element), held());
        order = next;
      }
      next.forEach((song, index) => {
        const row = rows.get(song);
        row.update(show, songs.get(song), index + 1, counts.get(song), scale, voting);
        // In a set that was played every song was.
        row.cameTrue(setlist.type === "predicted" && songs.get(song).was_played === true);
        const isOneWith = (other) => isMedley(songs.get(song), songs.get(next[other]));
        row.join(isOneWith(index - 1), isOneWith(index + 1));
        // A record of what was played is not a row of noughts.
        const { up, down } = counts.get(song);
        row.showVotes(setlist.type !== "actual" || voting === "open" || up + down > 0);
      });
    },
  };
}

const isMedley = (song, other) => song.medley !== null && song.medley === other?.medley;

/** Takes out what is no longer wanted. */
function keepOnly(parts, wanted) {
  const present = new Set(wanted);
  for (const [key, part] of parts) {
    if (present.has(key)) continue;
    part.element.remove();
    parts.delete(key);
  }
}

/** Puts elements into order; those that stand right are not touched. */
function putInOrder(parent, elements) {
  elements.forEach((element, index) => {
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
}

function createRow(id, onVote) {
  const fill = h("span", { class: "fill" });
  const fillDown = h("span", { class: "fill-down" });
  const rank = h("span", { class: "rank", "aria-hidden": "true" });
  const title = h("span", { class: "title", dir: "auto" });
  const tags = h("span", { class: "tags" });
  const spoken = h("span", { class: "sr" });
  const playing = h("span", { class: "playing" },
    h("span", { class: "beat", "aria-hidden": "true" }, h("i"), h("i"), h("i")), "Playing now");
  const played = h("span", { class: "played" });
  const cameTrue = h("span", { class: "sr" }, " Was played.");
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
  const text = h("div", { class: "text" }, title, spoken, cameTrue, tags,
    h("span", { class: "meta" }, playing, played, marker));
  const element = h("li", { class: "row", data: { song: id } }, fill, fillDown, rank, text, group);

  let tagged = "";

  return {
    element,
    /** Songs of a medley are drawn as one piece where they stand together. */
    join(isUp, isDown) {
      setAttribute(element, "data-joined", [isUp && "up", isDown && "down"].filter(Boolean).join(" ") || null);
    },
    cameTrue(isPlayed) {
      setAttribute(element, "data-came-true", isPlayed);
      setHidden(cameTrue, !isPlayed);
    },
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
      const labels = words.songTags(song);
      if (labels.join("\n") !== tagged) {
        tagged = labels.join("\n");
        tags.replaceChildren(...labels.map((label) => h("span", { class: "tag", dir: "auto", title: label }, label)));
      }
      setHidden(tags, labels.length === 0);
      const { isHidden } = show;
      setText(counts.up, isHidden ? "" : words.count(up));
      setText(counts.down, isHidden ? "" : words.count(down));
      setText(spoken, isHidden ? "." : `. ${words.count(up)} up, ${words.count(down)} down.`);
      slideBar(fill, isHidden ? 0 : up / scale);
      slideBar(fillDown, isHidden ? 0 : down / scale);
      setAttribute(element, "data-hidden", isHidden);
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

/** Puts the rows into `wanted` order, moving each from where it was seen last; held rows are not touched. */
function place(list, wanted, held) {
  const isHeld = (row) => row.parentNode === list && held.includes(Number(row.dataset.song));
  sliding([...list.children], () => {
    let next = null;
    for (const row of [...wanted].reverse()) {
      if (!isHeld(row) && (row.parentNode !== list || row.nextSibling !== next)) list.insertBefore(row, next);
      next = row;
    }
  });
}
