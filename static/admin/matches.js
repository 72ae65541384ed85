/** Doubtful matches: what a provider has and what we have, side by side, with the evidence. */
import { h, setHidden } from "../dom.js";
import { ask, REASON } from "./ask.js";
import { counted, percent } from "./formats.js";
import { button, createPaged, queryOf, send, step } from "./parts.js";

/**
 * @import { Desk } from "./types.js"
 * @typedef {{id: number, slug: string, name: string, country: string, genre: string|null, city: string|null,
 *   latitude: number|null, longitude: number|null, show_count: number, known: Record<string, string[]>, songs: string[]}} Ours
 * @typedef {{service: string, external_id: string, name: string, url: string, held_by: number|null}} Theirs
 * @typedef {{id: number, kind: "artist"|"venue", confidence: number, evidence: string, created_at: string, ours: Ours, theirs: Theirs}} Match
 */

const PATH = "/api/admin/identities";

/** @param {Desk} desk */
export function createMatches(desk) {
  const list = h("ul", { class: "queue" });
  /** @type {Match[]} */
  let shown = [];
  const paged = createPaged((cursor) => /** @type {Promise<{items: Match[], next: string|null}>} */ (
    desk.call(`${PATH}?${queryOf({ cursor, limit: 20 })}`)), (matches) => {
    const hadFocus = list.contains(document.activeElement);
    shown = matches;
    setHidden(part, matches.length === 0);
    list.replaceChildren(...matches.map(createItem));
    if (hadFocus) step(list, ".queue-item", 1);
  });
  const part = h("section", { class: "stack", "aria-labelledby": "matches-title", hidden: true }, h("h2", { id: "matches-title" }, "Doubtful matches"), list);
  // What cannot be loaded is said also while there is no match.
  const element = h("div", { class: "stack" }, part, paged.element);

  /** @param {Match} match */
  function createItem({ id, kind, confidence, evidence, ours, theirs }) {
    // Only an address of the web is a link: what a provider sends is not trusted.
    const name = /^https?:/.test(theirs.url) ? h("a", { href: theirs.url, rel: "noreferrer noopener", target: "_blank" }, theirs.name) : theirs.name;
    const known = Object.entries(ours.known).map(([service, ids]) => `${service} ${ids.join(", ")}`).join("; ");
    const place = [ours.city, ours.country].filter(Boolean).join(", ");
    return h("li", { class: "queue-item", tabindex: "-1", data: { match: id } },
      h("div", { class: "match" },
        side(`${theirs.service} has the ${kind}`, name, [`Its id there: ${theirs.external_id}`,
          theirs.held_by === null ? "" : `Our ${kind} ${theirs.held_by} has this id now`]),
        side(`We have the ${kind} ${ours.id}`, ours.name, [[ours.genre, place].filter(Boolean).join(", "), counted(ours.show_count, "show"),
          ours.latitude === null ? "" : `At ${ours.latitude}, ${ours.longitude}`, known && `Known: ${known}`, ours.songs.length ? `Plays ${ours.songs.slice(0, 5).join(", ")}` : ""])),
      h("p", {}, `${percent(confidence)} sure. ${evidence}`),
      h("p", { class: "toolbar" }, button("Same", () => decide(id, "same"), "a"), button("Different", () => decide(id, "different"), "x")));
  }

  /** @type {(id: number, verdict: "same"|"different") => Promise<void>} */
  async function decide(id, verdict) {
    const match = shown.find((one) => one.id === id);
    if (!match) return;
    const { kind, ours, theirs: { service, name } } = match;
    const isSame = verdict === "same";
    await ask(desk, {
      title: isSame ? `${name} and ${ours.name} are the same?` : `${name} is not ${ours.name}?`, label: isSame ? "They are the same" : "They differ", fields: [REASON],
      async preview({ reason = "" }) {
        const { loses } = /** @type {{loses: number|null}} */ (await send(desk, "POST", `${PATH}/${id}?preview=true`, { verdict, reason }));
        return isSame
          ? [`What ${service} knows about ${name} comes to our ${kind} ${ours.id} from the next sync on.`, ...(loses === null ? [] : [`Our ${kind} ${loses} loses this id.`])]
          : [`The two stay apart. ${service}'s entry is not offered for ${ours.name} again.`];
      },
      async act({ reason = "" }) {
        await send(desk, "POST", `${PATH}/${id}`, { verdict, reason });
        return isSame ? `${name} is ${ours.name} from now on.` : `${name} and ${ours.name} stay apart.`;
      },
    });
    paged.reload();
  }

  /** @type {(verdict: "same"|"different") => () => void} */
  const onChosen = (verdict) => () => {
    const item = document.activeElement?.closest("[data-match]");
    if (item instanceof HTMLElement) decide(Number(item.dataset.match), verdict);
    else step(list, ".queue-item", 1);
  };
  return {
    element, load: paged.reload,
    shortcuts: [
      { key: "n", label: "Next doubtful match", act: () => step(list, ".queue-item", 1) },
      { key: "a", label: "The match is the same", act: onChosen("same") },
      { key: "x", label: "The match differs", act: onChosen("different") },
    ],
  };
}

/** @type {(head: string, name: string|Node, lines: string[]) => HTMLElement} */
function side(head, name, lines) {
  return h("div", {}, h("span", { class: "note" }, head), h("strong", {}, name), ...lines.filter(Boolean).map((line) => h("span", {}, line)));
}
