/** The form for the code of a ticket, on a show that takes votes with a ticket only. It keeps its state itself. */
import { RequestError, redeemTicket, signedIn } from "./api.js";
import { h, setAttribute, setHidden, setText } from "./dom.js";
import * as messages from "./messages.js";
import * as refusals from "./refusals.js";

const CODE_CHARS_MAX = 24;

/** @param {{onRedeemed(): void}} actions */
export function createTicketView({ onRedeemed }) {
  const input = h("input", {
    id: "ticket", type: "text", maxlength: CODE_CHARS_MAX, autocomplete: "off", autocapitalize: "characters", spellcheck: "false",
    enterkeyhint: "send", "aria-describedby": "ticket-outcome", translate: "no",
  });
  const button = h("button", { class: "button", type: "submit" }, "Use this code");
  const outcome = h("p", { id: "ticket-outcome", class: "ticket-outcome", role: "status" });
  const form = h("form", {
    class: "ticket-form",
    on: {
      submit: (event) => {
        event.preventDefault();
        redeem(input.value.trim());
      },
    },
  }, h("label", { for: "ticket" }, "Code on your ticket"), input, button);
  const element = h("section", { class: "ticket", "aria-labelledby": "ticket-heading" },
    h("h2", { id: "ticket-heading" }, "This show takes votes with a ticket"), form, outcome);
  let show = 0;
  let isSending = false;

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
      say(messages.TICKET_MISSING, true);
      return;
    }
    isSending = true;
    setAttribute(button, "aria-disabled", "true");
    try {
      await signedIn(() => redeemTicket(show, code));
      input.value = "";
      say("", false);
      onRedeemed();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      say(refusals.ticketFailure(error), true);
      // The account may have a ticket already.
      if (error.code === "conflict") onRedeemed();
    } finally {
      isSending = false;
      setAttribute(button, "aria-disabled", null);
    }
  }

  return {
    element,
    focus: () => input.focus(),
    /** @param {string} code  from the link that the visitor followed */
    offer(code) {
      if (!code) return;
      input.value = code.slice(0, CODE_CHARS_MAX);
      say(messages.TICKET_OFFERED, false);
    },
    /**
     * @param {number} id
     * @param {boolean} isWanted
     */
    update(id, isWanted) {
      show = id;
      setHidden(element, !isWanted);
    },
  };
}
