/** What a visitor does with a form: one thing at a time, and what was refused is said. */
import { RequestError } from "./api.js";
import { setText } from "./dom.js";

/**
 * @param {Element} outcome  where it is said
 * @param {(error: RequestError) => string} sentence
 * @returns {(change: () => Promise<void>) => Promise<void>}
 */
export function createAct(outcome, sentence) {
  let isBusy = false;
  return async (change) => {
    if (isBusy) return;
    isBusy = true;
    setText(outcome, "");
    try {
      await change();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setText(outcome, sentence(error));
    } finally {
      isBusy = false;
    }
  };
}
