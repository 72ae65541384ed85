/** The visitor's calendar on the page /me: its secret address, which calendar programs read, and the ends of it. */
import { createAct } from "./acting.js";
import { call } from "./api.js";
import { h, setHidden, setText } from "./dom.js";
import { accountFailure, CALENDAR } from "./me-texts.js";
import { copy } from "./sharing.js";
import { LANGUAGE } from "./words.js";

const PATH = "/api/me/calendar";

/** @typedef {keyof typeof CALENDAR.QUESTIONS} End */

export function createCalendar() {
  const outcome = h("p", { class: "form-outcome", role: "status" });
  const act = createAct(outcome, accountFailure);
  const make = h("button", { class: "button", type: "button", hidden: true, on: { click: () => act(() => renew(CALENDAR.made)) } }, CALENDAR.make);
  const address = h("input", { id: "calendar-address", type: "text", readonly: true, translate: "no" });
  address.addEventListener("focus", () => address.select());
  const program = h("a", { class: "button button-main" }, CALENDAR.open);
  const acts = h("p", { class: "form-end" }, program,
    h("button", { class: "button", type: "button", on: { click: () => act(copyAddress) } }, CALENDAR.copy),
    h("button", { class: "button quiet", type: "button", on: { click: () => ask("renew") } }, CALENDAR.renew),
    h("button", { class: "button quiet", type: "button", on: { click: () => ask("erase") } }, CALENDAR.erase));
  const text = h("p", { tabindex: "-1" });
  const yes = h("button", { class: "button", type: "button", on: { click: () => act(end) } });
  const question = h("div", { class: "question", hidden: true }, text,
    h("p", { class: "form-end" }, yes, h("button", { class: "button quiet", type: "button", on: { click: () => ask(null) } }, CALENDAR.keep)));
  const there = h("div", { class: "calendar-there", hidden: true }, h("label", { for: "calendar-address" }, CALENDAR.address), address,
    h("p", { class: "part-lead" }, CALENDAR.secret), acts, question);
  /** @type {End|null} */
  let asked = null;

  /** @param {string|null} path */
  function draw(path) {
    setHidden(make, path !== null);
    setHidden(there, path === null);
    if (path === null) return;
    address.value = `${location.origin}${path}?lang=${LANGUAGE}`;
    // A calendar program subscribes to such an address; a browser would only download the file.
    program.href = address.value.replace(/^https?/, "webcal");
  }

  /** @param {string} said */
  async function renew(said) {
    draw((await call(PATH, { method: "POST" })).path);
    setText(outcome, said);
    address.focus(); // the button that had the focus is gone
  }

  async function copyAddress() {
    address.focus();
    setText(outcome, await copy(address.value) ? CALENDAR.copied : CALENDAR.selected);
  }

  /** @param {End|null} next */
  function ask(next) {
    asked = next;
    setHidden(question, next === null);
    setHidden(acts, next !== null);
    if (next === null) return program.focus();
    setText(text, CALENDAR.QUESTIONS[next].text);
    setText(yes, CALENDAR.QUESTIONS[next].yes);
    text.focus();
  }

  async function end() {
    if (asked === "renew") await renew(CALENDAR.renewed);
    else {
      await call(PATH, { method: "DELETE" });
      draw(null);
      setText(outcome, CALENDAR.erased);
      make.focus();
    }
    setHidden(question, true);
    setHidden(acts, false);
  }

  act(async () => draw((await call(PATH)).path));
  return h("section", { class: "own-data", "aria-labelledby": "calendar-title" },
    h("h2", { id: "calendar-title" }, CALENDAR.title), h("p", { class: "part-lead" }, CALENDAR.lead), make, there, outcome);
}
