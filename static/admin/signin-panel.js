/** What the console shows to somebody who is not signed in as staff. */
import { h, setText } from "../dom.js";

/**
 * @import { User } from "../client.js"
 * @param {User|null} user
 * @param {(token: string) => Promise<string|null>} tryToken  gives what is wrong with a token; null: nothing
 */
export function createSignInPanel(user, tryToken) {
  const outcome = h("p", { class: "form-outcome", role: "status" });
  const token = h("input", { id: "token", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
  const form = h("form", { class: "form", on: {
    submit: async (event) => {
      event.preventDefault();
      setText(outcome, "One moment…");
      setText(outcome, await tryToken(token.value.trim()) ?? "");
    },
  } },
    h("label", { for: "token" }, "Token of your identity provider"), token,
    h("button", { class: "button", type: "submit" }, "Sign in"), outcome);
  return h("section", { class: "panel-narrow" },
    h("h1", { tabindex: "-1" }, "Sign in"),
    h("p", {}, user
      ? `You are signed in as account ${user.id}, which is not staff. The console is for moderators and administrators.`
      : "The console is for moderators and administrators."),
    h("h2", {}, "With a link"),
    h("p", {}, "Open the one-time link that an administrator gives you. Whoever runs the server makes one with:"),
    h("pre", { class: "command", tabindex: "0" }, h("code", {}, "mysetlist token --role admin --link")),
    h("h2", {}, "With an identity provider"), form);
}
