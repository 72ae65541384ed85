/**
 * The search in the header: artists, songs, venues and shows as the visitor types. Without a script the form leads to the list of
 * shows with these words.
 */
import { call, RequestError } from "./api.js";
import { h, setHidden, setText } from "./dom.js";
import * as messages from "./messages.js";
import * as refusals from "./refusals.js";
import { phrase } from "./words.js";

/**
 * @import { ArtistName, Place, ShowItem } from "./types.js"
 * @typedef {{
 *   artists: (ArtistName & {genre: string, country: string})[], songs: {id: number, title: string, artist: ArtistName}[],
 *   venues: (Place & {slug: string, name: string})[], shows: ShowItem[],
 * }} Found
 */

const DELAY_MS = 200; // after the last key
const EACH_COUNT = 4; // results of a kind

/** @param {HTMLElement} form  of index.html */
export function createSearch(form) {
  const input = /** @type {HTMLInputElement} */ (form.querySelector("input"));
  const status = h("p", { class: "find-status", role: "status" });
  const groups = h("div", { class: "find-groups" });
  const all = h("a", { class: "find-all", "data-link": true });
  const panel = h("div", { class: "find-results", hidden: true }, status, groups, all);
  form.append(panel);
  let timer = 0;
  let request = 0;

  const words = () => input.value.trim();

  function look() {
    const asked = words();
    request += 1;
    setHidden(panel, asked === "");
    if (asked === "") return;
    all.href = `/?${new URLSearchParams({ q: asked })}`;
    setText(all, phrase("find-all", { words: asked }));
    ask(asked, request);
  }

  /** @type {(asked: string, number: number) => Promise<void>} */
  async function ask(asked, number) {
    groups.setAttribute("aria-busy", "true");
    /** @type {Element[]} */
    let drawn = [];
    let text = "";
    try {
      /** @type {Found} */
      const found = await call(`/api/search?${new URLSearchParams({ q: asked, limit: String(EACH_COUNT) })}`);
      drawn = groupsOf(found);
      const count = Object.values(found).reduce((sum, items) => sum + items.length, 0);
      text = count ? phrase("find-results", { count }) : phrase("find-nothing", { words: asked });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      text = error.code === "bad_request" ? phrase("find-too-much") : refusals.failure(error.code);
    }
    if (number !== request) return; // the visitor has typed on
    groups.removeAttribute("aria-busy");
    groups.replaceChildren(...drawn);
    setText(status, text);
    status.classList.toggle("sr", drawn.length > 0);
  }

  function close() {
    clearTimeout(timer);
    request += 1;
    setHidden(panel, true);
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, DELAY_MS);
  });
  input.addEventListener("focus", () => setHidden(panel, words() === "" || !groups.childElementCount));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (words() === "") return;
    all.href = `/?${new URLSearchParams({ q: words() })}`;
    all.click();
  });
  form.addEventListener("focusout", ({ relatedTarget }) => {
    if (!(relatedTarget instanceof Node) || !form.contains(relatedTarget)) setHidden(panel, true);
  });
  // A press must not take the focus away and so close the panel before the click: in Safari links take no focus.
  panel.addEventListener("mousedown", (event) => event.preventDefault());
  panel.addEventListener("click", (event) => {
    if (!(event.target instanceof Element && event.target.closest("a"))) return;
    input.value = "";
    groups.replaceChildren();
    close();
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      close();
      if (document.activeElement === input) input.blur();
      else input.focus();
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const places = [input, ...panel.querySelectorAll("a")];
    const next = places[places.indexOf(/** @type {any} */ (document.activeElement)) + (step ?? 0)];
    if (step === undefined || panel.hidden || !next) return;
    event.preventDefault();
    next.focus();
  });
  look(); // the visitor may have typed before this script was there
}

/** @param {Found} found */
function groupsOf({ artists, songs, venues, shows }) {
  return [
    group(phrase("find-artists"), artists.map(({ slug, name, genre, country }) =>
      result(`/artists/${slug}`, name, [genre, country].filter(Boolean).join(", ")))),
    group(phrase("find-songs"), songs.map(({ id, title, artist }) => result(`/songs/${id}`, title, artist.name))),
    group(phrase("find-venues"), venues.map((venue) => result(`/venues/${venue.slug}`, venue.name, messages.place(venue)))),
    group(phrase("find-shows"), shows.map(({ slug, artist, venue, local_date }) =>
      result(`/shows/${slug}`, artist.name, `${messages.shortDate(local_date)}, ${venue.name}, ${venue.city}`))),
  ].filter((drawn) => drawn !== null);
}

/** @type {(title: string, results: Element[]) => Element|null} */
const group = (title, results) => (results.length
  ? h("section", { "aria-label": title }, h("h2", { class: "find-kind" }, title), h("ul", {}, ...results)) : null);

/** @type {(href: string, name: string, more: string) => Element} */
const result = (href, name, more) => h("li", {}, h("a", { class: "find-result", href, "data-link": true, translate: "no" },
  h("span", { class: "find-name", dir: "auto" }, name), more ? h("span", { class: "find-more", dir: "auto" }, more) : null));
