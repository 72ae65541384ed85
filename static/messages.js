/** What the page says of a show, in the texts of static/words/, and its numbers and dates. Refusals are in refusals.js. */
import { isConnected } from "./selectors.js";
import { count, isolated, LOCALE, phrase } from "./words.js";

/**
 * @import { Choice, PollingReason } from "./client.js"
 * @import { Accuracy, ConnectionStatus, Place, Results, Setlist, ShowState, Song, Source } from "./types.js"
 * @typedef {"open"|"early"|"locked"|"closed"|"final"|"cancelled"} Voting  from `votingOf`
 */

export { count };

/** @type {(share: number) => string} */
export const percent = (share) => share.toLocaleString(LOCALE, { style: "percent" });

/** @type {[unit: Intl.RelativeTimeFormatUnit, unit_ms: number][]} */
const UNITS = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000]];
/** @type {Intl.RelativeTimeFormat|undefined} */
let relativeFormat;

/**
 * The time from now, such as "in 5 minutes" or "2 hours ago".
 * @type {(then_ms: number, now_ms: number) => string}
 */
export function inTime(then_ms, now_ms) {
  const distance_ms = then_ms - now_ms;
  if (Math.abs(distance_ms) < 1_500) return phrase("just-now");
  // Below 1.5 of a unit, the next smaller unit says more: "in 83 minutes", not "in 1 hour".
  const [unit, unit_ms] = UNITS.find(([, size_ms]) => Math.abs(distance_ms) >= size_ms * 1.5) ?? ["second", 1_000];
  if (!relativeFormat) relativeFormat = new Intl.RelativeTimeFormat(LOCALE);
  return relativeFormat.format(Math.round(Math.abs(distance_ms) / unit_ms) * Math.sign(distance_ms), unit);
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const dateFormats = new Map();

/**
 * A format of dates. It is made when it is first used, and kept: a slow phone needs some 10 ms for each.
 * @param {Intl.DateTimeFormatOptions} options
 */
function dateFormat(options) {
  const key = JSON.stringify(options);
  let format = dateFormats.get(key);
  if (!format) {
    try {
      format = new Intl.DateTimeFormat(LOCALE, options);
    } catch {
      // The browser does not know the zone: UTC, with this name.
      format = new Intl.DateTimeFormat(LOCALE, { ...options, timeZone: "UTC", timeZoneName: "short" });
    }
    dateFormats.set(key, format);
  }
  return format;
}

/** @param {string} timeZone */
const isElsewhere = (timeZone) => dateFormat({}).resolvedOptions().timeZone !== timeZone;

/**
 * A date and time in the show's zone. The zone is named for a visitor who is in another one.
 * @type {(iso: string, timeZone: string) => string}
 */
export function dateTime(iso, timeZone) {
  return dateFormat({
    weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit", timeZone,
    ...(isElsewhere(timeZone) && { timeZoneName: "short" }),
  }).format(new Date(iso)).replace(/-(?=\d)/, "-\u2060"); // a line does not end within GMT-6
}

/** @type {(iso: string, timeZone: string) => string} */
export function clockTime(iso, timeZone) {
  return dateFormat({ hour: "numeric", minute: "2-digit", timeZone }).format(new Date(iso));
}

/**
 * A moment in the visitor's own zone, with the day unless it is today's.
 * @type {(at_ms: number, now_ms: number) => string}
 */
function ownTime(at_ms, now_ms) {
  const isToday = new Date(at_ms).toDateString() === new Date(now_ms).toDateString();
  const day = isToday ? {} : /** @type {const} */ ({ day: "numeric", month: "short" });
  return dateFormat({ ...day, hour: "numeric", minute: "2-digit" }).format(new Date(at_ms));
}

/**
 * The day and the start of a show at its venue.
 * @param {{local_date: string, starts_at: string, time_zone: string}} show  starts_at empty: not known
 */
export function startLine({ local_date, starts_at, time_zone }) {
  const date = longDate(local_date);
  return starts_at ? phrase("show-when", { date, time: clockTime(starts_at, time_zone) }) : date;
}

/**
 * The start of a show where the visitor is; empty when clocks there show the same time.
 * @param {{starts_at: string, time_zone: string}} show
 */
export function startHereLine({ starts_at, time_zone }) {
  if (!starts_at) return "";
  const [here = "", there = ""] = [undefined, time_zone].map((timeZone) => dateFormat({
    weekday: "long", hour: "numeric", minute: "2-digit", timeZone,
  }).format(new Date(starts_at)));
  return here === there ? "" : phrase("show-when-here", { here });
}

/**
 * Formats `local_date`, a calendar day at the venue, which must not be converted to the visitor's zone.
 * @param {Intl.DateTimeFormatOptions} options
 * @returns {(local_date: string) => string}
 */
const calendar = (options) => (local_date) =>
  dateFormat({ ...options, timeZone: "UTC" }).format(new Date(`${local_date}T00:00:00Z`));
export const longDate = calendar({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
export const mediumDate = calendar({ month: "short", day: "numeric", year: "numeric" });
export const shortDate = calendar({ month: "short", day: "numeric" });
export const month = calendar({ month: "short" });
// The numbers alone: some languages would add a word to each, and these stand on a small stub.
/** @param {string} local_date */
export const dayOfMonth = (local_date) => String(Number(local_date.slice(8)));
/** @param {string} local_date */
export const year = (local_date) => local_date.slice(0, 4);

/** @param {Place} venue */
export const place = ({ city, region, country }) => [city, region || country].filter(Boolean).join(", ");

const NAME_CHARS_MAX = 300;

/**
 * The name that somebody gave a show; empty: it has the default, which is stored in English (server/protocol/show_names.py), or
 * repeats the artist.
 * @type {(show: {name: string, artist: {name: string}, venue: {name: string}}) => string}
 */
export const ownShowName = ({ name, artist, venue }) =>
  (name === artist.name || name === [...`${artist.name} at ${venue.name}`].slice(0, NAME_CHARS_MAX).join("") ? "" : name);

export const STATUS = {
  upcoming: phrase("status-upcoming"), live: phrase("status-live"), finished: phrase("status-finished"),
  cancelled: phrase("status-cancelled"),
};
export const VOTING = {
  open: phrase("voting-open"), locked: phrase("voting-locked"), closed: phrase("voting-closed"), final: phrase("voting-final"),
};

/** @type {Record<ConnectionStatus, string>} */
export const CONNECTION = {
  live: phrase("connection-live"), polling: phrase("connection-polling"), reconnecting: phrase("connection-reconnecting"),
  offline: phrase("connection-offline"),
};

/**
 * Why there is no live connection, and what works; empty while there is one, and while the reason is not known.
 * @type {(status: ConnectionStatus, reason: PollingReason|null) => string}
 */
export function connectionLine(status, reason) {
  if (!reason || status === "live" || status === "offline") return "";
  if (reason === "origin") return phrase("connection-origin");
  return phrase("connection-reason", { reason, works: status === "polling" ? "yes" : "no" });
}
/**
 * From when the counts are while there is no connection; empty while they are of now. A connection that comes back soon is not worth
 * a sentence.
 * @param {ConnectionStatus} status
 * @param {number|null} at_ms
 * @param {number} now_ms
 */
export function countsFromLine(status, at_ms, now_ms) {
  if (at_ms === null || isConnected(status) || (status !== "offline" && now_ms - at_ms < 5_000)) return "";
  const time = ownTime(at_ms, now_ms);
  return status === "offline" ? phrase("counts-from-offline", { time }) : phrase("counts-from", { time });
}

export const KEPT_TITLE = phrase("kept-heading");

/** @type {(local_date: string, at_ms: number, now_ms: number) => string} */
export const keptLine = (local_date, at_ms, now_ms) => phrase("kept-line", { date: shortDate(local_date), time: ownTime(at_ms, now_ms) });

export const DURABILITY = {
  waiting: phrase("vote-waiting"), pending: phrase("vote-pending"), accepted: phrase("vote-accepted"),
  committed: phrase("vote-committed"),
};

export const SETLIST = { predicted: phrase("setlist-predicted"), actual: phrase("setlist-actual") };

/** Names of sets that add nothing to the title from `setTitles`, as organisers and other services write them. */
const GENERIC_NAME = /^(main|alternate|support)( set)?$|^(set|encore)( \d+)?$|^predicted setlist$|^played$/i;

/**
 * A distinct title for each set of a show: "Set 1", "Set 2", "Encore", "Alternate set", or the name of another artist who
 * plays the set.
 * @param {Pick<Setlist, "kind"|"artist">[]} setlists
 * @param {number} headliner
 */
export function setTitles(setlists, headliner) {
  const sets = setlists.map(({ kind, artist }) => {
    const player = artist && artist.id !== headliner ? artist.name : null;
    return { kind: ["main", "encore", "alternate"].includes(kind) ? kind : "main", player, key: `${player ?? ""}:${kind}` };
  });
  return sets.map(({ kind, player, key }, index) => {
    const alikeCount = sets.filter((other) => other.key === key).length;
    const number = sets.slice(0, index + 1).filter((other) => other.key === key).length;
    if (player === null) return alikeCount > 1 ? phrase("set-title-numbered", { kind, number }) : phrase("set-title", { kind });
    if (alikeCount > 1) return phrase("set-title-of-numbered", { kind, number, artist: player });
    return kind === "main" ? player : phrase("set-title-of", { kind, artist: player });
  });
}

/**
 * The name of a set; empty when it adds nothing to the title.
 * @param {{name: string|null}} setlist
 * @param {string|null} title
 */
export const ownName = ({ name }, title) => (name && name !== title && !GENERIC_NAME.test(name.trim()) ? name : "");

/**
 * The name of the only set of its type; empty when it adds nothing to the heading.
 * @param {Pick<Setlist, "kind"|"name">} setlist
 */
export function onlyName({ kind, name }) {
  if (!name || /^(predicted setlist|played)$/i.test(name)) return "";
  return /^(main|alternate)( set)?$|^encore$/i.test(name) ? phrase("set-title", { kind }) : name;
}

/**
 * Tags that say how a song is played: from tape, as a cover, in a medley, with a note.
 * @param {Pick<Song, "is_tape"|"cover_of"|"medley"|"note">} song
 */
export function songTags({ is_tape, cover_of, medley, note }) {
  const tape = cover_of ? phrase("song-tape-of", { artist: cover_of.name }) : phrase("song-tape");
  const cover = cover_of ? phrase("song-cover", { artist: cover_of.name }) : null;
  return [is_tape ? tape : cover, medley === null ? null : phrase("song-medley"), note || null].filter((tag) => tag !== null);
}

/**
 * The support acts.
 * @param {{name: string, billing: string}[]} [bill]
 */
export function billLine(bill = []) {
  const supports = bill.filter(({ billing }) => billing === "support").map(({ name }) => name);
  if (supports.length < 2) return supports[0] === undefined ? "" : phrase("bill-with", { names: supports[0] });
  return phrase("bill-with", { names: new Intl.ListFormat(LOCALE).format(supports.map(isolated)) });
}

export const PAUSED = phrase("window-paused");

/**
 * Whether voting is open, and until when or from when.
 * @param {Voting} voting
 * @param {{opens_at: string, closes_at: string|null}} votingWindow
 * @param {string} time_zone
 * @param {number} now_ms
 */
export function windowLine(voting, { opens_at, closes_at }, time_zone, now_ms) {
  const at = (/** @type {string} */ iso) => ({ when: dateTime(iso, time_zone), in: inTime(Date.parse(iso), now_ms) });
  switch (voting) {
    case "open":
      if (!closes_at) return phrase("window-open");
      return Date.parse(closes_at) > now_ms ? phrase("window-open-until", at(closes_at)) : phrase("window-closing");
    case "early": return phrase("window-opens", at(opens_at));
    case "locked": return PAUSED;
    case "final": return phrase("window-final");
    case "cancelled": return phrase("window-cancelled");
    default: return closes_at && Date.parse(closes_at) <= now_ms
      ? phrase("window-closed-since", at(closes_at)) : phrase("window-closed");
  }
}

/**
 * The state of voting and its countdown, short enough to stay in view while the songs scroll.
 * @type {(voting: Voting, votingWindow: {opens_at: string, closes_at: string|null}, now_ms: number) => string}
 */
export function stateLine(voting, { opens_at, closes_at }, now_ms) {
  const closes_ms = closes_at ? Date.parse(closes_at) : Infinity;
  if (voting === "early") return phrase("state-opens", { in: inTime(Date.parse(opens_at), now_ms) });
  if (voting === "cancelled") return STATUS.cancelled;
  if (voting !== "open" || closes_ms === Infinity) return VOTING[voting];
  return closes_ms > now_ms ? phrase("state-closes", { in: inTime(closes_ms, now_ms) }) : phrase("state-closing");
}

/** @type {(budget: number|null) => string} */
export const howToVote = (budget) => (budget === null ? phrase("how-to-vote") : phrase("how-to-vote-budget"));

/**
 * Why the buttons are off; null while they are on.
 * @type {Record<Voting, string|null>}
 */
export const REASON = {
  open: null, early: phrase("why-early"), locked: phrase("why-locked"), closed: phrase("why-closed"), final: phrase("why-final"),
  cancelled: phrase("why-cancelled"),
};

/**
 * Why the counts are hidden and when the visitor will see them, by the show's setting.
 * @type {Record<Results, string>}
 */
export const HIDDEN = {
  live: phrase("hidden-live"), after_vote: phrase("hidden-after-vote"), after_closing: phrase("hidden-after-closing"),
};

/**
 * How well the crowd predicted the setlist. Both are empty while that is unknown, and when the crowd predicted nothing.
 * @param {Accuracy|null} [accuracy]
 */
export function accuracyLines(accuracy) {
  if (!accuracy?.predicted) return { line: "", detail: "" };
  const { hits, played, predicted, baseline = null } = accuracy;
  const line = hits === 0 ? phrase("accuracy-none", { played })
    : hits === played ? phrase("accuracy-all", { played }) : phrase("accuracy-some", { hits, played });
  const picks = predicted === 1 ? phrase("accuracy-one-pick", { hits }) : phrase("accuracy-picks", { hits, predicted });
  const detail = baseline === null ? picks
    : phrase("accuracy-before", { picks, before: Math.round(baseline * played), played });
  return { line, detail };
}

/** @type {Record<string, string>} */
const SERVICES = {
  ticketmaster: "Ticketmaster", setlistfm: "setlist.fm", spotify: "Spotify", musicbrainz: "MusicBrainz",
};

/** @param {Source} source */
export const siteName = ({ service, url }) => SERVICES[service] ?? new URL(url).hostname.replace(/^www\./, "");

/**
 * The text of a link to another site.
 * @param {Source} source
 */
export function sourceLine({ service, url, about }) {
  const site = siteName({ service, url });
  if (about === "prediction") {
    return service === "spotify" ? phrase("source-prediction-spotify") : phrase("source-prediction", { site });
  }
  if (service === "spotify") return phrase("source-listen");
  if (about !== "show") return phrase("source-artist", { site });
  if (service === "ticketmaster") return phrase("source-tickets", { site });
  return service === "setlistfm" ? phrase("source-played", { site }) : phrase("source-show", { site });
}

const WEB_ADDRESS = /^https?:\/\//;

/**
 * Keeps only web pages, because an address from another service could be anything, even a script.
 * @template {{url: string}} Link
 * @param {Link[]} [sources]
 */
export function webPages(sources = []) {
  return sources.filter(({ url }) => WEB_ADDRESS.test(url) && isUrl(url));
}

/** @param {string} text */
function isUrl(text) {
  try {
    return Boolean(new URL(text));
  } catch {
    return false; // URL.canParse would say so, but the oldest browsers do not have it
  }
}

/** @param {number} value */
export const votes = (value) => phrase("votes", { count: value });

/** @param {number} value */
export const waitingLine = (value) => phrase("votes-waiting", { count: value });

/** @param {ShowState["relationCounts"]} counts */
export function attendanceLine({ going, watching }) {
  if (going === null) return watching === null ? "" : phrase("attendance-watching", { watching });
  return watching === null ? phrase("attendance-going", { going }) : phrase("attendance-both", { going, watching });
}

export const CONNECTION_LOST = phrase("connection-lost");
export const CONNECTED_AGAIN = phrase("connection-again");

/** @param {{title: string, up: number, otherCount: number}} leader */
export function leaderLine({ title, up, otherCount }) {
  return otherCount === 0 ? phrase("leader", { title, count: up }) : phrase("leader-shared", { title, count: otherCount });
}

/**
 * The name of a button. Whoever speaks to the page names what they see, so the name has the number, too.
 * @type {(direction: "up"|"down", title: string, votes: string) => string}
 */
export function voteLabel(direction, title, votes) {
  if (direction === "up") return votes ? phrase("vote-up-on-counted", { title, votes }) : phrase("vote-up-on", { title });
  return votes ? phrase("vote-down-on-counted", { title, votes }) : phrase("vote-down-on", { title });
}

/** A song that was played although nobody had predicted it. */
export const UNFORESEEN = phrase("song-unforeseen");

/** @type {(choice: Choice, title: string|null, connection: ConnectionStatus) => string} */
export function confirmation(choice, title, connection) {
  const values = { choice, title: title ?? "" };
  return isConnected(connection) ? phrase("voted", values) : phrase("voted-later", values);
}
