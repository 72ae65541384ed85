/**
 * Pages that are loaded when they are first opened: of an artist, a venue, a song. Each asks for its data once and keeps what it
 * shows; the last ones are kept, so that Back shows them at once.
 */
import { call, RequestError } from "./api.js";
import { brand } from "./brand.js";
import { h, icon, setHidden, setText } from "./dom.js";
import * as texts from "./home-texts.js";
import { loadStyles } from "./late-styles.js";
import * as refusals from "./refusals.js";
import { phrase } from "./words.js";

/**
 * @import { LateName, LateRoute } from "./types.js"
 * @typedef {{heading: string, title: string, parts: Element[]}} Drawn  title: of the document
 * @typedef {{draw(data: any): Drawn}} LateModule
 * @typedef {{module(): Promise<LateModule>, ask(ref: string): Promise<any>}} LateKind
 */

const KEPT_MAX = 10;
const LINES_COUNT = 6;
const PAUSE_MIN_MS = 4_000;
const PAUSE_MAX_MS = 60_000;
const FINISHED_COUNT = 10;
const REVIEWS_COUNT = 50;

/** @type {Record<LateName, LateKind>} what is asked for while the module comes */
const KINDS = {
  artist: {
    module: () => import("./artist-page.js"),
    ask: (ref) => Promise.all([call(`/api/artists/${ref}`), call(`/api/artists/${ref}/rotation`)]),
  },
  venue: {
    module: () => import("./venue-page.js"),
    ask: (ref) => Promise.all([
      call(`/api/venues/${ref}`), call(`/api/venues/${ref}/reviews?limit=${REVIEWS_COUNT}`),
      call(`/api/shows?venue=${ref}&status=finished&limit=${FINISHED_COUNT}`),
    ]),
  },
  song: {
    module: () => import("./song-page.js"),
    ask: (ref) => call(`/api/songs/${ref}`),
  },
};

/** @param {() => void} onChange  a page has other contents */
export function createLatePages(onChange) {
  /** @type {Map<string, {name: string, ref: string, page: ReturnType<typeof createLatePage>}>} by the key of the history */
  const kept = new Map();
  return {
    /**
     * The page of a route: the one that this entry of the history had, else a new one.
     * @param {LateRoute} route
     * @param {string} key
     */
    open({ name, ref }, key) {
      const known = kept.get(key);
      if (known?.name === name && known.ref === ref) return known.page;
      const page = createLatePage(KINDS[name], texts.PAGE[name], encodeURIComponent(ref), onChange);
      kept.set(key, { name, ref, page });
      const [oldest] = kept.keys();
      if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
      return page;
    },
  };
}

/**
 * @param {LateKind} kind
 * @param {typeof texts.PAGE[LateName]} words
 * @param {string} ref
 * @param {() => void} onChange
 */
function createLatePage(kind, words, ref, onChange) {
  const heading = h("h1", { tabindex: "-1", dir: "auto", translate: "no" }, words.loading);
  const skeleton = h("div", { class: "rows", "aria-hidden": "true" },
    ...Array.from({ length: LINES_COUNT }, () => h("div", { class: "row skeleton" })));
  const problemText = h("p");
  const retry = h("button", { class: "button", type: "button", on: { click: () => again() } }, phrase("try-again"));
  const problem = h("div", { class: "empty", role: "alert", hidden: true }, problemText, retry,
    h("a", { class: "button quiet", href: "/", "data-link": true }, phrase("all-shows")));
  const content = h("div", { class: "entry" });
  const element = h("div", { class: "page entry-page" },
    h("a", { class: "back", href: "/", "data-link": true }, icon("back", true), phrase("all-shows")), heading, skeleton, problem, content);
  let isReady = false;
  let title = brand.name;
  /** @type {() => unknown} */
  let again = load;
  let pause_ms = PAUSE_MIN_MS;
  let timer = 0;

  /** A phone is often "online" before its network carries anything, so that event alone is not enough. */
  function tryLater() {
    clearTimeout(timer);
    timer = setTimeout(tryNow, pause_ms);
    pause_ms = Math.min(2 * pause_ms, PAUSE_MAX_MS);
    addEventListener("online", tryNow);
  }

  function tryNow() {
    clearTimeout(timer);
    removeEventListener("online", tryNow);
    if (element.isConnected && !problem.hidden) again();
  }

  /** @type {() => Promise<LateModule>} */
  const module = () => kind.module().catch((cause) => {
    // A browser does not ask a second time for a script that did not come, and shows a page of its own when it loads without a network.
    again = () => fetch(location.href, { method: "HEAD" }).then(() => location.reload(), tryLater);
    throw new RequestError({ code: "disconnected", message: String(cause) });
  });

  async function load() {
    setText(heading, words.loading);
    try {
      const [{ draw }, data] = await Promise.all([module(), kind.ask(ref), loadStyles()]);
      const drawn = draw(data);
      setText(heading, drawn.heading);
      title = drawn.title;
      content.replaceChildren(...drawn.parts);
      setHidden(problem, true);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      const isMissing = error.code === "not_found" || error.code === "bad_request";
      setText(heading, isMissing ? words.missing : words.failed);
      setText(problemText, isMissing ? words.whyMissing : refusals.failure(error.code));
      setHidden(retry, isMissing);
      setHidden(problem, false);
      if (error.isTransient) tryLater();
      title = `${heading.textContent} | ${brand.name}`;
    }
    setHidden(skeleton, true);
    isReady = true;
    onChange();
  }

  load();
  return { element, heading, isReady: () => isReady, title: () => title };
}
