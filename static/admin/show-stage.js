/** The stage: which song plays now, one tap a song and one for undo. Dark in both themes, large, and awake. */
import { RequestError } from "../client.js";
import { h, setAttribute, setText } from "../dom.js";
import { createFollowing } from "./following.js";
import { createLoader, send, stepKeys } from "./parts.js";

/**
 * @import { Desk, OpenPage, SetSong, ShowSet, ShowSettings } from "./types.js"
 * @typedef {{status: ShowSettings["status"]}} Status
 */

// A browser lets the screen sleep again once the tab was hidden.
const AWAKE_MS = 60_000;

/**
 * @param {Desk} desk
 * @param {string} ref
 * @returns {OpenPage}
 */
export function createStage(desk, ref) {
  const loader = createLoader();
  const title = h("h1", { class: "stage-show", tabindex: "-1" }, "On stage");
  const playing = h("p", { class: "stage-now", role: "status" }, "–");
  const label = h("p", { class: "stage-label" });
  const says = h("p", { class: "stage-says", role: "alert" });
  const undo = h("button", { class: "stage-undo", type: "button", disabled: true, on: { click: takeBack } }, "Undo");
  const back = h("a", { class: "button", data: { link: "" }, href: `/admin/shows/${ref}` }, "Leave the stage");
  const lists = h("div", { class: "stage-sets" });
  const following = createFollowing(desk, () => load());
  const element = h("div", { class: "stage" },
    h("div", { class: "stage-head" }, h("div", {}, title, label, playing), h("p", { class: "toolbar" }, undo, back)),
    says, loader.element, following.element, lists);
  /** @type {ShowSettings|null} */
  let show = null;
  /** @type {ShowSet[]} */
  let sets = [];
  /** @type {ShowSettings["status"]} */
  let status = "live";
  /** @type {{song: number, title: string}[]} what was marked here, the latest last */
  const marks = [];
  let isSending = false;
  let isClosed = false;

  const load = () => loader.load(async () => {
    const found = /** @type {ShowSettings} */ (await desk.call(`/api/admin/shows/${encodeURIComponent(ref)}`));
    const { setlists } = /** @type {{setlists: ShowSet[]}} */ (await desk.call(`/api/shows/${found.id}`));
    return { found, setlists };
  }, ({ found, setlists }) => {
    const isFirst = show === null;
    show = found;
    status = found.status;
    sets = setlists;
    setText(title, found.name);
    draw();
    if (isFirst) watch(found.id);
  });

  /** @param {number} id */
  function watch(id) {
    if (isClosed) return; // the answer came after the page was left
    following.follow(`status:${id}`, "the state of the show", (state) => {
      status = /** @type {Status} */ (state).status;
      draw();
    });
    following.follow(`setlist:${id}`, "what others mark", (state) => {
      sets = /** @type {{setlists: ShowSet[]}} */ (state).setlists;
      draw();
    });
  }

  /** The song that was marked last. */
  const current = () => sets.flatMap(({ songs }) => songs).filter(({ played_at }) => played_at !== null)
    .reduce((/** @type {SetSong|null} */ last, song) => (Date.parse(last?.played_at ?? "") > Date.parse(song.played_at ?? "") ? last : song), null);

  function draw() {
    const now = current();
    const shown = sets.filter(({ type }) => type === "predicted");
    const key = shown.map(({ id, name, songs }) => `${id} ${name} ${songs.map((song) => `${song.id} ${song.title} ${song.note}`)}`).join("|");
    if (lists.dataset.key !== key) {
      lists.dataset.key = key;
      lists.replaceChildren(...shown.map((set) => h("section", {}, h("h2", {}, set.name),
        h("ol", {}, ...set.songs.map((song) => h("li", {}, createSong(song)))))));
    }
    for (const song of shown.flatMap(({ songs }) => songs)) {
      const element = lists.querySelector(`[data-song="${song.id}"]`);
      if (!element) continue;
      setAttribute(element, "aria-pressed", String(song.played_at !== null));
      setAttribute(/** @type {Element} */ (element.parentElement), "data-over", song.played_at !== null && song.id !== now?.id);
      setAttribute(element, "aria-current", song.id === now?.id ? "true" : null);
      setText(/** @type {Element} */ (element.querySelector(".stage-mark")), song.id === now?.id ? "now" : song.played_at ? "played" : "");
    }
    setText(playing, now?.title ?? "Nothing yet");
    setText(label, status === "live" ? "Playing now" : `Marked last (the show is ${status}: fans see what was played, but no song as playing)`);
    const last = lastMark();
    undo.disabled = last === null;
    setText(undo, last ? `Undo: ${last.title}` : "Undo");
  }

  /** @param {SetSong} song */
  function createSong({ id, title: text, note }) {
    return h("button", { class: "stage-song", type: "button", data: { song: id }, on: { click: () => tap(id, text) } },
      h("span", { class: "stage-title" }, text, note ? h("span", { class: "stage-note" }, note) : null), h("span", { class: "stage-mark" }));
  }

  /** @type {(song: number, text: string) => Promise<void>} */
  async function tap(song, text) {
    const isPlayed = sets.some(({ songs }) => songs.some(({ id, played_at }) => id === song && played_at !== null));
    if (isPlayed) {
      setText(says, song === current()?.id ? `${text} plays already. Undo takes it back.` : `${text} was played. Undo takes back the last tap.`);
      return;
    }
    if (await mark(song, true)) marks.push({ song, title: text });
    draw();
  }

  /** What Undo takes back: the last tap here, else the song that plays. */
  function lastMark() {
    const song = current();
    return marks.at(-1) ?? (song ? { song: song.id, title: song.title } : null);
  }

  async function takeBack() {
    const last = lastMark();
    if (!last) return;
    if (await mark(last.song, false)) marks.pop();
    draw();
  }

  /** @type {(song: number, played: boolean) => Promise<boolean>} */
  async function mark(song, played) {
    if (!show) return false;
    if (isSending) {
      setText(says, "The tap before this one is still on its way, so this one did nothing. Tap again.");
      return false;
    }
    isSending = true;
    setAttribute(lists, "aria-busy", "true");
    setText(says, "");
    try {
      await send(desk, "POST", `/api/admin/shows/${show.id}/played`, { song, played });
      return true;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      setText(says, error.message);
      return false;
    } finally {
      isSending = false;
      setAttribute(lists, "aria-busy", null);
    }
  }

  /** @type {WakeLockSentinel|null} */
  let wake = null;
  const stayAwake = async () => {
    if (wake && !wake.released) return;
    // Not every browser can, and none does it with an empty battery. Then the screen needs a tap.
    const lock = await navigator.wakeLock?.request("screen").catch(() => null) ?? null;
    if (isClosed) lock?.release();
    else wake = lock;
  };
  document.documentElement.dataset.stage = "";
  const stopWaking = desk.repeat(stayAwake, AWAKE_MS);
  load();
  return {
    element,
    shortcuts: [
      ...stepKeys(lists, ".stage-song", "song"),
      { key: "u", label: "Undo the last tap", act: takeBack },
      { key: "q", label: "Leave the stage", act: () => desk.go(`/admin/shows/${ref}`) },
    ],
    close() {
      isClosed = true;
      following.close();
      stopWaking();
      delete document.documentElement.dataset.stage;
      wake?.release();
    },
  };
}
