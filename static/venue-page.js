/** The page of a venue: where it is, its shows, and what fans say about it. */
import { brand } from "./brand.js";
import { h } from "./dom.js";
import * as texts from "./entry-texts.js";
import * as messages from "./messages.js";
import { nothing, section, shortList, sourceLinks } from "./page-parts.js";
import { createReviews } from "./reviews-view.js";
import { createShowLine } from "./show-lines.js";
import { phrase } from "./words.js";

/** @import { ReviewPage, ShowItem, Venue } from "./types.js" */

const SHOWS_COUNT = 8;
const MAP_ZOOM = 16;

/** @param {[Venue, ReviewPage, {items: ShowItem[], next: string|null}]} data */
export function draw([venue, reviews, finished]) {
  const facts = [messages.place(venue), venue.capacity ? texts.capacityLine(venue.capacity) : ""].filter(Boolean).join(" · ");
  const [latitude, longitude] = [venue.latitude.toFixed(5), venue.longitude.toFixed(5)];
  const map = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=${MAP_ZOOM}/${latitude}/${longitude}`;
  return {
    heading: venue.name,
    title: phrase("venue-title", { venue: venue.name, city: venue.city, service: brand.name }),
    parts: [
      h("div", { class: "entry-head" },
        h("p", { class: "entry-facts", translate: "no" }, facts),
        h("p", { class: "entry-facts" }, texts.ratingLine(venue.rating, venue.review_count)),
        h("a", { class: "button", href: map, rel: "noopener", target: "_blank" }, phrase("venue-map"), h("span", { class: "sr" }, " ", phrase("venue-map-where")))),
      h("div", { class: "columns" },
        h("div", { class: "column" },
          section(phrase("next-shows"), "", venue.shows.length ? shortList(venue.shows.map(lineOf), SHOWS_COUNT) : nothing(phrase("no-next-shows-here"))),
          finished.items.length ? section(phrase("last-shows"), "", shortList(finished.items.map(lineOf), SHOWS_COUNT)) : null),
        h("div", { class: "column" }, createReviews(venue, reviews))),
      sourceLinks(venue.sources),
    ].filter((part) => part !== null),
  };
}

/** @param {ShowItem} show */
function lineOf(show) {
  return createShowLine(show, show.artist.name, [messages.ownShowName(show) || messages.clockTime(show.starts_at, show.time_zone)],
    [h("span", { class: "line-note" }, messages.votes(show.vote_count))]);
}
