/** The page People: what waits for a decision, the search of accounts, and one account with its bans and its role. */
import { h } from "../dom.js";
import { createAccount } from "./account.js";
import { createFilters } from "./fields.js";
import { moment } from "./formats.js";
import { createPaged, queryOf } from "./parts.js";
import { createQueue } from "./queue.js";
import { createTable } from "./table.js";

/**
 * @import { ConsolePage, Desk } from "./types.js"
 * @typedef {{id: number, role: string, created_at: string, display_name: string|null, is_banned: boolean}} AccountItem
 */

/** @type {ConsolePage} */
export const people = { name: "people", title: "People", key: "p", role: "moderator", open: (desk, [id]) => (id ? createAccount(desk, id) : open(desk)) };

/** @param {Desk} desk */
function open(desk) {
  const queue = createQueue(desk);
  const table = createTable("Accounts", ["Account", "State", "Role", "Since"]);
  const paged = createPaged((cursor) => /** @type {Promise<{items: AccountItem[], next: string|null}>} */ (
    desk.call(`/api/admin/users?${queryOf({ ...filters.values(), cursor, limit: 20 })}`)), (accounts) => table.update(accounts.map(rowOf)));
  const filters = createFilters("Search accounts", [
    { name: "q", label: "Id, name or whole address", type: "search", attributes: { maxlength: 100 } },
    { name: "role", label: "Role", type: "select", options: [["", "Every role"], ["user", "Fans"], ["moderator", "Moderators"], ["admin", "Administrators"]] },
    { name: "banned", label: "State", type: "select", options: [["", "All"], ["true", "Banned"], ["false", "Not banned"]] },
  ], () => paged.reload());
  paged.reload();
  return {
    element: h("div", { class: "people" }, h("h1", { tabindex: "-1" }, "People"), queue.element,
      h("div", { class: "stack accounts" }, filters.element, table.element, paged.element)),
    shortcuts: [...queue.shortcuts, { key: "/", label: "Search accounts", act: () => filters.controls.q?.focus() }],
    close: queue.close,
  };
}

/** @param {AccountItem} account */
const rowOf = ({ id, role, created_at, display_name, is_banned }) => ({
  key: String(id), href: `/admin/people/${id}`, level: is_banned ? "warning" : "",
  cells: [display_name ? `${id}: ${display_name}` : String(id), is_banned ? "banned" : "–", role, moment(created_at)],
});
