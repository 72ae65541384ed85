/** The first shows of the trending ranking, updated live, above the list. */
import { animateMoves, h, setBar, setChildren, setHidden, setText } from "./dom.js";
import * as messages from "./messages.js";
import { TRENDING_COUNT, trendingOf } from "./selectors.js";
import { phrase } from "./words.js";

/**
 * @import { TrendingState } from "./types.js"
 * @typedef {ReturnType<typeof trendingOf>[number]} TrendingShow
 */

export function createTrendingView() {
  const items = h("ol", { class: "trending-items" });
  const skeleton = h("div", { class: "trending-items", "aria-hidden": "true" },
    ...Array.from({ length: TRENDING_COUNT }, () => h("div", { class: "trending-item skeleton" })));
  const element = h("section", { class: "trending", "aria-labelledby": "trending" },
    h("h2", { id: "trending" }, phrase("trending")), skeleton, items);
  /** @type {Map<number, ReturnType<typeof createItem>>} by show */
  const rows = new Map();

  /** @param {TrendingShow} show */
  const rowOf = (show) => {
    const row = rows.get(show.id) ?? createItem(show);
    rows.set(show.id, row);
    return row;
  };

  return {
    element,
    /**
     * @param {TrendingState} trending
     * @param {boolean} isWanted  false while the list is filtered
     */
    update(trending, isWanted) {
      const shows = trendingOf(trending);
      const isLoading = trending.known === null;
      setHidden(element, !isWanted || (!isLoading && !shows.length));
      setHidden(skeleton, !isLoading);
      setHidden(items, isLoading);
      // Nothing moves under a finger, a pointer or the keyboard focus.
      if (items.matches(":hover, :focus-within")) return;
      for (const id of rows.keys()) if (!shows.some((show) => show.id === id)) rows.delete(id);
      const wanted = shows.map((show) => rowOf(show).element);
      const isSame = wanted.length === items.children.length && wanted.every((row, place) => row === items.children[place]);
      if (!isSame) animateMoves([...items.children], () => setChildren(items, wanted));
      // Equal scores share a place.
      for (const show of shows) rowOf(show).update(show.share, shows.findIndex(({ share }) => share === show.share) + 1);
    },
  };
}

/** @param {TrendingShow} show */
function createItem({ id, slug, artist, venue, local_date }) {
  const rank = h("span", { class: "trending-rank" });
  const bar = h("span", { class: "trending-bar" });
  const element = h("li", { class: "trending-item", data: { show: id } },
    rank,
    h("a", { class: "trending-name", href: `/shows/${slug}`, "data-link": true, translate: "no" }, artist),
    h("span", { class: "trending-venue", translate: "no" }, `${messages.shortDate(local_date)}, ${venue}`),
    bar);
  return {
    element,
    /** @type {(share: number, place: number) => void} */
    update(share, place) {
      setText(rank, String(place));
      setBar(bar, share);
    },
  };
}
