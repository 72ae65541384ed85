/** Shows as short lines: the day, what the show is named by on this page, and where or when it is. */
import { h } from "./dom.js";
import * as messages from "./messages.js";

/**
 * @param {{slug: string, local_date: string, status?: keyof typeof messages.STATUS}} show
 * @param {string} name  what the link to the show says
 * @param {(Node|string)[]} more  below it, also with links
 * @param {(Node|null)[]} end  at the end of the line
 */
export function createShowLine({ slug, local_date, status }, name, more, end = []) {
  const isSpecial = status === "live" || status === "cancelled";
  return h("li", { class: "line" },
    h("time", { class: "line-date", datetime: local_date },
      h("span", { class: "stub-month" }, messages.month(local_date)),
      h("span", { class: "line-day" }, messages.dayOfMonth(local_date)),
      h("span", { class: "stub-year" }, messages.year(local_date))),
    h("div", { class: "line-text" },
      h("a", { class: "line-main", href: `/shows/${slug}`, "data-link": true, dir: "auto", translate: "no" }, name),
      h("p", { class: "line-more", translate: "no" }, ...more)),
    h("div", { class: "line-end" }, isSpecial ? h("span", { class: `badge badge-${status}` }, messages.STATUS[status]) : null, ...end));
}

/** @param {{slug: string, name: string}} venue */
export const venueLink = ({ slug, name }) => h("a", { class: "name-link", href: `/venues/${slug}`, "data-link": true, dir: "auto" }, name);

/** @param {{slug: string, name: string}} artist */
export const artistLink = ({ slug, name }) => h("a", { class: "name-link", href: `/artists/${slug}`, "data-link": true, dir: "auto" }, name);

/** @type {(id: number, title: string) => HTMLAnchorElement} */
export const songLink = (id, title) => h("a", { class: "name-link", href: `/songs/${id}`, "data-link": true, dir: "auto", translate: "no" }, title);
