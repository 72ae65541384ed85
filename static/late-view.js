/** The place of a part of the page whose script and styles come after the songs are there. */
import { h } from "./dom.js";
import { loadStyles } from "./late-styles.js";

/**
 * @template {unknown[]} Arguments
 * @param {keyof HTMLElementTagNameMap} tag
 * @param {Record<string, string>} attributes  of the place
 * @param {() => Promise<{element: Element, update(...all: Arguments): void}>} load
 */
export function createLateView(tag, attributes, load) {
  const element = h(tag, attributes);
  /** @type {{update(...all: Arguments): void}|null} */
  let view = null;
  let isComing = false;
  /** @type {Arguments|null} */
  let latest = null;

  async function come() {
    isComing = true;
    try {
      const [loaded] = await Promise.all([load(), loadStyles()]);
      view = loaded;
      element.append(loaded.element);
      if (latest) view.update(...latest);
    } catch (cause) {
      // Without a network this part is missing. The next change tries again; some browsers only ask when the page is loaded again.
      if (!(cause instanceof TypeError)) throw cause;
      isComing = false;
    }
  }

  return {
    element,
    /** @param {Arguments} all */
    update(...all) {
      latest = all;
      if (view) view.update(...all);
      else if (!isComing) come();
    },
  };
}
