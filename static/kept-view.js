/** Links to the shows that can be read without a network. */
import { h, setHidden } from "./dom.js";
import * as messages from "./messages.js";

/** @import { KeptShow } from "./types.js" */

export function createKeptView() {
  const items = h("ul", { class: "kept-items" });
  const element = h("section", { class: "kept", "aria-labelledby": "kept-title", hidden: true },
    h("h2", { id: "kept-title" }, messages.KEPT_TITLE), items);
  /** @type {KeptShow[]} */
  let drawn = [];
  return {
    element,
    /** @param {KeptShow[]} kept */
    update(kept) {
      setHidden(element, kept.length === 0);
      if (kept === drawn) return;
      drawn = kept;
      items.replaceChildren(...kept.map(({ show, at_ms }) => h("li", {},
        h("a", { href: `/shows/${show.slug}`, "data-link": true, translate: "no" }, `${show.artist.name}, ${show.venue.name}`),
        h("span", {}, messages.keptLine(show.local_date, at_ms, Date.now())))));
    },
  };
}
