/** The first page: trending shows, the visitor's own, and the list of shows with search, filters, cards and "Load more". */
import { isRestricted } from "./brand.js";
import { h, icon, setAttribute, setHidden, setText } from "./dom.js";
import * as texts from "./home-texts.js";
import * as messages from "./messages.js";
import { createOwnShowsView } from "./own-shows-view.js";
import * as refusals from "./refusals.js";
import { createKeptView } from "./kept-view.js";
import { createTrendingView } from "./trending-view.js";
import { phrase } from "./words.js";

/** @import { ShowItem, State, StatusFilter } from "./types.js" */

const SEARCH_DELAY_MS = 250; // after the last key
const SKELETON_COUNT = 6;
/** @type {[status: StatusFilter, label: string][]} */
const FILTERS = [
  ["", phrase("filter-all")], ["live", phrase("filter-live")], ["upcoming", phrase("filter-upcoming")],
  ["finished", phrase("filter-finished")],
];

/**
 * @param {{
 *   onSearch(query: string, status?: StatusFilter): void, onStatus(status: StatusFilter): void,
 *   onNear(): void, onMore(): void, onRetry(): void,
 * }} actions  onSearch without a status keeps the chosen status
 */
export function createListView({ onSearch, onStatus, onNear, onMore, onRetry }) {
  let timer = 0;
  const input = h("input", {
    id: "search", type: "search", placeholder: phrase("search-hint"), autocomplete: "off", enterkeyhint: "search",
    on: {
      input: () => {
        clearTimeout(timer);
        timer = setTimeout(() => onSearch(input.value.trim()), SEARCH_DELAY_MS);
      },
    },
  });
  const form = h("form", {
    class: "search", role: "search",
    on: {
      submit: (event) => {
        event.preventDefault();
        clearTimeout(timer);
        onSearch(input.value.trim());
      },
    },
  }, h("label", { class: "sr", for: "search" }, phrase("search-label")), icon("search", true), input);
  const chips = FILTERS.map(([status, label]) =>
    h("button", { class: "chip", type: "button", on: { click: () => onStatus(status) } }, label));
  // Browsers tell the place to pages with HTTPS only.
  const near = h("button", { class: "chip chip-near", type: "button", hidden: !("geolocation" in navigator && isSecureContext),
    on: { click: onNear } }, icon("place", true), h("span", {}, phrase("near-me")));
  const nearText = h("p", { class: "near-line", role: "status", hidden: true });

  const cards = h("ul", { class: "cards" });
  const skeleton = h("div", { class: "cards", "aria-hidden": "true" },
    ...Array.from({ length: SKELETON_COUNT }, () => h("div", { class: "card skeleton" })));
  const summary = h("p", { class: "sr", role: "status" });
  const emptyText = h("p");
  let isNear = false;
  const clear = h("button", { class: "button", type: "button", on: { click: () => {
    if (isNear) onNear();
    input.value = "";
    onSearch("", "");
    input.focus();
  } } }, phrase("show-all-shows"));
  const empty = h("div", { class: "empty" }, emptyText, clear);
  const errorText = h("p");
  const retry = h("button", { class: "button", type: "button", on: { click: onRetry } }, phrase("try-again"));
  const all = h("a", { class: "button", href: "/" }, phrase("all-shows"));
  const error = h("div", { class: "empty", role: "alert" }, errorText, retry, all);
  const more = h("button", { class: "button more", type: "button", on: { click: onMore } }, phrase("load-more"));

  const trending = createTrendingView();
  const own = createOwnShowsView();
  const kept = createKeptView();

  const heading = h("h1", { tabindex: "-1" }, phrase("home-heading"));
  const element = h("div", { class: "page list" },
    h("div", { class: "hero" }, heading,
      h("p", { class: "lead" }, phrase("home-lead"))),
    h("div", { class: "filters" }, form, near, h("div", { class: "chips", role: "group", "aria-label": phrase("filter-label") }, ...chips)),
    nearText, own.element, trending.element, summary, skeleton, cards, empty, error, kept.element, more);

  /** @type {ShowItem[]} */
  let drawn = [];
  return {
    element,
    heading,
    /**
     * @param {State} state
     * @param {number} now_ms
     */
    update({ list, trending: ranked, own: ownShows, isUserKnown, user }, now_ms) {
      isNear = list.near !== null;
      const isWhole = !isRestricted && !list.query && !list.status && !isNear;
      trending.update(ranked, isWhole);
      own.update(ownShows, isWhole, isUserKnown && !user);
      setAttribute(near, "aria-pressed", String(isNear));
      setHidden(nearText, !isNear && list.place === null);
      setText(nearText, texts.NEAR[list.place ?? "found"]);
      if (document.activeElement !== input && input.value.trim() !== list.query) input.value = list.query;
      for (const [index, chip] of chips.entries()) {
        setAttribute(chip, "aria-pressed", String(FILTERS[index]?.[0] === list.status));
      }
      const isFailed = list.phase === "error";
      const wasOnMore = document.activeElement === more; // read it now: hiding the button takes its focus
      // Below the place of trending shows, which goes when there are none, nothing is drawn that would move.
      setHidden(skeleton, list.phase !== "loading" || (isWhole && ranked.known === null));
      setHidden(error, !isFailed);
      kept.update(isFailed ? list.kept : []);
      if (list.error) setText(errorText, refusals.failure(list.error.code));
      // The same address gets the same refusal again.
      setHidden(retry, list.error?.code === "bad_request");
      setHidden(all, list.error?.code !== "bad_request");
      setHidden(empty, list.phase !== "ready" || list.items.length > 0);
      setText(emptyText, isNear ? phrase("near-none") : isWhole ? phrase("no-shows") : phrase("no-match"));
      setHidden(clear, isWhole);
      setHidden(more, !list.next || isFailed);
      setAttribute(more, "aria-disabled", list.phase === "more" ? "true" : null);
      setText(more, list.phase === "more" ? phrase("loading") : phrase("load-more"));
      setAttribute(cards, "aria-busy", String(list.phase === "loading" || list.phase === "more"));
      if (list.phase === "ready") setText(summary, phrase("shows-listed", { count: list.items.length }));
      if (list.items === drawn) return;
      const isLonger = drawn.length > 0 && list.items.length > drawn.length && list.items[0] === drawn[0];
      const first = isLonger ? drawn.length : 0;
      const added = list.items.slice(first).map((show) => createCard(show, now_ms));
      if (isLonger) {
        cards.append(...added);
        // The button stays where it was; the reader wants to continue with the first new show.
        if (wasOnMore) added[0]?.querySelector("a")?.focus();
      } else cards.replaceChildren(...added);
      drawn = list.items;
    },
  };
}

/**
 * @param {ShowItem} show
 * @param {number} now_ms
 */
function createCard(show, now_ms) {
  const isEarly = show.voting === "closed" && show.opens_at && Date.parse(show.opens_at) > now_ms;
  const voting = isEarly
    ? phrase("voting-opens", { in: messages.inTime(Date.parse(show.opens_at), now_ms) }) : messages.VOTING[show.voting];
  return h("li", { class: "card", data: { show: show.id, status: show.status } },
    h("time", { class: "stub", datetime: show.local_date },
      h("span", { class: "stub-month" }, messages.month(show.local_date)),
      h("span", { class: "stub-day" }, messages.dayOfMonth(show.local_date)),
      h("span", { class: "stub-year" }, messages.year(show.local_date))),
    h("div", { class: "card-text" },
      h("h2", {}, h("a", { href: `/shows/${show.slug}`, "data-link": true, translate: "no" }, show.artist.name)),
      h("p", { class: "card-place", translate: "no" },
        h("a", { class: "card-venue", href: `/venues/${show.venue.slug}`, "data-link": true }, show.venue.name), `, ${messages.place(show.venue)}`),
      h("p", { class: "badges" },
        h("span", { class: `badge badge-${show.status}` }, messages.STATUS[show.status]),
        show.status === "cancelled" ? null : h("span", { class: `badge badge-${isEarly ? "early" : show.voting}` }, voting),
        h("span", { class: "card-votes" }, messages.votes(show.vote_count)),
        show.distance_km === undefined ? null : h("span", { class: "card-votes" }, texts.distance(show.distance_km)))));
}
