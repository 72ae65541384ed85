/**
 * The visitor's pick for a show: the form before it begins, the points afterwards. It keeps its state itself: no vote depends on it.
 */
import { call, RequestError, signedIn, signIn } from "./api.js";
import { h, setAttribute, setHidden, setText } from "./dom.js";
import * as words from "./pick-texts.js";
import { failure } from "./refusals.js";
import { phrase } from "./words.js";

/**
 * @import { LoadedShow, OwnPick } from "./types.js"
 * @typedef {"opener"|"closer"|"encore"} PlaceName
 */

/** @type {PlaceName[]} */
const PLACE_NAMES = ["opener", "closer", "encore"];
// All fans of a show learn of a song at the same moment; they ask for their points one after the other.
const SPREAD_MS = 3_000;

export function createPickView() {
  const summary = h("summary", {}, words.summary(null));
  const lead = h("p", { class: "pick-lead", hidden: true }, words.LEAD);
  const lock = h("p", { class: "pick-lead" });
  const chosenText = h("p", { class: "pick-count" });
  const songs = h("div", { class: "pick-songs", role: "group", "aria-label": phrase("pick-songs-label") });
  const places = PLACE_NAMES.map((name) => {
    const change = () => {
      atPlace[name] = Number(select.value) || null;
      isChanged = true;
    };
    const select = h("select", { id: `pick-${name}`, "aria-describedby": `pick-${name}-hint`, on: { change } });
    return { name, select, field: h("p", { class: "pick-place" },
      h("label", { for: `pick-${name}` }, words.PLACES[name]), select,
      h("small", { id: `pick-${name}-hint` }, words.PLACE_HINTS[name])) };
  });
  const save = h("button", { class: "button button-main", type: "submit" }, phrase("pick-save"));
  const withdraw = h("button", { class: "button quiet", type: "button", on: { click: () => send(true) } }, phrase("pick-withdraw"));
  const outcome = h("p", { class: "pick-outcome", role: "status" });
  const form = h("form", {
    class: "pick-form",
    hidden: true, // until the pick is known: once the show has begun there is no form
    on: {
      submit: (event) => {
        event.preventDefault();
        send(false);
      },
    },
  }, chosenText, songs, h("div", { class: "pick-places" }, ...places.map(({ field }) => field)),
    h("p", { class: "pick-end" }, save, withdraw));
  const score = h("p", { class: "pick-score" });
  const picked = h("ul", { class: "pick-list" });
  const board = h("a", { class: "button" }, phrase("board"));
  const details = h("details", { class: "pick-details" }, summary, lead, lock, form, score, picked, outcome, h("p", { class: "pick-end" }, board));
  details.addEventListener("toggle", () => {
    if (details.open && !own) load();
  });
  const element = details;

  let show = 0;
  let isStranger = true; // without an account, as far as the page knows
  let key = "";
  let time_zone = "UTC";
  /** @type {OwnPick|null} */
  let own = null;
  /** @type {number[]} */
  let chosen = [];
  /** @type {Record<PlaceName, number|null>} */
  let atPlace = { opener: null, closer: null, encore: null };
  let isSending = false;
  let isChanged = false; // since it was saved
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;

  async function load() {
    const wanted = show;
    if (!own) setText(outcome, phrase("one-moment"));
    try {
      /** @type {OwnPick} */
      const answer = await call(`/api/shows/${wanted}/picks`);
      if (wanted !== show) return;
      if (!own) setText(outcome, "");
      own = answer;
      if (!isChanged) {
        chosen = own.pick ? [...own.pick.songs] : [];
        atPlace = { opener: own.pick?.opener ?? null, closer: own.pick?.closer ?? null, encore: own.pick?.encore ?? null };
      }
      draw();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (details.open) setText(outcome, failure(error.code));
    }
  }

  function draw() {
    if (!own) return;
    const { is_locked: isLocked, pick } = own;
    setText(summary, words.summary(own));
    setHidden(lead, isLocked);
    const line = words.lockLine(own, time_zone, Date.now());
    setHidden(lock, line === "");
    setText(lock, line);
    setHidden(form, isLocked);
    setHidden(score, !own.score);
    if (own.score) setText(score, words.scoreLine(own.score));
    setHidden(picked, !isLocked || !pick);
    setHidden(withdraw, !pick);
    if (isLocked) drawPicked();
    else drawForm();
  }

  function drawForm() {
    if (!own) return;
    const titles = new Map([...own.songs, ...own.choices].map(({ id, title }) => [id, title]));
    if (songs.childElementCount !== titles.size) {
      songs.replaceChildren(...[...titles].map(([id, title]) => h("label", { class: "pick-song" },
        h("input", { type: "checkbox", value: id, on: { change: (event) => choose(event, id) } }), h("span", { dir: "auto", translate: "no" }, title))));
    }
    for (const input of songs.querySelectorAll("input")) input.checked = chosen.includes(Number(input.value));
    setText(chosenText, words.chosenLine(chosen.length));
    for (const { name, select } of places) {
      select.replaceChildren(h("option", { value: "" }, phrase("pick-nothing")),
        ...chosen.map((id) => h("option", { value: id, translate: "no", selected: id === atPlace[name] }, titles.get(id) ?? "")));
    }
    setAttribute(save, "aria-disabled", chosen.length === 0 || null);
  }

  function drawPicked() {
    const pick = own?.pick;
    if (!own || !pick) return;
    picked.replaceChildren(...own.songs.map(({ id, title, worth, was_played: wasPlayed }) => {
      const tags = PLACE_NAMES.filter((name) => pick[name] === id).map((name) => h("span", { class: "tag" }, words.PLACES[name]));
      return h("li", { data: { played: String(wasPlayed) } }, h("span", { dir: "auto", translate: "no" }, title), ...tags,
        h("span", { class: "pick-worth" }, words.worthLine(worth, wasPlayed)));
    }));
  }

  /**
   * @param {Event} event
   * @param {number} song
   */
  function choose(event, song) {
    const input = /** @type {HTMLInputElement} */ (event.target);
    if (input.checked && chosen.length >= words.PICKED_MAX) {
      input.checked = false;
      setText(outcome, words.FULL);
      return;
    }
    isChanged = true;
    setText(outcome, "");
    chosen = input.checked ? [...chosen, song] : chosen.filter((id) => id !== song);
    for (const name of PLACE_NAMES) if (!chosen.includes(atPlace[name] ?? 0)) atPlace[name] = null;
    drawForm();
  }

  /** @param {boolean} isWithdrawal */
  async function send(isWithdrawal) {
    if (isSending || (!isWithdrawal && chosen.length === 0)) return;
    isSending = true;
    const wanted = show;
    try {
      if (isStranger) await signIn();
      if (isWithdrawal) await signedIn(() => call(`/api/shows/${wanted}/picks`, { method: "DELETE" }));
      const answer = isWithdrawal ? null : await signedIn(() => call(`/api/shows/${wanted}/picks`, { method: "PUT", body: JSON.stringify({ songs: chosen, ...atPlace }) }));
      isChanged = false;
      setText(outcome, !answer ? words.WITHDRAWN : answer.durability === "committed" ? words.SAVED : words.ACCEPTED);
      await load();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setText(outcome, words.pickFailure(error.code));
      if (error.code === "locked") await load();
    } finally {
      isSending = false;
    }
  }

  return {
    element,
    open() {
      details.open = true;
      summary.focus({ preventScroll: true });
    },
    /**
     * @param {LoadedShow} next
     * @param {number|null} visitor
     */
    update(next, visitor) {
      const played = next.setlists.flatMap(({ songs: all }) => all.filter(({ played_at: at }) => at !== null)).length;
      const now = `${next.id}:${visitor}:${next.status.status}:${played}:${next.info.starts_at}`;
      if (now === key) return;
      const isOther = next.id !== show || key === "";
      key = now;
      if (isOther) {
        own = null;
        isChanged = false;
        for (const part of [lead, lock, form, score, picked]) setHidden(part, true);
        setText(summary, words.summary(null));
      }
      show = next.id;
      isStranger = visitor === null;
      time_zone = next.info.time_zone;
      setAttribute(board, "href", `/leaderboard?show=${encodeURIComponent(next.info.slug)}`);
      clearTimeout(timer);
      if (isStranger && own === null && !details.open) return;
      if (isOther || own === null) load();
      else timer = setTimeout(load, Math.random() * SPREAD_MS);
    },
  };
}
