/** The first shows of the moment, live, above the list. */
import { TRENDING_COUNT, trendingOf } from "./selectors.js";
import { h, setHidden, setText, slideBar, sliding } from "./dom.js";
import * as words from "./messages.js";

export function createTrending() {
  const items = h("ol", { class: "trending-items" });
  const skeleton = h("div", { class: "trending-items", "aria-hidden": "true" },
    ...Array.from({ length: TRENDING_COUNT }, () => h("div", { class: "trending-item skeleton" })));
  const element = h("section", { class: "trending", "aria-labelledby": "trending" },
    h("h2", { id: "trending" }, "Trending now"), skeleton, items);
  const rows = new Map(); // show -> {row, update}

  return {
    element,
    /** @param {boolean} isWanted  whether the whole list is on show, and not a part of it */
    update(trending, isWanted) {
      const shows = trendingOf(trending);
      const isLoading = trending.known === null;
      setHidden(element, !isWanted || (!isLoading && !shows.length));
      setHidden(skeleton, !isLoading);
      setHidden(items, isLoading);
      // Nothing moves under a finger, a pointer or the keyboard.
      if (items.matches(":hover, :focus-within")) return;
      for (const id of rows.keys()) if (!shows.some((show) => show.id === id)) rows.delete(id);
      for (const show of shows) if (!rows.has(show.id)) rows.set(show.id, createItem(show));
      const wanted = shows.map(({ id }) => rows.get(id).row);
      const isSame = wanted.length === items.children.length && wanted.every((row, place) => row === items.children[place]);
      if (!isSame) sliding([...items.children], () => items.replaceChildren(...wanted));
      shows.forEach((show, place) => rows.get(show.id).update(show, place + 1));
    },
  };
}

function createItem({ id, slug, artist, venue, local_date }) {
  const rank = h("span", { class: "trending-rank" });
  const bar = h("span", { class: "trending-bar" });
  const row = h("li", { class: "trending-item", data: { show: id } },
    rank,
    h("a", { class: "trending-name", href: `/shows/${slug}`, "data-link": true }, artist),
    h("span", { class: "trending-venue" }, `${words.shortDate(local_date)}, ${venue}`),
    bar);
  return {
    row,
    update({ share }, place) {
      setText(rank, String(place));
      slideBar(bar, share);
    },
  };
}
