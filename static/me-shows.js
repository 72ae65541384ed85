/** The visitor's ballots, how well they foresaw shows, their picks, and the artists they follow, on the page /me. */
import { call, RequestError } from "./api.js";
import { h, setAttribute, setHidden, setText } from "./dom.js";
import * as texts from "./me-texts.js";
import { section } from "./page-parts.js";
import { failure } from "./refusals.js";
import { artistLink, createShowLine, venueLink } from "./show-lines.js";
import { phrase } from "./words.js";

/** @import { ArtistName, OwnBallot, OwnPickItem } from "./types.js" */

const PAGE_COUNT = 8;

/** @param {{accuracy: {shows: number, precision: number|null, recall: number|null}}} account */
export function createOwnParts({ accuracy }) {
  const ballots = pagedList("/api/me/ballots", texts.NO_BALLOTS, ballotRow);
  const picks = pagedList("/api/me/picks", texts.NO_PICKS, pickRow);
  const follows = pagedList("/api/me/follows", texts.NO_FOLLOWS, followRow);
  return [
    section(phrase("me-ballots"), texts.accuracyLine(accuracy), ballots),
    section(phrase("me-picks"), "", picks, h("a", { class: "button", href: "/leaderboard" }, phrase("boards"))),
    section(phrase("me-follows"), "", follows),
  ];
}

/** @param {OwnBallot} ballot */
function ballotRow(ballot) {
  return createShowLine(ballot, ballot.artist.name, [venueLink(ballot.venue), `, ${ballot.venue.city}`],
    [h("span", { class: `line-note${ballot.score ? " is-played" : ""}` }, texts.ballotLine(ballot))]);
}

/** @param {OwnPickItem} pick */
function pickRow(pick) {
  return createShowLine(pick, pick.artist.name, [venueLink(pick.venue), `, ${pick.venue.city}`],
    [h("span", { class: `line-note${pick.points === null ? "" : " is-played"}` }, texts.pickLine(pick))]);
}

/** @param {ArtistName} artist */
function followRow(artist) {
  const button = h("button", { class: "button mark", type: "button", "aria-pressed": "true", "aria-label": phrase("follow-artist", { artist: artist.name }),
    on: { click: async () => {
      const wanted = button.getAttribute("aria-pressed") !== "true";
      setAttribute(button, "aria-pressed", String(wanted));
      try {
        await call(`/api/artists/${artist.id}/follow`, { method: wanted ? "PUT" : "DELETE" });
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        setAttribute(button, "aria-pressed", String(!wanted));
      }
    } } }, phrase("follow"));
  return h("li", { class: "song-row song-row-plain follow-row" }, artistLink(artist), button);
}

/**
 * A list of which each tap brings another page.
 * @param {string} path
 * @param {string} empty
 * @param {(item: any) => Element} rowOf
 */
function pagedList(path, empty, rowOf) {
  const list = h("ul", { class: "lines", hidden: true });
  const state = h("p", { class: "part-nothing", role: "status" }, phrase("one-moment"));
  const more = h("button", { class: "button more", type: "button", hidden: true, on: { click: () => load() } }, phrase("load-more"));
  /** @type {string|null} */
  let next = null;

  async function load() {
    try {
      /** @type {{items: unknown[], next: string|null}} */
      const page = await call(`${path}?limit=${PAGE_COUNT}${next ? `&cursor=${encodeURIComponent(next)}` : ""}`);
      const rows = page.items.map(rowOf);
      const isFirst = next === null;
      list.append(...rows);
      next = page.next;
      setText(more, phrase("load-more"));
      setHidden(list, !list.childElementCount);
      setHidden(more, next === null);
      setHidden(state, list.childElementCount > 0);
      setText(state, empty);
      if (!isFirst) rows[0]?.querySelector("a")?.focus(); // where the reader goes on
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setHidden(state, false);
      setText(state, failure(error.code));
      setText(more, phrase("try-again"));
      setHidden(more, false);
    }
  }

  load();
  return h("div", {}, state, list, more);
}

