/** The pages of the console, in the order of the navigation. A new page is one module and one line here (CONTRIBUTING.md). */
import { now } from "./now-page.js";

/** @import { ConsolePage } from "./types.js" */

/** @type {ConsolePage[]} */
export const PAGES = [now];
