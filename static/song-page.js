/** The page of a song: who plays it, how fans voted on it, and where it was predicted and played. */
import { brand } from "./brand.js";
import { h } from "./dom.js";
import * as texts from "./entry-texts.js";
import { nothing, section, shortList, sourceLinks } from "./page-parts.js";
import { artistLink, createShowLine, venueLink } from "./show-lines.js";
import { phrase } from "./words.js";

/** @import { SongEntry } from "./types.js" */

const ROWS_COUNT = 8;

/** @param {SongEntry} song */
export function draw(song) {
  const total = song.up + song.down;
  const share = h("i", {});
  if (total) share.style.width = `${((song.up / total) * 100).toFixed(1)}%`;
  return {
    heading: song.title,
    title: phrase("song-title", { title: song.title, artist: song.artist.name, service: brand.name }),
    parts: [
      h("div", { class: "entry-head" }, h("p", { class: "entry-facts" }, phrase("song-by"), " ", artistLink(song.artist))),
      h("div", { class: "columns" },
        h("div", { class: "column" },
          section(phrase("song-votes-heading"), texts.songVotes(song.up, song.down), total ? h("div", { class: "share-bar", "aria-hidden": "true" }, share) : null),
          section(phrase("song-who-plays"), "", shortList(song.artists.map((artist) => h("li", { class: "song-row song-row-plain" },
            artistLink(artist), h("span", { class: "line-note" }, texts.playsLine(artist)))), ROWS_COUNT, { className: "song-rows" }))),
        h("div", { class: "column" }, setlists(song))),
      sourceLinks(song.sources),
    ].filter((part) => part !== null),
  };
}

/** @param {SongEntry} song */
function setlists({ setlists: found }) {
  const lines = found.map((setlist) => createShowLine(setlist.show, setlist.show.artist.name,
    [venueLink(setlist.show.venue), setlist.show.venue.city ? `, ${setlist.show.venue.city}` : ""],
    [h("span", { class: `line-note${setlist.type === "actual" ? " is-played" : ""}` }, texts.placeLine(setlist))]));
  return section(phrase("song-in-setlists"), "", lines.length ? shortList(lines, ROWS_COUNT) : nothing(phrase("song-in-none")));
}
