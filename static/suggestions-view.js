/**
 * The form that suggests a missing song, and the visitor's own suggestions with their status. It keeps its state itself:
 * no vote depends on it.
 */
import { fetchSuggestions, RequestError, signedIn, suggest } from "./api.js";
import { h, setAttribute, setHidden, setText } from "./dom.js";
import * as messages from "./messages.js";
import * as refusals from "./refusals.js";
import { phrase } from "./words.js";

/** @import { LoadedShow, Suggestion } from "./types.js" */

const TITLE_CHARS_MAX = 200;

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
      const { items } = await fetchSuggestions(id);
      if (id === show) draw(items);
    } catch (error) {
      // The next suggestion loads them again.
      if (!(error instanceof RequestError)) throw error;
    }
  }

  /** @param {Suggestion[]} items */
  function draw(items) {
    list.replaceChildren(...items.map(({ title, status, reason }) => h("li", {},
      h("span", { dir: "auto" }, title), h("span", { class: "tag" }, messages.SUGGESTION[status]),
      reason ? h("span", { class: "suggest-reason", dir: "auto" }, reason) : null)));
    setHidden(list, items.length === 0);
  }

  /** @param {string} title */
  async function send(title) {
    if (!title || isSending) return;
    isSending = true;
    setAttribute(button, "aria-disabled", "true");
    try {
      await signedIn(() => suggest(show, title));
      input.value = "";
      setText(outcome, messages.suggestionThanks(title));
      await load(show);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setText(outcome, refusals.suggestionFailure(error));
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
     * @param {messages.Voting} voting
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
