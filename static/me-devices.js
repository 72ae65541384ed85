/** The account on another device, on the page /me: a code to show here, and a code to type here. */
import { createAct } from "./acting.js";
import { call, RequestError } from "./api.js";
import { h, setHidden, setText } from "./dom.js";
import { CODE, minutesLeft } from "./me-texts.js";
import { failure } from "./refusals.js";

const TICK_MS = 1_000;
const LOOK_EVERY_TICKS = 4;
const CODE_CHARS_MAX = 24;

/**
 * @param {{
 *   accountOf(): {id: number, role: string}|null, sessionCount(): Promise<number>, onSignedIn(): void,
 * }} page  sessionCount: asks the server, and draws them
 */
export function createDevices({ accountOf, sessionCount, onSignedIn }) {
  const code = h("strong", { class: "code", translate: "no" });
  const address = h("span", { class: "code-address", translate: "no" }, `${location.host}/me`);
  const left = h("p", { class: "code-left" });
  const shown = h("div", { class: "code-shown", tabindex: -1, hidden: true }, h("p", {}, CODE.how, " ", address), code, left);
  const outcome = h("p", { class: "form-outcome", role: "status" });
  const show = h("button", { class: "button", type: "button", on: { click: () => act(makeCode) } }, CODE.show);
  const showing = h("div", { class: "code-part" }, h("p", { class: "part-lead" }, CODE.lead), show, shown);

  const input = h("input", {
    id: "code", type: "text", autocomplete: "one-time-code", autocapitalize: "characters", spellcheck: "false",
    maxlength: CODE_CHARS_MAX, required: true, placeholder: "XXXX-XXXX",
  });
  const question = h("div", { class: "question", hidden: true }, h("p", { tabindex: "-1" }),
    h("button", { class: "button", type: "button", on: { click: () => act(() => enter(true)) } }, CODE.replaceYes),
    h("button", { class: "button quiet", type: "button", on: { click: () => {
      setHidden(question, true);
      input.focus();
    } } }, CODE.replaceNo));
  const form = h("form", { class: "code-form", on: { submit: (event) => {
    event.preventDefault();
    act(() => enter(false));
  } } }, h("label", { for: "code" }, CODE.enter), input, h("button", { class: "button", type: "submit" }, CODE.send), question);
  const element = h("section", { class: "devices", "aria-labelledby": "devices-title" },
    h("h2", { id: "devices-title" }, CODE.title), showing, form, outcome);
  let timer = 0;

  async function makeCode() {
    const before = await sessionCount();
    /** @type {{code: string, expires_at: string}} */
    const made = await call("/api/me/sign-in-code", { method: "POST" });
    const until_ms = performance.now() + Date.parse(made.expires_at) - await serverNow_ms();
    setText(code, made.code);
    code.setAttribute("aria-label", [...made.code].join(" ")); // letter by letter
    setText(outcome, "");
    setHidden(shown, false);
    setHidden(show, true);
    shown.focus(); // the button that had the focus is gone
    let ticks = 0;
    clearInterval(timer);
    const tick = async () => {
      const left_s = (until_ms - performance.now()) / 1000;
      if (left_s <= 0) {
        hide(CODE.over);
        return;
      }
      setText(left, CODE.expiresIn(minutesLeft(left_s)));
      ticks += 1;
      if (ticks % LOOK_EVERY_TICKS === 0 && document.visibilityState === "visible" && await sessionCount() > before) hide(CODE.used);
    };
    timer = setInterval(() => tick().catch(ignored), TICK_MS);
    tick().catch(ignored);
  }

  /** @param {string} text */
  function hide(text) {
    clearInterval(timer);
    setText(code, "");
    const hadFocus = shown.contains(document.activeElement);
    setHidden(shown, true);
    setHidden(show, false);
    if (hadFocus) show.focus();
    setText(outcome, text);
  }

  /** @param {boolean} isConfirmed */
  async function enter(isConfirmed) {
    const account = accountOf();
    if (account && !isConfirmed) {
      const [text] = question.children;
      if (text) setText(text, CODE.replace(account.id));
      setHidden(question, false);
      /** @type {HTMLElement} */ (text).focus();
      return;
    }
    const body = JSON.stringify({ code: input.value, ...(account && { replaces: account.id }) });
    await call("/api/session/code", { method: "POST", body });
    onSignedIn();
  }

  const act = createAct(outcome, (error) => {
    setHidden(question, true);
    if (error.code === "bad_request" || error.code === "unauthenticated") input.focus();
    return sentence(error);
  });

  return {
    element,
    /** Shows what this account may do. */
    update() {
      const account = accountOf();
      setHidden(showing, account?.role !== "user");
    },
  };
}

/** @param {RequestError} error */
function sentence({ code, message }) {
  if (code === "unauthenticated") return CODE.wrong;
  if (code === "bad_request") return CODE.malformed;
  return code === "rate_limited" || code === "forbidden" || code === "conflict" ? message : failure(code);
}

/** A tick that finds no server is nothing: the next one looks again. */
function ignored(/** @type {unknown} */ error) {
  if (!(error instanceof RequestError)) throw error;
}

/** The clock of this device may be wrong, so the code's end is compared with the server's. */
async function serverNow_ms() {
  const { time_ms } = await call("/api/session");
  return time_ms;
}
