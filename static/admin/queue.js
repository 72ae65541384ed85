/** The queue of the moderators: held texts, reports and suggested songs, the most urgent first. Keys alone work it. */
import { h, setChildren, setHidden, setText } from "../dom.js";
import { ask } from "./ask.js";
import { ago, counted } from "./formats.js";
import { button, createLoader, send, step, stepKeys } from "./parts.js";

/**
 * @import { Desk, Field, Shortcut } from "./types.js"
 * @typedef {"low"|"normal"|"high"|"urgent"} Priority
 * @typedef {{show: number, show_name: string, title: string, fan_count: number}} Suggestion
 * @typedef {{kind: "held"|"report"|"suggestion", id: number, priority: Priority, created_at: string, reasons: string[],
 *   reason: string|null, reporter: number|null,
 *   review: {id: number, venue: number, user: number, rating: number, body: string}|null,
 *   profile: {user: number, display_name: string|null, bio: string, city: string}|null, suggestion: Suggestion|null}} QueueItem
 * @typedef {{also_answered?: number, position?: number|null, fan_count?: number}} Decided
 * @typedef {{label: string, lines: string[], note: Field, result: string, send(note: string, preview: boolean): Promise<Decided>}} Choice
 * @typedef {{key: string, priority: Priority, at: string, head: string, text: string, says: string[], author: number|null,
 *   href: string, accept: Choice, refuse: Choice}} Entry
 */

const EVERY_MS = 10_000;
const NOTE = { name: "note", label: "Note (for the log of decisions)", attributes: { maxlength: 1000 } };
const REASON = { name: "note", label: "Reason (the fans see it)", attributes: { maxlength: 500 } };
/** What the screening found, in words. */
const FOUND = /** @type {Record<string, string>} */ ({
  links: "has links", shouting: "shouts", repetition: "repeats itself", blocked_words: "has blocked words",
  hidden_characters: "has hidden characters", rejected_before: "was rejected before",
});

/** @param {Desk} desk */
export function createQueue(desk) {
  const loader = createLoader();
  const list = h("ul", { class: "queue" });
  const empty = h("p", { class: "note", hidden: true }, "Nothing waits for a decision.");
  const count = h("span", { class: "badge" });
  const element = h("section", { class: "queue-part", "aria-labelledby": "queue-title" },
    h("h2", { id: "queue-title" }, "To decide ", count), loader.element, list, empty);
  /** @type {Map<string, HTMLLIElement>} */
  let drawn = new Map();
  /** @type {Map<string, Entry>} */
  let entries = new Map();

  const load = () => loader.load(() => /** @type {Promise<{items: QueueItem[], next: string|null}>} */ (desk.call("/api/admin/moderation?limit=100")),
    ({ items, next }) => draw(items.map((item) => (item.suggestion ? ofSuggestion(item, item.suggestion) : ofText(item))), next !== null));

  /** @type {(found: Entry[], hasMore: boolean) => void} the most urgent first */
  function draw(found, hasMore) {
    const focused = list.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
    const at = [...drawn.values()].findIndex((item) => item.contains(document.activeElement));
    entries = new Map(found.map((entry) => [entry.key, entry]));
    const next = new Map(found.map((entry) => [entry.key, itemOf(entry)]));
    const items = [...next.values()];
    setChildren(list, items);
    // When the decided entry is gone, the next one takes its place.
    if (focused && focused !== document.activeElement) {
      (focused.isConnected ? focused : items[Math.min(Math.max(at, 0), items.length - 1)])?.focus();
    }
    drawn = next;
    setHidden(empty, items.length > 0);
    setText(count, hasMore ? `more than ${items.length}` : String(items.length));
  }

  /** The element of an entry: the one that is drawn, unless its author or more fans have changed it. @param {Entry} entry */
  function itemOf(entry) {
    const item = drawn.get(entry.key);
    if (!item || item.dataset.shows !== shownIn(entry)) return createItem(entry);
    setText(/** @type {Element} */ (item.querySelector(".queue-age")), ago(new Date(entry.at)));
    return item;
  }

  /** @param {Entry} entry */
  const shownIn = ({ priority, head, text, says }) => JSON.stringify([priority, head, text, says]);

  /** @param {Entry} entry */
  function createItem(entry) {
    const { key, priority, at, head, text, says, author, href, accept, refuse } = entry;
    return h("li", { class: "queue-item", tabindex: "-1", data: { key, priority, shows: shownIn(entry) } },
      h("p", { class: "queue-head" }, h("span", { class: "badge" }, priority), h("strong", {}, head),
        h("span", { class: "note queue-age" }, ago(new Date(at)))),
      h("blockquote", { class: "queue-text" }, text),
      says.length ? h("p", { class: "note" }, says.join(" · ")) : null,
      h("p", { class: "toolbar" }, button(accept.label, () => decide(key, "accept"), "a"), button(refuse.label, () => decide(key, "refuse"), "x"),
        author === null ? h("a", { class: "button quiet", href }, "Show") : h("a", { class: "button quiet", href, data: { link: "" } }, `Account ${author}`)));
  }

  /** @type {(key: string, way: "accept"|"refuse") => Promise<void>} */
  async function decide(key, way) {
    const entry = entries.get(key);
    if (!entry) return;
    const { label, lines, note, result, send: act } = entry[way];
    drawn.get(key)?.focus();
    const isDone = await ask(desk, { title: `${label}: ${entry.head}`, label, lines: [`“${shortened(entry.text)}”`, ...lines], fields: [note],
      preview: async (values) => told(await act(values.note ?? "", true)),
      async act(values) {
        await act(values.note ?? "", false);
        return result;
      } });
    if (isDone) {
      const item = drawn.get(key);
      const next = item?.nextElementSibling ?? item?.previousElementSibling;
      item?.remove();
      drawn.delete(key);
      if (next instanceof HTMLElement) next.focus();
    }
    await load();
  }

  const chosen = () => [...drawn].find(([, item]) => item.contains(document.activeElement))?.[0] ?? null;
  /** @type {(act: (key: string) => void) => () => void} */
  const onChosen = (act) => () => {
    const key = chosen();
    if (key === null) step(list, ".queue-item", 1);
    else act(key);
  };

  /** @param {QueueItem} item */
  function ofText(item) {
    const { kind, id, review, profile, reporter, reason } = item;
    const what = review ? `review of venue ${review.venue}` : `profile of account ${profile?.user}`;
    const author = review?.user ?? profile?.user ?? null;
    const isHeld = kind === "held";
    const path = isHeld ? `/api/admin/moderation/${id}` : `/api/admin/reports/${id}`;
    /** @type {(decision: string) => Choice["send"]} */
    const sending = (decision) => (note, preview) => send(desk, "POST", `${path}?preview=${preview}`, { decision, note });
    const hides = ["The text is hidden from everybody but its author."];
    return /** @type {Entry} */ ({
      key: `${kind}-${id}`, priority: item.priority, at: item.created_at, author, href: `/admin/people/${author}`,
      head: isHeld ? `Held ${what}` : `Reported ${what}`,
      text: review ? `${"★".repeat(review.rating)} ${review.body}` : [profile?.display_name, profile?.bio, profile?.city].filter(Boolean).join(" · "),
      says: isHeld ? item.reasons.map((found) => FOUND[found] ?? found) : [`Account ${reporter ?? "that is gone"} says: ${reason}`],
      accept: isHeld
        ? { label: "Approve", lines: ["Everybody sees the text."], note: NOTE, result: "Approved: the text is public.", send: sending("approve") }
        : { label: "Dismiss", lines: ["The text stays as it is."], note: NOTE, result: "Dismissed: the text stays.", send: sending("dismiss") },
      refuse: isHeld
        ? { label: "Reject", lines: hides, note: NOTE, result: "Rejected: the text is hidden.", send: sending("reject") }
        : { label: "Uphold", lines: hides, note: NOTE, result: "Upheld: the text is hidden.", send: sending("uphold") },
    });
  }

  /** @type {(item: QueueItem, suggestion: Suggestion) => Entry} */
  function ofSuggestion({ id, priority, created_at, reasons }, { show, show_name, title, fan_count }) {
    /** @type {(decision: string) => Choice["send"]} */
    const sending = (decision) => (reason, preview) => send(desk, "POST", `/api/admin/suggestions/${id}?preview=${preview}`, { decision, reason });
    return /** @type {Entry} */ ({
      key: `suggestion-${id}`, priority, at: created_at, author: null, href: `/shows/${show}`, text: title,
      head: `Suggested song for ${show_name || `show ${show}`}`,
      says: [`${counted(fan_count, "fan")} ${fan_count === 1 ? "suggests" : "suggest"} it`, ...reasons.map((found) => FOUND[found] ?? found)],
      accept: { label: "Approve", lines: ["Fans can vote on the song at once."], note: REASON, result: `${title} is in the set.`, send: sending("approve") },
      refuse: { label: "Decline", lines: ["The suggestion is closed for this show."], note: REASON, result: `${title} is declined.`, send: sending("decline") },
    });
  }

  /** @type {Shortcut[]} */
  const shortcuts = [
    ...stepKeys(list, ".queue-item", "entry to decide"),
    { key: "a", label: "Approve, or dismiss a report", act: onChosen((key) => decide(key, "accept")) },
    { key: "x", label: "Reject, decline, or uphold a report", act: onChosen((key) => decide(key, "refuse")) },
    { key: "o", label: "Open the account or show behind it", act: onChosen((key) => drawn.get(key)?.querySelector("a")?.click()) },
  ];
  return { element, shortcuts, close: desk.repeat(load, EVERY_MS) };
}

/** What the server says that a decision does. @param {Decided} decided */
const told = ({ also_answered, position, fan_count }) => [
  ...(also_answered ? [`That also answers ${counted(also_answered, "other report or held text", "other reports or held texts")} about it.`] : []),
  ...(position ? [`It gets place ${position} of the first predicted set.`] : []),
  ...(fan_count ? [`It answers the suggestion of ${counted(fan_count, "fan")}.`] : []),
];

/** @param {string} text */
const shortened = (text) => (text.length > 200 ? `${text.slice(0, 200)}…` : text);
