/**
 * Puts the page together: one state, one client, two views, and the few effects between them.
 *
 * Every event becomes an action at once; the page is drawn at most once a frame, however many pushes came.
 */
import { createBoardVoice, createNotices } from "./announcer.js";
import { fetchFollowing, fetchGoing, fetchShow, fetchShows, fetchTrending, signOut } from "./api.js";
import { Client, RequestError } from "./client.js";
import { isAffordable, isTrendingUnknown, songTitle } from "./selectors.js";
import { h, setAttribute, setHidden, setText } from "./dom.js";
import { createList } from "./list-view.js";
import { showSentByOtherTab } from "./outbox.js";
import { createShow } from "./show-view.js";
import { initial, reduce } from "./state.js";
import * as words from "./messages.js";

const ARRANGE_EVERY_MS = 4_000;
const ARRANGE_IDLE_MS = 1_500; // nothing moves while somebody is scrolling or tapping
const CLOCK_EVERY_MS = 5_000;
const SETTLE_MS = 3_000;
// More than are shown: who comes up next has a name already.
const TRENDING_KNOWN = 12;

const main = document.getElementById("main");
const pill = document.getElementById("connection");
const sayVote = document.getElementById("say-vote");
const sayBoard = createBoardVoice(document.getElementById("say-board"));
const drawNotice = createNotices(document.getElementById("notice"), (id) => dispatch({ type: "notice_gone", id }));
const refusal = h("div", { class: "refusal", role: "alert", hidden: true });

let state = initial;
let frame = null;
let view = null;
let drawnShow = null;
let shouldFocus = false;
let scrollTo = null;

const client = new Client({ on: heard, storage: browserStorage() });
const list = createList({
  onSearch: (query, status = state.list.status) => search(query, status),
  onStatus: (status) => search(state.list.query, status),
  onMore: () => state.list.phase === "ready" && loadList({ isMore: true }),
  onRetry: () => loadList({ isMore: state.list.items.length > 0 }),
});

function browserStorage() {
  try {
    return localStorage;
  } catch {
    return null; // Cookies and storage are blocked: votes wait in memory only.
  }
}

function dispatch(action) {
  const next = reduce(state, action);
  if (next === state) return;
  state = next;
  draw();
}

function draw() {
  frame ??= requestAnimationFrame(() => {
    frame = null;
    render();
  });
}

function render() {
  const now_ms = Date.now();
  drawPill();
  drawNotice(state);
  if (state.route.name === "list") {
    mount(list);
    list.update(state, now_ms);
    document.title = "MySetlist: vote on tonight's songs";
  } else {
    if (view === list || drawnShow !== state.route.ref) {
      mount(createShow({
        onVote: vote, onSort: sort, onRetry: loadShow,
        onGoing: (going) => client.attend(state.show.id, going),
        onFollow: (following) => client.follow(state.show.info.artist.id, following),
      }));
    }
    drawnShow = state.route.ref;
    view.update(state, now_ms);
    const { info } = state.show;
    document.title = info ? `${info.artist.name}, ${info.venue.name} | MySetlist` : "MySetlist";
    sayBoard(state.show, performance.now());
  }
  if (shouldFocus && (state.route.name === "list" || state.show.phase !== "loading")) {
    shouldFocus = false;
    view.heading.focus({ preventScroll: true });
  }
  if (scrollTo !== null) {
    scrollBy({ top: scrollTo - scrollY, behavior: "instant" });
    scrollTo = null;
  }
}

function mount(next) {
  if (view === next) return;
  view = next;
  main.replaceChildren(refusal, view.element);
}

function drawPill() {
  setHidden(pill, !state.show || state.show.phase === "missing");
  setAttribute(pill, "data-connection", state.connection);
  setText(pill, words.CONNECTION[state.connection]);
  if (refusal.hidden !== (state.refusal === null)) {
    setHidden(refusal, state.refusal === null);
    refusal.replaceChildren(...(state.refusal === null ? [] : [
      h("p", {}, words.refusal(state.refusal)),
      h("button", { class: "button", type: "button", on: { click: startAfresh } }, "Reload"),
    ]));
  }
}

async function startAfresh() {
  // The cookie is out of reach for scripts; only the server can take a bad one away.
  if (state.refusal === 4401) await signOut().catch(() => {});
  location.reload();
}

/** Events of the client. */
function heard(event) {
  dispatch(event);
  if (event.type === "cast_ok") {
    const { show, reply: { at } } = event;
    // A vote that changed no count is followed by no push that could settle it.
    setTimeout(() => dispatch({ type: "settle", show, at }), SETTLE_MS);
  }
  if (event.type === "hello" && event.user) loadMarks();
  if (event.channel === "trending" && isTrendingUnknown(state.trending)) loadTrending();
  const isBack = event.type === "connection" && event.status === "live";
  if (isBack && state.show?.phase === "error") loadShow();
}

function vote(song, choice) {
  const { show } = state;
  if (!isAffordable(show, song)) {
    dispatch({ type: "notice", code: "budget", song });
    return;
  }
  client.cast(show.id, song, choice);
  const text = words.confirmation(choice, songTitle(show, song), state.connection);
  // The same sentence twice in a row would not be said twice.
  setText(sayVote, sayVote.textContent === text ? `${text}\u00a0` : text);
}

function sort(by) {
  dispatch({ type: "sort", by });
}

async function loadShow() {
  const { ref } = state.route;
  dispatch({ type: "show_loading", ref });
  try {
    const show = await fetchShow(ref);
    if (state.show?.ref !== ref) return;
    dispatch({ type: "show_loaded", ref, show });
    client.watch(show.id);
    client.subscribe(crowdsOf(show));
    client.connect();
    if (state.user) loadMarks();
  } catch (error) {
    dispatch({ type: "show_failed", ref, error });
  }
}

const crowdsOf = ({ id, info, artist = info.artist }) => [`attendance:${id}`, `followers:${artist.id}`];

/** What the visitor said before; what they are saying meanwhile counts more. */
async function loadMarks() {
  const { id, info } = state.show ?? {};
  if (!id) return;
  const saying = client.marks.unsaid();
  try {
    const [{ going }, { following }] = await Promise.all([fetchGoing(id), fetchFollowing(info.artist.id)]);
    const said = { ...saying, ...client.marks.unsaid() };
    dispatch({
      type: "marks_loaded", show: id,
      going: said[`show:${id}`] ?? going, following: said[`artist:${info.artist.id}`] ?? following,
    });
  } catch (error) {
    // The buttons work all the same: saying it twice is once.
    if (!(error instanceof RequestError)) throw error;
  }
}

/** Their names; the channel tells only who they are. */
async function loadTrending() {
  try {
    const { items } = await fetchTrending(TRENDING_KNOWN);
    dispatch({ type: "trending_loaded", items });
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    dispatch({ type: "trending_failed" });
  }
}

async function loadList({ query = state.list.query, status = state.list.status, isMore = false }) {
  const { next } = state.list;
  const request = state.list.request + 1;
  dispatch({ type: "list_loading", request, query, status, isMore });
  try {
    const { items, next: cursor } = await fetchShows({ query, status, cursor: isMore ? next : null });
    dispatch({ type: "list_loaded", request, items, next: cursor });
  } catch (error) {
    dispatch({ type: "list_failed", request, error });
  }
}

function search(query, status) {
  if (query === state.list.query && status === state.list.status) return;
  const address = new URLSearchParams(Object.entries({ q: query, status }).filter(([, value]) => value)).toString();
  history.replaceState(history.state, "", address ? `/?${address}` : "/");
  loadList({ query, status });
}

/** Routing. */
function routeOf({ pathname }) {
  const [, ref] = pathname.match(/^\/shows\/([^/]+)\/?$/) ?? [];
  return ref ? { name: "show", ref: decodeURIComponent(ref) } : { name: "list" };
}

function enter(isFirst = false) {
  const route = routeOf(location);
  const isSame = !isFirst && route.name === state.route.name && route.ref === state.route.ref;
  if (isSame) return;
  if (state.show?.id) {
    client.unwatch(state.show.id);
    client.unsubscribe(crowdsOf(state.show));
  }
  shouldFocus = !isFirst;
  dispatch({ type: "navigate", route });
  if (route.name === "show") {
    client.unsubscribe(["trending"]);
    loadShow();
    return;
  }
  loadTrending();
  client.subscribe(["trending"]);
  client.connect();
  const address = new URLSearchParams(location.search);
  const query = address.get("q") ?? "";
  const status = address.get("status") ?? "";
  const isKnown = state.list.request > 0 && query === state.list.query && status === state.list.status;
  if (isKnown && state.list.phase === "ready") return;
  loadList({ query, status });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-link]");
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain) return;
  event.preventDefault();
  if (link.pathname === location.pathname) return;
  history.replaceState({ scroll: scrollY }, "");
  history.pushState({ scroll: 0 }, "", link.href);
  scrollTo = 0;
  enter();
});
addEventListener("popstate", (event) => {
  scrollTo = event.state?.scroll ?? null;
  enter();
});
history.scrollRestoration = "manual";

/** The network and the lid of the laptop. */
addEventListener("online", () => client.wake());
addEventListener("offline", () => client.sleep());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && client.wake());

/** Told to all tabs of a visitor but the one that changed something. */
addEventListener("storage", (event) => {
  const show = showSentByOtherTab(event);
  if (show !== null) client.refresh(show);
});

setInterval(() => {
  if (state.show && view?.held && view.idle_ms() >= ARRANGE_IDLE_MS) dispatch({ type: "arrange", held: view.held() });
}, ARRANGE_EVERY_MS);
// Relative times and a pause in the announcements both pass without any event.
setInterval(draw, CLOCK_EVERY_MS);

enter(true);
if (client.outbox.shows().length) client.connect();
draw();
