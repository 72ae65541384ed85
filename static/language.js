/** The select in the footer of a page, with which the visitor chooses its language. A cookie keeps the choice. */
import { RequestError, saveLanguage } from "./api.js";

const KEPT_S = 365 * 24 * 3600;

/** @param {() => boolean} hasAccount  the account keeps the choice for emails */
export function offerLanguages(hasAccount) {
  const select = /** @type {HTMLSelectElement|null} */ (document.getElementById("language"));
  select?.addEventListener("change", async () => {
    // biome-ignore lint/suspicious/noDocumentCookie: only new browsers have the Cookie Store
    document.cookie = `language=${select.value}; Path=/; Max-Age=${KEPT_S}; SameSite=Lax`;
    try {
      if (hasAccount()) await saveLanguage(select.value);
    } catch (error) {
      // The page changes anyway; emails stay in the language that they had.
      if (!(error instanceof RequestError)) throw error;
    }
    location.reload();
  });
}
