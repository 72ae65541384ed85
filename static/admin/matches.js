/** Doubtful matches: what a provider has and what we have, side by side, with the evidence. */
import { h, setHidden } from "../dom.js";
import { ask } from "./ask.js";
import { percent } from "./formats.js";
import { button, createLoader, send, step } from "./parts.js";

/**
 * @import { Desk } from "./types.js"
 * @typedef {{id: number, service: string, external_id: string, name: string, url: string, kind: "artist"|"venue", our_id: number,
 *   our_name: string, confidence: number, evidence: string, created_at: string}} Match
 */

const PATH = "/api/admin/sync-manager";

/** @param {Desk} desk */
export function createMatches(desk) {
  const loader = createLoader();
  const list = h("ul", { class: "queue" });
  const element = h("section", { "aria-labelledby": "matches-title", hidden: true }, h("h2", { id: "matches-title" }, "Doubtful matches"), loader.element, list);
  /** @type {Match[]} */
  let shown = [];

  const load = () => loader.load(() => /** @type {Promise<{reviews: Match[]}>} */ (desk.call(`${PATH}?limit=1`)), ({ reviews }) => {
    const hadFocus = list.contains(document.activeElement);
    shown = reviews;
    setHidden(element, reviews.length === 0);
    list.replaceChildren(...reviews.map(createItem));
    if (hadFocus) step(list, ".queue-item", 1);
  });

  /** @param {Match} match */
  function createItem({ id, service, name, url, kind, our_id, our_name, confidence, evidence }) {
    // Only an address of the web is a link: what a provider sends is not trusted.
    const theirs = /^https?:/.test(url) ? h("a", { href: url, rel: "noreferrer noopener", target: "_blank" }, name) : name;
    return h("li", { class: "queue-item", tabindex: "-1", data: { match: id } },
      h("div", { class: "match" },
        h("div", {}, h("span", { class: "note" }, `${service} has the ${kind}`), h("strong", {}, theirs)),
        h("div", {}, h("span", { class: "note" }, `We have the ${kind} ${our_id}`), h("strong", {}, our_name))),
      h("p", { class: "note" }, `${percent(confidence)} sure. ${evidence}`),
      h("p", { class: "toolbar" }, button("Same", () => decide(id, "same"), "a"), button("Different", () => decide(id, "different"), "x")));
  }

  /** @type {(id: number, verdict: "same"|"different") => Promise<void>} */
  async function decide(id, verdict) {
    const match = shown.find((one) => one.id === id);
    if (!match) return;
    const { service, name, our_name, our_id, kind } = match;
    const isSame = verdict === "same";
    await ask(desk, {
      title: isSame ? `${name} and ${our_name} are the same?` : `${name} is not ${our_name}?`, label: isSame ? "They are the same" : "They differ",
      lines: [isSame ? `What ${service} knows about ${name} comes to ${kind} ${our_id} from the next sync on.` : `The two stay apart. ${service}'s entry is not offered for ${our_name} again.`],
      async act() {
        await send(desk, "POST", PATH, { action: "decide", review: id, verdict });
        return isSame ? `${name} is ${our_name} from now on.` : `${name} and ${our_name} stay apart.`;
      },
    });
    load();
  }

  /** @type {(verdict: "same"|"different") => () => void} */
  const onChosen = (verdict) => () => {
    const item = document.activeElement?.closest("[data-match]");
    if (item instanceof HTMLElement) decide(Number(item.dataset.match), verdict);
    else step(list, ".queue-item", 1);
  };
  return {
    element, load,
    shortcuts: [
      { key: "n", label: "Next doubtful match", act: () => step(list, ".queue-item", 1) },
      { key: "a", label: "The match is the same", act: onChosen("same") },
      { key: "x", label: "The match differs", act: onChosen("different") },
    ],
  };
}
