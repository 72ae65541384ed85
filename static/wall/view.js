/** Draws a wall. Rows are kept and moved, so that nothing on it jumps and nothing grows. */
import { count } from "../words.js";
import { isHidden, playingTitle, rankedSongs } from "./state.js";
import { hiddenLine, LOST, PLAYED_TAG, PLAYING, PLAYING_TAG, totalsLine, votingLine } from "./texts.js";

/**
 * @import { Feed } from "./feed.js"
 * @import { WallSong } from "./state.js"
 * @typedef {{item: HTMLElement, fill: HTMLElement, place: HTMLElement, title: HTMLElement, tag: HTMLElement, count: HTMLElement}} Row
 */

const ARRANGE_EVERY_MS = 3000;

/**
 * @param {number|null} songsMax  null: as many as fit
 */
export function createView(songsMax) {
  const list = elementOf("songs");
  /** @type {Map<number, Row>} */
  const rows = new Map();
  /** @type {number[]} song ids from top to bottom */
  let order = [];
  let arrangedFor = "";
  let arranged_ms = 0;

  function rowHeight() {
    return list.firstElementChild instanceof HTMLElement ? list.firstElementChild.offsetHeight : 0;
  }

  /** How many rows there is room for. */
  function roomFor() {
    if (songsMax !== null) return songsMax;
    const row_px = rowHeight();
    return row_px ? Math.max(1, Math.floor((list.clientHeight + 1) / row_px)) : 1;
  }

  /** @param {Feed} feed */
  function draw({ state, isConnected, skew_ms }) {
    setText("connection", isConnected ? "" : LOST);
    if (!state) return;
    const { show, watching } = state;
    const { word, left } = votingLine(show, Date.now() + skew_ms);
    const playing = playingTitle(show);
    setText("artist", show.artist.name);
    setText("venue", `${show.venue.name}, ${show.venue.city}`);
    setText("voting", word);
    setText("countdown", left);
    setText("playing-word", playing === null ? "" : PLAYING);
    setText("playing-title", playing || "");
    setText("totals", totalsLine(show, watching));
    setText("note", hiddenLine(show));
    drawSongs(rankedSongs(show), isHidden(show), show.voting);
  }

  /**
   * @param {WallSong[]} songs
   * @param {boolean} isSecret
   * @param {string} voting
   */
  function drawSongs(songs, isSecret, voting) {
    if (!list.firstElementChild && songs[0]) rowOf(songs[0].id); // its height says how many fit
    const shown = songs.slice(0, roomFor());
    // Songs change places seldom, so that one can read them; and at once when there are others or voting has changed.
    const now_ms = performance.now();
    const key = [voting, isSecret, ...songs.map(({ id, isPlayed }) => `${id}${isPlayed}`).sort(), shown.length].join();
    if (key !== arrangedFor || now_ms - arranged_ms >= ARRANGE_EVERY_MS) {
      order = shown.map(({ id }) => id);
      arrangedFor = key;
      arranged_ms = now_ms;
    }
    const most = Math.max(1, ...songs.map(({ up }) => up));
    const byId = new Map(songs.map((song) => /** @type {const} */ ([song.id, song])));
    rows.forEach((row, id) => {
      if (order.indexOf(id) >= 0) return;
      list.removeChild(row.item);
      rows.delete(id);
    });
    order.forEach((id, place) => {
      const song = byId.get(id);
      if (song) drawRow(rowOf(id), song, place, isSecret, most);
    });
    // Rows are placed by hand, so they give the list no height.
    if (songsMax !== null) list.style.height = `${order.length * rowHeight()}px`;
  }

  /** @param {number} id */
  function rowOf(id) {
    const found = rows.get(id);
    if (found) return found;
    const item = child(list, "li", "song");
    item.setAttribute("data-song", String(id));
    const bar = child(item, "div", "bar");
    bar.setAttribute("aria-hidden", "true");
    const row = {
      item, fill: child(bar, "div", "fill"), place: child(item, "span", "place"), title: child(item, "span", "title"), tag: child(item, "span", "tag"),
      count: child(item, "span", "count"),
    };
    row.title.setAttribute("dir", "auto");
    row.title.setAttribute("translate", "no");
    rows.set(id, row);
    return row;
  }

  /**
   * @param {Row} row
   * @param {WallSong} song
   * @param {number} place
   * @param {boolean} isSecret
   * @param {number} most
   */
  function drawRow(row, song, place, isSecret, most) {
    write(row.title, song.title);
    write(row.place, isSecret ? "" : String(place + 1));
    write(row.count, isSecret ? "" : count(song.up));
    write(row.tag, song.isPlaying ? PLAYING_TAG : song.isPlayed ? PLAYED_TAG : "");
    const state = song.isPlaying ? "playing" : song.isPlayed ? "played" : "open";
    if (row.item.getAttribute("data-state") !== state) row.item.setAttribute("data-state", state);
    move(row.item, `translateY(${place * 100}%)`);
    move(row.fill, `scaleX(${isSecret ? 0 : (song.up / most).toFixed(4)})`);
  }

  return { draw };
}

/** @param {string} id */
function elementOf(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/**
 * @param {HTMLElement} parent
 * @param {string} tag
 * @param {string} className
 */
function child(parent, tag, className) {
  const element = document.createElement(tag);
  element.className = className;
  parent.appendChild(element);
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {string} id
 * @param {string} text
 */
function setText(id, text) {
  write(elementOf(id), text);
}

/**
 * @param {HTMLElement} element
 * @param {string} transform
 */
function move(element, transform) {
  if (element.getAttribute("data-move") === transform) return;
  element.setAttribute("data-move", transform); // the browser writes a style in its own words
  element.style.transform = transform;
}
