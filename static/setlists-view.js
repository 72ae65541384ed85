/**
 * The setlists of a show: each song is a row with two buttons and a bar for its counts. Rows are created once; a push only
 * writes texts and transforms.
 *
 * Rows change places only when `order` in the state does. A held row (under a pointer, or with the focus in it) is never
 * taken out of the document: that would lose the focus or the tap in progress.
 */
import { h, icon, setAttribute, setBar, setChildren, setHidden, setText } from "./dom.js";
import * as messages from "./messages.js";
import { moveRows } from "./row-moves.js";
import { choiceOf, countsOf, durabilityOf, placesOf, positionsOf, unforeseenSongs, whyNotTaken } from "./selectors.js";
import { phrase } from "./words.js";

/**
 * @import { Choice } from "./client.js"
 * @import { Counts, LoadedShow, Setlist, SetlistType, Song, State } from "./types.js"
 * @typedef {(song: number, choice: Choice) => void} OnVote
 * @typedef {() => number[]} HeldSongs
 * @typedef {Pick<State, "refusal"|"user"|"isUserKnown"|"sort">} Visitor
 */

const SCALE_MIN = 10; // below ten votes one vote must not look like a landslide
/** @type {("up"|"down")[]} */
const DIRECTIONS = ["up", "down"];

/**
 * @param {{onVote: OnVote, tools: HTMLElement}} parts
 *   `tools` goes beside the heading of the first predicted setlist, the one whose order it sets
 */
export function createSetlistsView({ onVote, tools }) {
  /** @type {Map<SetlistType, ReturnType<typeof createGroup>>} */
  const groups = new Map();
  const element = h("div", { class: "board" });
  /** @type {Map<number, number>} pointer id -> song */
  const touched = new Map();
  const canHover = matchMedia("(hover: hover)");
  let lastTouch_ms = 0;

  const touch = () => {
    lastTouch_ms = performance.now();
  };
  element.addEventListener("pointerdown", (event) => {
    touch();
    const song = songAt(event.target);
    if (song) touched.set(event.pointerId, song);
  });
  const release = (/** @type {PointerEvent} */ event) => {
    if (touched.delete(event.pointerId)) touch();
  };
  addEventListener("pointerup", release);
  addEventListener("pointercancel", release);
  addEventListener("scroll", touch, { passive: true });
  element.addEventListener("keydown", touch);

  /** Songs whose rows must stay where they are. */
  const heldSongs = () => {
    const songs = [...touched.values(), songAt(document.activeElement)];
    if (canHover.matches) songs.push(songAt(element.querySelector(".row:hover")));
    return songs.filter((song) => song !== null);
  };

  return {
    element,
    heldSongs,
    idle_ms: () => performance.now() - lastTouch_ms,
    /**
     * @param {LoadedShow} show
     * @param {messages.Voting} voting
     * @param {Visitor} visitor
     */
    update(show, voting, visitor) {
      const types = [...new Set(show.setlists.map((setlist) => setlist.type))];
      // After the show, what was played comes first.
      if (show.status.status === "finished") types.sort((a, b) => Number(b === "actual") - Number(a === "actual"));
      removeOthers(groups, types);
      element.dataset.count = String(types.length);
      const drawn = types.map((type) => {
        const group = getOrCreate(groups, type, () => createGroup(type, onVote));
        group.update(show, show.setlists.filter((setlist) => setlist.type === type), voting, visitor, heldSongs);
        return group.element;
      });
      setChildren(element, drawn);
      const head = groups.get("predicted")?.head ?? null;
      if (tools.parentNode !== head) {
        if (head) head.append(tools);
        else tools.remove();
      }
    },
  };
}

/**
 * The song whose row contains a node.
 * @param {EventTarget|null} node
 */
function songAt(node) {
  const row = node instanceof Element ? node.closest("[data-song]") : null;
  return row instanceof HTMLElement ? Number(row.dataset.song) : null;
}

/**
 * The sets of one type, predicted or played. A single set needs no heading of its own.
 * @param {SetlistType} type
 * @param {OnVote} onVote
 */
function createGroup(type, onVote) {
  const name = h("span", { class: "section-name", dir: "auto" });
  const heading = h("h2", { id: `sets-${type}` }, h("span", { class: "section-type" }, messages.SETLIST[type]), " ", name);
  const head = h("div", { class: "section-head" }, heading);
  const body = h("div", { class: "sets" });
  const element = h("section", { class: "section", data: { type } }, head, body);
  /** @type {Map<number, ReturnType<typeof createSet>>} */
  const sets = new Map();

  return {
    element,
    head,
    /**
     * @param {LoadedShow} show
     * @param {Setlist[]} setlists
     * @param {messages.Voting} voting
     * @param {Visitor} visitor
     * @param {HeldSongs} heldSongs
     */
    update(show, setlists, voting, visitor, heldSongs) {
      const single = setlists.length === 1 ? setlists[0] : undefined;
      setText(name, single ? messages.onlyName(single) : "");
      removeOthers(sets, setlists.map((setlist) => setlist.id));
      const counts = new Map(setlists.flatMap(({ songs }) => songs.map(({ id }) => [id, countsOf(show, id)])));
      const scale = Math.max(SCALE_MIN, ...[...counts.values()].map(({ up, down }) => Math.abs(up - down)));
      const unforeseen = unforeseenSongs(show);
      const titles = messages.setTitles(setlists, show.info.artist.id);
      const drawn = setlists.map((setlist, index) => {
        const set = getOrCreate(sets, setlist.id, () => createSet(setlist.id, heading.id, onVote));
        const title = single ? null : (titles[index] ?? null);
        set.update(show, setlist, { title, counts, scale, voting, visitor, unforeseen, heldSongs });
        return set.element;
      });
      setChildren(body, drawn);
    },
  };
}

/**
 * @param {number} id
 * @param {string} groupId  id of the group's heading
 * @param {OnVote} onVote
 */
function createSet(id, groupId, onVote) {
  const titleText = h("span", { dir: "auto" });
  const name = h("span", { class: "section-name", dir: "auto" });
  const heading = h("h3", { id: `setlist-${id}`, class: "set-head" }, titleText, " ", name);
  const list = h("ol", { class: "rows" });
  const nowPlaying = h("span");
  const nowLine = h("span", { class: "playing" }, createBeat(), nowPlaying);
  const playedText = h("span", { class: "played-count" });
  const summary = h("summary", { id: `played-${id}` }, nowLine, " ", playedText);
  const playedList = h("ol", { class: "rows", "aria-labelledby": summary.id });
  const fold = h("details", { class: "more-rows played-rows" }, summary, playedList);
  const empty = h("p", { class: "empty small" }, phrase("no-songs"));
  const element = h("div", { class: "set" }, heading, fold, list, empty);
  /** @type {Map<number, ReturnType<typeof createRow>>} */
  const rows = new Map();
  /** @type {number[]} */
  let order = [];
  /** @type {number[]} */
  let folded = [];

  return {
    element,
    /**
     * @param {LoadedShow} show
     * @param {Setlist} setlist
     * @param {{
     *   title: string|null, counts: Map<number, Counts>, scale: number, voting: messages.Voting, visitor: Visitor,
     *   unforeseen: Set<number>, heldSongs: HeldSongs,
     * }} shown  title null: the set is the only one; scale [votes]: what fills a whole row
     */
    update(show, setlist, { title, counts, scale, voting, visitor, unforeseen, heldSongs }) {
      setHidden(heading, title === null);
      setAttribute(list, "aria-labelledby", title === null ? groupId : `${groupId} ${heading.id}`);
      setText(titleText, title ?? "");
      setText(name, messages.ownName(setlist, title));
      setHidden(empty, setlist.songs.length > 0);
      const songs = new Map(setlist.songs.map((song) => [song.id, song]));
      removeOthers(rows, songs.keys());
      const next = show.order[setlist.id] ?? [];
      const nextFolded = show.folded[setlist.id] ?? [];
      const placedOf = (/** @type {number[]} */ ids) => ids.flatMap((id) => {
        const song = songs.get(id);
        return song ? [{ song, row: getOrCreate(rows, id, () => createRow(id, onVote)) }] : [];
      });
      const played = placedOf(nextFolded);
      const placed = placedOf(next.filter((id) => !nextFolded.includes(id)));
      if (next !== order || nextFolded !== folded) {
        moveRows([[playedList, played.map(({ row }) => row.element)], [list, placed.map(({ row }) => row.element)]], heldSongs());
        order = next;
        folded = nextFolded;
      }
      setHidden(fold, played.length === 0);
      const now = songs.get(show.status.now_playing ?? 0);
      setHidden(nowLine, !now);
      setText(nowPlaying, now ? phrase("song-playing-title", { title: now.title }) : "");
      setText(playedText, phrase("played-so-far", { count: played.length }));
      // In the order of the setlist the number is the position; a played set has no places.
      const isRanked = visitor.sort === "votes" && setlist.type === "predicted" && !show.isHidden;
      const places = isRanked ? placesOf(show, setlist) : positionsOf(setlist);
      const draw = (/** @type {typeof placed} */ all, /** @type {boolean} */ isFolded) => all.forEach(({ song, row }, index) => {
        const { up, down } = counts.get(song.id) ?? { up: 0, down: 0 };
        row.update(show, song, isFolded ? index + 1 : places.get(song.id) ?? 0, { up, down }, scale);
        const why = whyNotTaken(visitor, show, song.id);
        row.setButtons((voting === "open" || voting === "locked") && song.played_at === null, why === null || why === "unknown");
        row.setUnforeseen(setlist.type === "actual" && unforeseen.has(song.id));
        // In an actual set every song was played: a tick would say nothing.
        row.setWasPlayed(setlist.type === "predicted" && song.was_played === true);
        row.setJoined(isMedley(song, all[index - 1]?.song), isMedley(song, all[index + 1]?.song));
        // An actual set without votes shows the songs only, no rows of zeros.
        row.setVotesShown(setlist.type !== "actual" || voting === "open" || up + down > 0);
      });
      draw(played, true);
      draw(placed, false);
    },
  };
}

/** What moves beside the song that plays. */
const createBeat = () => h("span", { class: "beat", "aria-hidden": "true" }, h("i"), h("i"), h("i"));

/** @type {(song: Song, other: Song|undefined) => boolean} */
const isMedley = (song, other) => song.medley !== null && song.medley === other?.medley;

/**
 * @template Key, Part
 * @param {Map<Key, Part>} parts
 * @param {Key} key
 * @param {() => Part} create
 */
function getOrCreate(parts, key, create) {
  const part = parts.get(key) ?? create();
  parts.set(key, part);
  return part;
}

/**
 * Removes the parts that are no longer wanted.
 * @template Key
 * @param {Map<Key, {element: Element}>} parts
 * @param {Iterable<Key>} wanted
 */
function removeOthers(parts, wanted) {
  const present = new Set(wanted);
  for (const [key, part] of parts) {
    if (present.has(key)) continue;
    part.element.remove();
    parts.delete(key);
  }
}

/**
 * @param {number} id
 * @param {OnVote} onVote
 */
function createRow(id, onVote) {
  const fill = h("span", { class: "fill" });
  const fillDown = h("span", { class: "fill-down" });
  const rank = h("span", { class: "rank", "aria-hidden": "true" });
  const name = h("a", { class: "name-link", "data-link": true });
  const title = h("span", { class: "title", dir: "auto", translate: "no" }, name);
  const tags = h("span", { class: "tags" });
  const spokenCounts = h("span", { class: "sr" });
  const playing = h("span", { class: "playing" }, createBeat(), phrase("song-playing"));
  const played = h("span", { class: "played" });
  const wasPlayed = h("span", { class: "sr" }, " ", phrase("song-was-played"));
  const unforeseen = h("span", { class: "unforeseen" }, messages.UNFORESEEN);
  const markerText = h("span");
  const marker = h("span", { class: "marker" }, h("span", { class: "dot", "aria-hidden": "true" }), markerText);
  const directions = DIRECTIONS.map((direction) => {
    const count = h("span", { class: "count", data: { count: direction } });
    const click = () => {
      onVote(id, button.getAttribute("aria-pressed") === "true" ? "none" : direction);
    };
    const button = h("button", {
      class: `vote vote-${direction}`, type: "button", data: { vote: direction }, "aria-describedby": "reason",
      on: { click },
    }, icon(direction), count);
    return { direction, count, button };
  });
  const group = h("div", { class: "votes", role: "group" }, ...directions.map(({ button }) => button));
  const text = h("div", { class: "text" }, title, spokenCounts, wasPlayed, tags,
    h("span", { class: "meta" }, playing, played, unforeseen, marker));
  const element = h("li", { class: "row", data: { song: id } }, fill, fillDown, rank, text, group);

  let drawnTags = "";

  return {
    element,
    /**
     * Draws the songs of a medley as one piece where they stand together.
     * @type {(isAbove: boolean, isBelow: boolean) => void}
     */
    setJoined(isAbove, isBelow) {
      setAttribute(element, "data-joined", [isAbove && "up", isBelow && "down"].filter(Boolean).join(" ") || null);
    },
    /**
     * Marks a song that the crowd predicted and the artist played.
     * @param {boolean} isPlayed
     */
    setWasPlayed(isPlayed) {
      setAttribute(element, "data-was-played", isPlayed);
      setHidden(wasPlayed, !isPlayed);
    },
    /**
     * Marks a song that was played and that nobody had predicted.
     * @param {boolean} isUnforeseen
     */
    setUnforeseen(isUnforeseen) {
      setHidden(unforeseen, !isUnforeseen);
    },
    /**
     * @param {boolean} isOn  false: voting has not begun or is over, or the song was played
     * @param {boolean} isTaken  false: the buttons only look disabled, and a tap on them tells the reason
     */
    setButtons(isOn, isTaken) {
      for (const { button } of directions) {
        // What cannot be pressed loses the focus, and with it the reader's place.
        if (!isOn && button === document.activeElement) name.focus({ preventScroll: true });
        setAttribute(button, "disabled", !isOn);
        setAttribute(button, "aria-disabled", isOn && !isTaken ? "true" : null);
      }
    },
    /** @param {boolean} isShown */
    setVotesShown(isShown) {
      setHidden(group, !isShown);
      setHidden(spokenCounts, !isShown);
    },
    /** @type {(show: LoadedShow, song: Song, place: number, counts: Counts, scale: number) => void} */
    update(show, song, place, counts, scale) {
      const choice = choiceOf(show, id);
      const durability = durabilityOf(show, id);
      const isPlaying = show.status.now_playing === id;
      setText(rank, String(place));
      setText(name, song.title);
      setAttribute(name, "href", song.song_id === null ? null : `/songs/${song.song_id}`);
      const labels = messages.songTags(song);
      if (labels.join("\n") !== drawnTags) {
        drawnTags = labels.join("\n");
        tags.replaceChildren(...labels.map((label) => h("span", { class: "tag", dir: "auto", title: label }, label)));
      }
      setHidden(tags, labels.length === 0);
      const { isHidden } = show;
      setText(spokenCounts, isHidden ? "." : `. ${phrase("song-counts", { up: counts.up, down: counts.down })}`);
      const score = counts.up - counts.down;
      setBar(fill, isHidden ? 0 : Math.max(0, score) / scale);
      setBar(fillDown, isHidden ? 0 : Math.max(0, -score) / scale);
      setAttribute(element, "data-hidden", isHidden);
      setAttribute(element, "data-choice", choice);
      setAttribute(element, "data-playing", isPlaying);
      setHidden(playing, !isPlaying);
      setHidden(played, isPlaying || !song.played_at);
      if (song.played_at) setText(played, phrase("song-played-at", { time: messages.clockTime(song.played_at, show.info.time_zone) }));
      setHidden(marker, durability === null);
      setAttribute(marker, "data-durability", durability);
      if (durability) setText(markerText, messages.DURABILITY[durability]);
      for (const { direction, count, button } of directions) {
        const number = isHidden ? "" : messages.count(counts[direction]);
        setText(count, number);
        setAttribute(button, "aria-label", messages.voteLabel(direction, song.title, number));
        setAttribute(button, "aria-pressed", String(choice === direction));
      }
      setAttribute(group, "aria-label", phrase("your-vote-on", { title: song.title }));
    },
  };
}
