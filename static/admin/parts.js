/** Parts that several pages share: what loads, lists by pages, facts, buttons, and steps by keys. */
import { RequestError } from "../client.js";
import { h, setHidden, setText } from "../dom.js";

/** @import { Desk, Shortcut } from "./types.js" */

/**
 * What a part of a page shows while it loads for the first time, and the server's words when it cannot.
 */
export function createLoader() {
  const text = h("p", {});
  const again = h("button", { class: "button", type: "button" }, "Try again");
  const element = h("div", { class: "state", role: "status", hidden: true }, text, again);
  let asked = 0;
  let isLoaded = false;

  /** @type {(words: string, canRepeat: boolean) => void} */
  function show(words, canRepeat) {
    setText(text, words);
    setHidden(again, !canRepeat);
    setHidden(element, !words);
  }

  /**
   * Asks, and draws the answer unless a newer question was asked meanwhile.
   * @template Answer
   * @param {() => Promise<Answer>} question
   * @param {(answer: Answer) => void} draw
   * @returns {Promise<boolean>} whether it was refused, and is the newest question
   */
  async function load(question, draw) {
    const mine = ++asked;
    again.onclick = () => load(question, draw);
    if (!isLoaded) show("Loading…", false);
    try {
      const answer = await question();
      if (mine !== asked) return false;
      isLoaded = true;
      show("", false);
      draw(answer);
      return false;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (mine !== asked) return false;
      show(error.message, true);
      return true;
    }
  }
  return { element, load };
}

/**
 * A list that comes page by page.
 * @template Item
 * @param {(cursor: string) => Promise<{items: Item[], next: string|null}>} fetchPage  cursor: empty: the first page
 * @param {(items: Item[]) => void} draw  all items so far
 */
export function createPaged(fetchPage, draw) {
  const loader = createLoader();
  const more = h("button", { class: "button", type: "button", hidden: true, on: { click: showMore } }, "More");
  /** @type {Item[]} */
  let items = [];
  let next = "";
  /** @type {Promise<void>} the newest first page */
  let first = Promise.resolve();

  /** @param {string} cursor */
  async function load(cursor) {
    const isRefused = await loader.load(() => fetchPage(cursor), (page) => {
      items = cursor ? [...items, ...page.items] : page.items;
      continueAt(page.next ?? "");
      draw(items);
    });
    // The cursor belongs to the list of an older question.
    if (isRefused && !cursor) continueAt("");
  }

  /** @param {string} cursor */
  function continueAt(cursor) {
    next = cursor;
    setHidden(more, !next);
  }

  /** Waits for a first page that is on its way: the page after the old one would belong to another list. */
  async function showMore() {
    let awaited;
    do {
      awaited = first;
      await awaited;
    } while (awaited !== first);
    if (next) await load(next);
  }

  return {
    element: h("div", { class: "paged" }, loader.element, more),
    reload() {
      first = load("");
      return first;
    },
  };
}

/** Whether a text needs a wider place than a number or a name. @param {string} text */
export const isLong = (text) => text.length > 32;

/**
 * Names and values, side by side.
 * @param {string} label
 */
export function createFacts(label) {
  const element = h("dl", { class: "facts", "aria-label": label });
  /** @type {Map<string, HTMLElement>} */
  const values = new Map();
  return {
    element,
    /** @param {[name: string, value: string][]} facts */
    update(facts) {
      if (facts.some(([name], index) => [...values.keys()][index] !== name) || facts.length !== values.size) {
        values.clear();
        for (const [name] of facts) values.set(name, h("dd", {}));
        element.replaceChildren(...[...values].map(([name, value]) => h("div", {}, h("dt", {}, name), value)));
      }
      for (const [name, value] of facts) {
        const place = /** @type {HTMLElement} */ (values.get(name));
        setText(place, value);
        place.parentElement?.classList.toggle("long", isLong(value));
      }
    },
  };
}

/**
 * @param {string} text
 * @param {() => unknown} act
 * @param {string} [key]  the key that does the same
 */
export function button(text, act, key) {
  return h("button", { class: "button", type: "button", on: { click: act } }, text, key ? h("kbd", {}, key) : null);
}

/** @param {string} query  of the address, without empty values */
export const queryOf = (/** @type {Record<string, string|number|boolean>} */ query) =>
  new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "").map(([name, value]) => [name, String(value)])).toString();

/**
 * Moves the focus to the next or previous element of a list.
 * @param {HTMLElement} list
 * @param {string} selector
 * @param {1|-1} by
 */
export function step(list, selector, by) {
  const all = /** @type {HTMLElement[]} */ ([...list.querySelectorAll(selector)]);
  const at = all.findIndex((element) => element.contains(document.activeElement));
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

/**
 * Gives the focus to the first of these elements that takes it, else to the heading of the page: what had it is gone.
 * @param {...(Element|null|undefined)} elements
 */
export function focusFirst(...elements) {
  for (const element of [...elements, document.querySelector("main h1")]) {
    if (element instanceof HTMLElement) element.focus({ preventScroll: true });
    if (element && document.activeElement === element) return;
  }
}

/**
 * Draws buttons anew when they are others. If the one with the focus goes, the first takes the focus.
 * @param {HTMLElement} part
 * @param {string} key  says which buttons they are
 * @param {() => (Node|string)[]} draw
 */
export function drawButtons(part, key, draw) {
  if (part.dataset.drawn === key) return;
  part.dataset.drawn = key;
  const hadFocus = part.contains(document.activeElement);
  part.replaceChildren(...draw());
  if (hadFocus) focusFirst(part.querySelector("button, a"));
}

/**
 * The keys j and k for a list.
 * @type {(list: HTMLElement, selector: string, what: string) => Shortcut[]}
 */
export const stepKeys = (list, selector, what) => [
  { key: "j", label: `Next ${what}`, act: () => step(list, selector, 1) },
  { key: "k", label: `Previous ${what}`, act: () => step(list, selector, -1) },
];

/**
 * Sends JSON.
 * @template Answer
 * @param {Desk} desk
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<Answer>}
 */
export const send = (desk, method, path, body) => desk.call(path, { method, body: body && JSON.stringify(body) });
