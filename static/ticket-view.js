/**
 * How a visitor gets the ticket of a show that takes votes with a ticket only: a form for its code, or a button that does the work
 * or looks for the confirmed email. It keeps its state itself.
 */
import { call, RequestError, signedIn } from "./api.js";
import { h, setAttribute, setHidden, setText } from "./dom.js";
import { BARRED, failure, inEnglish } from "./refusals.js";
import { phrase } from "./words.js";
import { canWork, doWork } from "./work.js";

/** @import { TicketSource } from "./types.js" */

const CODE_CHARS_MAX = 24;
/** @type {Record<TicketSource, {heading: string, why: string, start: string}>} how this show gives tickets */
const TEXTS = {
  code: { heading: phrase("ticket-heading-code"), why: "", start: "" },
  work: { heading: phrase("ticket-heading-work"), why: phrase("ticket-why-work"), start: phrase("ticket-start-work") },
  mail: { heading: phrase("ticket-heading-mail"), why: phrase("ticket-why-mail"), start: phrase("ticket-start-mail") },
};

/** @param {{onRedeemed(): void}} actions */
export function createTicketView({ onRedeemed }) {
  const input = h("input", {
    id: "ticket", type: "text", maxlength: CODE_CHARS_MAX, autocomplete: "off", autocapitalize: "characters", spellcheck: "false",
    enterkeyhint: "send", "aria-describedby": "ticket-outcome", translate: "no",
  });
  const button = h("button", { class: "button", type: "submit" }, phrase("ticket-use"));
  const outcome = h("p", { id: "ticket-outcome", class: "ticket-outcome", role: "status" });
  const form = h("form", {
    class: "ticket-form",
    on: {
      submit: (event) => {
        event.preventDefault();
        redeem(input.value.trim());
      },
    },
  }, h("label", { for: "ticket" }, phrase("ticket-label")), input, button);
  const heading = h("h2", { id: "ticket-heading" }, TEXTS.code.heading);
  const why = h("p", {});
  const page = h("a", { class: "button", href: "/me" }, phrase("ticket-confirm-email"));
  const start = h("button", { class: "button", type: "button", on: { click: () => earn() } });
  const element = h("section", { class: "ticket", "aria-labelledby": "ticket-heading" }, heading, form, why, h("p", { class: "ticket-acts" }, page, start), outcome);
  let show = 0;
  /** @type {TicketSource} */
  let source = "code";
  let isSending = false;
  let offered = "";

  /**
   * @param {string} text
   * @param {boolean} isWrong
   */
  function say(text, isWrong) {
    setText(outcome, text);
    setAttribute(input, "aria-invalid", isWrong ? "true" : null);
    if (isWrong) input.focus();
  }

  /** @param {string} code */
  async function redeem(code) {
    if (isSending) return;
    if (!code) {
      say(phrase("ticket-missing"), true);
      return;
    }
    isSending = true;
    setAttribute(button, "aria-disabled", "true");
    try {
      await signedIn(() => call(`/api/shows/${show}/ticket`, { method: "POST", body: JSON.stringify({ code }) }));
      input.value = "";
      say("", false);
      onRedeemed();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      say(ticketFailure(error), true);
      // The account may have a ticket already.
      if (error.code === "conflict") onRedeemed();
    } finally {
      isSending = false;
      setAttribute(button, "aria-disabled", null);
    }
  }

  /** Gets the ticket of a show that gives it for work or a confirmed email. */
  async function earn() {
    if (isSending) return;
    if (source === "work" && !canWork()) {
      say(phrase("ticket-cannot-work"), false);
      return;
    }
    const id = show; // another show may be open when the work is done
    isSending = true;
    setAttribute(start, "aria-disabled", "true");
    try {
      let work = null;
      if (source === "work") {
        say(phrase("ticket-working"), false);
        work = await doWork(await signedIn(() => call(`/api/shows/${id}/ticket/work`)));
      }
      await signedIn(() => call(`/api/shows/${id}/ticket/earned`, { method: "POST", body: JSON.stringify({ work }) }));
      say("", false);
      onRedeemed();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      say(earningFailure(error), false);
    } finally {
      isSending = false;
      setAttribute(start, "aria-disabled", null);
    }
  }

  return {
    element,
    /** The visitor wants to vote: the work begins at once. */
    focus() {
      if (source === "code") input.focus();
      else start.focus();
      if (source === "work") earn();
    },
    /**
     * @param {number} id
     * @param {TicketSource} by  how this show gives tickets
     * @param {string} slug  of the show, to which the page of the account leads back
     * @param {string} code  from the link that the visitor followed
     */
    update(id, by, slug, code) {
      show = id;
      setAttribute(page, "href", `/me?show=${slug}`);
      source = by;
      setText(heading, TEXTS[by].heading);
      setText(why, TEXTS[by].why);
      setText(start, TEXTS[by].start);
      if (code !== offered) {
        offered = code;
        input.value = code.slice(0, CODE_CHARS_MAX);
        say(phrase("ticket-offered"), false);
      }
      setHidden(form, by !== "code");
      setHidden(why, by === "code");
      setHidden(start, by === "code");
      setHidden(page, by !== "mail");
    },
  };
}

/**
 * Why the show gave no ticket for work or for a confirmed email.
 * @param {{code: string, message: string}} error
 */
function earningFailure({ code, message }) {
  switch (code) {
    case "forbidden": return inEnglish(message, phrase("earning-forbidden"));
    case "bad_request": return inEnglish(message, phrase("earning-malformed"));
    case "conflict": return inEnglish(message, phrase("earning-conflict"));
    default: return failure(code);
  }
}

/**
 * Why a ticket's code was refused.
 * @param {{code: string, message: string}} error
 */
function ticketFailure({ code, message }) {
  switch (code) {
    case "conflict": return inEnglish(message, phrase("ticket-conflict"));
    case "bad_request": return phrase("ticket-malformed");
    case "not_found": return phrase("ticket-unknown");
    case "forbidden": return BARRED;
    case "rate_limited": return phrase("ticket-tried-too-often");
    default: return failure(code);
  }
}
