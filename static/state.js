/**
 * The state of the whole page, and the one function that changes it.
 *
 * `reduce(state, action)` is pure: no DOM, no clock, no I/O. It returns the same object when nothing has changed.
 * Every event of the client (client.d.ts) is an action; the other actions come from the views and the router.
 *
 * What must hold: positions on a channel never go back. A snapshot plus the pushes after it equals a fresh snapshot, in
 * whatever order they arrive.
 */
import { isConnected, isPlayed, ticketNotice } from "./selectors.js";
import {
  acknowledge, applyPush, applySnapshot, arrange, emptyShow, filterRecord, hideCounts, intend, loadShow, removedTitle, setPhase, settle,
} from "./show-state.js";

/**
 * @import { ChannelStates, Subject } from "./client.js"
 * @import { Action, LoadedShow, Notice, ShowState, State } from "./types.js"
 */

/** @type {State} */
export const initial = Object.freeze(/** @satisfies {State} */ ({
  route: { name: "list" },
  connection: "reconnecting",
  refusal: null,
  reason: null,
  user: null,
  isUserKnown: false,
  skew_ms: 0,
  countsFrom_ms: null,
  isKept: false,
  sort: "votes",
  list: { query: "", status: "", near: null, place: null, phase: "loading", items: [], next: null, error: null, kept: [], request: 0 },
  trending: { at: 0, ranking: [], known: null },
  own: null,
  show: null,
  notice: null,
  delay: null,
  noticeCount: 0,
}));

/** @type {{[Type in Action["type"]]?: (state: State, action: Extract<Action, {type: Type}>) => State}} */
const handlers = {
  navigate: (state, { route }) => ({
    ...state,
    route,
    show: route.name === "show" ? { ...emptyShow, ref: route.ref } : null,
    countsFrom_ms: null,
    isKept: false,
    notice: null,
  }),

  list_loading: (state, { request, query, status, near, isMore }) => ({
    ...state,
    list: {
      ...state.list, query, status, near, place: null, request, error: null,
      phase: isMore ? "more" : "loading",
      items: isMore ? state.list.items : [],
      next: isMore ? state.list.next : null,
    },
  }),
  list_loaded: (state, { request, items, next }) => {
    if (request !== state.list.request) return state;
    const known = new Set(state.list.items.map((item) => item.id));
    // A show can move to the second page while the visitor reads the first.
    const added = items.filter((item) => !known.has(item.id));
    return { ...state, list: { ...state.list, phase: "ready", items: [...state.list.items, ...added], next } };
  },
  list_failed: (state, { request, error, kept }) =>
    request === state.list.request ? { ...state, list: { ...state.list, phase: "error", error, kept } } : state,

  locating: (state) => ({ ...state, list: { ...state.list, place: "asked" } }),
  not_located: (state, { why }) => ({ ...state, list: { ...state.list, place: why } }),
  own_loaded: (state, { items }) => ({ ...state, own: items }),

  trending_loaded: (state, { items }) => {
    const known = { ...state.trending.known };
    for (const { id, slug, artist_name, venue_name, local_date } of items) {
      known[id] = { slug, artist: artist_name, venue: venue_name, local_date };
    }
    // Until the channel has sent a state, the order of the answer is the ranking.
    const ranking = state.trending.at ? state.trending.ranking : items;
    return { ...state, trending: { ...state.trending, ranking, known } };
  },
  // Without names there is nothing to show; the list below works without them.
  trending_failed: (state) =>
    state.trending.known ? state : { ...state, trending: { ...state.trending, known: {} } },

  show_loading: (state, { ref }) => onRef(state, ref, (show) => ({ ...show, phase: "loading", error: null })),
  show_loaded: (state, { ref, show: body, kept }) => {
    const held = kept?.ballot ? { isBallotKnown: true, ...kept.ballot } : {};
    const next = onRef(state, ref, (show) => ({ ...loadShow(show, body, state.sort), ...held }));
    return next === state ? state : { ...next, countsFrom_ms: kept?.at_ms ?? null, isKept: kept !== undefined };
  },
  counts_from: (state, { at_ms }) => (state.countsFrom_ms === null ? { ...state, countsFrom_ms: at_ms } : state),
  show_failed: (state, { ref, error }) =>
    onRef(state, ref, (show) => ({ ...show, phase: error.code === "not_found" ? "missing" : "error", error })),

  connection: (state, { status, refusal, reason }) => {
    const next = { ...state, connection: status, refusal, reason };
    if (isConnected(status)) next.countsFrom_ms = null;
    else if (state.show) next.show = setPhase(state.show, "pending", "waiting");
    return next;
  },
  dropped: (state, { count, difference }) => withNotice(state, { code: `other_${difference}`, count }),
  hello: (state, { user, skew_ms }) => {
    const next = { ...state, user, isUserKnown: true, skew_ms };
    // Another account may have a ticket, or no ban.
    if (user?.id !== state.user?.id) next.own = null;
    if (user?.id !== state.user?.id && next.show) next.show = { ...next.show, hasTicket: null, isBarred: false };
    return next;
  },

  snapshot: (state, { channel, at, state: value, isRewound }) =>
    channel === "trending"
      ? rank(state, at, value, isRewound)
      : tellRemoved(state, onChannel(state, channel, (show, kind) => applySnapshot(show, kind, at, value, isRewound))),
  push: (state, { channel, at, payload }) =>
    channel === "trending"
      ? rank(state, at, payload, false)
      : tellRemoved(state, onChannel(state, channel, (show, kind) => applyPush(show, kind, at, payload))),
  channel_error: (state, { channel, error }) =>
    error.code === "forbidden" ? onShow(state, showOfVotes(channel), hideCounts) : state,
  unsubscribed: (state, { channels }) =>
    channels.reduce((before, channel) => onShow(before, showOfVotes(channel), hideCounts), state),

  marks_loaded: (state, { show: id, going, following }) =>
    onShow(state, id, (show) => ({ ...show, marks: { going, following } })),
  ticket_loaded: (state, { show: id, isRequired, source, hasTicket }) =>
    onShow(state, id, (show) => ({
      ...show, hasTicket, isBarred: show.isBarred && !isRequired, info: { ...show.info, requires_ticket: isRequired, ticket_source: source },
    })),
  marking: (state, { subject, wanted }) => onMark(state, subject, wanted),
  mark_refused: (state, { subject, wanted, error }) =>
    withNotice(onMark(state, subject, !wanted), { code: error.code, isMark: true }),

  ballot: (state, { show: id, ballot, remaining, unsent }) =>
    onShow(state, id, (show) => {
      // Another tab may have sent votes that this one was waiting to send: the outbox that they share decides.
      const kept = new Set(unsent.map(([song]) => String(song)));
      const accepted = Object.fromEntries(Object.entries(show.accepted).filter(([song]) => kept.has(song)));
      const left = remaining === undefined ? (show.info.votes_per_user_max ?? null) : remaining;
      const known = { ...show, isBallotKnown: true, ballot: { ...ballot }, remaining: left, settling: {}, accepted };
      return intend({ ...known, intents: {} }, unsent, "waiting");
    }),
  casting: (state, { show: id, votes, phase }) => onShow(state, id, (show) => intend(show, votes, phase)),
  cast_ok: (state, { show: id, votes, reply }) =>
    onShow(state.delay ? { ...state, delay: null } : state, id, (show) => acknowledge(show, votes, reply)),
  cast_delayed: (state, { show: id, error }) => {
    const next = onShow(state, id, (show) => setPhase(show, "pending", "waiting"));
    // Each attempt fails with the same code: the visitor is told once.
    if (error.code === "disconnected" || error.code === state.delay) return next;
    return withNotice({ ...next, delay: error.code }, { code: error.code });
  },
  cast_refused: (state, { show: id, votes, error }) => {
    /** @type {number|null} */
    let lost = null;
    // The app has asked before whether a ticket is what the vote lacks.
    const lacking = error.code === "forbidden" && state.show?.info?.requires_ticket && state.show.id === id && state.show.hasTicket !== true;
    const next = onShow(state, id, (show) => {
      const intents = { ...show.intents };
      const accepted = { ...show.accepted };
      for (const [song, choice] of votes) {
        if ((show.ballot[song] ?? "none") !== choice) lost = song;
        if (intents[song]?.choice === choice) delete intents[song];
        delete accepted[song];
      }
      return { ...show, intents, accepted, isBarred: show.isBarred || (error.code === "forbidden" && !lacking) };
    });
    // The vote of a show that is not on screen is lost too, although the visitor sees no row change.
    const isElsewhere = state.show?.id !== id;
    const isOfPlayed = error.code === "closed" && lost !== null && isPlayed(state.show, lost);
    const code = isOfPlayed ? "played" : lacking && state.show?.info ? ticketNotice(state.show.info) : error.code;
    return lost !== null || isElsewhere ? withNotice(next, { code, song: lost, isElsewhere }) : next;
  },
  committed: (state, { show: id, at }) =>
    onShow(state, id ?? null, (show) => {
      const accepted = filterRecord(show.accepted, (position) => position > at);
      return accepted === show.accepted ? show : { ...show, accepted };
    }),
  settle: (state, { show: id, at }) => onShow(state, id, (show) => settle(show, at)),

  sort: (state, { by }) => {
    const next = { ...state, sort: by };
    return state.show ? { ...next, show: arrange(state.show, by, []) } : next;
  },
  arrange: (state, { held }) => {
    if (!state.show) return state;
    const show = arrange(state.show, state.sort, held);
    return show === state.show ? state : { ...state, show };
  },

  notice: (state, { code, song }) => withNotice(state, { code, song: song ?? null }),
  notice_gone: (state, { id }) => (state.notice?.id === id ? { ...state, notice: null } : state),
};

/**
 * @param {State} state
 * @param {Action} action
 * @returns {State}
 */
export function reduce(state, action) {
  // The table above pairs each type of action with its handler; TypeScript cannot follow that through a variable.
  const handler = /** @type {((state: State, action: Action) => State)|undefined} */ (handlers[action.type]);
  return handler?.(state, action) ?? state;
}

/**
 * @param {State} state
 * @param {number|null} id
 * @param {(show: LoadedShow) => LoadedShow} change
 */
function onShow(state, id, change) {
  if (!state.show || state.show.id === null || state.show.id !== id) return state;
  const show = change(state.show);
  return show === state.show ? state : { ...state, show };
}

/**
 * @param {State} state
 * @param {string} ref
 * @param {(show: ShowState) => ShowState} change
 */
function onRef(state, ref, change) {
  return state.show?.ref === ref ? { ...state, show: change(state.show) } : state;
}

/**
 * @param {State} state
 * @param {string} channel
 * @param {(show: LoadedShow, kind: string) => LoadedShow} change
 */
function onChannel(state, channel, change) {
  const [kind = "", id] = channel.split(":");
  const isOfArtist = kind === "followers";
  if (isOfArtist && state.show?.info?.artist.id !== Number(id)) return state;
  return onShow(state, isOfArtist ? (state.show?.id ?? null) : Number(id), (show) => change(show, kind));
}

/**
 * @param {State} state
 * @param {number} at
 * @param {unknown} value  state of the channel `trending`
 * @param {boolean} isRewound
 */
function rank(state, at, value, isRewound) {
  if (at < state.trending.at && !isRewound) return state;
  const { shows } = /** @type {ChannelStates["trending"]} */ (value);
  return { ...state, trending: { ...state.trending, at, ranking: shows } };
}

/**
 * @param {State} state
 * @param {Subject} subject
 * @param {boolean} wanted
 * @returns {State}
 */
function onMark(state, subject, wanted) {
  const { show } = state;
  if (!show?.info) return state;
  if (subject === `show:${show.id}`) return { ...state, show: { ...show, marks: { ...show.marks, going: wanted } } };
  if (subject !== `artist:${show.info.artist.id}`) return state;
  return { ...state, show: { ...show, marks: { ...show.marks, following: wanted } } };
}

/**
 * Tells the visitor that staff removed a song they voted on.
 * @param {State} before
 * @param {State} after
 */
function tellRemoved(before, after) {
  const title = before.show === after.show ? null : removedTitle(before.show, after.show);
  return title === null ? after : withNotice(after, { code: "removed", title });
}

/** @param {string} channel */
const showOfVotes = (channel) => (channel.startsWith("votes:") ? Number(channel.slice("votes:".length)) : null);

/**
 * @param {State} state
 * @param {Partial<Notice> & {code: string}} notice
 */
function withNotice(state, { code, song = null, title = null, count = 0, isElsewhere = false, isMark = false }) {
  const id = state.noticeCount + 1;
  return { ...state, noticeCount: id, notice: { id, code, song, title, count, isElsewhere, isMark } };
}
