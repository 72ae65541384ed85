/** The place of a part of the page whose script and styles come after the songs are there. */
import { h } from "./dom.js";
import { loadStyles } from "./late-styles.js";

const NEAR = "600px"; // before a reader who scrolls can see it

/**
 * @template {{element: Element, update(...all: any): void}} View
 * @param {keyof HTMLElementTagNameMap} tag
 * @param {Record<string, string>} attributes  of the place
 * @param {() => Promise<View>} load
 * @param {{isBelow?: boolean}} [options]  isBelow: it stands far below the songs, and comes when the reader comes near
 */
export function createLateView(tag, attributes, load, { isBelow = false } = {}) {
  const element = h(tag, attributes);
  /** @type {View|null} */
  let view = null;
  let isComing = false;
  /** @type {Parameters<View["update"]>|null} */
  let latest = null;
  /** @type {((view: View) => void)|null} */
  let wanted = null;
  let isNear = !isBelow || !("IntersectionObserver" in window); // the oldest browsers load it at once

  async function come() {
    isComing = true;
    try {
      const [loaded] = await Promise.all([load(), loadStyles()]);
      view = loaded;
      element.replaceChildren(loaded.element);
      if (latest) view.update(...latest);
      wanted?.(view);
    } catch (cause) {
      // Without a network this part is missing. The next change tries again; some browsers only ask when the page is loaded again.
      if (!(cause instanceof TypeError)) throw cause;
      isComing = false;
    }
  }

  if (!isNear) {
    const observer = new IntersectionObserver((places) => {
      if (!places.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      isNear = true;
      if (latest && !isComing) come();
    }, { rootMargin: NEAR });
    observer.observe(element);
  }

  return {
    element,
    /** @param {Parameters<View["update"]>} all */
    update(...all) {
      latest = all;
      if (view) view.update(...all);
      else if (isNear && !isComing) come();
    },
    /**
     * Acts on the view now, or when it is there.
     * @param {(view: View) => void} act
     */
    use(act) {
      if (view) act(view);
      else wanted = act;
    },
  };
}
