/** Duplicates: one entry takes over everything of another, and for a day this can be undone. */
import { ask, REASON } from "./ask.js";
import { ENTRIES } from "./catalogue-entries.js";
import { counted, moment } from "./formats.js";
import { searching } from "./lookups.js";
import { createPaged, queryOf, send } from "./parts.js";
import { createTable } from "./table.js";
import { h } from "../dom.js";

/**
 * @import { Desk } from "./types.js"
 * @import { Kind } from "./catalogue-entries.js"
 * @typedef {{id: number, kind: Kind, survivor: number, duplicate: number, name: string, made_by: number, made_at: string,
 *   undone_at: string|null, can_undo: boolean, changed_shows: number, folded_songs: number, moved_votes: number,
 *   folded_votes: number, moved_follows: number}} Merge
 */

const PATH = "/api/admin/merges";

/**
 * @param {Desk} desk
 * @param {() => void} onChange  the entries are others now
 */
export function createMerges(desk, onChange) {
  const table = createTable("Merges", ["Merge", "State", "When", "By", "What it moved", "Acts"]);
  const paged = createPaged((cursor) => /** @type {Promise<{items: Merge[], next: string|null}>} */ (
    desk.call(`${PATH}?${queryOf({ cursor, limit: 10 })}`)), (merges) => table.update(merges.length ? merges.map(rowOf) : null));

  /** @param {Merge} merge */
  function rowOf(merge) {
    const { id, kind, survivor, duplicate, name, made_by, made_at, undone_at, can_undo } = merge;
    return {
      key: String(id),
      cells: [`${name} (${kind} ${duplicate}) into ${survivor}`, undone_at ? "undone" : can_undo ? "can be undone" : "stays", moment(made_at), `account ${made_by}`,
        can_undo ? moved(merge).join(" ") : "–"],
      acts: can_undo ? [{ label: "Undo", act: () => undo(merge) }] : [],
    };
  }

  /** @param {Merge} merge */
  async function undo({ id, kind, name, duplicate }) {
    await ask(desk, {
      title: `Undo the merge of ${name}?`, label: "Undo the merge", fields: [REASON],
      lines: [`${ENTRIES[kind].title} ${duplicate} is there again, with everything that it had. What was changed since stays.`],
      preview: async (values) => moved(/** @type {Merge} */ (await send(desk, "POST", `${PATH}/${id}/undo?preview=true`, reasonOf(values)))),
      async act(values) {
        await send(desk, "POST", `${PATH}/${id}/undo`, reasonOf(values));
        return `${name} is there again.`;
      },
    });
    paged.reload();
    onChange();
  }

  /** @type {(kind: Kind, survivor: number, name: string) => Promise<void>} */
  async function merge(kind, survivor, name) {
    const path = `/api/admin/${kind}s/${survivor}/merge`;
    await ask(desk, {
      title: `Merge a duplicate into ${name}`, label: "Merge", isGrave: false,
      fields: [{ name: "duplicate", label: `The ${kind} that is the same and goes`, picks: { search: searching(desk, /** @type {const} */ (`${kind}s`)) } }, REASON],
      async preview({ duplicate, ...values }) {
        if (!duplicate) return [`Choose the duplicate. ${ENTRIES[kind].title} ${survivor} stays.`];
        const found = /** @type {Merge} */ (await send(desk, "POST", `${path}?preview=true`, { duplicate: Number(duplicate), ...reasonOf(values) }));
        return [`${found.name} goes; its id and its address lead to ${name}.`, ...moved(found), "For a day this can be undone."];
      },
      async act({ duplicate, ...values }) {
        if (!duplicate) return "No duplicate was chosen, so nothing was merged.";
        const made = /** @type {Merge} */ (await send(desk, "POST", path, { duplicate: Number(duplicate), ...reasonOf(values) }));
        return `${made.name} is merged into ${name}.`;
      },
    });
    paged.reload();
    onChange();
  }

  return { element: h("div", { class: "stack" }, table.element, paged.element), load: paged.reload, merge };
}

/** @param {Record<string, string>} values */
const reasonOf = ({ reason }) => (reason ? { reason } : {});

/** @param {Merge} merge */
function moved({ changed_shows, folded_songs, moved_votes, folded_votes, moved_follows }) {
  return [
    `${counted(changed_shows, "show")} ${changed_shows === 1 ? "has" : "have"} the one that stays; ${counted(moved_votes, "vote")} and ${counted(moved_follows, "follow")} move along.`,
    ...(folded_songs ? [`${counted(folded_songs, "song")} in sets become one with another; ${counted(folded_votes, "vote")} met another of the same fan, whose last one counts.`] : []),
  ];
}
