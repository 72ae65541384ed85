/**
 * The form that suggests a missing song, and the visitor's own suggestions with their status. It keeps its state itself:
 * no vote depends on it.
 */
import { call, RequestError, signedIn } from "./api.js";
import { h, setAttribute, setHidden, setText } from "./dom.js";
import { failure, inEnglish } from "./refusals.js";
import { phrase } from "./words.js";

/**
 * @import { Voting } from "./messages.js"
 * @import { LoadedShow, Suggestion } from "./types.js"
 */

const TITLE_CHARS_MAX = 200;
const STATUS = {
  pending: phrase("suggest-pending"), approved: phrase("suggest-approved"), declined: phrase("suggest-declined"),
};

export function createSuggestionsView() {
  const input = h("input", {
    id: "suggest", type: "text", maxlength: TITLE_CHARS_MAX, placeholder: phrase("suggest-title"), autocomplete: "off",
    enterkeyhint: "send",
  });
  const button = h("button", { class: "button", type: "submit" }, phrase("suggest"));
  const outcome = h("p", { class: "suggest-outcome", role: "status" });
  const list = h("ul", { class: "suggest-list" });
  const form = h("form", {
    class: "suggest-form",
    on: {
      submit: (event) => {
        event.preventDefault();
        send(input.value.trim());
      },
    },
  }, h("label", { class: "sr", for: "suggest" }, phrase("suggest-title")), input, button);
  const heading = h("h2", { id: "suggest-heading" }, phrase("suggest-heading"));
  const element = h("section", { class: "suggest", "aria-labelledby": "suggest-heading" }, heading,
    h("p", { class: "suggest-lead" }, phrase("suggest-lead")), form, outcome, list);
  let show = 0;
  /** @type {number|null} */
  let user = null;
  let songCount = 0;
  let isSending = false;

  /** @param {number} id */
  async function load(id) {
    try {
      /** @type {{items: Suggestion[]}} */
      const { items } = await call(`/api/shows/${id}/suggestions`);
      if (id === show) draw(items);
    } catch (error) {
      // The next suggestion loads them again.
      if (!(error instanceof RequestError)) throw error;
    }
  }

  /** @param {Suggestion[]} items */
  function draw(items) {
    list.replaceChildren(...items.map(({ title, status, reason }) => h("li", {},
      h("span", { dir: "auto" }, title), h("span", { class: "tag" }, STATUS[status]),
      reason ? h("span", { class: "suggest-reason", dir: "auto" }, reason) : null)));
    setHidden(list, items.length === 0);
  }

  /** @param {string} title */
  async function send(title) {
    if (!title || isSending) return;
    isSending = true;
    setAttribute(button, "aria-disabled", "true");
    try {
      await signedIn(() => call(`/api/shows/${show}/suggestions`, { method: "POST", body: JSON.stringify({ title }) }));
      input.value = "";
      setText(outcome, phrase("suggest-thanks", { title }));
      await load(show);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setText(outcome, refusal(error));
    } finally {
      isSending = false;
      setAttribute(button, "aria-disabled", null);
    }
  }

  draw([]);
  return {
    element,
    /**
     * @param {LoadedShow} next
     * @param {Voting} voting
     * @param {number|null} visitor
     */
    update(next, voting, visitor) {
      setHidden(element, voting !== "open" && voting !== "early");
      const count = next.setlists.reduce((sum, { songs }) => sum + songs.length, 0);
      // A new song may be a suggestion that was approved.
      if (next.id === show && visitor === user && count === songCount) return;
      songCount = count;
      show = next.id;
      user = visitor;
      if (user !== null) load(show);
    },
  };
}

/**
 * Why a suggestion was refused.
 * @param {{code: string, message: string}} error
 */
function refusal({ code, message }) {
  switch (code) {
    case "conflict": return inEnglish(message, phrase("suggest-conflict"));
    case "forbidden": return inEnglish(message, phrase("suggest-forbidden"));
    case "closed": return phrase("suggest-closed");
    case "locked": return phrase("suggest-locked");
    case "bad_request": return phrase("suggest-malformed");
    default: return failure(code);
  }
}
