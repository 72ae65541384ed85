/** The address of the page: links that stay in it, Back and Forward, and how far the reader had scrolled on each page. */

let count = 0;
const newKey = () => `${Date.now()}.${count++}`;

/**
 * Each entry of the browser's history has a key, by which what was on screen is found again.
 * @param {() => void} onNavigate  the address has changed
 */
export function createNavigation(onNavigate) {
  /** @type {Map<string, number>} by key, while the page lives */
  const scrolls = new Map();
  /** @type {string} */
  let key = history.state?.key ?? newKey();
  /** @type {number|null} how far to scroll; null: nowhere */
  let target = history.state?.scroll ?? null;
  history.scrollRestoration = "manual";
  history.replaceState({ ...history.state, key }, "");

  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-link]") : null;
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!(link instanceof HTMLAnchorElement) || !isPlain) return;
    event.preventDefault();
    if (link.pathname === location.pathname && link.search === location.search) return;
    scrolls.set(key, scrollY);
    key = newKey();
    history.pushState({ key }, "", link.href);
    target = 0;
    onNavigate();
  });
  addEventListener("popstate", (event) => {
    if (event.state?.key) {
      scrolls.set(key, scrollY);
      key = event.state.key;
      target = scrolls.get(key) ?? event.state.scroll ?? 0;
    } else history.replaceState({ key }, ""); // a fragment of this page: the browser scrolls
    onNavigate();
  });
  // The page may come back after a reload, or from another site.
  addEventListener("pagehide", () => history.replaceState({ ...history.state, scroll: scrollY }, ""));

  return {
    key: () => key,
    /**
     * Scrolls to where the reader was, once the page is as long as it was.
     * @param {boolean} isReady
     */
    scroll(isReady) {
      if (target === null || (target > 0 && !isReady)) return;
      scrollBy({ top: target - scrollY, behavior: "instant" });
      target = null;
    },
  };
}
