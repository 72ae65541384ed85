/** Gives an address on: to other programs of the device where the browser can, else to the clipboard. */

/**
 * @param {string} text
 * @returns {Promise<boolean>} false: the browser does not allow it, as on a page without HTTPS
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {string} title
 * @param {string} url
 * @returns {Promise<"offered"|"copied"|"refused">}  offered: the visitor has chosen a program, or none
 */
export async function share(title, url) {
  try {
    await navigator.share({ title, url });
    return "offered";
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return "offered";
  }
  return await copy(url) ? "copied" : "refused";
}
