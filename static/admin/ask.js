/** The dialog before an act: what it will change, its fields, and then its result or the server's refusal. */
import { RequestError } from "../client.js";
import { h, setAttribute, setHidden, setText } from "../dom.js";
import { createFields } from "./fields.js";
import { focusFirst } from "./parts.js";

/** @import { Desk, Question } from "./types.js" */

/** The reason of an act, for the audit log. */
export const REASON = /** @type {const} */ ({ name: "reason", label: "Reason (for the audit log)", attributes: { maxlength: 500 } });

/**
 * Asks whether to act. Enter acts, Esc does not.
 * @param {Desk} desk
 * @param {Question} question
 * @returns {Promise<boolean>} whether the act was done
 */
export function ask(desk, { title, lines = [], preview, fields = [], label, cancelLabel = label.startsWith("Cancel") ? "Keep it" : "Cancel", isGrave = false, refresh, act }) {
  const { elements, controls, values, renew } = createFields(fields);
  const list = h("ul", { class: "changes" });
  const refusal = h("p", { class: "refused", role: "alert", hidden: true });
  const submit = h("button", { class: "button button-main", type: "submit" }, label);
  const cancel = h("button", { class: "button quiet", type: "button" }, cancelLabel);
  const form = h("form", { class: "form" }, list, ...elements, h("div", { class: "ask-end" }, refusal, h("p", { class: "form-end" }, submit, cancel)));
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "ask-title" }, h("h2", { id: "ask-title" }, title), form);
  setAttribute(submit, "data-grave", isGrave);
  let isDone = false;
  let isBusy = false;
  let previewed = 0;

  /** @param {string} text  empty: nothing was refused */
  function refuse(text) {
    setText(refusal, text);
    setHidden(refusal, !text);
  }

  /** @param {string[]} texts */
  const show = (texts) => list.replaceChildren(...texts.map((text) => h("li", {}, text)));

  /**
   * Asks the server what the act would change. Gives whether it would be done.
   * @param {string} [news]  what stays on screen beside it
   */
  async function look(news = "") {
    if (!preview) return true;
    const mine = ++previewed;
    try {
      const texts = await preview(values());
      if (mine !== previewed) return false;
      show([...lines, ...texts]);
      refuse(news);
      return true;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (mine !== previewed) return false;
      refuse(error.message);
      if (!news) beginAgain(error);
      return false;
    }
  }

  /**
   * Somebody else was faster: the act begins again with what is there now, and the next press does it.
   * @param {RequestError} error
   */
  function beginAgain({ code, message }) {
    if (code !== "conflict" || !refresh) return;
    looking = refresh().then((newer) => {
      renew(newer);
      return look(`${message} This dialog has read it again.`);
    }, (/** @type {unknown} */ error) => {
      if (!(error instanceof RequestError)) throw error;
      return false;
    });
  }

  let looking = look();
  show(preview ? [...lines, "Asking the server what this changes…"] : lines);
  form.addEventListener("change", () => {
    looking = look();
  });
  return new Promise((resolve) => {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (isBusy) return;
      isBusy = true;
      setAttribute(submit, "aria-disabled", "true");
      try {
        const looked = looking;
        if (!(await looked)) {
          if (looking === looked) looking = look(); // what was refused may be possible now; the next press acts
          return;
        }
        const result = await act(values());
        if (result) desk.tell(result);
        isDone = true;
        dialog.close();
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        refuse(error.message);
        if (dialog.isConnected) beginAgain(error);
        else desk.tell(error.message);
      } finally {
        isBusy = false;
        setAttribute(submit, "aria-disabled", null);
        if (!dialog.isConnected) resolve(isDone);
      }
    });
    cancel.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (document.activeElement === document.body) focusFirst(); // the button that asked is gone
      if (!isBusy) resolve(isDone); // else an act goes on: whoever asked waits for its result
    });
    document.body.append(dialog);
    dialog.showModal();
    const wanted = Object.values(controls).find((control) => control.required && !control.value);
    const search = fields[0]?.picks ? form.querySelector("input") : null;
    (search ?? wanted ?? (isGrave ? cancel : submit)).focus();
  });
}
