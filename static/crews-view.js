/** The visitor's crews: making one, the link that invites to it, joining and leaving. */
import { createAct } from "./acting.js";
import { call, RequestError, signIn } from "./api.js";
import { h, setHidden, setText } from "./dom.js";
import * as words from "./board-texts.js";
import { copy as copyText } from "./sharing.js";
import { phrase } from "./words.js";

/** @import { Crew } from "./types.js" */

const NAME_CHARS_MAX = 60;

/** @param {{onJoined: () => void}} events */
export function createCrewsView({ onJoined }) {
  const invited = h("h1", { class: "crew-invited" }); // the board, which has the heading of the page, is hidden then
  const join = h("button", { class: "button button-main", type: "button" }, phrase("crew-join"));
  const invitation = h("div", { class: "crew-invitation", hidden: true }, invited, join);
  const link = h("input", { id: "crew-link", type: "text", readonly: true });
  link.addEventListener("focus", () => link.select());
  const copy = h("button", { class: "button", type: "button", on: { click: () => copyLink() } }, phrase("crew-copy"));
  const leave = h("button", { class: "button quiet", type: "button" }, phrase("crew-leave"));
  const own = h("div", { class: "crew-own", hidden: true }, h("label", { for: "crew-link" }, phrase("crew-link")),
    h("p", { class: "crew-line" }, link, copy), leave);
  const list = h("ul", { class: "crew-list" });
  const input = h("input", { id: "crew-name", type: "text", maxlength: NAME_CHARS_MAX, required: true, autocomplete: "off" });
  const form = h("form", {
    class: "crew-form",
    on: {
      submit: (event) => {
        event.preventDefault();
        act(make);
      },
    },
  }, h("label", { for: "crew-name" }, phrase("crew-name")),
    h("p", { class: "crew-line" }, input, h("button", { class: "button", type: "submit" }, phrase("crew-make"))));
  const outcome = h("p", { class: "crew-outcome", role: "status" });
  const element = h("section", { class: "crews", "aria-labelledby": "crews-title" }, invitation, own,
    h("h2", { id: "crews-title" }, phrase("crews")),
    h("p", { class: "crew-lead" }, phrase("crews-lead")), list, form, outcome);

  async function make() {
    await signIn();
    /** @type {Crew} */
    const crew = await call("/api/crews", { method: "POST", body: JSON.stringify({ name: input.value }) });
    location.assign(`/leaderboard?crew=${crew.code}`);
  }

  async function copyLink() {
    link.select();
    setText(outcome, await copyText(link.value) ? phrase("crew-copied") : phrase("crew-copy-selected"));
  }

  const act = createAct(outcome, ({ code }) => words.crewFailure(code));

  return {
    element,
    async load() {
      try {
        /** @type {{items: {code: string, name: string}[]}} */
        const { items } = await call("/api/crews");
        list.replaceChildren(...items.map(({ code, name }) =>
          h("li", {}, h("a", { class: "chip", href: `/leaderboard?crew=${code}`, dir: "auto" }, name))));
      } catch (error) {
        // The board is there without them.
        if (!(error instanceof RequestError)) throw error;
      }
    },
    /**
     * Whether the visitor is a member of a crew. Who is not sees the invitation.
     * @param {string} code
     */
    async admits(code) {
      const path = `/api/crews/${encodeURIComponent(code)}`;
      /** @type {Crew} */
      let crew;
      try {
        crew = await call(path);
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        setText(outcome, words.crewFailure(error.code));
        return false;
      }
      setHidden(invitation, crew.is_member);
      setHidden(own, !crew.is_member);
      setText(invited, words.invitation(crew.name, crew.members));
      link.value = `${location.origin}/leaderboard?crew=${crew.code}`;
      join.onclick = () => act(async () => {
        await signIn();
        await call(`${path}/join`, { method: "POST" });
        onJoined();
        await this.load();
      });
      leave.onclick = () => act(async () => {
        await call(`${path}/leave`, { method: "POST" });
        location.assign("/leaderboard");
      });
      return crew.is_member;
    },
  };
}
