/** The shell of the console: who is signed in, the navigation, the address, the keys, and the one connection. */
import { signOut } from "../api.js";
import { RequestError } from "../client.js";
import { h, setAttribute, setHidden, setText } from "../dom.js";
import * as messages from "../messages.js";
import { call, heldToken, holdToken } from "./api.js";
import { ask } from "./ask.js";
import { createKeys } from "./keys.js";
import { Live } from "./live.js";
import { PAGES } from "./pages.js";
import { createSignInPanel } from "./signin-panel.js";

/**
 * @import { User } from "../client.js"
 * @import { ConsolePage, Desk, OpenPage } from "./types.js"
 */

const NOTICE_MS = 9_000;
const ROLES = ["user", "moderator", "admin"];

const main = elementOf("main");
const nav = elementOf("nav");
const notice = elementOf("notice");
const connection = elementOf("connection");
const help = elementOf("help");
const leave = elementOf("sign-out");
// On a phone the links would take a quarter of the screen.
const menu = h("button", { class: "button nav-menu", type: "button", "aria-controls": "pages", on: { click: () => openMenu(!nav.dataset.open) } });

/** @type {OpenPage|null} */
let opened = null;
let drawnAddress = "";
/** @type {Desk|null} null: nobody of staff is signed in */
let desk = null;
/** @type {ReturnType<typeof setTimeout>|undefined} */
let noticeTimer;
let isLeaving = false; // the question was answered

/** @param {string} id */
function elementOf(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {ConsolePage} page */
const addressOf = (page) => (page === PAGES[0] ? "/admin" : `/admin/${page.name}`);

/** @type {(role: string, wanted: string) => boolean} */
const may = (role, wanted) => ROLES.indexOf(role) >= ROLES.indexOf(wanted);

/** The pages that the user may open. */
const pages = () => (desk ? PAGES.filter((page) => may(desk?.user.role ?? "", page.role)) : []);

/** @param {string} text */
function tell(text) {
  clearTimeout(noticeTimer);
  notice.replaceChildren(h("div", { class: "notice-card" }, h("p", {}, text),
    h("button", { class: "button quiet", type: "button", on: { click: () => notice.replaceChildren() } }, "OK")));
  noticeTimer = setTimeout(() => notice.replaceChildren(), NOTICE_MS);
}

/** Asks before something unsaved is lost. Gives whether the page may be left. */
async function mayLeave() {
  const lines = opened?.unsaved?.() ?? [];
  if (!lines.length || !desk) return true;
  return ask(desk, { title: "Leave this page?", lines, label: "Leave", cancelLabel: "Stay", isGrave: true, act: async () => "" });
}

/** @param {boolean} isOpen */
function openMenu(isOpen) {
  if (isOpen) nav.dataset.open = "true";
  else delete nav.dataset.open;
  setAttribute(menu, "aria-expanded", String(isOpen));
}

/** @param {string} address */
async function go(address) {
  if (!(await mayLeave())) return;
  history.pushState(null, "", address);
  draw();
}

/** Opens the page that the address names. */
function draw(isFirst = false) {
  if (!desk || (!isFirst && location.pathname === drawnAddress)) return;
  drawnAddress = location.pathname;
  const [name = "", ...path] = location.pathname.split("/").filter(Boolean).slice(1);
  const page = pages().find((one) => (name ? one.name === name : one === PAGES[0])) ?? null;
  opened?.close?.();
  opened = page?.open(desk, path) ?? { element: createMissing(name) };
  main.replaceChildren(opened.element);
  document.title = `${page?.title ?? "Not found"} · MySetlist console`;
  setText(menu, page ? `Page: ${page.title}` : "Pages");
  openMenu(false);
  for (const link of nav.querySelectorAll("a")) {
    setAttribute(link, "aria-current", link.dataset.page === page?.name ? "page" : null);
  }
  scrollTo(0, 0);
  if (!isFirst) opened.element.querySelector("h1")?.focus({ preventScroll: true });
}

/** @param {string} name */
function createMissing(name) {
  return h("section", { class: "panel-narrow" }, h("h1", { tabindex: "-1" }, "No such page"),
    h("p", {}, `The console has no page “${name}”, or it is not for your role.`));
}

/** @param {User} user */
function start(user) {
  const live = new Live((status, refusal) => {
    setHidden(connection, false);
    setAttribute(connection, "data-connection", status);
    setText(connection, messages.CONNECTION[status]);
    if (refusal !== null) location.reload();
  });
  desk = {
    user, go, tell, call,
    has: (name) => pages().some((page) => page.name === name),
    watch: (channel, watcher) => live.watch(channel, watcher),
    repeat: (work, every_ms) => live.repeat(work, every_ms),
  };
  nav.replaceChildren(menu, h("ul", { id: "pages" }, ...pages().map((page) =>
    h("li", {}, h("a", { href: addressOf(page), data: { link: "", page: page.name } }, page.title)))));
  const keys = createKeys({ pages, go: (page) => go(addressOf(page)), shortcuts: () => opened?.shortcuts ?? [] });
  help.addEventListener("click", () => keys.show());
  for (const element of [nav, help, leave]) setHidden(element, false);
  draw(true);
}

/** @param {User|null} user */
function askToSignIn(user) {
  document.title = "Sign in · MySetlist console";
  setHidden(leave, user === null);
  main.replaceChildren(createSignInPanel(user, async (token) => {
    holdToken(token);
    try {
      const { user: found } = await call("/api/session");
      if (found && may(found.role, "moderator")) {
        location.reload();
        return null;
      }
      holdToken("");
      return "This account is not staff. Its role is given by the identity provider.";
    } catch (error) {
      holdToken("");
      if (error instanceof RequestError) return error.message;
      throw error;
    }
  }));
}

async function begin() {
  try {
    const { user } = await call("/api/session");
    if (user && may(user.role, "moderator")) start(user);
    else askToSignIn(user);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    if (error.isTransient && error.code !== "unauthenticated") {
      main.replaceChildren(h("p", { class: "empty", role: "status" }, "The server does not answer. Trying again…"));
      setTimeout(begin, 2_000);
      return;
    }
    holdToken("");
    askToSignIn(null);
  }
}

leave.addEventListener("click", async () => {
  if (!(await mayLeave())) return;
  isLeaving = true;
  try {
    if (heldToken()) holdToken("");
    else await signOut();
    location.assign("/admin");
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    if (error.code === "unauthenticated") location.assign("/admin");
    else {
      isLeaving = false;
      tell(`You are still signed in: ${error.message}`);
    }
  }
});

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[data-link]") : null;
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!(link instanceof HTMLAnchorElement) || !isPlain || !desk) return;
  event.preventDefault();
  go(link.pathname);
});
addEventListener("popstate", () => {
  const wanted = location.pathname;
  if (wanted === drawnAddress || !opened?.unsaved?.().length) {
    draw();
    return;
  }
  history.pushState(null, "", drawnAddress); // the address stays true until the question is answered
  go(wanted);
});
addEventListener("beforeunload", (event) => {
  if (!isLeaving && opened?.unsaved?.().length) event.preventDefault();
});

begin();
