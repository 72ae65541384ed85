/** A field that picks entries of the catalogue: type a part of the name, tap an entry. Its value: their ids, with commas. */
import { h, setText } from "../dom.js";
import { RequestError } from "../client.js";

/**
 * @import { Pick, Picks } from "./types.js"
 */

const TYPING_MS = 250;

/**
 * @param {string} id  of the field to type in
 * @param {string} name
 * @param {Picks} picks
 */
export function createPicker(id, name, { search, chosen = [], max = 1 }) {
  const input = h("input", { id, type: "search", autocomplete: "off", placeholder: max === 1 ? "Search…" : "Search and add…" });
  const value = h("input", { type: "hidden", name });
  const found = h("ul", { class: "picks", "aria-label": "Found" });
  const held = h("ul", { class: "picked", "aria-label": "Chosen" });
  const says = h("span", { class: "field-hint", role: "status" });
  let list = [...chosen];
  let asked = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;

  function drawHeld() {
    value.value = list.map((pick) => pick.id).join(",");
    held.replaceChildren(...list.map((pick) => h("li", {}, pick.text,
      h("button", { class: "button quiet", type: "button", "aria-label": `Take ${pick.text} away`, on: { click: () => {
        list = list.filter((one) => one !== pick);
        changed();
      } } }, "✕"))));
  }

  function changed() {
    drawHeld();
    value.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** @param {Pick} pick */
  function choose(pick) {
    list = max === 1 ? [pick] : [...list.filter(({ id: one }) => one !== pick.id), pick].slice(0, max);
    input.value = "";
    found.replaceChildren();
    setText(says, "");
    changed();
    input.focus();
  }

  async function look() {
    const mine = ++asked;
    const words = input.value.trim();
    if (!words) {
      found.replaceChildren();
      setText(says, "");
      return;
    }
    try {
      const picks = await search(words);
      if (mine !== asked) return;
      found.replaceChildren(...picks.map((pick) => h("li", {}, h("button", { class: "button", type: "button", on: { click: () => choose(pick) } }, pick.text))));
      setText(says, picks.length ? "" : "Nothing has this name.");
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (mine === asked) setText(says, error.message);
    }
  }

  input.addEventListener("input", (event) => {
    event.stopPropagation();
    clearTimeout(timer);
    timer = setTimeout(look, TYPING_MS);
  });
  input.addEventListener("change", (event) => event.stopPropagation());
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !input.value.trim()) return;
    // Enter takes the first entry; it must not act.
    event.preventDefault();
    found.querySelector("button")?.click();
  });
  drawHeld();
  return {
    input, value,
    /** Holds other entries. @param {Pick[]} picks */
    hold(picks) {
      list = [...picks];
      drawHeld();
    },
    element: h("div", { class: "picker" }, held, input, value, found, says),
  };
}
