/** The brand whose host the page was asked for: its name, and what its list of shows has. The server puts it into the page. */

/** @typedef {{name: string, artist: string|null, venue: string|null}} Brand */

/** @type {Brand} */
const SERVICE = { name: "MySetlist", artist: null, venue: null };

/** @returns {Brand} */
function brandInPage() {
  const element = typeof document === "undefined" ? null : document.getElementById("brand");
  return element?.textContent ? JSON.parse(element.textContent) : SERVICE;
}

export const brand = brandInPage();
/** Whether the list has shows of one artist or venue only. */
export const isRestricted = brand.artist !== null || brand.venue !== null;
