/** The shows that concern the visitor: those they go to, have voted on, or whose artist they follow. */
import { h, setHidden } from "./dom.js";
import * as texts from "./home-texts.js";
import * as messages from "./messages.js";
import { phrase } from "./words.js";

/** @import { OwnShow } from "./types.js" */

const SHOWN_MAX = 8;
const KNOWN_KEY = "mysetlist.own_shows"; // whether there were any: their place is kept free, so that the list below does not jump

export function createOwnShowsView() {
  const items = h("ol", { class: "trending-items" });
  const skeleton = h("div", { class: "trending-items", "aria-hidden": "true" },
    ...Array.from({ length: 2 }, () => h("div", { class: "trending-item skeleton" })));
  const element = h("section", { class: "own-shows", "aria-labelledby": "own-shows" },
    h("h2", { id: "own-shows" }, phrase("own-heading")), skeleton, items);
  /** @type {OwnShow[]|null} */
  let drawn = null;
  return {
    element,
    /**
     * @param {OwnShow[]|null} shows  null: not known
     * @param {boolean} isWanted  false while the list is filtered
     * @param {boolean} isNobody  the visitor has no account
     */
    update(shows, isWanted, isNobody) {
      const isAwaited = shows === null && !isNobody && wereThere();
      setHidden(element, !isWanted || (!isAwaited && !shows?.length));
      setHidden(skeleton, !isAwaited);
      setHidden(items, isAwaited);
      if (shows === null || shows === drawn) return;
      drawn = shows;
      remember(shows.length > 0);
      items.replaceChildren(...shows.slice(0, SHOWN_MAX).map(createItem));
    },
  };
}

/** @param {OwnShow} show */
function createItem(show) {
  const { slug, local_date, artist, venue } = show;
  return h("li", { class: "trending-item own-item" },
    h("time", { class: "own-date", datetime: local_date },
      h("span", {}, messages.month(local_date)), h("strong", {}, messages.dayOfMonth(local_date))),
    h("a", { class: "trending-name", href: `/shows/${slug}`, "data-link": true, dir: "auto", translate: "no" }, artist.name),
    h("span", { class: "trending-venue", dir: "auto", translate: "no" }, `${venue.name}, ${venue.city}`),
    h("span", { class: "own-why" }, texts.whyOwn(show)));
}

function wereThere() {
  try {
    return localStorage.getItem(KNOWN_KEY) === "yes";
  } catch {
    return false; // storage is blocked
  }
}

/** @param {boolean} isThere */
function remember(isThere) {
  try {
    if (isThere) localStorage.setItem(KNOWN_KEY, "yes");
    else localStorage.removeItem(KNOWN_KEY);
  } catch {
    // Storage is blocked or full: the place is not kept free.
  }
}
