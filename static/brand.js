/** The brand whose host the page was asked for: its name, and what its list of shows has. The server puts it into the page. */

/** @typedef {{name: string, artist: string|null, venue: string|null}} Brand */

const element = globalThis.document?.getElementById("brand");

/** @type {Brand} */
export const brand = element ? JSON.parse(element.textContent) : { name: "MySetlist" };
/** Whether the list has shows of one artist or venue only. */
export const isRestricted = Boolean(brand.artist || brand.venue);
