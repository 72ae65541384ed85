/** One leaderboard: its name, the visitor's own place, and the places page by page. */
import { RequestError } from "./api.js";
import { brand } from "./brand.js";
import { h, setAttribute, setHidden, setText } from "./dom.js";
import * as words from "./board-texts.js";
import { count } from "./messages.js";
import { failure } from "./refusals.js";
import { phrase } from "./words.js";

/** @import { Leaderboard } from "./types.js" */

/** @param {(cursor: string|null) => Promise<Leaderboard>} fetchBoard */
export function createLeaderboardView(fetchBoard) {
  const heading = h("h1", { tabindex: -1 }, phrase("board"));
  const back = h("a", { class: "back", hidden: true }, phrase("board-back"));
  const state = h("p", { class: "board-state" });
  const you = h("p", { class: "board-you", role: "status" });
  const rows = h("tbody");
  const table = h("table", { class: "board", hidden: true },
    h("caption", { class: "sr" }, phrase("board-caption")),
    h("thead", {}, h("tr", {}, ...[phrase("board-place"), phrase("board-fan"), phrase("board-points")].map((name) => h("th", { scope: "col" }, name)))), rows);
  const empty = h("p", { class: "empty", hidden: true }, words.EMPTY_BOARD);
  const problem = h("p", { class: "empty", role: "alert", hidden: true });
  const more = h("button", { class: "button", type: "button", hidden: true, on: { click: () => loadMore() } }, phrase("board-more"));
  const element = h("section", { class: "board-box", "aria-labelledby": "board-title" }, back, heading, state, you, table, empty, problem, more);
  heading.id = "board-title";
  /** @type {Leaderboard|null} */
  let board = null;
  let isWhole = true; // only the first page is shown, so it can be drawn again

  /** @param {Leaderboard["items"]} items */
  function add(items) {
    rows.append(...items.map(({ rank, name, points, shows, is_you: isYou }) => h("tr", { class: isYou ? "is-you" : null },
      h("td", {}, count(rank)),
      h("td", {}, h("span", { class: name ? null : "no-name", dir: "auto" }, name ?? words.NO_NAME),
        isYou ? h("span", { class: "badge" }, words.YOU) : null,
        shows > 1 ? h("small", {}, words.showsLine(shows)) : null),
      h("td", {}, count(points)))));
  }

  /** @param {Leaderboard} next */
  function draw(next) {
    board = next;
    setHidden(problem, true);
    const name = words.boardTitle(next);
    setText(heading, name);
    document.title = phrase("board-title", { name, service: brand.name });
    setText(state, [next.state ? words.STATES[next.state] : "", words.fansLine(next.count)].filter(Boolean).join(" "));
    setText(you, words.youLine(next.you, next.count, next.state === "open"));
    rows.replaceChildren();
    add(next.items);
    setHidden(table, next.items.length === 0);
    setHidden(empty, next.items.length > 0 || next.state === "open");
    setHidden(more, next.next === null);
    isWhole = true;
  }

  async function loadMore() {
    if (!board?.next) return;
    try {
      const page = await fetchBoard(board.next);
      add(page.items);
      board = { ...board, next: page.next };
      isWhole = false;
      setHidden(more, page.next === null);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      // The points have moved from the memory of the server to its tables meanwhile: the board begins again.
      draw(await fetchBoard(null));
    }
  }

  return {
    element,
    isLive: () => isWhole && board?.state === "live",
    hide: () => setHidden(element, true),
    /** @param {string|null} show  whose page the board leads back to */
    async load(show) {
      setHidden(back, show === null);
      if (show !== null) setAttribute(back, "href", `/shows/${encodeURIComponent(show)}`);
      draw(await fetchBoard(null));
      setHidden(element, false);
    },
    /** @param {string} code */
    fail(code) {
      setText(problem, code === "not_found" ? phrase("board-missing") : failure(code));
      setHidden(problem, false);
    },
  };
}
