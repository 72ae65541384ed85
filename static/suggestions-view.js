/** Suggesting a song that is missing, and what became of one's own suggestions. Keeps its own few things: no vote hangs on them. */
import { fetchSuggestions, signIn, suggest } from "./api.js";
import { RequestError } from "./client.js";
import { h, setAttribute, setHidden, setText } from "./dom.js";
import * as words from "./messages.js";

const TITLE_CHARS_MAX = 200;

export function createSuggest() {
  const input = h("input", {
    id: "suggest", type: "text", maxlength: TITLE_CHARS_MAX, placeholder: "Title of a song", autocomplete: "off",
    enterkeyhint: "send",
  });
  const button = h("button", { class: "button", type: "submit" }, "Suggest");
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
  }, h("label", { class: "sr", for: "suggest" }, "Title of a song"), input, button);
  const heading = h("h2", { id: "suggest-heading" }, "Missing a song?");
  const element = h("section", { class: "suggest", "aria-labelledby": "suggest-heading" }, heading,
    h("p", { class: "suggest-lead" }, "Suggest it. If the moderators agree, everybody can vote on it."), form, outcome, list);
  let show = null;
  let user = null;
  let isSending = false;

  async function load(id) {
    try {
      const { items } = await fetchSuggestions(id);
      if (id === show) draw(items);
    } catch (error) {
      // Asked again with the next suggestion.
      if (!(error instanceof RequestError)) throw error;
    }
  }

  function draw(items) {
    list.replaceChildren(...items.map(({ title, status, reason }) => h("li", {},
      h("span", { dir: "auto" }, title), h("span", { class: "tag" }, words.SUGGESTION[status]),
      reason ? h("span", { class: "suggest-reason", dir: "auto" }, reason) : null)));
    setHidden(list, items.length === 0);
  }

  async function send(title) {
    if (!title || isSending) return;
    isSending = true;
    setAttribute(button, "aria-disabled", "true");
    try {
      await suggest(show, title).catch(async (error) => {
        if (error.code !== "unauthenticated") throw error;
        await signIn();
        await suggest(show, title);
      });
      input.value = "";
      setText(outcome, `Thank you. ${title} waits for the moderators.`);
      await load(show);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setText(outcome, words.suggestionFailure(error));
    } finally {
      isSending = false;
      setAttribute(button, "aria-disabled", null);
    }
  }

  draw([]);
  return {
    element,
    update(next, voting, visitor) {
      setHidden(element, voting !== "open" && voting !== "early");
      if (next.id === show && visitor === user) return;
      show = next.id;
      user = visitor;
      if (user !== null) load(show);
    },
  };
}
