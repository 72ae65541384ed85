/** Every sentence, number and date the page shows. Codes decide; the server's own wording is never matched. */

// The sentences are English; a date in another language inside them would read badly aloud.
const locale = globalThis.navigator?.languages?.find((language) => language.startsWith("en")) ?? "en";
const number = new Intl.NumberFormat(locale);
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });

export const count = (value) => number.format(value);
export const plural = (value, one, many) => `${count(value)} ${value === 1 ? one : many}`;

const UNITS = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000], ["second", 1_000]];

export function inTime(then_ms, now_ms) {
  const distance_ms = then_ms - now_ms;
  // Below a minute seconds would run; two of the next lower unit say more than one of the upper.
  if (Math.abs(distance_ms) < 1_500) return "just now";
  const [unit, unit_ms] = UNITS.find(([, size]) => Math.abs(distance_ms) >= size * 1.5) ?? UNITS[3];
  return relative.format(Math.round(distance_ms / unit_ms), unit);
}

/** A moment in the show's zone; the zone is named when the visitor is elsewhere. */
export function moment(iso, time_zone) {
  const isElsewhere = Intl.DateTimeFormat().resolvedOptions().timeZone !== time_zone;
  return new Intl.DateTimeFormat(locale, {
    timeZone: time_zone, weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit",
    ...(isElsewhere && { timeZoneName: "short" }),
  }).format(new Date(iso));
}

export function clockTime(iso, time_zone) {
  return new Intl.DateTimeFormat(locale, { timeZone: time_zone, hour: "numeric", minute: "2-digit" })
    .format(new Date(iso));
}

/** `local_date` is a calendar day at the venue; it must not pass through the visitor's zone. */
const calendar = (options) => {
  const format = new Intl.DateTimeFormat(locale, { ...options, timeZone: "UTC" });
  return (local_date) => format.format(new Date(`${local_date}T00:00:00Z`));
};
export const longDate = calendar({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
export const shortDate = calendar({ month: "short", day: "numeric" });
export const month = calendar({ month: "short" });
export const dayOfMonth = calendar({ day: "numeric" });
export const year = calendar({ year: "numeric" });

export const place = ({ city, region, country }) => [city, region || country].filter(Boolean).join(", ");

export const STATUS = { upcoming: "Upcoming", live: "Live now", finished: "Finished", cancelled: "Cancelled" };
export const VOTING = { open: "Voting open", locked: "Voting paused", closed: "Voting closed", final: "Final result" };
export const CONNECTION = { live: "Live", reconnecting: "Connecting", offline: "Offline" };
export const DURABILITY = {
  waiting: "Waiting to be sent", pending: "Sending", accepted: "Saved, being written", committed: "Your vote, counted",
};

export const SETLIST = { predicted: "Predicted setlist", actual: "Played" };
const SETS = { main: ["Main set", "Set"], encore: ["Encore", "Encore"], alternate: ["Alternate set", "Alternate set"] };
/** Names that say no more than the heading does. */
const PLAIN_NAME = /^(main|alternate|support)( set)?$|^(set|encore)( \d+)?$|^predicted setlist$|^played$/i;
const names = new Intl.ListFormat("en");

/** What each set is called among its neighbours: "Set 1", "Set 2", "Encore", "Alternate set", or who else plays it. */
export function setTitles(setlists, headliner) {
  const keyed = setlists.map(({ kind, artist }) => {
    const player = artist && artist.id !== headliner ? artist.name : null;
    return { words: SETS[kind] ?? SETS.main, player, key: `${player ?? ""}:${kind}` };
  });
  return keyed.map(({ words: [alone, several], player, key }, index) => {
    const alike = keyed.filter((other) => other.key === key).length;
    const place = keyed.slice(0, index + 1).filter((other) => other.key === key).length;
    const title = alike > 1 ? `${several} ${place}` : alone;
    if (player === null) return title;
    return title === SETS.main[0] ? player : `${player}, ${title.toLowerCase()}`;
  });
}

/** What a set is called beyond its heading; empty when that says it all. */
export const ownName = ({ name }, title) => (name && name !== title && !PLAIN_NAME.test(name.trim()) ? name : "");

/** What makes a song special that night. */
export function songTags({ is_tape, cover_of, medley, note }) {
  const tape = cover_of ? `From tape, by ${cover_of.name}` : "From tape";
  const cover = cover_of ? `Cover of ${cover_of.name}` : null;
  return [is_tape ? tape : cover, medley === null ? null : "Medley", note || null].filter(Boolean);
}

/** Who else plays. @param {{name: string, billing: string}[]} [bill] */
export function billLine(bill = []) {
  const supports = bill.filter(({ billing }) => billing === "support").map(({ name }) => name);
  return supports.length ? `with ${names.format(supports)}` : "";
}

/** The line under the heading. @param {string} voting  from `votingOf` */
export function windowLine(voting, { opens_at, closes_at }, time_zone, now_ms) {
  const when = (iso) => `${moment(iso, time_zone)} (${inTime(Date.parse(iso), now_ms)})`;
  switch (voting) {
    case "open":
      if (!closes_at) return "Voting is open";
      return Date.parse(closes_at) > now_ms ? `Voting open until ${when(closes_at)}` : "Voting is closing";
    case "early": return `Voting opens ${when(opens_at)}`;
    case "locked": return "Voting is paused by the organisers";
    case "final": return "The result is final";
    case "cancelled": return "This show was cancelled";
    default: return closes_at && Date.parse(closes_at) <= now_ms
      ? `Voting closed ${when(closes_at)}` : "Voting is closed";
  }
}

/** Why the buttons are off; null while they are on. */
export const REASON = {
  open: null,
  early: "You can vote as soon as voting opens. This page opens by itself.",
  locked: "Votes stay as they are until the organisers go on.",
  closed: "No more votes are taken. These are the counts so far; the final check follows.",
  final: "Voting is over and the counts have been checked.",
  cancelled: "There is nothing to vote on.",
};

/** Why there are no counts, by whom they are for. */
export const HIDDEN = {
  live: "The counts come back in a moment.",
  after_vote: "The counts are shown to whoever has voted. Cast a vote to see them.",
  after_closing: "The counts are kept back until the result is final.",
};

/** How well the crowd did; empty while that is not known, or when it said nothing. */
export function foreseen(accuracy) {
  if (!accuracy?.predicted) return { line: "", detail: "" };
  const { hits, played, predicted } = accuracy;
  const share = hits === 0 ? "none of the" : hits === played ? "all" : `${count(hits)} of`;
  return {
    line: `The crowd foresaw ${share} ${plural(played, "song", "songs")}`,
    detail: predicted === 1 ? `Its one pick was ${hits === 0 ? "not " : ""}played.`
      : `${count(hits)} of its ${count(predicted)} picks ${hits === 1 ? "was" : "were"} played.`,
  };
}

const SERVICES = {
  ticketmaster: "Ticketmaster", setlistfm: "setlist.fm", spotify: "Spotify", musicbrainz: "MusicBrainz",
};

/** What a page elsewhere has to do with the show. @param {{service: string, url: string, about?: string}} source */
export function sourceLine({ service, url, about }) {
  const name = SERVICES[service] ?? new URL(url).hostname.replace(/^www\./, "");
  if (about === "prediction") {
    return service === "spotify" ? "Predicted from what is heard most at Spotify" : `Predicted from setlists at ${name}`;
  }
  if (service === "spotify") return "Listen at Spotify";
  if (about !== "show") return `About the artist at ${name}`;
  if (service === "ticketmaster") return "Tickets at Ticketmaster";
  return service === "setlistfm" ? "What was played: setlist.fm" : `About the show at ${name}`;
}

/** Only pages one can follow; an address from elsewhere could be anything. @param {{url: string}[]} [sources] */
export function followable(sources = []) {
  return sources.filter(({ url }) => /^https?:\/\//.test(url) && URL.canParse(url));
}

export const SUGGESTION = { pending: "Waiting", approved: "In the set", declined: "Declined" };

/** Why a suggestion was not taken; a conflict is explained by the server. */
export function suggestionFailure({ code, message }) {
  switch (code) {
    case "conflict":
    case "forbidden": return message;
    case "closed": return "Voting is over, and so are suggestions.";
    case "locked": return "Voting is paused, and so are suggestions.";
    case "bad_request": return "That is no title.";
    default: return failure(code);
  }
}

/** @param {{going: number|null, watching: number|null, followers: number|null}} crowd */
export function crowdLine({ going, watching }) {
  return [going !== null && `${count(going)} going`, watching !== null && `${count(watching)} watching`]
    .filter(Boolean).join(", ");
}

/** @param {string} code  why going or following was not taken */
export function markNotice(code) {
  return code === "forbidden" ? "This account may not do that." : "That was not taken. Try again later.";
}

/** @param {string|null} title  song the notice is about */
export function notice(code, title, isElsewhere) {
  const song = title ? `“${title}”` : "your vote";
  const lost = isElsewhere ? " It was kept from an earlier visit to another show." : "";
  switch (code) {
    case "closed": return `Voting is closed, so the change to ${song} was not taken.${lost}`;
    case "locked": return `Voting is paused, so the change to ${song} was not taken.${lost}`;
    case "budget": return title
      ? `No votes left for ${song}. Take one back first.` : `No votes left. Take one back first.${lost}`;
    case "not_found": return title ? `${song} is no longer on this setlist.` : `That song is gone.${lost}`;
    case "forbidden": return "You may not vote here with this account.";
    case "rate_limited": return "That was quick. Your vote is kept and goes out in a moment.";
    case "overloaded": return "The hall is busy. Your vote is kept and goes out in a moment.";
    case "unavailable": return "Voting is catching its breath. Your vote is kept and goes out in a moment.";
    case "timeout": return "The signal is weak. Your vote is kept and sent again.";
    case "internal": return "Something went wrong on our side. Your vote is kept and sent again.";
    case "unauthenticated": return "Signing you in again. Your vote is kept.";
    default: return `The change to ${song} was not taken (${code}).${lost}`;
  }
}

export function failure(code) {
  switch (code) {
    case "disconnected": return "No connection to the server. Check your signal and try again.";
    case "rate_limited":
    case "overloaded": return "Many people are here right now. Try again in a moment.";
    default: return "The server could not answer just now. Try again in a moment.";
  }
}

/** Close codes from 4400 on: coming back by itself would not help. */
export function refusal(code) {
  switch (code) {
    case 4401: return "Your sign-in is no longer valid.";
    case 4403: return "This account has been blocked.";
    default: return "This page is out of date. Reload it to go on.";
  }
}

export function confirmation(choice, title, connection) {
  const done = {
    up: `Voted up: ${title}.`, down: `Voted down: ${title}.`, none: `Vote for ${title} taken back.`,
  }[choice];
  return connection === "live" ? done : `${done} It will be sent when you are connected again.`;
}
