/** What fans say about a venue, and the visitor's own review. */
import { createAct } from "./acting.js";
import { call, signedIn } from "./api.js";
import { h, icon, setAttribute, setHidden, setText } from "./dom.js";
import * as texts from "./entry-texts.js";
import { nothing, section, shortList } from "./page-parts.js";
import { failure } from "./refusals.js";
import { phrase } from "./words.js";

/** @import { Review, ReviewPage, Venue } from "./types.js" */

const SHOWN_COUNT = 5;
const CHARS_MAX = 2000;
const RATINGS = [1, 2, 3, 4, 5];

/**
 * @param {Venue} venue
 * @param {ReviewPage} page
 */
export function createReviews({ id, name }, { items, own }) {
  const path = `/api/venues/${id}/reviews`;
  const outcome = h("p", { class: "form-outcome", role: "status" });
  const act = createAct(outcome, ({ code, message }) => (code === "forbidden" || code === "conflict" ? message : failure(code)));
  const choices = RATINGS.map((value) => {
    const input = h("input", { type: "radio", name: "rating", value, id: `stars-${id}-${value}`, required: true });
    input.addEventListener("change", () => light(value));
    if (own?.rating === value) input.checked = true;
    return h("span", { class: "star-choice" }, input,
      h("label", { for: input.id }, icon("star"), h("span", { class: "sr" }, texts.stars(value))));
  });
  light(own?.rating ?? 0);
  const body = h("textarea", { id: `review-${id}`, rows: 3, maxlength: CHARS_MAX });
  body.value = own?.body ?? "";
  const remove = h("button", { class: "button quiet", type: "button", hidden: !own, on: { click: () => act(erase) } }, phrase("review-delete"));
  const send = h("button", { class: "button button-main", type: "submit" }, own ? phrase("review-change") : phrase("review-send"));
  const form = h("form", { class: "review-form", on: { submit: (event) => {
    event.preventDefault();
    act(save);
  } } },
  h("fieldset", { class: "stars" }, h("legend", {}, own ? phrase("review-own") : phrase("review-were-you", { venue: name })), ...choices),
  h("label", { for: body.id }, phrase("review-label")), body,
  h("p", { class: "form-end" }, send, remove), outcome);

  /** @param {number} rating */
  function light(rating) {
    for (const [index, choice] of choices.entries()) setAttribute(choice, "data-on", index < rating);
  }

  async function save() {
    const rating = Number(new FormData(form).get("rating"));
    /** @type {{status: keyof typeof texts.REVIEW}} */
    const { status } = await signedIn(() => call(path, { method: "POST", body: JSON.stringify({ rating, body: body.value.trim() }) }));
    setText(outcome, texts.REVIEW[status]);
    setText(send, phrase("review-change"));
    setHidden(remove, false);
  }

  async function erase() {
    await call(path, { method: "DELETE" });
    form.reset();
    body.value = "";
    for (const input of form.querySelectorAll("input")) input.checked = false;
    light(0);
    setText(outcome, texts.REVIEW_DELETED);
    setText(send, phrase("review-send"));
    send.focus(); // the button that had the focus is gone
    setHidden(remove, true);
  }

  return section(phrase("reviews-heading"), "", items.length ? shortList(items.map(rowOf), SHOWN_COUNT, { className: "reviews" }) : nothing(phrase("reviews-none")), form);
}

/** @param {Review} review */
function rowOf({ rating, body, created_at, author }) {
  return h("li", { class: "review" },
    h("p", { class: "review-stars" }, h("span", { class: "sr" }, texts.stars(rating)),
      ...RATINGS.map((value) => h("span", { "data-on": value <= rating, "aria-hidden": "true" }, icon("star")))),
    body ? h("p", { class: "review-body", dir: "auto" }, body) : null,
    h("p", { class: "review-by", dir: "auto" }, texts.reviewBy(created_at, author?.display_name)));
}
