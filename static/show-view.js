/** One show: heading, voting window, budget, order switch, setlists and suggestions. */
import { h, icon, setAttribute, setHidden, setText } from "./dom.js";
import { createHistory } from "./history.js";
import { createLateView } from "./late-view.js";
import * as messages from "./messages.js";
import * as refusals from "./refusals.js";
import { needsTicket, remainingOf, totalOf, votingOf, waitingCountOf } from "./selectors.js";
import { createSetlistsView } from "./setlists-view.js";
import { share } from "./sharing.js";
import { phrase } from "./words.js";

/**
 * @import { Choice } from "./client.js"
 * @import { LoadedShow, SortKey, Source, State } from "./types.js"
 */

/** @type {[key: SortKey, label: string][]} */
const ORDERS = [["votes", phrase("order-votes")], ["setlist", phrase("order-setlist")]];
const BUDGET_DOTS_MAX = 20;
const NOTHING = "\u00a0"; // keeps the height of a line

/**
 * @param {{
 *   onVote(song: number, choice: Choice): void, onSort(by: SortKey): void, onRetry(): void,
 *   onGoing(going: boolean): void, onFollow(following: boolean): void, onRedeemed(): void,
 * }} actions
 */
export function createShowView({ onVote, onSort, onRetry, onGoing, onFollow, onRedeemed }) {
  const heading = h("h1", { tabindex: "-1", translate: "no" }, phrase("show-loading"));
  const bill = h("p", { class: "show-bill", dir: "auto", translate: "no" });
  const name = h("p", { class: "show-name", translate: "no" });
  const artistName = h("a", { class: "name-link", "data-link": true, dir: "auto" });
  const venueName = h("a", { class: "name-link", "data-link": true, dir: "auto" });
  const placeText = h("span");
  const where = h("p", { class: "show-where", translate: "no" }, venueName, placeText);
  const when = h("p", { class: "show-when" });
  const here = h("p", { class: "show-when" });
  const going = createMarkButton(phrase("going"), onGoing);
  const follow = createMarkButton(phrase("follow"), onFollow);
  // Each as high as what stands below the other buttons, also before it is known.
  const attendanceText = h("span", {}, NOTHING);
  const followersText = h("span", {}, NOTHING);
  const shareText = h("span", { role: "status" }, NOTHING);
  const shareButton = h("button", { class: "button", type: "button", on: { click: shareShow } }, phrase("share"));
  const relations = h("div", { class: "relations" },
    h("div", {}, going, attendanceText), h("div", {}, follow, followersText), h("div", {}, shareButton, shareText));
  const status = h("span", { class: "badge" });
  const windowText = h("p", { class: "window-text", tabindex: "-1" });
  const reason = h("p", { id: "reason", class: "reason" });
  const windowBox = h("div", { class: "window" }, status, windowText, reason);
  const accuracyLine = h("span", { class: "accuracy-line" });
  const accuracyDetail = h("span", { class: "accuracy-detail" });
  const accuracy = h("p", { class: "accuracy" }, accuracyLine, " ", accuracyDetail);
  const sourcesList = h("ul");
  const sources = h("nav", { class: "sources", "aria-label": phrase("sources") }, sourcesList);
  const budgetText = h("span", { class: "budget-text" });
  const budgetDots = h("span", { class: "budget-dots", "aria-hidden": "true" });
  const budget = h("div", { class: "budget" }, budgetDots, budgetText);
  const waiting = h("p", { class: "waiting" });
  const hidden = h("p", { class: "hidden-counts", role: "status" });
  const total = h("span", { class: "total-number", data: { total: "" } });
  const totalUnit = h("span", { class: "total-unit" });
  const orderButtons = ORDERS.map(([by, label]) =>
    h("button", { class: "switch", type: "button", on: { click: () => onSort(by) } }, label));
  const orderGroup = h("div", { class: "switches", role: "group", "aria-label": phrase("order-label") }, ...orderButtons);
  const setlists = createSetlistsView({ onVote, tools: orderGroup });
  const pick = createLateView("section", { class: "pick", "aria-label": phrase("pick-yours") }, () =>
    import("./pick-view.js").then(({ createPickView }) => createPickView()));
  const suggestions = createLateView("div", {}, () =>
    import("./suggestions-view.js").then(({ createSuggestionsView }) => createSuggestionsView()), { isBelow: true });
  const ticket = createLateView("div", {}, () =>
    import("./ticket-view.js").then(({ createTicketView }) => createTicketView({ onRedeemed })));
  const foreseen = createLateView("div", {}, () =>
    import("./foreseen-view.js").then(({ createForeseenView }) => createForeseenView()));
  const voteHistory = createHistory();
  const receipt = createLateView("div", {}, () => import("./receipt.js").then(({ createReceipt }) => createReceipt()));
  const pushCard = createLateView("div", {}, () =>
    import("./push-card.js").then(({ createPushCard }) => createPushCard()));
  const stateText = h("span", { class: "state", "aria-hidden": "true" }); // .window-text says the same in full
  const link = h("p", { class: "link-line", role: "status" });
  const countsFrom = h("p", { class: "link-line counts-from" });

  const skeleton = h("div", { class: "rows show-skeleton", "aria-hidden": "true" },
    ...Array.from({ length: 8 }, () => h("div", { class: "row skeleton" })));
  const problemText = h("p");
  const retry = h("button", { class: "button", type: "button", on: { click: onRetry } }, phrase("try-again"));
  const problem = h("div", { class: "empty", role: "alert" }, problemText, retry,
    h("a", { class: "button quiet", href: "/", "data-link": true }, phrase("all-shows")));
  const toolbar = h("div", { class: "toolbar" }, stateText, h("p", { class: "total" }, total, totalUnit), budget);
  const panel = h("div", { class: "panel" },
    h("a", { class: "back", href: "/", "data-link": true }, icon("back", true), phrase("all-shows")),
    heading, bill, name, where, when, windowBox, accuracy);
  const content = h("div", { class: "content" }, toolbar, link, countsFrom, waiting, hidden, ticket.element, problem, foreseen.element,
    pick.element, setlists.element, suggestions.element);
  // On a phone the songs come before what is only about the show.
  const aside = h("div", { class: "aside" }, here, relations, pushCard.element, voteHistory.element, receipt.element, sources);
  // The skeleton is no part of the content: content that moves below a panel that grows would be a layout shift.
  const element = h("div", { class: "page show" }, panel, skeleton, content, aside);
  let wasOpen = false;
  let wasOffered = false;
  let ticketCode = "";
  let hasVoted = false;
  let placedPick = 0; // the show for which the pick has its place
  let hasOpened = false; // the pick
  /** @type {LoadedShow|null} */
  let pickOf = null;

  return {
    element,
    heading,
    heldSongs: setlists.heldSongs,
    idle_ms: setlists.idle_ms,
    askForTicket: () => ticket.use((view) => view.focus()),
    /** @param {string} code  of a ticket, from the link that the visitor followed */
    offerTicket(code) {
      ticketCode = code || ticketCode;
    },
    /**
     * @param {State} state
     * @param {number} local_ms
     */
    update(state, local_ms) {
      const { show, sort, skew_ms, user } = state;
      if (!show) return;
      const isReady = show.phase === "ready";
      const isBroken = show.phase === "error" || show.phase === "missing";
      setHidden(skeleton, show.phase !== "loading");
      setHidden(content, show.phase === "loading");
      setHidden(problem, !isBroken);
      setAttribute(element, "data-broken", isBroken);
      const parts = [toolbar, windowBox, relations, voteHistory.element, receipt.element, sources, foreseen.element, pick.element, setlists.element,
        suggestions.element];
      for (const part of parts) setHidden(part, !isReady);
      setHidden(ticket.element, true);
      setHidden(link, true);
      setHidden(countsFrom, true);
      setHidden(waiting, true);
      setHidden(hidden, true);
      setHidden(accuracy, true);
      const isOffered = show.phase === "ready" && user !== null && show.marks.going
        && ["open", "early", "locked"].includes(votingOf(show, local_ms + skew_ms));
      if (isOffered || wasOffered) pushCard.update(isOffered); // nothing is loaded for who does not go
      wasOffered = wasOffered || isOffered;
      if (isBroken) {
        const isMissing = show.phase === "missing";
        setText(heading, isMissing ? phrase("show-missing") : phrase("show-failed"));
        setText(problemText, isMissing
          ? phrase("show-missing-why")
          : refusals.failure(show.error?.code ?? ""));
        setHidden(retry, isMissing);
      }
      if (show.phase !== "ready") return;

      const now_ms = local_ms + skew_ms;
      const { info } = show;
      const voting = votingOf(show, now_ms);
      if (artistName.parentNode !== heading) heading.replaceChildren(artistName);
      setText(artistName, info.artist.name);
      setAttribute(artistName, "href", `/artists/${info.artist.slug}`);
      setText(bill, messages.billLine(info.bill));
      setText(name, messages.ownShowName(info));
      setText(venueName, info.venue.name);
      setAttribute(venueName, "href", `/venues/${info.venue.slug}`);
      setText(placeText, `, ${messages.place(info.venue)}`);
      setText(when, messages.startLine(info));
      const startHere = messages.startHereLine(info);
      setText(here, startHere);
      setHidden(here, startHere === "" || show.status.status !== "upcoming");
      setAttribute(going, "aria-pressed", String(show.marks.going));
      setHidden(going, show.status.status === "finished" || show.status.status === "cancelled");
      setText(attendanceText, messages.attendanceLine(show.relationCounts) || NOTHING);
      setAttribute(follow, "aria-pressed", String(show.marks.following));
      setAttribute(follow, "aria-label", phrase("follow-artist", { artist: info.artist.name }));
      const { followers } = show.relationCounts;
      setText(followersText, followers === null ? NOTHING : phrase("followers", { count: followers }));
      setHidden(hidden, !show.isHidden);
      setText(hidden, messages.HIDDEN[show.status.results]);
      setHidden(orderGroup, show.isHidden);
      setText(status, messages.STATUS[show.status.status]);
      setAttribute(status, "class", `badge badge-${show.status.status}`);
      setText(windowText, messages.windowLine(voting, show.status, info.time_zone, now_ms));
      setAttribute(windowBox, "data-voting", voting);
      const why = show.isBarred ? refusals.BARRED : messages.howToVote(show.remaining);
      // The reason of a refusal stands above the page.
      setText(reason, state.refusal === null ? (messages.REASON[voting] ?? why) : "");
      setText(stateText, messages.stateLine(voting, show.status, now_ms));
      setAttribute(stateText, "data-voting", voting);
      const line = messages.connectionLine(state.connection, state.reason);
      setHidden(link, line === "");
      setText(link, line);
      const from = show.isHidden || state.refusal !== null ? "" : messages.countsFromLine(state.connection, state.countsFrom_ms, local_ms);
      setHidden(countsFrom, from === "");
      setText(countsFrom, from);
      const isWanted = needsTicket(state, show) && (voting === "open" || voting === "early" || voting === "locked");
      setHidden(ticket.element, !isWanted);
      if (isWanted) ticket.update(show.id, info.ticket_source ?? "code", info.slug, ticketCode);

      const { line: found, detail } = messages.accuracyLines(show.status.accuracy);
      setHidden(accuracy, found === "");
      setText(accuracyLine, found);
      setText(accuracyDetail, detail);

      drawSources(info.sources);

      setText(total, messages.count(totalOf(show)));
      setText(totalUnit, phrase("votes-unit", { count: totalOf(show) }));
      drawBudget(show, voting);
      const waitingCount = waitingCountOf(show);
      setHidden(waiting, waitingCount === 0);
      setText(waiting, messages.waitingLine(waitingCount));
      for (const [index, button] of orderButtons.entries()) {
        setAttribute(button, "aria-pressed", String(ORDERS[index]?.[0] === sort));
      }

      // When voting closes, its buttons are disabled, and the keyboard focus would jump to the top of the page. The text of the
      // voting window takes the focus instead.
      const isClosing = wasOpen && voting !== "open" && setlists.element.contains(document.activeElement);
      wasOpen = voting === "open";
      setHidden(foreseen.element, show.status.status !== "finished");
      if (show.status.status === "finished") foreseen.update(show);
      voteHistory.update(show.id, info.time_zone, skew_ms, totalOf(show) > 0);
      // Once the show has begun, picks are locked, and the songs come before them. What is on screen stays where it is.
      if (placedPick !== show.id) (show.status.status === "live" ? suggestions : setlists).element.before(pick.element);
      placedPick = show.id;
      hasVoted = hasVoted || Object.keys(show.ballot).length > 0;
      if (hasVoted) receipt.update(show); // nothing is loaded for who only looks
      setlists.update(show, voting, state);
      suggestions.update(show, voting, user?.id ?? null);
      pickOf = show;
      // A stranger has no pick yet: for them nothing is loaded before they open it.
      if (user || hasOpened) pick.update(show, user?.id ?? null);
      else if (!pick.element.firstChild) pick.element.append(createClosedPick());
      setHidden(pick.element, show.status.status === "cancelled");
      if (isClosing) windowText.focus({ preventScroll: true });
    },
  };

  function createClosedPick() {
    return h("details", { class: "pick-details", on: {
      toggle: () => {
        hasOpened = true;
        pick.use((view) => view.open());
        if (pickOf) pick.update(pickOf, null);
      },
    } }, h("summary", {}, phrase("pick-yours")));
  }

  async function shareShow() {
    const address = location.origin + location.pathname;
    const given = await share(document.title, address);
    if (given === "copied") setText(shareText, phrase("share-copied"));
    if (given === "refused") setText(shareText, phrase("share-by-hand", { address }));
  }

  /**
   * Changes links in place, because one of them may have the keyboard focus.
   * @param {Source[]} [given]
   */
  function drawSources(given) {
    const pages = messages.webPages(given);
    setHidden(sources, pages.length === 0);
    setChildCount(sourcesList, pages.length, () => h("li", {}, h("a", { rel: "noopener" })));
    sourcesList.querySelectorAll("a").forEach((link, index) => {
      const source = /** @type {Source} */ (pages[index]);
      setAttribute(link, "href", source.url);
      setText(link, messages.sourceLine(source));
    });
  }

  /**
   * @param {LoadedShow} show
   * @param {messages.Voting} voting
   */
  function drawBudget(show, voting) {
    const remaining = remainingOf(show);
    const max = show.info.votes_per_user_max;
    setHidden(budget, remaining === null || voting !== "open");
    if (remaining === null) return;
    setText(budgetText, max
      ? phrase("votes-left-of", { left: remaining, count: max }) : phrase("votes-left", { count: remaining }));
    setAttribute(budget, "data-empty", remaining === 0);
    setChildCount(budgetDots, max && max <= BUDGET_DOTS_MAX ? max : 0, () => h("i"));
    for (const [index, dot] of [...budgetDots.children].entries()) setAttribute(dot, "data-spent", index >= remaining);
  }
}

/**
 * A button that stays pressed until it is clicked again (aria-pressed).
 * @param {string} label
 * @param {(isPressed: boolean) => void} onChange
 */
function createMarkButton(label, onChange) {
  const click = () => {
    onChange(button.getAttribute("aria-pressed") !== "true");
  };
  const button = h("button", { class: "button mark", type: "button", on: { click } }, label);
  return button;
}

/**
 * Adds or removes children at the end.
 * @param {Element} parent
 * @param {number} count
 * @param {() => Element} create
 */
function setChildCount(parent, count, create) {
  while (parent.childElementCount > count) parent.lastElementChild?.remove();
  while (parent.childElementCount < count) parent.append(create());
}
