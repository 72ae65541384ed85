/** The button that follows an artist. The first press of a visitor without an account makes one. */
import { call, fetchFollowing, fetchSession, RequestError, signedIn } from "./api.js";
import { h, setAttribute, setText } from "./dom.js";
import { followerLine } from "./entry-texts.js";
import { markNotice } from "./refusals.js";
import { phrase } from "./words.js";

/**
 * @param {{id: number, name: string, follower_count: number}} artist
 */
export function createFollowButton({ id, name, follower_count }) {
  const line = h("span", { class: "follow-count", role: "status" }, followerLine(follower_count));
  const button = h("button", { class: "button mark", type: "button", "aria-pressed": "false", "aria-label": phrase("follow-artist", { artist: name }),
    on: { click: press } }, phrase("follow"));
  let isBusy = false;

  /** @param {{following: boolean, count: number}} answer */
  function draw({ following, count }) {
    setAttribute(button, "aria-pressed", String(following));
    setText(line, followerLine(count));
  }

  async function press() {
    if (isBusy) return;
    isBusy = true;
    const wanted = button.getAttribute("aria-pressed") !== "true";
    setAttribute(button, "aria-pressed", String(wanted));
    try {
      draw(await signedIn(() => call(`/api/artists/${id}/follow`, { method: wanted ? "PUT" : "DELETE" })));
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setAttribute(button, "aria-pressed", String(!wanted));
      setText(line, markNotice(error.code));
    }
    isBusy = false;
  }

  async function load() {
    try {
      const { user } = await fetchSession();
      if (user) setAttribute(button, "aria-pressed", String((await fetchFollowing(id)).following));
    } catch (error) {
      // The button works without it: the same follow twice is one follow.
      if (!(error instanceof RequestError)) throw error;
    }
  }

  load();
  return h("div", { class: "follow" }, button, line);
}
