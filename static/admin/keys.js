/** The keys of the console and the list of them, which `?` shows. */
import { h } from "../dom.js";

/** @import { ConsolePage, Shortcut } from "./types.js" */

const KEY = "mysetlist.console.keys";
const SEQUENCE_MS = 1_500;

function localStore() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

/**
 * @param {{pages(): ConsolePage[], go(page: ConsolePage): void, shortcuts(): Shortcut[]}} parts
 * @returns {{show(): void}} show: opens the list
 */
export function createKeys(parts) {
  const store = localStore();
  // Whoever speaks to the computer types by accident: single keys can be switched off (WCAG 2.1.4).
  let isOn = store?.getItem(KEY) !== "off";
  let begun_ms = -Infinity; // when `g` was pressed

  const close = h("button", { class: "button", type: "button", autofocus: true }, "Close");
  const list = h("div", { class: "keys" });
  const toggle = h("input", { type: "checkbox", id: "keys-on", on: {
    change: () => {
      isOn = toggle.checked;
      store?.setItem(KEY, isOn ? "on" : "off");
    },
  } });
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "keys-title" },
    h("h2", { id: "keys-title" }, "Keys"), list,
    h("p", { class: "check" }, toggle, h("label", { for: "keys-on" }, "Single keys act")),
    h("div", { class: "ask-end" }, h("p", { class: "form-end" }, close)));
  close.addEventListener("click", () => dialog.close());
  document.body.append(dialog);

  /** @type {(keys: string[], label: string) => HTMLElement} */
  const row = (keys, label) => h("div", {}, h("dt", {}, ...keys.map((key) => h("kbd", {}, key))), h("dd", {}, label));

  function show() {
    if (dialog.open) return;
    toggle.checked = isOn;
    list.replaceChildren(h("dl", {},
      row(["?"], "Show this list"), row(["Esc"], "Close what is open"),
      ...parts.pages().map((page) => row(["g", page.key], page.title)),
      ...parts.shortcuts().map(({ key, label }) => row([key], label))));
    dialog.showModal();
    dialog.scrollTop = 0; // the list begins with its first key, wherever the focus is
  }

  /** @param {EventTarget|null} target */
  const isTyping = (target) => target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
    if (event.key === "?") {
      event.preventDefault();
      show();
      return;
    }
    if (!isOn || document.querySelector("dialog[open]")) return;
    const isSecond = performance.now() - begun_ms < SEQUENCE_MS;
    begun_ms = event.key === "g" && !isSecond ? performance.now() : -Infinity;
    if (begun_ms > 0) return;
    const page = isSecond ? parts.pages().find(({ key }) => key === event.key) : undefined;
    const shortcut = page || isSecond ? undefined : parts.shortcuts().find(({ key }) => key === event.key);
    if (page) parts.go(page);
    else if (shortcut) shortcut.act();
    else return;
    event.preventDefault();
  });

  return { show };
}
