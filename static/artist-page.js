/** The page of an artist: next shows, what they play, the songs by votes, and how well their shows were foreseen. */
import { brand } from "./brand.js";
import { h, setBar } from "./dom.js";
import * as texts from "./entry-texts.js";
import { createFollowButton } from "./follow-button.js";
import * as messages from "./messages.js";
import { barChart, nothing, section, shortList, sourceLinks } from "./page-parts.js";
import { createShowLine, songLink, venueLink } from "./show-lines.js";
import { phrase } from "./words.js";

/** @import { Artist, Rotation, RotationShow } from "./types.js" */

const SONGS_COUNT = 10;
const SHOWS_COUNT = 6;

/** @param {[Artist, Rotation]} data */
export function draw([artist, rotation]) {
  const facts = [artist.genre, artist.country, texts.showCount(artist.show_count)].filter(Boolean).join(" · ");
  return {
    heading: artist.name,
    title: phrase("artist-title", { artist: artist.name, service: brand.name }),
    parts: [
      h("div", { class: "entry-head" }, h("p", { class: "entry-facts", translate: "no" }, facts), createFollowButton(artist)),
      h("div", { class: "columns" },
        h("div", { class: "column" }, nextShows(artist), voted(rotation.votes)),
        h("div", { class: "column" }, played(artist, rotation), accuracy(rotation.shows))),
      sourceLinks(artist.sources),
    ].filter((part) => part !== null),
  };
}

/** @param {Artist} artist */
function nextShows({ shows }) {
  const lines = shows.map((show) => createShowLine(show, [show.venue.city, show.venue.region || show.venue.country].filter(Boolean).join(", "),
    [venueLink(show.venue)], [h("span", { class: "line-note" }, messages.votes(show.vote_count))]));
  return section(phrase("next-shows"), "", lines.length ? shortList(lines, SHOWS_COUNT) : nothing(phrase("no-next-shows")));
}

/** @param {RotationShow[]} shows */
function accuracy(shows) {
  const scored = shows.filter((show) => show.accuracy !== null);
  const lead = texts.accuracyLead(scored);
  if (!lead) return null;
  const bars = [...scored].reverse().map(({ accuracy: found }) => ({ value: found?.r_precision ?? 0, mark: found?.baseline ?? null }));
  const lines = scored.map((show) =>
    createShowLine(show, show.venue.city || show.venue.name, [venueLink(show.venue)], [h("span", { class: "line-note" }, texts.scoreLine(show))]));
  return section(phrase("foresight-heading"), lead,
    scored.length > 1 ? h("figure", { class: "chart" }, barChart(lead, bars),
      h("figcaption", {}, h("span", { class: "key key-bar" }, phrase("foresight-fans")), h("span", { class: "key key-mark" }, phrase("foresight-before")))) : null,
    h("details", { class: "more-rows" }, h("summary", {}, phrase("foresight-each")), h("ul", { class: "lines" }, ...lines)));
}

/**
 * Which songs were played at the last shows: a dot for each show, the latest on the right.
 * @param {Artist} artist
 * @param {Rotation} rotation
 */
function played(artist, { shows, songs }) {
  const last = shows.slice(0, texts.ROTATION_SHOWS).reverse();
  if (!last.length) return playedEver(artist);
  const ids = last.map(({ id }) => id);
  const counted = songs.map((song) => ({ ...song, isPlayed: ids.map((id) => song.shows.includes(id)) }))
    .map((song) => ({ ...song, times: song.isPlayed.filter(Boolean).length }))
    .filter(({ times }) => times > 0)
    .sort((a, b) => b.times - a.times);
  if (ids.length === 1) {
    const rows = counted.map(({ id, title }) => h("li", { class: "song-row song-row-plain" }, songLink(id, title)));
    return section(texts.rotationTitle(1), "", shortList(rows, SONGS_COUNT, { className: "song-rows" }));
  }
  const rows = counted.map(({ id, title, isPlayed, times }) => h("li", { class: "song-row" },
    songLink(id, title),
    h("span", { class: "dots", "aria-hidden": "true" }, ...isPlayed.map((yes) => h("i", { "data-on": yes }))),
    h("span", { class: "song-times" }, h("span", { class: "sr" }, texts.rotationLine(times, ids.length)),
      h("span", { "aria-hidden": "true" }, `${times}/${ids.length}`))));
  return section(texts.rotationTitle(last.length), "", shortList(rows, SONGS_COUNT, { className: "song-rows" }));
}

/** @param {Artist} artist */
function playedEver({ songs }) {
  const known = songs.filter(({ played_count, predicted_count }) => played_count + predicted_count > 0);
  if (!known.length) return null;
  const rows = known.map((song) => h("li", { class: "song-row song-row-plain" }, songLink(song.id, song.title),
    h("span", { class: "line-note" }, texts.playsLine(song))));
  return section(phrase("songs-heading"), "", shortList(rows, SONGS_COUNT, { className: "song-rows" }));
}

/** @param {Rotation["votes"]} songs */
function voted(songs) {
  if (!songs.length) return null;
  const most = Math.max(1, ...songs.map(({ up, down }) => up - down));
  const rows = songs.map(({ id, title, up, down }) => {
    const fill = h("span", { class: "fill" });
    setBar(fill, Math.max(0, up - down) / most);
    return h("li", { class: "vote-row" }, fill, songLink(id, title),
      h("span", { class: "vote-numbers" }, h("span", { class: "sr" }, texts.voteLine(up, down)),
        h("span", { "aria-hidden": "true" }, h("b", {}, `+${messages.count(up)}`), ` −${messages.count(down)}`)));
  });
  return section(phrase("songs-by-votes"), "", shortList(rows, SONGS_COUNT, { isOrdered: true, className: "song-rows" }));
}
