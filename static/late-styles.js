/** The style sheet of what is loaded later. */
import { h } from "./dom.js";

/** @type {Promise<void>|null} */
let styles = null;

/** Loads it once, in the version of the script that runs. */
export function loadStyles() {
  if (!styles) styles = new Promise((resolve) => {
    const script = /** @type {HTMLScriptElement} */ (document.querySelector('script[src$="/app.js"]'));
    const link = h("link", { rel: "stylesheet", href: script.src.replace("app.js", "pages.css") });
    // Without its styles the page can still be read.
    link.onload = link.onerror = () => resolve();
    document.head.append(link);
  });
  return styles;
}
