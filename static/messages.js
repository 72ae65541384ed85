/** The sentences, numbers and dates that the page shows, except those of refusals.js. */

import { isConnected } from "./selectors.js";

/**
 * @import { Choice, PollingReason } from "./client.js"
 * @import { Accuracy, ConnectionStatus, Place, Results, SetKind, Setlist, ShowState, Song, Source, TicketSource } from "./types.js"
 * @typedef {"open"|"early"|"locked"|"closed"|"final"|"cancelled"} Voting  from `votingOf`
 */

// The sentences are English. A screen reader would badly read a date in another language inside them.
const locale = globalThis.navigator?.languages?.find((language) => language.startsWith("en")) ?? "en";
/** @type {Intl.NumberFormat|undefined} */
let numberFormat;

/** @param {number} value */
export function count(value) {
  if (Number.isInteger(value) && value >= 0 && value < 1_000) return String(value);
  if (!numberFormat) numberFormat = new Intl.NumberFormat(locale);
  return numberFormat.format(value);
}

/** @type {(value: number, one: string, many: string) => string} */
export const plural = (value, one, many) => `${count(value)} ${value === 1 ? one : many}`;

/** @type {[unit: string, unit_ms: number][]} */
const UNITS = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000]];

/**
 * The time from now, such as "in 5 minutes" or "2 hours ago".
 * @type {(then_ms: number, now_ms: number) => string}
 */
export function inTime(then_ms, now_ms) {
  const distance_ms = then_ms - now_ms;
  if (Math.abs(distance_ms) < 1_500) return "just now";
  // Below 1.5 of a unit, the next smaller unit says more: "in 83 minutes", not "in 1 hour".
  const [unit, unit_ms] = UNITS.find(([, size_ms]) => Math.abs(distance_ms) >= size_ms * 1.5) ?? ["second", 1_000];
  const distance = Math.round(Math.abs(distance_ms) / unit_ms);
  const length = plural(distance, unit, `${unit}s`);
  return distance_ms > 0 ? `in ${length}` : `${length} ago`;
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
      format = new Intl.DateTimeFormat(locale, options);
    } catch {
      // The browser does not know the zone: UTC, with this name.
      format = new Intl.DateTimeFormat(locale, { ...options, timeZone: "UTC", timeZoneName: "short" });
    }
    dateFormats.set(key, format);
  }
  return format;
}

/**
 * A date and time in the show's zone. The zone is named for a visitor who is in another one.
 * @type {(iso: string, timeZone: string) => string}
 */
export function dateTime(iso, timeZone) {
  const isElsewhere = dateFormat({}).resolvedOptions().timeZone !== timeZone;
  return dateFormat({
    weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit", timeZone,
    ...(isElsewhere && { timeZoneName: "short" }),
  }).format(new Date(iso));
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
 * Formats `local_date`, a calendar day at the venue, which must not be converted to the visitor's zone.
 * @param {Intl.DateTimeFormatOptions} options
 * @returns {(local_date: string) => string}
 */
const calendar = (options) => (local_date) =>
  dateFormat({ ...options, timeZone: "UTC" }).format(new Date(`${local_date}T00:00:00Z`));
export const longDate = calendar({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
export const shortDate = calendar({ month: "short", day: "numeric" });
export const month = calendar({ month: "short" });
export const dayOfMonth = calendar({ day: "numeric" });
export const year = calendar({ year: "numeric" });

/** @param {Place} venue */
export const place = ({ city, region, country }) => [city, region || country].filter(Boolean).join(", ");

export const STATUS = { upcoming: "Upcoming", live: "Live now", finished: "Finished", cancelled: "Cancelled" };
export const VOTING = { open: "Voting open", locked: "Voting paused", closed: "Voting closed", final: "Final result" };

/** @type {Record<ConnectionStatus, string>} */
export const CONNECTION = { live: "Live", polling: "Delayed", reconnecting: "Connecting", offline: "Offline" };

/** @type {Record<PollingReason, string>} */
const REASONS = {
  missing: "This browser has no live connection.",
  blocked: "This network blocks the live connection.",
  overloaded: "The server takes no more live connections from this network.",
  rate_limited: "Too many connections came from here in a short time.",
  origin: "The server does not know this page's address.",
};

/**
 * Why there is no live connection, and what works; empty while there is one, and while the reason is not known.
 * @type {(status: ConnectionStatus, reason: PollingReason|null) => string}
 */
export function connectionLine(status, reason) {
  if (!reason || status === "live" || status === "offline") return "";
  if (reason === "origin") return `${REASONS.origin} Its operator has to set MYSETLIST_ORIGINS. Until then nobody can vote here.`;
  const works = status === "polling"
    ? "Counts follow every few seconds, and your votes are sent." : "The page tries again by itself.";
  return `${REASONS[reason]} ${works}`;
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
  const why = status === "offline" ? "You are offline." : "There is no connection to the server.";
  return `${why} The counts are from ${ownTime(at_ms, now_ms)}.`;
}

export const KEPT_TITLE = "Shows on this device";

/** @type {(local_date: string, at_ms: number, now_ms: number) => string} */
export const keptLine = (local_date, at_ms, now_ms) => `${shortDate(local_date)} · counts from ${ownTime(at_ms, now_ms)}`;

export const DURABILITY = {
  waiting: "Waiting to be sent", pending: "Sending", accepted: "Received, being saved", committed: "Your vote, counted",
};

export const SETLIST = { predicted: "Predicted setlist", actual: "Played" };

/** @type {Record<SetKind, [alone: string, numbered: string]>} */
const SETS = { main: ["Main set", "Set"], encore: ["Encore", "Encore"], alternate: ["Alternate set", "Alternate set"] };

/** Names of sets that add nothing to the title from `setTitles`. */
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
    return { titles: SETS[kind] ?? SETS.main, player, key: `${player ?? ""}:${kind}` };
  });
  return sets.map(({ titles: [alone, numbered], player, key }, index) => {
    const alikeCount = sets.filter((other) => other.key === key).length;
    const number = sets.slice(0, index + 1).filter((other) => other.key === key).length;
    const title = alikeCount > 1 ? `${numbered} ${number}` : alone;
    if (player === null) return title;
    return title === SETS.main[0] ? player : `${player}, ${title.toLowerCase()}`;
  });
}

/**
 * The name of a set; empty when it adds nothing to the title.
 * @param {{name: string|null}} setlist
 * @param {string|null} title
 */
export const ownName = ({ name }, title) => (name && name !== title && !GENERIC_NAME.test(name.trim()) ? name : "");

/**
 * Tags that say how a song is played: from tape, as a cover, in a medley, with a note.
 * @param {Pick<Song, "is_tape"|"cover_of"|"medley"|"note">} song
 */
export function songTags({ is_tape, cover_of, medley, note }) {
  const tape = cover_of ? `From tape, by ${cover_of.name}` : "From tape";
  const cover = cover_of ? `Cover of ${cover_of.name}` : null;
  return [is_tape ? tape : cover, medley === null ? null : "Medley", note || null].filter((tag) => tag !== null);
}

/**
 * The support acts.
 * @param {{name: string, billing: string}[]} [bill]
 */
export function billLine(bill = []) {
  const supports = bill.filter(({ billing }) => billing === "support").map(({ name }) => name);
  if (!supports.length) return "";
  const last = supports.pop();
  if (!supports.length) return `with ${last}`;
  return `with ${supports.join(", ")}${supports.length > 1 ? "," : ""} and ${last}`;
}

export const PAUSED = "Voting is paused by the organisers";

/**
 * Whether voting is open, and until when or from when.
 * @param {Voting} voting
 * @param {{opens_at: string, closes_at: string|null}} votingWindow
 * @param {string} time_zone
 * @param {number} now_ms
 */
export function windowLine(voting, { opens_at, closes_at }, time_zone, now_ms) {
  const when = (/** @type {string} */ iso) => `${dateTime(iso, time_zone)} (${inTime(Date.parse(iso), now_ms)})`;
  switch (voting) {
    case "open":
      if (!closes_at) return "Voting is open";
      return Date.parse(closes_at) > now_ms ? `Voting open until ${when(closes_at)}` : "Voting is closing";
    case "early": return `Voting opens ${when(opens_at)}`;
    case "locked": return PAUSED;
    case "final": return "The result is final";
    case "cancelled": return "This show was cancelled";
    default: return closes_at && Date.parse(closes_at) <= now_ms
      ? `Voting closed ${when(closes_at)}` : "Voting is closed";
  }
}

/**
 * The state of voting and its countdown, short enough to stay in view while the songs scroll.
 * @type {(voting: Voting, votingWindow: {opens_at: string, closes_at: string|null}, now_ms: number) => string}
 */
export function stateLine(voting, { opens_at, closes_at }, now_ms) {
  const closes_ms = closes_at ? Date.parse(closes_at) : Infinity;
  if (voting === "early") return `Opens ${inTime(Date.parse(opens_at), now_ms)}`;
  if (voting === "cancelled") return STATUS.cancelled;
  if (voting !== "open" || closes_ms === Infinity) return VOTING[voting];
  return closes_ms > now_ms ? `Closes ${inTime(closes_ms, now_ms)}` : "Closing";
}

/** @type {(budget: number|null) => string} */
export const howToVote = (budget) => (budget === null
  ? "Tap an arrow to vote, tap it again to take the vote back."
  : "Tap an arrow to vote, tap it again to take the vote back. A vote down costs one of your votes, too.");

/**
 * Why the buttons are off; null while they are on.
 * @type {Record<Voting, string|null>}
 */
export const REASON = {
  open: null,
  early: "You can vote when voting opens. This page updates by itself.",
  locked: "All votes are kept. You can vote again when the organisers continue.",
  closed: "No more votes are counted. The final check of the counts follows.",
  final: "Voting is over and the counts were checked.",
  cancelled: "You cannot vote on a cancelled show.",
};

/**
 * Why the counts are hidden and when the visitor will see them, by the show's setting.
 * @type {Record<Results, string>}
 */
export const HIDDEN = {
  live: "The counts will be back in a moment.",
  after_vote: "The counts are hidden until you vote. Vote for a song to see them.",
  after_closing: "The counts are hidden until the result is final.",
};

/**
 * How well the crowd predicted the setlist. Both are empty while that is unknown, and when the crowd predicted nothing.
 * @param {Accuracy|null} [accuracy]
 */
export function accuracyLines(accuracy) {
  if (!accuracy?.predicted) return { line: "", detail: "" };
  const { hits, played, predicted, baseline = null } = accuracy;
  const share = hits === 0 ? "none of the" : hits === played ? "all" : `${count(hits)} of`;
  const picks = predicted === 1 ? `Its one pick was ${hits === 0 ? "not " : ""}played.`
    : `${count(hits)} of its ${count(predicted)} picks ${hits === 1 ? "was" : "were"} played.`;
  const before = baseline === null ? ""
    : ` The setlist of the show before had ${count(Math.round(baseline * played))} of the ${count(played)}.`;
  return { line: `The crowd predicted ${share} ${plural(played, "song", "songs")}`, detail: picks + before };
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
  const name = siteName({ service, url });
  if (about === "prediction") {
    return service === "spotify" ? "Predicted from the most played songs on Spotify" : `Predicted from setlists on ${name}`;
  }
  if (service === "spotify") return "Listen on Spotify";
  if (about !== "show") return `About the artist on ${name}`;
  if (service === "ticketmaster") return "Tickets on Ticketmaster";
  return service === "setlistfm" ? "Songs played, on setlist.fm" : `About the show on ${name}`;
}

/**
 * Keeps only web pages, because an address from another service could be anything, even a script.
 * @template {{url: string}} Link
 * @param {Link[]} [sources]
 */
export function webPages(sources = []) {
  return sources.filter(({ url }) => /^https?:\/\//.test(url) && isUrl(url));
}

/** @param {string} text */
function isUrl(text) {
  try {
    return Boolean(new URL(text));
  } catch {
    return false; // URL.canParse would say so, but the oldest browsers do not have it
  }
}

export const SUGGESTION = { pending: "Waiting", approved: "In the set", declined: "Declined" };

/** @param {string} title */
export const suggestionThanks = (title) => `Thank you. The moderators will check “${title}”.`;

/** @param {number} value */
export const votes = (value) => plural(value, "vote", "votes");

/** @param {number} value */
export const waitingLine = (value) => (value === 1
  ? "1 vote is waiting to be sent. It is kept on this device until then."
  : `${count(value)} votes are waiting to be sent. They are kept on this device until then.`);

/** @param {ShowState["relationCounts"]} counts */
export function attendanceLine({ going, watching }) {
  return [going !== null && `${count(going)} going`, watching !== null && `${count(watching)} watching`]
    .filter(Boolean).join(", ");
}

export const CONNECTION_LOST = "The connection is lost. Your votes are kept.";
export const CONNECTED_AGAIN = "Connected again.";

/** @param {{title: string, up: number, otherCount: number}} leader */
export function leaderLine({ title, up, otherCount }) {
  if (otherCount === 0) return `${title} leads with ${votes(up)}.`;
  return `${title} and ${plural(otherCount, "other song", "other songs")} share the first place.`;
}

export const TICKET_MISSING = "Enter the code on your ticket.";
/** @type {Record<TicketSource, string>} */
export const TICKET_HEADING = {
  code: "This show takes votes with a ticket",
  work: "This show asks your device for some work",
  mail: "This show takes votes of fans with a confirmed email",
};
/** @type {Record<TicketSource, string>} */
export const TICKET_WHY = {
  code: "",
  work: "Before your first vote, your device works for some seconds. That only raises the price of many false accounts: it stops nobody who pays for it.",
  mail: "You get an email with a link. Open it, come back here, and press “I have confirmed it”.",
};
export const TICKET_START = { code: "", work: "Start", mail: "I have confirmed it" };
export const WORKING = "Your device is working. This takes some seconds.";
export const CANNOT_WORK = "This page came without HTTPS, so your browser cannot do this work.";
export const TICKET_OFFERED = "This code came with your link. Press “Use this code”.";

/** A song that was played although nobody had predicted it. */
export const UNFORESEEN = "Not predicted";

/** @type {(choice: Choice, title: string|null, connection: ConnectionStatus) => string} */
export function confirmation(choice, title, connection) {
  const done = {
    up: `Voted up: ${title}.`, down: `Voted down: ${title}.`, none: `Vote for ${title} taken back.`,
  }[choice];
  return isConnected(connection) ? done : `${done} It will be sent when you are connected again.`;
}
