/** One show: heading, voting window, budget, order switch, and the board under them. */
import { createBoard } from "./setlists-view.js";
import { remainingOf, totalOf, votingOf, waitingCountOf } from "./selectors.js";
import { h, icon, setAttribute, setHidden, setText } from "./dom.js";
import { createSuggest } from "./suggestions-view.js";
import * as words from "./messages.js";

const ORDERS = [["votes", "By votes"], ["setlist", "Setlist order"]];
const BUDGET_DOTS_MAX = 20;

/**
 * @param {{onVote(song: number, choice: string): void, onSort(by: string): void, onRetry(): void,
 *   onGoing(going: boolean): void, onFollow(following: boolean): void}} actions
 */
export function createShow({ onVote, onSort, onRetry, onGoing, onFollow }) {
  const heading = h("h1", { tabindex: "-1" }, "Loading the show");
  const bill = h("p", { class: "show-bill", dir: "auto" });
  const name = h("p", { class: "show-name" });
  const where = h("p", { class: "show-where" });
  const when = h("p", { class: "show-when" });
  const mark = (label, act) => h("button", {
    class: "button mark", type: "button",
    on: { click: ({ currentTarget }) => act(currentTarget.getAttribute("aria-pressed") !== "true") },
  }, label);
  const going = mark("I'm going", onGoing);
  const follow = mark("Follow", onFollow);
  const crowdText = h("span");
  const followersText = h("span");
  const crowd = h("div", { class: "crowd" }, h("div", {}, going, crowdText), h("div", {}, follow, followersText));
  const status = h("span", { class: "badge" });
  const windowText = h("p", { class: "window-text", tabindex: "-1" });
  const reason = h("p", { id: "reason", class: "reason" });
  const windowBox = h("div", { class: "window" }, status, windowText, reason);
  const foreseenLine = h("span", { class: "foreseen-line" });
  const foreseenDetail = h("span", { class: "foreseen-detail" });
  const foreseen = h("p", { class: "foreseen" }, foreseenLine, " ", foreseenDetail);
  const sourcesList = h("ul");
  const sources = h("nav", { class: "sources", "aria-label": "Where this is from" }, sourcesList);
  const budgetText = h("span", { class: "budget-text" });
  const budgetDots = h("span", { class: "budget-dots", "aria-hidden": "true" });
  const budget = h("div", { class: "budget" }, budgetDots, budgetText);
  const waiting = h("p", { class: "waiting" });
  const hidden = h("p", { class: "hidden-counts", role: "status" });
  const total = h("span", { class: "total-number", data: { total: "" } });
  const totalUnit = h("span", { class: "total-unit" });
  const orders = ORDERS.map(([by, label]) =>
    h("button", { class: "switch", type: "button", on: { click: () => onSort(by) } }, label));
  const orderGroup = h("div", { class: "switches", role: "group", "aria-label": "Order of songs" }, ...orders);
  const board = createBoard({ onVote, tools: orderGroup });

  const suggest = createSuggest();

  const skeleton = h("div", { class: "rows", "aria-hidden": "true" },
    ...Array.from({ length: 8 }, () => h("div", { class: "row skeleton" })));
  const problemText = h("p");
  const retry = h("button", { class: "button", type: "button", on: { click: onRetry } }, "Try again");
  const problem = h("div", { class: "empty", role: "alert" }, problemText, retry,
    h("a", { class: "button quiet", href: "/", "data-link": true }, "All shows"));
  const toolbar = h("div", { class: "toolbar" },
    h("p", { class: "total" }, total, totalUnit), budget);
  const panel = h("div", { class: "panel" },
    h("a", { class: "back", href: "/", "data-link": true }, icon("back", true), "All shows"),
    heading, bill, name, where, when, crowd, windowBox, foreseen);
  const content = h("div", { class: "content" }, toolbar, waiting, hidden, skeleton, problem, board.element, suggest.element,
    sources);
  const element = h("div", { class: "page show" }, panel, content);
  let wasOpen = false;

  return {
    element,
    heading,
    held: board.held,
    idle_ms: board.idle_ms,
    update({ show, sort, skew_ms, user }, local_ms) {
      const isReady = show.phase === "ready";
      const isBroken = show.phase === "error" || show.phase === "missing";
      setHidden(skeleton, show.phase !== "loading");
      setHidden(problem, !isBroken);
      for (const part of [toolbar, windowBox, crowd, sources, board.element, suggest.element]) setHidden(part, !isReady);
      setHidden(waiting, true);
      setHidden(hidden, true);
      setHidden(foreseen, true);
      if (isBroken) {
        const isMissing = show.phase === "missing";
        setText(heading, isMissing ? "No such show" : "This show did not load");
        setText(problemText, isMissing
          ? "Perhaps the address has a typo, or the show was removed." : words.failure(show.error.code));
        setHidden(retry, isMissing);
      }
      if (!isReady) return;

      const now_ms = local_ms + skew_ms;
      const { info } = show;
      const voting = votingOf(show, now_ms);
      setText(heading, info.artist.name);
      setText(bill, words.billLine(info.bill));
      // Most shows are called by what the heading and the next line say anyway.
      const plainNames = [info.artist.name, `${info.artist.name} at ${info.venue.name}`];
      setText(name, info.name && !plainNames.includes(info.name) ? info.name : "");
      setText(where, `${info.venue.name}, ${words.place(info.venue)}`);
      setText(when, `${words.longDate(info.local_date)}${
        info.starts_at ? `, ${words.clockTime(info.starts_at, info.time_zone)}` : ""}`);
      setAttribute(going, "aria-pressed", String(show.marks.going));
      setHidden(going, show.status.status === "finished" || show.status.status === "cancelled");
      setText(crowdText, words.crowdLine(show.crowd));
      setAttribute(follow, "aria-pressed", String(show.marks.following));
      setAttribute(follow, "aria-label", `Follow ${info.artist.name}`);
      setText(followersText, show.crowd.followers === null ? ""
        : words.plural(show.crowd.followers, "follower", "followers"));
      setHidden(hidden, !show.isHidden);
      setText(hidden, words.HIDDEN[show.status.results]);
      setHidden(orderGroup, show.isHidden);
      setText(status, words.STATUS[show.status.status]);
      setAttribute(status, "class", `badge badge-${show.status.status}`);
      setText(windowText, words.windowLine(voting, show.status, info.time_zone, now_ms));
      setAttribute(windowBox, "data-voting", voting);
      setText(reason, words.REASON[voting] ?? "Tap an arrow to vote, tap it again to take the vote back.");

      const { line, detail } = words.foreseen(show.status.accuracy);
      setHidden(foreseen, line === "");
      setText(foreseenLine, line);
      setText(foreseenDetail, detail);

      drawSources(info.sources);

      setText(total, words.count(totalOf(show)));
      setText(totalUnit, totalOf(show) === 1 ? "vote" : "votes");
      drawBudget(show, voting);
      const waitingCount = waitingCountOf(show);
      setHidden(waiting, waitingCount === 0);
      setText(waiting, `${words.plural(waitingCount, "vote is", "votes are")} waiting to be sent. `
        + "Kept on this device until the signal is back.");
      ORDERS.forEach(([by], index) => setAttribute(orders[index], "aria-pressed", String(by === sort)));

      // Buttons going off would drop the keyboard focus to the top of the page; it goes to the reason instead.
      const focused = document.activeElement;
      const isClosing = wasOpen && voting !== "open" && board.element.contains(focused);
      wasOpen = voting === "open";
      board.update(show, voting);
      suggest.update(show, voting, user?.id ?? null);
      if (isClosing) windowText.focus({ preventScroll: true });
    },
  };

  /** Links that have not changed stay: one of them may have the keyboard. */
  function drawSources(given) {
    const found = words.followable(given);
    setHidden(sources, found.length === 0);
    while (sourcesList.childElementCount > found.length) sourcesList.lastChild.remove();
    while (sourcesList.childElementCount < found.length) sourcesList.append(h("li", {}, h("a", { rel: "noopener" })));
    found.forEach((source, index) => {
      const link = sourcesList.children[index].firstChild;
      setAttribute(link, "href", source.url);
      setText(link, words.sourceLine(source));
    });
  }

  function drawBudget(show, voting) {
    const remaining = remainingOf(show);
    const max = show.info.votes_per_user_max;
    setHidden(budget, remaining === null || voting !== "open");
    if (remaining === null) return;
    setText(budgetText, max ? `${words.count(remaining)} of ${plainVotes(max)} left` : `${plainVotes(remaining)} left`);
    setAttribute(budget, "data-empty", remaining === 0);
    const dots = max && max <= BUDGET_DOTS_MAX ? max : 0;
    while (budgetDots.childElementCount > dots) budgetDots.lastChild.remove();
    while (budgetDots.childElementCount < dots) budgetDots.append(h("i"));
    [...budgetDots.children].forEach((dot, index) => setAttribute(dot, "data-spent", index >= remaining));
  }
}

const plainVotes = (value) => words.plural(value, "vote", "votes");
