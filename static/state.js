/**
 * The state of the whole page and the one function that changes it.
 *
 * `reduce(state, action)` is pure: no DOM, no clock, no I/O, and the same object back when nothing changed.
 * The client's events (client.d.ts) are actions as they stand; the rest come from the views and the router.
 *
 * What must hold: positions on a channel never go back, and a snapshot plus the pushes after it equals a
 * fresh snapshot, in whatever order they arrive.
 */
import { countedChoiceOf, holdOrder, wantedOrder } from "./selectors.js";

export const initial = Object.freeze({
  route: { name: "list" },
  connection: "reconnecting",
  refusal: null,
  user: null,
  skew_ms: 0,
  sort: "votes",
  list: { query: "", status: "", phase: "loading", items: [], next: null, error: null, request: 0 },
  // What channel and API say of the first shows; `known` has their names, null until they were asked for.
  trending: { at: 0, ranking: [], known: null },
  show: null,
  notice: null,
  noticeCount: 0,
});

const emptyShow = Object.freeze({
  ref: null,
  id: null,
  phase: "loading",
  error: null,
  info: null,
  status: null,
  setlists: [],
  order: {},
  at: { votes: 0, setlist: 0, status: 0 },
  tally: {}, // song -> {up, down, at}; `at` is the position that set this song
  total: 0,
  isHidden: false, // the counts are not for this visitor, or not yet
  crowd: { going: null, watching: null, followers: null },
  marks: { going: false, following: false }, // what the visitor said of the show and of its artist
  isBallotKnown: false,
  ballot: {}, // song -> choice, as the server holds it
  remaining: null,
  intents: {}, // song -> {choice, phase}: tapped, not answered yet
  accepted: {}, // song -> position: taken by the server, not durable yet
  settling: {}, // song -> {from, at}: answered, but the tally still holds `from`
});

const handlers = {
  navigate: (state, { route }) => ({
    ...state,
    route,
    show: route.name === "show" ? { ...emptyShow, ref: route.ref } : null,
    notice: null,
  }),

  list_loading: (state, { request, query, status, isMore }) => ({
    ...state,
    list: {
      ...state.list, query, status, request, error: null,
      phase: isMore ? "more" : "loading",
      items: isMore ? state.list.items : [],
      next: isMore ? state.list.next : null,
    },
  }),
  list_loaded: (state, { request, items, next }) => {
    if (request !== state.list.request) return state;
    const known = new Set(state.list.items.map((item) => item.id));
    // Shows can move between two pages while the visitor reads the first.
    const added = items.filter((item) => !known.has(item.id));
    return { ...state, list: { ...state.list, phase: "ready", items: [...state.list.items, ...added], next } };
  },
  list_failed: (state, { request, error }) =>
    request === state.list.request ? { ...state, list: { ...state.list, phase: "error", error } } : state,

  trending_loaded: (state, { items }) => {
    const known = { ...state.trending.known };
    for (const { id, slug, artist_name, venue_name, local_date } of items) {
      known[id] = { slug, artist: artist_name, venue: venue_name, local_date };
    }
    // Until the channel speaks, the answer's own order is the ranking.
    const ranking = state.trending.at ? state.trending.ranking : items;
    return { ...state, trending: { ...state.trending, ranking, known } };
  },
  // Without names there is nothing to show, and the list below does without.
  trending_failed: (state) =>
    state.trending.known ? state : { ...state, trending: { ...state.trending, known: {} } },

  show_loading: (state, { ref }) => onRef(state, ref, (show) => ({ ...show, phase: "loading", error: null })),
  show_loaded: (state, { ref, show: body }) => onRef(state, ref, (show) => loadShow(show, body, state.sort)),
  show_failed: (state, { ref, error }) =>
    onRef(state, ref, (show) => ({ ...show, phase: error.code === "not_found" ? "missing" : "error", error })),

  connection: (state, { status, refusal }) => {
    const next = { ...state, connection: status, refusal: refusal ?? null };
    if (status !== "live" && state.show) next.show = setPhase(state.show, "pending", "waiting");
    return next;
  },
  hello: (state, { user, skew_ms }) => ({ ...state, user, skew_ms }),

  snapshot: (state, action) =>
    action.channel === "trending" ? rank(state, action, action.state) : onChannel(state, action, applySnapshot),
  push: (state, action) =>
    action.channel === "trending" ? rank(state, action, action.payload) : onChannel(state, action, applyPush),
  channel_error: (state, { channel, error }) =>
    error.code === "forbidden" ? onShow(state, countedShowOf(channel), hideCounts) : state,
  unsubscribed: (state, { channels }) =>
    channels.reduce((before, channel) => onShow(before, countedShowOf(channel), hideCounts), state),

  marks_loaded: (state, { show: id, going, following }) =>
    onShow(state, id, (show) => ({ ...show, marks: { going, following } })),
  marking: (state, { subject, wanted }) => onMark(state, subject, wanted),
  mark_refused: (state, { subject, wanted, error }) =>
    withNotice(onMark(state, subject, !wanted), { code: error.code, isMark: true }),

  ballot: (state, { show: id, ballot, remaining, unsent }) =>
    onShow(state, id, (show) => {
      // Another tab may have sent what this one was waiting to send: the outbox they share decides.
      const kept = new Set(unsent.map(([song]) => String(song)));
      const accepted = Object.fromEntries(Object.entries(show.accepted).filter(([song]) => kept.has(song)));
      const left = remaining === undefined ? (show.info.votes_per_user_max ?? null) : remaining;
      const known = { ...show, isBallotKnown: true, ballot: { ...ballot }, remaining: left, settling: {}, accepted };
      return intend({ ...known, intents: {} }, unsent, "waiting");
    }),
  casting: (state, { show: id, votes, phase }) => onShow(state, id, (show) => intend(show, votes, phase)),
  cast_ok: (state, { show: id, votes, reply }) => onShow(state, id, (show) => acknowledge(show, votes, reply)),
  cast_delayed: (state, { show: id, error }) => {
    const next = onShow(state, id, (show) => setPhase(show, "pending", "waiting"));
    return error.code === "disconnected" ? next : withNotice(next, { code: error.code });
  },
  cast_refused: (state, { show: id, votes, error }) => {
    let lost = null;
    const next = onShow(state, id, (show) => {
      const intents = { ...show.intents };
      const accepted = { ...show.accepted };
      for (const [song, choice] of votes) {
        if ((show.ballot[song] ?? "none") !== choice) lost = song;
        if (intents[song]?.choice === choice) delete intents[song];
        delete accepted[song];
      }
      return { ...show, intents, accepted };
    });
    // On a show that is not on screen nothing rolls back visibly, but the vote is lost all the same.
    const isElsewhere = state.show?.id !== id;
    return lost !== null || isElsewhere ? withNotice(next, { code: error.code, song: lost, isElsewhere }) : next;
  },
  committed: (state, { show: id, at }) =>
    onShow(state, id, (show) => {
      const accepted = keep(show.accepted, (position) => position > at);
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

  notice: (state, { code, song }) => withNotice(state, { code, song }),
  notice_gone: (state, { id }) => (state.notice?.id === id ? { ...state, notice: null } : state),
};

/**
 * @param {typeof initial} state
 * @param {{type: string}} action
 */
export function reduce(state, action) {
  return handlers[action.type]?.(state, action) ?? state;
}

function onShow(state, id, change) {
  if (!state.show || state.show.id !== id) return state;
  const show = change(state.show);
  return show === state.show ? state : { ...state, show };
}

function onRef(state, ref, change) {
  return state.show?.ref === ref ? { ...state, show: change(state.show) } : state;
}

function onChannel(state, { channel, at, ...rest }, change) {
  const [kind, id] = channel.split(":");
  const isOfArtist = kind === "followers";
  if (isOfArtist && state.show?.info?.artist.id !== Number(id)) return state;
  return onShow(state, isOfArtist ? state.show.id : Number(id), (show) => change(show, kind, at, rest));
}

function rank(state, { at, isRewound = false }, { shows }) {
  if (at < state.trending.at && !isRewound) return state;
  return { ...state, trending: { ...state.trending, at, ranking: shows } };
}

function onMark(state, subject, wanted) {
  const { show } = state;
  if (!show?.info) return state;
  const name = { [`show:${show.id}`]: "going", [`artist:${show.info.artist.id}`]: "following" }[subject];
  return name ? { ...state, show: { ...show, marks: { ...show.marks, [name]: wanted } } } : state;
}

const countedShowOf = (channel) => (channel.startsWith("votes:") ? Number(channel.slice("votes:".length)) : null);

/** Counts of an earlier moment would be worse than none. */
function hideCounts(show) {
  return show.isHidden ? show : { ...show, isHidden: true, tally: {}, settling: {}, at: { ...show.at, votes: 0 } };
}

/** `record` without the entries that fail; the same object when all pass. */
function keep(record, passes) {
  const entries = Object.entries(record);
  const kept = entries.filter(([, value]) => passes(value));
  return kept.length === entries.length ? record : Object.fromEntries(kept);
}

function withNotice(state, { code, song = null, isElsewhere = false, isMark = false }) {
  const id = state.noticeCount + 1;
  return { ...state, noticeCount: id, notice: { id, code, song, isElsewhere, isMark } };
}

function intend(show, votes, phase) {
  const intents = { ...show.intents };
  for (const [song, choice] of votes) {
    // Sent again only to learn that it is durable: the visitor already knows it was taken.
    const isTaken = song in show.accepted && (show.ballot[song] ?? "none") === choice && !intents[song];
    if (!isTaken) intents[song] = { choice, phase };
  }
  return { ...show, intents };
}

function setPhase(show, from, to) {
  if (!Object.values(show.intents).some((intent) => intent.phase === from)) return show;
  const intents = Object.entries(show.intents).map(([song, intent]) =>
    [song, intent.phase === from ? { ...intent, phase: to } : intent]);
  return { ...show, intents: Object.fromEntries(intents) };
}

function loadShow(show, body, sort) {
  const { setlists, total, ...info } = body;
  const tally = {};
  for (const { songs } of setlists) {
    // Position 0: whatever the channel says is newer than this page load.
    for (const { id, up, down } of songs) tally[id] = { up: up ?? 0, down: down ?? 0, at: 0 };
  }
  const { status, voting, opens_at, closes_at, now_playing = null, results = "live", accuracy = null } = body;
  const loaded = {
    ...show,
    phase: "ready",
    error: null,
    id: body.id,
    info,
    status: { status, voting, opens_at, closes_at, now_playing, results, accuracy },
    setlists: setlists.map(plainSetlist),
    isHidden: setlists.some(({ songs }) => songs.some(({ up }) => up === null)),
    crowd: { ...show.crowd, going: info.attendance_count ?? null },
    tally,
    total,
    remaining: info.votes_per_user_max ?? null,
  };
  return arrange(loaded, sort, []);
}

function plainSetlist({ id, type, name, kind = "main", artist = null, songs }) {
  return {
    id, type, name, kind, artist,
    songs: songs.map((song) => plainSong(song)),
  };
}

function plainSong({
  id, title, position, played_at = null, was_played = null, is_tape = false, medley = null, note = "", cover_of = null,
}) {
  return { id, title, position, played_at, was_played, is_tape, medley, note, cover_of };
}

function applySnapshot(show, kind, at, { state, isRewound }) {
  if (kind !== "votes") return applyWhole(show, kind, at, state, isRewound);
  const tally = {};
  if (show.isHidden) show = { ...show, isHidden: false };
  for (const [song, counts] of Object.entries(show.tally)) {
    if (!isRewound && counts.at > at) tally[song] = counts;
  }
  for (const [song, up, down] of state.tally) tally[song] ??= { up, down, at };
  // A push that overtook its snapshot stands, with its total.
  const isNewest = isRewound || at >= show.at.votes;
  const next = { ...show, tally };
  return isNewest ? settle({ ...next, total: state.total, at: { ...show.at, votes: at } }, at) : next;
}

function applyPush(show, kind, at, { payload }) {
  if (kind !== "votes") return applyWhole(show, kind, at, payload, false);
  if (at < show.at.votes) return show;
  const tally = { ...show.tally };
  for (const [song, up, down] of payload.tally) tally[song] = { up, down, at };
  return settle({ ...show, tally, total: payload.total, at: { ...show.at, votes: at } }, at);
}

function applyWhole(show, kind, at, value, isRewound) {
  if (kind === "attendance") return { ...show, crowd: { ...show.crowd, going: value.going, watching: value.watching } };
  if (kind === "followers") return { ...show, crowd: { ...show.crowd, followers: value.followers } };
  if (!(kind in show.at) || (at < show.at[kind] && !isRewound)) return show;
  const next = { ...show, at: { ...show.at, [kind]: at } };
  if (kind === "status") {
    const { status, voting, opens_at, closes_at, now_playing, results = "live", accuracy = null } = value;
    return { ...next, status: { status, voting, opens_at, closes_at, now_playing, results, accuracy } };
  }
  const setlists = value.setlists.map(plainSetlist);
  const info = { ...show.info, sources: value.sources ?? show.info?.sources ?? [] };
  return { ...next, info: show.info && info, setlists, order: followSetlists(show.order, setlists) };
}

/** Songs keep their places on screen; new ones join at the end until the next arrangement. */
function followSetlists(order, setlists) {
  return Object.fromEntries(setlists.map(({ id, songs }) => {
    const present = new Set(songs.map((song) => song.id));
    const kept = (order[id] ?? []).filter((song) => present.delete(song));
    return [id, [...kept, ...present]];
  }));
}

function arrange(show, sort, held) {
  let isChanged = false;
  const order = {};
  for (const setlist of show.setlists) {
    const current = show.order[setlist.id] ?? [];
    const next = holdOrder(current, wantedOrder(show, setlist, sort), held);
    const isSame = next.length === current.length && next.every((song, place) => song === current[place]);
    order[setlist.id] = isSame ? current : next;
    isChanged ||= !isSame;
  }
  return isChanged ? { ...show, order } : show;
}

function acknowledge(show, votes, { at, durability, ballot: held, remaining }) {
  const ballot = { ...show.ballot, ...held };
  const intents = { ...show.intents };
  const accepted = { ...show.accepted };
  const settling = { ...show.settling };
  for (const [song, choice] of votes) {
    const from = countedChoiceOf(show, song);
    const to = held[song] ?? "none";
    if (to === "none") delete ballot[song];
    if (intents[song]?.choice === choice) delete intents[song];
    if (durability === "accepted") accepted[song] = at;
    else delete accepted[song];
    if (from !== to && show.at.votes < at) settling[song] = { from, at };
    else delete settling[song];
  }
  return { ...show, ballot, intents, accepted, settling, remaining };
}

/** From position `at` on the tally contains the own votes answered up to it. */
function settle(show, at) {
  const settling = keep(show.settling, (entry) => entry.at > at);
  return settling === show.settling ? show : { ...show, settling };
}
