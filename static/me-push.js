/** The notices of this device on the page /me: which kinds, and quiet hours. */
import { RequestError } from "./api.js";
import { h, setHidden, setText } from "./dom.js";
import { beTold, fetchDevice, obstacle, stopTelling } from "./push.js";
import * as texts from "./push-texts.js";

/** @import { Device, NoticeKind } from "./push.js" */

const KINDS = /** @type {NoticeKind[]} */ (Object.keys(texts.KINDS));

/** @param {{onAccount(): void}} actions  onAccount: the visitor has an account since now */
export function createPush({ onAccount }) {
  const state = h("p", { role: "status" });
  const boxes = KINDS.map((kind) => h("input", { type: "checkbox", name: kind }));
  const from = h("input", { type: "time", "aria-label": `${texts.QUIET} ${texts.QUIET_FROM}` });
  const to = h("input", { type: "time", "aria-label": `${texts.QUIET} ${texts.QUIET_TO}` });
  const save = h("button", { class: "button button-main", type: "submit" }, texts.SAVE);
  const form = h("form", { class: "push-form", on: { submit: (event) => {
    event.preventDefault();
    act();
  } } },
    ...boxes.map((box, index) => h("label", { class: "push-kind" }, box, h("span", {}, texts.KINDS[KINDS[index] ?? "song_on"]))),
    h("div", { class: "push-quiet", role: "group", "aria-label": texts.QUIET },
      h("span", {}, texts.QUIET), h("span", { class: "push-hour" }, texts.QUIET_FROM, from),
      h("span", { class: "push-hour" }, texts.QUIET_TO, to)),
    h("p", {}, save));
  const element = h("section", { id: "notices", class: "notices", "aria-labelledby": "notices-title" },
    h("h2", { id: "notices-title" }, texts.TITLE), h("p", {}, texts.LEAD), state, form);
  /** @type {Device|null} */
  let device = null;
  let isSending = false;

  async function load() {
    const why = obstacle();
    setHidden(form, why !== null);
    if (why !== null) return setText(state, texts.OBSTACLES[why]);
    try {
      draw(await fetchDevice());
    } catch (error) {
      tell(error);
    }
  }

  /** @param {Device|null} now */
  function draw(now) {
    device = now;
    for (const [index, box] of boxes.entries()) box.checked = now?.kinds.includes(KINDS[index] ?? "song_on") ?? false;
    from.value = now?.quiet_from ?? "";
    to.value = now?.quiet_to ?? "";
    setText(state, now ? texts.ON : texts.OFF);
  }

  async function act() {
    if (isSending) return;
    const kinds = KINDS.filter((_, index) => boxes[index]?.checked);
    if (Boolean(from.value) !== Boolean(to.value) || (from.value && from.value === to.value)) {
      setText(state, texts.QUIET_INCOMPLETE);
      from.focus();
      return;
    }
    isSending = true;
    try {
      await change(kinds);
    } catch (error) {
      tell(error);
    } finally {
      isSending = false;
    }
  }

  /** @param {NoticeKind[]} kinds */
  async function change(kinds) {
    if (!kinds.length) {
      if (device) await stopTelling(device);
      return draw(null);
    }
    const isNew = device === null;
    const now = await beTold({ kinds, quiet_from: from.value || null, quiet_to: to.value || null });
    if (!now) return setText(state, obstacle() === "blocked" ? texts.OBSTACLES.blocked : texts.NOT_ALLOWED);
    draw(now);
    if (isNew) onAccount();
  }

  /** @param {unknown} error */
  function tell(error) {
    if (error instanceof RequestError) setText(state, error.code === "disconnected" ? texts.FAILED : error.message);
    else if (error instanceof DOMException) setText(state, texts.NOT_SUBSCRIBED);
    else throw error;
  }

  load();
  return element;
}
