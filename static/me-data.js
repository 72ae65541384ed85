/** What a visitor may do with their data, on the page /me: get all of it, and erase the account. */
import { createAct } from "./acting.js";
import { call, RequestError } from "./api.js";
import { h, setAttribute, setHidden, setText } from "./dom.js";
import { DATA } from "./me-texts.js";
import { failure } from "./refusals.js";

const EXPORT = "/api/me/export";
const ASK_AGAIN_MS = 4_000;
const KEYS = /^mysetlist\./;

/** @param {{onErased(text: string): void}} page */
export function createData({ onErased }) {
  const outcome = h("p", { class: "form-outcome", role: "status" });
  const act = createAct(outcome, ({ code, message }) => (code === "rate_limited" || code === "unavailable" ? message : failure(code)));
  const download = h("button", { class: "button", type: "button", on: { click: () => act(fetchExport) } }, DATA.download);
  const erase = h("button", { class: "button danger", type: "button", on: { click: () => ask(true) } }, DATA.erase);
  const understood = h("input", { type: "checkbox", id: "understood" });
  understood.addEventListener("change", () => setAttribute(yes, "disabled", !understood.checked));
  const yes = h("button", { class: "button danger", type: "button", disabled: true, on: { click: () => act(eraseAccount) } }, DATA.yes);
  const heading = h("h3", { id: "erase-title", tabindex: "-1" }, DATA.question);
  const question = h("div", { class: "erase-question", role: "group", "aria-labelledby": "erase-title", hidden: true }, heading,
    h("ul", {}, ...DATA.what.map((line) => h("li", {}, line))),
    h("p", { class: "check" }, understood, h("label", { for: "understood" }, DATA.understood)),
    h("p", { class: "form-end" }, yes, h("button", { class: "button quiet", type: "button", on: { click: () => ask(false) } }, DATA.no)));

  /** @param {boolean} isAsked */
  function ask(isAsked) {
    understood.checked = false;
    setAttribute(yes, "disabled", true);
    setHidden(question, !isAsked);
    setHidden(erase, isAsked);
    (isAsked ? heading : erase).focus();
  }

  async function fetchExport() {
    // The browser saves the file itself, so that a long one need not fit into the memory of the page.
    const response = await fetch(EXPORT, { headers: { Accept: "application/json" } }).catch((cause) => {
      throw new RequestError({ code: "disconnected", message: String(cause) });
    });
    if (!response.ok) throw new RequestError({ code: "unavailable", ...(await response.json().catch(() => null)) });
    response.body?.cancel();
    if (response.status === 202) {
      setText(outcome, DATA.queued);
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
      await fetchExport();
      return;
    }
    setText(outcome, DATA.ready);
    location.assign(EXPORT);
  }

  async function eraseAccount() {
    await call("/api/me", { method: "DELETE" });
    forgetHere();
    onErased(DATA.erased);
  }

  return h("section", { class: "own-data", "aria-labelledby": "data-title" },
    h("h2", { id: "data-title" }, DATA.title), h("p", { class: "part-lead" }, DATA.lead),
    h("p", { class: "form-end" }, download, erase), question, outcome);
}

/** Votes and marks that wait in this browser belong to the account that is gone. */
function forgetHere() {
  try {
    for (const key of Object.keys(localStorage)) if (KEYS.test(key)) localStorage.removeItem(key);
  } catch {
    // Storage is blocked: nothing was kept.
  }
}
