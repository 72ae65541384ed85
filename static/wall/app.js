/** Starts a wall: a venue's screen, an overlay of a video stream, or a frame in another site. */
import { Feed } from "./feed.js";
import { createView } from "./view.js";

const DRAW_EVERY_MS = 500;
const SONGS_DEFAULT = 5;
const SONGS_MAX = 20;
const POSITIONS = ["bottom-left", "bottom-right", "top-left", "top-right"];

const root = document.documentElement;
const kind = root.getAttribute("data-wall");

/**
 * A value of the address's query.
 * @param {string} name
 */
function option(name) {
  const found = new RegExp(`[?&]${name}=([\\w-]+)`).exec(location.search) || [];
  return found[1] || "";
}

function songsMax() {
  const asked = Number(option("songs"));
  if (asked >= 1) return Math.min(SONGS_MAX, Math.floor(asked));
  return kind === "screen" ? null : SONGS_DEFAULT;
}

/** The show that the server has put into the page; null: it could not. */
function showInPage() {
  const element = document.getElementById("show");
  return element && JSON.parse(element.textContent || "null");
}

let told_px = 0;

/** Tells the site around this frame how high it is. The height is no secret, so any site may hear it. */
function tellHeight() {
  const height = Math.ceil(/** @type {HTMLElement} */ (document.querySelector("main")).getBoundingClientRect().height);
  if (height === told_px || parent === window) return;
  told_px = height;
  parent.postMessage({ mysetlist: { height } }, "*");
}

const position = option("position");
root.setAttribute("data-position", POSITIONS.indexOf(position) >= 0 ? position : "bottom-left");
const feed = new Feed(location.pathname.split("/")[2] || "");
const view = createView(songsMax());

function draw() {
  view.draw(feed);
  if (kind === "embed") tellHeight();
}

feed.start(showInPage());
draw();
// The countdown runs by itself; and however many pushes arrive, the wall stays calm.
setInterval(draw, DRAW_EVERY_MS);
