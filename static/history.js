/** How the votes of a show came in. It is asked for when the reader opens it. */
import { call, RequestError } from "./api.js";
import { h, setHidden, setText } from "./dom.js";
import { HISTORY } from "./home-texts.js";
import { loadStyles } from "./late-styles.js";
import { failure } from "./refusals.js";

export function createHistory() {
  const state = h("p", { role: "status" });
  const place = h("div", { class: "history-place" });
  const element = h("details", { class: "more-rows history" }, h("summary", {}, HISTORY.title), state, place);
  element.addEventListener("toggle", () => {
    if (element.open) load();
  });
  /** @type {number|null} */
  let show = null;
  let zone = "UTC";
  let skew = 0;

  async function load() {
    if (show === null) return;
    setText(state, HISTORY.loading);
    try {
      const [{ draw }, history] = await Promise.all([
        import("./history-chart.js").catch((cause) => {
          throw new RequestError({ code: "disconnected", message: String(cause) });
        }),
        call(`/api/shows/${show}/history`),
        loadStyles(),
      ]);
      place.replaceChildren(...draw(history, zone, Date.now() + skew));
      setText(state, "");
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setText(state, failure(error.code));
    }
  }

  return {
    element,
    /** @type {(id: number, time_zone: string, skew_ms: number, hasVotes: boolean) => void} */
    update(id, time_zone, skew_ms, hasVotes) {
      show = id;
      skew = skew_ms;
      zone = time_zone;
      setHidden(element, !hasVotes);
    },
  };
}
