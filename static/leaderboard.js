/** The page of leaderboards: of a show, an artist, a season or a crew, and the visitor's crews. */
import { call, RequestError } from "./api.js";
import { createCrewsView } from "./crews-view.js";
import { h } from "./dom.js";
import { offerLanguages } from "./language.js";
import { createLeaderboardView } from "./leaderboard-view.js";
import { phrase } from "./words.js";

const KINDS = ["show", "artist", "season", "crew"];
const REFRESH_MS = 15_000;

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const board = createLeaderboardView(fetchBoard);
const crews = createCrewsView({ onJoined: start });
main.append(board.element, crews.element);

/** The board that the address names; without one, this season. */
function wanted() {
  const address = new URLSearchParams(location.search);
  const query = new URLSearchParams();
  for (const kind of KINDS) {
    const value = address.get(kind);
    if (value) query.set(kind, value);
  }
  if (![...query].length) query.set("season", String(new Date().getFullYear()));
  return query;
}

/** @param {string|null} cursor */
function fetchBoard(cursor) {
  const query = wanted();
  if (cursor) query.set("cursor", cursor);
  return call(`/api/leaderboard?${query}`);
}

async function start() {
  const query = wanted();
  const crew = query.get("crew");
  try {
    if (crew && !(await crews.admits(crew))) {
      board.hide();
      return;
    }
    await board.load(query.get("show"));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    board.fail(error.code);
  }
}

setInterval(() => {
  if (document.visibilityState === "visible" && board.isLive()) start();
}, REFRESH_MS);
main.prepend(h("nav", { class: "boards-nav", "aria-label": phrase("boards") },
  h("a", { class: "chip", href: "/leaderboard" }, phrase("board-season", { name: String(new Date().getFullYear()) })), h("a", { class: "chip", href: "/" }, phrase("all-shows"))));
offerLanguages(() => false);
start();
crews.load();
