/** The tickets of a show, and the songs that were removed from it with their votes. */
import { h, setText } from "../dom.js";
import { saveFile } from "./api.js";
import { ask } from "./ask.js";
import { ago, counted, number } from "./formats.js";
import { button, createLoader, send } from "./parts.js";
import { createTable } from "./table.js";

/**
 * @import { Desk, Field, ShowSettings } from "./types.js"
 * @typedef {"code"|"mail"|"work"} Source
 * @typedef {{requires_ticket: boolean, source: Source, code_count: number, redeemed_count: number, revision: number,
 *   effect: {votes_kept: number, fans_stopped: number}|null}} Tickets
 * @typedef {{added: number, codes: string[]}} NewCodes
 * @typedef {{id: number, title: string, votes: number, removed_at: string}} RemovedSong
 */

/** What a fan needs for a vote; `none`: nothing. @type {Record<Source|"none", string>} */
const NEEDS = {
  none: "No ticket", code: "A ticket with a code", mail: "A confirmed email", work: "Some work of the fan's device (it only raises the price of many accounts)",
};

/**
 * @param {Desk} desk
 * @param {() => ShowSettings|null} show
 */
export function createTickets(desk, show) {
  const isAdmin = desk.user.role === "admin";
  const loader = createLoader();
  const ofRemoved = createLoader();
  const says = h("p", {});
  const acts = h("p", { class: "toolbar" });
  const made = h("textarea", { class: "codes", readonly: true, rows: 6, "aria-label": "New codes", hidden: true });
  const keep = button("Save the codes as a file", () => {
    saveFile(new Blob([made.value]), `codes-${show()?.slug}.txt`);
    isKept = true;
  });
  const part = h("section", { class: "panel-part", "aria-labelledby": "tickets-title" }, h("h2", { id: "tickets-title" }, "Tickets"), loader.element, says, acts, made, h("p", { class: "toolbar" }, keep));
  const removed = createTable("Removed songs", ["Song", "Votes", "Removed", "Acts"]);
  const element = h("div", { class: "stack" }, ...(isAdmin ? [part] : []), ofRemoved.element, removed.element);
  keep.hidden = true;
  /** @type {Tickets|null} */
  let shown = null;
  let isKept = true; // the codes on screen are in a file, or were copied
  made.addEventListener("copy", () => {
    isKept = true;
  });

  /** @param {string} part */
  const pathOf = (part) => `/api/admin/shows/${show()?.id}/${part}`;

  const loadTickets = () => loader.load(() => /** @type {Promise<Tickets>} */ (desk.call(pathOf("tickets"))), (tickets) => {
    shown = tickets;
    draw();
  });

  function draw() {
    if (!shown) return;
    const { requires_ticket, source, code_count, redeemed_count } = shown;
    setText(says, `A vote requires: ${NEEDS[requires_ticket ? source : "none"]}. ${counted(code_count, "code")}, ${redeemed_count} redeemed.`);
    // They stay when the page is drawn again: one of them may have the focus.
    if (!acts.hasChildNodes()) acts.append(button("What a vote requires…", require), button("Make codes…", make), button("Import codes…", importCodes));
  }

  async function require() {
    if (!shown) return;
    let before = shown;
    const fields = () => /** @type {Field[]} */ ([
      { name: "source", label: "A vote requires", type: "select", value: before.requires_ticket ? before.source : "none", options: Object.entries(NEEDS) },
    ]);
    /** @param {Record<string, string>} values */
    const body = ({ source }) => ({ ...(source === "none" ? { requires_ticket: false } : { requires_ticket: true, source }), revision: before.revision });
    await ask(desk, { title: "What does a vote require?", label: "Change", fields: fields(),
      async refresh() {
        before = /** @type {Tickets} */ (await desk.call(pathOf("tickets")));
        return fields();
      },
      async preview(values) {
        const { requires_ticket, effect } = /** @type {Tickets} */ (await send(desk, "PUT", `${pathOf("tickets")}?preview=true`, body(values)));
        const stopped = effect?.fans_stopped ?? 0;
        return [requires_ticket ? "Fans without it cannot vote any more, until they have it." : "Every fan can vote.",
          `${counted(effect?.votes_kept ?? 0, "vote")} that ${effect?.votes_kept === 1 ? "was" : "were"} cast stay${effect?.votes_kept === 1 ? "s" : ""}.`,
          ...(stopped ? [`${counted(stopped, "fan")} who voted ${stopped === 1 ? "has" : "have"} no ticket yet.`] : [])];
      },
      async act(values) {
        await send(desk, "PUT", pathOf("tickets"), body(values));
        return `A vote requires now: ${NEEDS[/** @type {keyof typeof NEEDS} */ (values.source)]}.`;
      } });
    loadTickets();
  }

  async function make() {
    await ask(desk, { title: "Make codes of tickets", label: "Make codes", lines: ["They are shown only once: copy them, or save them as a file."],
      fields: [{ name: "count", label: "How many", type: "number", required: true, value: "100", attributes: { min: 1, max: 2_000 } }],
      async preview({ count }) {
        const { added } = /** @type {NewCodes} */ (await send(desk, "POST", `${pathOf("tickets")}?preview=true`, { make: Number(count) }));
        return [`The show gets ${counted(added, "new code")}.`];
      },
      async act({ count }) {
        const { added, codes } = /** @type {NewCodes} */ (await send(desk, "POST", pathOf("tickets"), { make: Number(count) }));
        made.value = [...codes, ...(isKept ? [] : linesOf(made.value))].join("\n");
        made.hidden = false;
        keep.hidden = false;
        isKept = false;
        return `${counted(added, "code")} made.`;
      } });
    loadTickets();
    if (!made.value) return;
    made.focus();
    made.select();
  }

  async function importCodes() {
    await ask(desk, { title: "Import codes of tickets", label: "Import", lines: ["Codes that the show has already are skipped."],
      fields: [{ name: "codes", label: "Codes, one a line, at most 2,000", type: "textarea", required: true }],
      async preview({ codes }) {
        const given = linesOf(codes);
        if (!given.length) return ["Put the codes into the field."];
        const { added } = /** @type {NewCodes} */ (await send(desk, "POST", `${pathOf("tickets")}?preview=true`, { codes: given }));
        return [`The show gets ${counted(added, "new code")}${added < given.length ? `; ${counted(given.length - added, "code")} it has already` : ""}.`];
      },
      async act({ codes }) {
        const { added } = /** @type {NewCodes} */ (await send(desk, "POST", pathOf("tickets"), { codes: linesOf(codes) }));
        return `${counted(added, "code")} added.`;
      } });
    loadTickets();
  }

  async function loadRemoved() {
    await ofRemoved.load(() => /** @type {Promise<{items: RemovedSong[]}>} */ (desk.call(pathOf("removed-songs"))), ({ items }) => {
      removed.update(items.length ? items.map((song) => ({
        key: String(song.id), cells: [song.title, String(song.votes), ago(new Date(song.removed_at))],
        acts: show()?.is_final ? [] : [{ label: "Put back", act: () => putBack(song) }],
      })) : null);
    });
  }

  /** @param {RemovedSong} song */
  async function putBack({ id, title, votes }) {
    const path = `${pathOf("removed-songs")}/${id}`;
    await ask(desk, { title: `Put ${title} back?`, label: "Put back", lines: ["It goes to the end of its set."],
      async preview() {
        const { votes: back } = /** @type {{votes: number}} */ (await send(desk, "POST", `${path}?preview=true`));
        return [`${counted(back, "vote")} of its ${number(votes)} ${back === 1 ? "counts" : "count"} again.`,
          ...(back < votes ? ["Fans over the show's budget keep newer votes."] : [])];
      },
      async act() {
        const { votes: back } = /** @type {{votes: number}} */ (await send(desk, "POST", path));
        return `${title} is back with ${counted(back, "vote")}.`;
      } });
    loadRemoved();
  }

  return {
    element, draw,
    unsaved: () => (isKept ? [] : ["The codes that were just made are shown only here. Copy them, or save them as a file."]),
    async load() {
      await loadRemoved();
      if (isAdmin) await loadTickets();
    },
  };
}

/** @param {string} [text] */
const linesOf = (text = "") => text.split("\n").map((line) => line.trim()).filter(Boolean);
