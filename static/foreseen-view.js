/** After a show: what its fans foresaw and what was played, side by side. */
import { h, setHidden } from "./dom.js";
import { foreseenOf } from "./selectors.js";
import { phrase } from "./words.js";

/**
 * @import { Judged } from "./selectors.js"
 * @import { LoadedShow } from "./types.js"
 */

const TEXTS = {
  title: phrase("foreseen-heading"), foreseen: phrase("foreseen-fans"), played: phrase("foreseen-played"),
  wasPlayed: phrase("foreseen-was-played"), notPlayed: phrase("foreseen-not-played"),
  wasForeseen: phrase("foreseen-was-foreseen"), notForeseen: phrase("foreseen-not-foreseen"),
};

export function createForeseenView() {
  const foreseen = h("ol", { "aria-labelledby": "foreseen-fans" });
  const played = h("ol", { "aria-labelledby": "foreseen-played" });
  const element = h("section", { class: "foreseen", "aria-labelledby": "foreseen-title" },
    h("h2", { id: "foreseen-title" }, TEXTS.title),
    h("div", { class: "foreseen-lists" },
      h("div", {}, h("h3", { id: "foreseen-fans" }, TEXTS.foreseen), foreseen),
      h("div", {}, h("h3", { id: "foreseen-played" }, TEXTS.played), played)));
  let drawn = "";
  return {
    element,
    /** @param {LoadedShow} show */
    update(show) {
      const found = show.status.status === "finished" ? foreseenOf(show) : null;
      setHidden(element, found === null);
      const next = JSON.stringify(found);
      if (found === null || next === drawn) return;
      drawn = next;
      foreseen.replaceChildren(...found.foreseen.map((song) => row(song, TEXTS.wasPlayed, TEXTS.notPlayed)));
      played.replaceChildren(...found.played.map((song) => row(song, TEXTS.wasForeseen, TEXTS.notForeseen)));
    },
  };
}

/** @type {(song: Judged, hit: string, miss: string) => Element} */
const row = ({ title, song_id, isHit }, hit, miss) => h("li", { "data-hit": isHit },
  h("span", { class: "mark-sign", "aria-hidden": "true" }),
  h("span", {}, h("a", { class: "name-link", href: song_id === null ? null : `/songs/${song_id}`, "data-link": true, dir: "auto", translate: "no" }, title),
    h("span", { class: "sr" }, isHit ? hit : miss)));
