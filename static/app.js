/**
 * Puts the page together: one state, one client, its views, and the effects between them.
 *
 * Every event becomes an action at once. The page is drawn at most once a frame, however many pushes arrive.
 */
import { routeOf, takeTicketCode } from "./address.js";
import { createAnnouncer } from "./announcer.js";
import { fetchFollowing, fetchGoing, fetchShow, fetchTicket, signOut, takeShowInPage } from "./api.js";
import { brand, isRestricted } from "./brand.js";
import { Client, RequestError } from "./client.js";
import { h, setAttribute, setHidden, setText } from "./dom.js";
import { createEarlyTaps } from "./early-taps.js";
import { createKeeper } from "./keeper.js";
import { offerLanguages } from "./language.js";
import { createLatePages } from "./late-pages.js";
import { createListLoading } from "./list-loading.js";
import { createLateList } from "./late-list.js";
import * as messages from "./messages.js";
import { createNavigation } from "./navigation.js";
import { createNotices } from "./notices.js";
import { showSentByOtherTab } from "./outbox.js";
import { followPageLife, keepPage } from "./page-life.js";
import * as refusals from "./refusals.js";
import { isConnected, isTrendingUnknown, songTitle, whyNotTaken } from "./selectors.js";
import { createShowView } from "./show-view.js";
import { initial, reduce } from "./state.js";
import { browserStorage } from "./stored-map.js";
import { phrase } from "./words.js";

/**
 * @import { Choice, ClientEvent } from "./client.js"
 * @import { Action, KeptShow, LoadedShow, ShowBody, SortKey, StatusFilter } from "./types.js"
 */

const ARRANGE_EVERY_MS = 4_000;
const ARRANGE_IDLE_MS = 1_500; // nothing moves while somebody scrolls or taps
const CLOCK_EVERY_MS = 5_000;
const SETTLE_MS = 3_000;
const CLOSE_PROTOCOL = 4400;
const CLOSE_BANNED = 4403;

const main = elementOf("main");
const connectionPill = elementOf("connection");
const voteRegion = elementOf("vote-announcer");
const announce = createAnnouncer(elementOf("show-announcer"));
const drawNotice = createNotices(elementOf("notice"), (id) => dispatch({ type: "notice_gone", id }));
const refusal = h("div", { class: "refusal", role: "alert", hidden: true });

let state = initial;
let isDrawScheduled = false;
/** @type {ReturnType<typeof createShowView>|null} null: the list is on screen */
let showView = null;
/** @type {string|null} */
let drawnRef = null;
/** @type {Element|null} */
let mounted = null;
let shouldFocus = false;
let ticketCode = takeTicketCode();
const early = createEarlyTaps((song, choice) => vote(song, choice, true));

const storage = browserStorage();
const client = new Client({ on: onClientEvent, storage });
const keeper = createKeeper({ storage, getState: () => state, dispatch });
const navigation = createNavigation(() => navigate());
const latePages = createLatePages(draw);
const loading = createListLoading(() => state, dispatch, keeper.list);
const list = createLateList(draw, {
  onSearch: (query, status = state.list.status) => loading.search(query, status),
  onStatus: (status) => loading.search(state.list.query, status),
  onNear: loading.near,
  onMore: () => {
    if (state.list.phase === "ready") loading.load({ isMore: true });
  },
  onRetry: () => loading.load({ isMore: state.list.items.length > 0 }),
});

/**
 * An element that index.html contains.
 * @param {string} id
 */
function elementOf(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {Action} action */
function dispatch(action) {
  const next = reduce(state, action);
  if (next === state) return;
  state = next;
  draw();
}

function draw() {
  if (isDrawScheduled) return;
  isDrawScheduled = true;
  requestAnimationFrame(() => {
    isDrawScheduled = false;
    render();
  });
}

function render() {
  const now_ms = Date.now();
  drawConnection();
  drawNotice(state);
  const view = drawPage(now_ms);
  if (shouldFocus && view.isReady()) {
    shouldFocus = false;
    view.heading.focus({ preventScroll: true });
  }
  navigation.scroll(view.isReady());
}

/** @param {number} now_ms */
function drawPage(now_ms) {
  const { route } = state;
  if (state.show) return drawShow(now_ms);
  if (route.name === "list" || route.name === "show") return drawList(now_ms);
  const page = latePages.open(route, navigation.key());
  showView = null;
  mount(page.element);
  document.title = page.title();
  return page;
}

/** @param {number} now_ms */
function drawList(now_ms) {
  showView = null;
  list.update(state, now_ms);
  mount(list.element);
  document.title = phrase("home-title", { service: brand.name });
  return { heading: list.heading, isReady: () => list.isReady() && state.list.phase !== "loading" };
}

/** @param {number} now_ms */
function drawShow(now_ms) {
  const ref = state.show?.ref ?? null;
  if (!showView || drawnRef !== ref) {
    showView = createShowView({
      onVote: vote, onSort: sort, onRetry: loadShow,
      onGoing: (going) => withLoadedShow(({ id }) => client.attend(id, going)),
      onFollow: (following) => withLoadedShow(({ info }) => client.follow(info.artist.id, following)),
      // The code may have brought an account, which the connection does not know yet.
      onRedeemed: () => withLoadedShow(({ id }) => {
        client.refresh(id);
        loadTicket();
      }),
    });
    showView.offerTicket(ticketCode);
    ticketCode = "";
  }
  mount(showView.element);
  drawnRef = ref;
  showView.update(state, now_ms);
  const info = state.show?.info;
  document.title = info ? phrase("show-title", { artist: info.artist.name, venue: info.venue.name, service: brand.name }) : brand.name;
  announce(state.show, state.connection, performance.now());
  return { ...showView, isReady: () => state.show?.phase !== "loading" };
}

/** @param {Element} element */
function mount(element) {
  if (mounted === element) return;
  mounted = element;
  main.replaceChildren(refusal, element);
}

function drawConnection() {
  const { show, connection } = state;
  // After a show, "Live" would be said of the show.
  const isOver = show?.status?.status === "finished" || show?.status?.status === "cancelled";
  setHidden(connectionPill, !show || show.phase === "missing" || (isOver && connection === "live"));
  setAttribute(connectionPill, "data-connection", connection);
  setText(connectionPill, messages.CONNECTION[connection]);
  if (refusal.hidden !== (state.refusal === null)) {
    setHidden(refusal, state.refusal === null);
    refusal.replaceChildren(...(state.refusal === null ? [] : [
      h("p", {}, refusals.refusal(state.refusal)),
      state.refusal === CLOSE_BANNED ? null : h("button", { class: "button", type: "button", on: { click: reload } }, phrase("reload")),
    ].filter((part) => part !== null)));
  }
}

async function reload() {
  // Scripts cannot reach the cookie: only the server can remove one that is not valid. The page reloads in any case.
  if (state.refusal !== CLOSE_PROTOCOL) await signOut().catch(() => {});
  location.reload();
}

/** @param {(show: LoadedShow) => void} act */
function withLoadedShow(act) {
  if (state.show && state.show.id !== null) act(state.show);
}

/** @param {ClientEvent} event */
function onClientEvent(event) {
  keeper.observe(event);
  if (event.type === "cast_refused" && event.error.code === "forbidden" && state.show?.id === event.show) {
    // Staff may require a ticket while the page is open. What the visitor is told depends on it.
    loadTicket().then(() => dispatch(event));
    return;
  }
  dispatch(event);
  if (event.type === "cast_ok") {
    const { show, reply: { at } } = event;
    // After a vote that changed no count, no push comes that could settle it.
    setTimeout(() => dispatch({ type: "settle", show, at }), SETTLE_MS);
  }
  if (event.type === "hello" && state.route.name === "list") loading.own();
  if (event.type === "hello" && event.user) loadMarks();
  else if (event.type === "hello") early.cast();
  if ("channel" in event && event.channel === "trending" && isTrendingUnknown(state.trending)) loading.trending();
  const isBack = event.type === "connection" && isConnected(event.status);
  if (isBack && (state.show?.phase === "error" || state.isKept)) loadShow();
  if (isBack && !state.show && state.list.phase === "error") loading.load({});
}

/**
 * @param {number} song
 * @param {Choice} choice
 * @param {boolean} [isLate]  the page has asked for the ticket already: the server decides now
 */
function vote(song, choice, isLate = false) {
  withLoadedShow((show) => {
    const why = whyNotTaken(state, show, song);
    if (why === "unknown" && !isLate) {
      early.keep(song, choice);
      if (state.user) loadTicket();
      return;
    }
    if (why !== null && why !== "unknown") {
      dispatch({ type: "notice", code: why, song });
      if (why === "ticket" || why === "work" || why === "mail") showView?.askForTicket();
      return;
    }
    client.cast(show.id, song, choice);
    const text = messages.confirmation(choice, songTitle(show, song), state.connection);
    // A screen reader would not read the same sentence again.
    setText(voteRegion, voteRegion.textContent === text ? `${text}\u00a0` : text);
  });
}

/** @param {SortKey} by */
function sort(by) {
  dispatch({ type: "sort", by });
}

async function loadShow() {
  const { ref } = state.route;
  if (ref === undefined) return;
  if (!state.isKept) dispatch({ type: "show_loading", ref });
  try {
    showLoaded(ref, takeShowInPage() ?? await fetchShow(ref));
    if (state.user) loadMarks();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const kept = error.isTransient ? await keeper.find(ref) : null;
    if (kept) showLoaded(ref, kept.show, kept);
    else dispatch({ type: "show_failed", ref, error });
    if (error.isTransient) client.connect(); // the page is loaded again once there is a connection
  }
}

/**
 * @param {string} ref
 * @param {ShowBody} show
 * @param {KeptShow} [kept]  it comes from this browser
 */
function showLoaded(ref, show, kept) {
  if (state.show?.ref !== ref) return;
  dispatch({ type: "show_loaded", ref, show, kept });
  keeper.loaded();
  client.watch(show.id);
  client.subscribe(relationChannels(show.id, show.artist.id));
  client.connect();
}

/**
 * @param {number} show
 * @param {number} artist
 */
const relationChannels = (show, artist) => [`attendance:${show}`, `followers:${artist}`];

/** Loads the marks that the server has. Marks that are not sent yet are newer. */
async function loadMarks() {
  if (!state.show || state.show.id === null) return;
  const { id, info } = state.show;
  const before = client.marks.unsaid();
  try {
    const [{ going }, { following }] = await Promise.all([fetchGoing(id), fetchFollowing(info.artist.id)]);
    const unsent = { ...before, ...client.marks.unsaid() };
    dispatch({
      type: "marks_loaded", show: id,
      going: unsent[`show:${id}`] ?? going, following: unsent[`artist:${info.artist.id}`] ?? following,
    });
  } catch (error) {
    // The buttons work without them: the same mark twice is one mark.
    if (!(error instanceof RequestError)) throw error;
  }
  if (state.show.info?.requires_ticket) await loadTicket();
}

/** Asks whether the show takes votes with a ticket only, and whether the visitor has one. */
async function loadTicket() {
  if (!state.show || state.show.id === null) return;
  const { id, ref } = state.show;
  try {
    const { requires_ticket: isRequired = false, ticket_source: source = "code" } = await fetchShow(ref);
    const hasTicket = isRequired && state.user ? (await fetchTicket(id)).has_ticket : null;
    dispatch({ type: "ticket_loaded", show: id, isRequired, source, hasTicket });
  } catch (error) {
    // The server decides on each vote anyway.
    if (!(error instanceof RequestError)) throw error;
  }
  early.cast();
}

/** Shows the page that the address names. */
function navigate(isFirst = false) {
  const route = routeOf(location);
  const isSame = !isFirst && route.name === state.route.name && route.ref === state.route.ref;
  const address = new URLSearchParams(location.search);
  const query = address.get("q") ?? "";
  const status = /** @type {StatusFilter} */ (address.get("status") ?? "");
  const isKnown = state.list.request > 0 && query === state.list.query && status === state.list.status;
  if (isSame && (isKnown || route.name !== "list")) return;
  early.forget();
  withLoadedShow(({ id, info }) => {
    client.unwatch(id);
    client.unsubscribe(relationChannels(id, info.artist.id));
  });
  shouldFocus = !isFirst;
  dispatch({ type: "navigate", route });
  if (route.name === "show") {
    client.unsubscribe(["trending"]);
    loadShow();
    return;
  }
  if (route.name !== "list") {
    client.unsubscribe(["trending"]);
    return;
  }
  if (!isRestricted) {
    loading.trending();
    loading.own();
    client.subscribe(["trending"]);
  }
  client.connect();
  if (isKnown && state.list.phase === "ready") return;
  loading.load({ query, status });
}

followPageLife(client, { onHide: keeper.keep, isRefused: () => state.refusal !== null });
keepPage();

// What the search finds comes with its first use. Without it the form leads to a list of shows.
const find = elementOf("find");
find.addEventListener("focusin", () => import("./search.js").then(({ createSearch }) => createSearch(find), () => {}), { once: true });

// A link with a ticket's code, opened while its show is on screen.
addEventListener("hashchange", () => {
  showView?.offerTicket(takeTicketCode());
  draw();
});

// All tabs of a visitor get this event, except the one that has changed the storage.
addEventListener("storage", (event) => {
  const show = showSentByOtherTab(event);
  if (show !== null) client.refresh(show);
});

setInterval(() => {
  if (showView && showView.idle_ms() >= ARRANGE_IDLE_MS) dispatch({ type: "arrange", held: showView.heldSongs() });
}, ARRANGE_EVERY_MS);
// Relative times and the pauses of the announcer pass without any event.
setInterval(draw, CLOCK_EVERY_MS);

offerLanguages(() => state.user !== null);
navigate(true);
if (client.outbox.shows().length) client.connect();
draw();
