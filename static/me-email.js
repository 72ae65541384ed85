/** The email address of the account on the page /me: a form for it, whether it is confirmed, and the way back to a show that asks for it. */
import { call, RequestError, saveLanguage, signedIn } from "./api.js";
import { setHidden, setText } from "./dom.js";
import { accountFailure } from "./me-texts.js";
import { LANGUAGE, phrase } from "./words.js";

/** @typedef {{address: string|null, frequency: string, kinds: string[], is_confirmed: boolean, can_send: boolean, stopped_by: "link"|"bounce"|"complaint"|"staff"|null}} Email */

const PATH = "/api/me/email";
const LOOK_EVERY_MS = 5_000;
const BACK_KEY = "mysetlist.back";
const SLUG = /^[a-z0-9-]+$/;

/** @param {string} id */
const elementOf = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const section = elementOf("email");
const state = elementOf("email-state");
const form = /** @type {HTMLFormElement} */ (elementOf("email-form"));
const address = /** @type {HTMLInputElement} */ (elementOf("address"));
const frequency = /** @type {HTMLSelectElement} */ (elementOf("frequency"));
const save = elementOf("email-save");
const remove = elementOf("email-delete");
const back = /** @type {HTMLAnchorElement} */ (elementOf("email-back"));

/** The show that sent the visitor here, also after the link of the email was opened in another tab. */
function showToGoBackTo() {
  const given = new URLSearchParams(location.search).get("show") ?? "";
  try {
    if (SLUG.test(given)) localStorage.setItem(BACK_KEY, given);
    const kept = localStorage.getItem(BACK_KEY) ?? "";
    return SLUG.test(kept) ? kept : "";
  } catch {
    return SLUG.test(given) ? given : ""; // storage is blocked: only the address of this page knows it
  }
}

/** @param {{onAccount(): void}} actions  onAccount: the visitor has an account since now */
export function createEmail({ onAccount }) {
  const show = showToGoBackTo();
  /** @type {Email|null} null: not known yet, or there is no account */
  let known = null;
  let isSending = false;

  /** @param {Email} email */
  function draw(email) {
    const isOther = known?.address !== email.address;
    known = email;
    const { address: saved, is_confirmed, can_send } = email;
    setHidden(section, false);
    setText(state, sentence(email));
    setHidden(form, !can_send && saved === null);
    setHidden(remove, saved === null);
    setHidden(back, !show || (can_send && !is_confirmed));
    back.href = `/shows/${show}`;
    back.classList.toggle("button-main", is_confirmed);
    save.classList.toggle("button-main", !is_confirmed);
    if (isOther) address.value = saved ?? "";
    if (isOther) frequency.value = saved === null ? "never" : email.frequency;
  }

  /** @param {Email} email */
  function sentence({ address: saved, is_confirmed, can_send, stopped_by }) {
    if (saved !== null && is_confirmed) {
      const confirmed = show ? phrase("email-confirmed-back", { address: saved }) : phrase("email-confirmed", { address: saved });
      return stopped_by ? whyStopped(stopped_by, confirmed) : confirmed;
    }
    if (!can_send) return phrase("email-off");
    if (saved !== null) return phrase("email-sent", { address: saved });
    return show ? phrase("email-wanted") : phrase("email-none");
  }

  /** @type {(by: NonNullable<Email["stopped_by"]>, confirmed: string) => string} */
  function whyStopped(by, confirmed) {
    switch (by) {
      case "link": return phrase("email-stopped-link", { confirmed });
      case "bounce": return phrase("email-stopped-bounce", { confirmed });
      case "complaint": return phrase("email-stopped-complaint", { confirmed });
      default: return phrase("email-stopped-staff", { confirmed });
    }
  }

  async function load() {
    try {
      draw(await call(PATH));
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      // Who has no account gets one with the address.
      if (error.code === "unauthenticated") draw({ address: null, frequency: "never", kinds: [], is_confirmed: false, can_send: true, stopped_by: null });
      else if (!known) setText(state, phrase("email-not-loaded", { why: accountFailure(error) }));
    }
  }

  /** @param {() => Promise<void>} change */
  async function act(change) {
    if (isSending) return;
    isSending = true;
    try {
      await change();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      const isWrong = error.code === "bad_request";
      setText(state, isWrong ? phrase("email-malformed") : accountFailure(error));
      if (isWrong) address.focus();
    } finally {
      isSending = false;
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act(async () => {
      const kinds = known?.address ? { kinds: known.kinds } : {};
      const body = JSON.stringify({ address: address.value.trim(), frequency: frequency.value, ...kinds });
      const hadAccount = known?.address !== null;
      // Emails are written in the language of this page.
      await signedIn(() => saveLanguage(LANGUAGE));
      draw(await signedIn(() => call(PATH, { method: "PUT", body })));
      if (!hadAccount) onAccount();
    });
  });
  remove.addEventListener("click", () => act(async () => {
    await call(PATH, { method: "DELETE" });
    await load();
    address.focus(); // the button that had the focus is gone
  }));
  back.addEventListener("click", () => {
    try {
      localStorage.removeItem(BACK_KEY);
    } catch {
      // Storage is blocked: nothing was kept.
    }
  });
  const look = () => {
    if (known?.address && !known.is_confirmed && document.visibilityState === "visible") load();
  };
  setInterval(look, LOOK_EVERY_MS);
  document.addEventListener("visibilitychange", look);
  load();
}
