/** The first page: its place, until the view of the list has come. Who opens a show does not load it. */
import { h } from "./dom.js";
import * as refusals from "./refusals.js";
import { phrase } from "./words.js";

/**
 * @import { createListView } from "./list-view.js"
 * @import { State } from "./types.js"
 */

/**
 * @param {() => void} onLoaded
 * @param {Parameters<typeof createListView>[0]} actions
 */
export function createLateList(onLoaded, actions) {
  const heading = h("h1", { tabindex: "-1" }, phrase("home-heading"));
  const below = h("div"); // empty: nothing may move when the list comes
  const place = h("div", { class: "page list" }, h("div", { class: "hero" }, heading, h("p", { class: "lead" }, phrase("home-lead"))), below);
  /** @type {ReturnType<typeof createListView>|null} */
  let view = null;
  let isComing = false;

  async function load() {
    isComing = true;
    try {
      view = (await import("./list-view.js")).createListView(actions);
      onLoaded();
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      // A browser does not ask a second time for a script that did not come.
      below.replaceChildren(h("div", { class: "empty", role: "alert" }, h("p", {}, refusals.failure("disconnected")),
        h("button", { class: "button", type: "button", on: { click: () => location.reload() } }, phrase("reload"))));
    }
  }

  return {
    get element() { return view?.element ?? place; },
    get heading() { return view?.heading ?? heading; },
    /** Whether the view is there. */
    isReady: () => view !== null,
    /** @type {(state: State, now_ms: number) => void} */
    update(state, now_ms) {
      view?.update(state, now_ms);
      if (!isComing) load();
    },
  };
}
