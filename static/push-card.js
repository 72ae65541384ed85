/** A card beside a show that the visitor goes to: whether this browser should tell when voting closes. */
import { RequestError } from "./api.js";
import { h, setHidden, setText } from "./dom.js";
import { beTold, fetchDevice, obstacle } from "./push.js";
import * as texts from "./push-texts.js";
import { browserStorage, StoredMap } from "./stored-map.js";

/** @import { Device } from "./push.js" */

const KEY = "mysetlist.notices";

export function createPushCard() {
  /** @type {StoredMap<true>} what the visitor has answered, so that nothing is offered twice */
  const answers = new StoredMap(browserStorage(), KEY);
  /** @type {"unknown"|"asking"|"offer"|"done"|"no"} */
  let phase = "unknown";
  /** @type {Device|null} what this browser is told already */
  let known = null;
  const text = h("p", { role: "status" });
  const yes = h("button", { class: "button button-main", type: "button", on: { click: accept } }, texts.CARD_BUTTON);
  const no = h("button", { class: "button quiet", type: "button", on: { click: () => end("no") } }, texts.CARD_LATER);
  const acts = h("p", { class: "push-acts" }, yes, no);
  const more = h("a", { class: "push-more", href: "/me#notices" }, texts.CARD_MORE);
  const element = h("div", { class: "push-card", hidden: true }, text, acts, more);
  let isWanted = false;

  /** @param {typeof phase} next */
  function end(next) {
    phase = next;
    answers.write({ answered: true });
    draw();
  }

  async function look() {
    phase = "asking";
    const why = obstacle();
    if (answers.read().answered || why === "unsupported" || why === "old_ios") {
      phase = "no";
    } else if (why !== null) {
      phase = "offer";
    } else {
      try {
        known = await fetchDevice();
        phase = known?.kinds.includes("voting_closes") ? "no" : "offer";
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        phase = "unknown"; // asked again the next time that the card would be shown
      }
    }
    draw();
  }

  async function accept() {
    try {
      // What the device is told already stays. The permission is asked for first, in the moment of the tap.
      const others = known?.kinds.filter((kind) => kind !== "voting_closes") ?? [];
      const device = await beTold({ kinds: ["voting_closes", ...others], quiet_from: known?.quiet_from ?? null, quiet_to: known?.quiet_to ?? null });
      if (device) end("done");
      else setText(text, obstacle() === "blocked" ? texts.OBSTACLES.blocked : texts.NOT_ALLOWED);
    } catch (error) {
      if (error instanceof RequestError) setText(text, error.code === "disconnected" ? texts.FAILED : error.message);
      else if (error instanceof DOMException) setText(text, texts.NOT_SUBSCRIBED);
      else throw error;
    }
  }

  function draw() {
    const why = obstacle();
    setHidden(element, !isWanted || (phase !== "offer" && phase !== "done"));
    setHidden(acts, phase === "done");
    setHidden(yes, why !== null);
    setHidden(more, phase !== "done");
    if (phase === "done") setText(text, texts.CARD_DONE);
    else if (phase === "offer") setText(text, why === null ? texts.CARD_OFFER : texts.OBSTACLES[why]);
  }

  return {
    element,
    /** @param {boolean} wanted  the visitor goes to the show, and its voting has not ended */
    update(wanted) {
      if (wanted && phase === "unknown") look();
      if (wanted === isWanted) return;
      isWanted = wanted;
      draw();
    },
  };
}
