/** Moves the rows of songs to new places, except those that somebody is about to tap. */
import { animateMoves } from "./dom.js";

/**
 * Puts the rows into their lists in the wanted order and animates them from their old places. Held rows are not touched.
 * @param {[list: Element, wanted: HTMLElement[]][]} lists
 * @param {number[]} heldSongs
 */
export function moveRows(lists, heldSongs) {
  const isHeld = (/** @type {HTMLElement} */ row) => row.isConnected && heldSongs.includes(Number(row.dataset.song));
  const held = lists.flatMap(([, wanted]) => wanted).find(isHeld);
  const before = held?.getBoundingClientRect().top ?? 0;
  animateMoves(lists.flatMap(([list]) => [...list.children]), () => {
    for (const [list, wanted] of lists) {
      /** @type {Element|null} */
      let next = null;
      for (const row of [...wanted].reverse()) {
        if (!isHeld(row) && (row.parentNode !== list || row.nextSibling !== next)) list.insertBefore(row, next);
        next = row;
      }
    }
    // Rows with long titles are higher. When one of them passes a held row, the page scrolls with it.
    if (held) scrollBy({ top: held.getBoundingClientRect().top - before, behavior: "instant" });
  });
}
