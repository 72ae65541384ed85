/**
 * How a visitor gets the ticket of a show that takes votes with a ticket only: a form for its code, or a button that does the work
 * or looks for the confirmed email. It keeps its state itself.
 */
import { RequestError, earnTicket, fetchWork, redeemTicket, signedIn } from "./api.js";
import { h, setAttribute, setHidden, setText } from "./dom.js";
import * as messages from "./messages.js";
import * as refusals from "./refusals.js";
import { phrase } from "./words.js";
import { canWork, doWork } from "./work.js";

/** @import { TicketSource } from "./types.js" */

const CODE_CHARS_MAX = 24;

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
  const heading = h("h2", { id: "ticket-heading" }, messages.TICKET_HEADING.code);
  const why = h("p", {});
  const page = h("a", { class: "button", href: "/me" }, phrase("ticket-confirm-email"));
  const start = h("button", { class: "button", type: "button", on: { click: () => earn() } });
  const element = h("section", { class: "ticket", "aria-labelledby": "ticket-heading" }, heading, form, why, h("p", { class: "ticket-acts" }, page, start), outcome);
  let show = 0;
  /** @type {TicketSource} */
  let source = "code";
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

  /** Gets the ticket of a show that gives it for work or a confirmed email. */
  async function earn() {
    if (isSending) return;
    if (source === "work" && !canWork()) {
      say(messages.CANNOT_WORK, false);
      return;
    }
    const id = show; // another show may be open when the work is done
    isSending = true;
    setAttribute(start, "aria-disabled", "true");
    try {
      let work = null;
      if (source === "work") {
        say(messages.WORKING, false);
        work = await doWork(await signedIn(() => fetchWork(id)));
      }
      await signedIn(() => earnTicket(id, work));
      say("", false);
      onRedeemed();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      say(refusals.earningFailure(error), false);
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
    /** @param {string} code  from the link that the visitor followed */
    offer(code) {
      if (!code) return;
      input.value = code.slice(0, CODE_CHARS_MAX);
      say(messages.TICKET_OFFERED, false);
    },
    /**
     * @param {number} id
     * @param {boolean} isWanted
     * @param {TicketSource} by  how this show gives tickets
     * @param {string} slug  of the show, to which the page of the account leads back
     */
    update(id, isWanted, by, slug) {
      show = id;
      setAttribute(page, "href", `/me?show=${slug}`);
      source = by;
      setHidden(element, !isWanted);
      setText(heading, messages.TICKET_HEADING[by]);
      setText(why, messages.TICKET_WHY[by]);
      setText(start, messages.TICKET_START[by]);
      setHidden(form, by !== "code");
      setHidden(why, by === "code");
      setHidden(start, by === "code");
      setHidden(page, by !== "mail");
    },
  };
}
