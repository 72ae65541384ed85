/** Whether the visitor's votes are in the public ledger. It is asked for, and checked in this browser, when the visitor opens it. */
import { call, RequestError } from "./api.js";
import { h, setHidden, setText } from "./dom.js";
import { loadStyles } from "./late-styles.js";
import { failure } from "./refusals.js";
import { songTitle } from "./selectors.js";
import { phrase } from "./words.js";

/** @import { LoadedShow } from "./types.js" */

export function createReceipt() {
  const state = h("p", { role: "status" });
  const list = h("ul", { class: "receipt-votes" });
  const element = h("details", { class: "more-rows receipt", hidden: true }, h("summary", {}, phrase("receipt-heading")), state, list);
  element.addEventListener("toggle", () => {
    if (element.open) load();
  });
  /** @type {LoadedShow|null} */
  let show = null;

  async function load() {
    if (show === null) return;
    const asked = show;
    setText(state, phrase("one-moment"));
    list.replaceChildren();
    try {
      const [{ check }, receipt] = await Promise.all([
        import("./receipt-check.js").catch((cause) => {
          throw new RequestError({ code: "disconnected", message: String(cause) });
        }),
        call(`/api/shows/${asked.id}/receipt`),
        loadStyles(),
      ]);
      if (!globalThis.crypto?.subtle) {
        setText(state, phrase("receipt-insecure"));
        return;
      }
      draw(asked, await check(receipt));
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setText(state, error.code === "not_found" ? phrase("receipt-none-yet") : failure(error.code));
    }
  }

  /**
   * @param {LoadedShow} asked
   * @param {import("./receipt-check.js").Checked} checked
   */
  function draw(asked, { signature, size, votes }) {
    const missing = Object.keys(asked.ballot).filter((song) => !votes.some((vote) => String(vote.song) === song)).length;
    const isWrong = signature === "bad" || votes.some((vote) => !vote.isIn);
    if (isWrong) setText(state, phrase("receipt-wrong"));
    else if (missing > 0) setText(state, phrase("receipt-missing", { count: missing }));
    else setText(state, signature === "good" ? phrase("receipt-right") : phrase("receipt-unsigned"));
    list.replaceChildren(...votes.map((vote) => {
      const title = songTitle(asked, vote.song) ?? "";
      const values = { title, choice: vote.choice, number: vote.index + 1, count: size };
      return h("li", { data: { right: String(vote.isIn) } }, vote.isIn ? phrase("receipt-vote", values) : phrase("receipt-vote-wrong", values));
    }));
  }

  return {
    element,
    /** @param {LoadedShow} shown */
    update(shown) {
      if (show !== null && show.id !== shown.id) element.open = false;
      show = shown;
      setHidden(element, Object.keys(shown.ballot).length === 0);
    },
  };
}
