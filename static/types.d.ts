/** Types that several modules of the page share: answers of the HTTP API, the page's state, the parts of the client. */
import type {
  Choice, ClientEvent, Clock, PollingReason, User, WireError,
} from "./client.js";

// Answers of the HTTP API; /api/openapi.json describes them. Fields with `?` are missing on older servers.

export interface ArtistName {
  id: number;
  slug: string;
  name: string;
}

export interface Place {
  city: string;
  region: string;
  country: string;
}

export interface Accuracy {
  hits: number;
  played: number;
  predicted: number;
  /** The share of the played songs that the setlist of the show before had; null: unknown. */
  baseline?: number | null;
}

/** A page elsewhere about the show, its artist or its prediction. */
export interface Source {
  service: string;
  url: string;
  about?: string;
}

/** A show in the list. */
export interface ShowItem {
  id: number;
  slug: string;
  name: string;
  status: ShowStatus;
  voting: VotingPhase;
  local_date: string;
  starts_at: string;
  time_zone: string;
  opens_at: string;
  closes_at: string;
  vote_count: number;
  artist: ArtistName;
  venue: VenueName;
  /** In a list of shows near a place. */
  distance_km?: number;
}

export interface VenueName extends Place {
  id: number;
  slug: string;
  name: string;
}

/** How a fan gets the ticket that a show requires. */
export type TicketSource = "code" | "work" | "mail";

export interface ShowInfo extends ShowItem {
  votes_per_user_max?: number | null;
  requires_ticket?: boolean;
  ticket_source?: TicketSource;
  attendance_count?: number;
  bill?: { name: string; billing: string }[];
  sources?: Source[];
}

/** The answer of GET /api/shows/{show}. */
export interface ShowBody extends ShowInfo {
  at: number;
  total: number;
  now_playing?: number | null;
  results?: Results;
  accuracy?: Accuracy | null;
  revision?: number;
  setlists: SetlistBody[];
}

export interface SetlistBody {
  id: number;
  type: SetlistType;
  name: string;
  kind?: SetKind;
  artist?: ArtistName | null;
  songs: SongBody[];
}

export interface SongBody {
  id: number;
  /** The song in the catalogue. */
  song_id?: number | null;
  title: string;
  position: number;
  up?: number | null;
  down?: number | null;
  played_at?: string | null;
  was_played?: boolean | null;
  is_tape?: boolean;
  medley?: number | null;
  note?: string;
  cover_of?: { name: string } | null;
}

export interface TrendingItem extends RankedShow {
  slug: string;
  artist_name: string;
  venue_name: string;
  local_date: string;
}

/** A live or upcoming show that concerns the visitor, and why. */
export interface OwnShow {
  id: number;
  slug: string;
  status: ShowStatus;
  local_date: string;
  artist: ArtistName;
  venue: { slug: string; name: string; city: string };
  is_going: boolean;
  is_following: boolean;
  own_vote_count: number;
}

/** The visitor's ballot in a show, and how well it foresaw the show. */
export interface OwnBallot {
  slug: string;
  status: ShowStatus;
  local_date: string;
  artist: ArtistName;
  venue: { slug: string; name: string; city: string };
  up: number;
  down: number;
  score: { hits: number; predicted: number; played: number } | null;
}

export interface Plays {
  predicted_count: number;
  played_count: number;
  last_played_on: string | null;
}

/** The answer of GET /api/artists/{artist}. */
export interface Artist extends ArtistName {
  genre: string;
  country: string;
  follower_count: number;
  show_count: number;
  songs: (Plays & { id: number; title: string })[];
  shows: ShowItem[];
  sources: Source[];
}

export interface RotationShow {
  id: number;
  slug: string;
  local_date: string;
  venue: { slug: string; name: string; city: string };
  accuracy: (Accuracy & { r_precision: number }) | null;
}

/** The answer of GET /api/artists/{artist}/rotation; `shows` of a song are ids. */
export interface Rotation {
  shows: RotationShow[];
  songs: { id: number; title: string; shows: number[] }[];
  votes: { id: number; title: string; up: number; down: number }[];
}

/** The answer of GET /api/venues/{venue}. */
export interface Venue extends VenueName {
  latitude: number;
  longitude: number;
  capacity: number | null;
  review_count: number;
  rating: number | null;
  shows: ShowItem[];
  sources: Source[];
}

export interface Review {
  rating: number;
  body: string;
  created_at: string;
  author?: { display_name: string | null } | null;
}

/** The answer of GET /api/venues/{venue}/reviews. */
export interface ReviewPage {
  items: Review[];
  next: string | null;
  own: (Review & { status: "pending" | "approved" | "rejected" }) | null;
}

export interface SongSetlist {
  type: SetlistType;
  position: number;
  up: number | null;
  down: number | null;
  show: { slug: string; local_date: string; status: ShowStatus; artist: ArtistName; venue: { slug: string; name: string; city: string } };
}

/** The answer of GET /api/songs/{song}. */
export interface SongEntry {
  id: number;
  title: string;
  artist: ArtistName;
  up: number;
  down: number;
  artists: (ArtistName & Plays)[];
  setlists: SongSetlist[];
  sources: Source[];
}

export interface Suggestion {
  title: string;
  status: "pending" | "approved" | "declined";
  reason: string;
}

/** The answer of GET /api/shows/{show}/picks. */
export interface OwnPick {
  pick: { songs: number[]; opener: number | null; closer: number | null; encore: number | null } | null;
  is_locked: boolean;
  locks_at: string;
  songs: { id: number; title: string; worth: number | null; was_played: boolean }[];
  score: { points: number; rank: number; count: number } | null;
  choices: { id: number; title: string }[];
}

/** A row of GET /api/me/picks. */
export interface OwnPickItem {
  slug: string;
  status: ShowStatus;
  local_date: string;
  artist: ArtistName;
  venue: { slug: string; name: string; city: string };
  songs: number;
  points: number | null;
  rank: number | null;
}

/** A place on a leaderboard. */
export interface OwnPlace {
  rank: number;
  points: number;
  shows: number;
}

/** The answer of GET /api/leaderboard. */
export interface Leaderboard {
  kind: "show" | "artist" | "season" | "crew";
  id: number | null;
  name: string;
  artist: string | null;
  venue: string | null;
  state: "open" | "live" | "final" | null;
  count: number;
  items: (OwnPlace & { name: string | null; is_you: boolean })[];
  next: string | null;
  you: OwnPlace | null;
}

/** A crew, as an invitation shows it. */
export interface Crew {
  code: string;
  name: string;
  members: number;
  is_member: boolean;
}

export type ShowStatus = "upcoming" | "live" | "finished" | "cancelled";
export type VotingPhase = "open" | "locked" | "closed" | "final";
export type Results = "live" | "after_vote" | "after_closing";
export type SetlistType = "predicted" | "actual";
export type SetKind = "main" | "encore" | "alternate";

// The page's state (state.js).

export type SortKey = "votes" | "setlist";
export type StatusFilter = ShowStatus | "";
export type ConnectionStatus = "live" | "polling" | "reconnecting" | "offline";
export type LateRoute = { name: LateName; ref: string };
export type Route = { name: "list"; ref?: undefined } | { name: "show"; ref: string } | LateRoute;
/** The pages that are loaded when they are first opened. */
export type LateName = "artist" | "venue" | "song";

export interface State {
  route: Route;
  connection: ConnectionStatus;
  /** Close code after which the client does not come back. */
  refusal: number | null;
  /** Why there is no websocket. */
  reason: PollingReason | null;
  user: User | null;
  /** Whether the server has said who the visitor is, also that nobody is signed in. */
  isUserKnown: boolean;
  /** The server's clock minus this one's. */
  skew_ms: number;
  /** The moment of the counts while there is no connection; null: they are of now. */
  countsFrom_ms: number | null;
  /** The show on screen is the one that the browser has kept. */
  isKept: boolean;
  sort: SortKey;
  list: ListState;
  trending: TrendingState;
  /** The shows that concern the visitor; null until they are known. */
  own: OwnShow[] | null;
  show: ShowState | null;
  notice: Notice | null;
  /** Code of the delay that the visitor was told about and that goes on. */
  delay: string | null;
  noticeCount: number;
}

export interface ListState {
  query: string;
  status: StatusFilter;
  /** The visitor's place, latitude,longitude, near which the shows are; null: everywhere. */
  near: string | null;
  /** Whether the browser is asked for the place, or why it did not tell. */
  place: "asked" | "denied" | "unknown" | null;
  phase: "loading" | "more" | "ready" | "error";
  items: ShowItem[];
  /** Cursor of the next page; null: this is the last. */
  next: string | null;
  error: WireError | null;
  /** Shows that can be read without a network; looked for when the list cannot be loaded. */
  kept: KeptShow[];
  /** Number of the newest request; answers to older ones are dropped. */
  request: number;
}

/** The choices of the visitor in a show, and the votes that they have left. */
export interface KeptBallot {
  ballot: Record<string, "up" | "down">;
  remaining: number | null;
}

/** A show that the browser has kept, with the moment of its counts; `ballot` is null when it was not known. */
export interface KeptShow {
  show: ShowBody;
  ballot: KeptBallot | null;
  at_ms: number;
}

export interface TrendingState {
  at: number;
  ranking: RankedShow[];
  /** Names of shows; null until they were asked for. */
  known: Record<string, TrendingName> | null;
}

export interface RankedShow {
  id: number;
  score: number;
}

export interface TrendingName {
  slug: string;
  artist: string;
  venue: string;
  local_date: string;
}

export interface Notice {
  id: number;
  code: string;
  /** The song it is about. */
  song: number | null;
  /** The title of a song that is gone. */
  title: string | null;
  /** It is about a show that is not on screen. */
  isElsewhere: boolean;
  /** How many votes it is about. */
  count: number;
  /** It is about going or following, not about a vote. */
  isMark: boolean;
}

export interface Counts {
  up: number;
  down: number;
}

export interface ShowWindow {
  status: ShowStatus;
  voting: VotingPhase;
  opens_at: string;
  closes_at: string;
  now_playing: number | null;
  results: Results;
  accuracy: Accuracy | null;
}

export interface Song {
  id: number;
  song_id: number | null;
  title: string;
  position: number;
  played_at: string | null;
  was_played: boolean | null;
  is_tape: boolean;
  medley: number | null;
  note: string;
  cover_of: { name: string } | null;
}

export interface Setlist {
  id: number;
  type: SetlistType;
  name: string;
  kind: SetKind;
  artist: ArtistName | null;
  songs: Song[];
}

/** A tapped choice that the server has not answered yet. */
export interface Intent {
  choice: Choice;
  phase: "waiting" | "pending";
}

/** The parts of a show that exist before it is loaded. Keys of all records are song ids, except those of `order` and `folded`. */
interface ShowBase {
  ref: string;
  error: WireError | null;
  setlists: Setlist[];
  /** Setlist id -> song ids from top to bottom. */
  order: Record<string, number[]>;
  /** The played songs of each set that are folded away, in the order in which they were played. */
  folded: Record<string, number[]>;
  /** Newest position of each channel. */
  at: { votes: number; setlist: number; status: number };
  /** `at` is the position that set this song. */
  tally: Record<string, Counts & { at: number }>;
  total: number;
  /** The counts are not for this visitor, or not yet. */
  isHidden: boolean;
  relationCounts: { going: number | null; watching: number | null; followers: number | null };
  /** The visitor's own marks on the show and on its artist. */
  marks: { going: boolean; following: boolean };
  /** Whether the visitor has redeemed a code; null: not known yet. */
  hasTicket: boolean | null;
  /** The server refuses all votes of this account. */
  isBarred: boolean;
  isBallotKnown: boolean;
  /** The choices that the server holds. */
  ballot: Record<string, "up" | "down">;
  remaining: number | null;
  intents: Record<string, Intent>;
  /** Positions of votes that the server has accepted and not yet made durable. */
  accepted: Record<string, number>;
  /** Votes that the server has answered while the tally still contains the choice `from`. */
  settling: Record<string, { from: Choice; at: number }>;
}

/** Its `phase` is "loading" or "error" while the page of a loaded show is asked for again. */
export interface LoadedShow extends ShowBase {
  phase: "ready" | "loading" | "error" | "missing";
  id: number;
  info: ShowInfo;
  status: ShowWindow;
}

export interface UnloadedShow extends ShowBase {
  phase: "loading" | "error" | "missing";
  id: null;
  info: null;
  status: null;
}

export type ShowState = LoadedShow | UnloadedShow;

export type Action =
  | ClientEvent
  | { type: "navigate"; route: Route }
  | { type: "list_loading"; request: number; query: string; status: StatusFilter; near: string | null; isMore: boolean }
  | { type: "locating" }
  | { type: "not_located"; why: "denied" | "unknown" }
  | { type: "own_loaded"; items: OwnShow[] }
  | { type: "list_loaded"; request: number; items: ShowItem[]; next: string | null }
  | { type: "list_failed"; request: number; error: WireError; kept: KeptShow[] }
  | { type: "trending_loaded"; items: TrendingItem[] }
  | { type: "trending_failed" }
  | { type: "show_loading"; ref: string }
  /** `kept`: the show comes from this browser, and its counts are not of now. */
  | { type: "show_loaded"; ref: string; show: ShowBody; kept?: KeptShow }
  | { type: "counts_from"; at_ms: number }
  | { type: "show_failed"; ref: string; error: WireError }
  | { type: "marks_loaded"; show: number; going: boolean; following: boolean }
  | { type: "ticket_loaded"; show: number; isRequired: boolean; source: TicketSource; hasTicket: boolean | null }
  | { type: "settle"; show: number; at: number }
  | { type: "sort"; by: SortKey }
  | { type: "arrange"; held: number[] }
  | { type: "notice"; code: string; song?: number | null }
  | { type: "notice_gone"; id: number };

// The parts of the client (client.js).

/** A message of the server: a reply (`re`), a push (`ch`) or one of the words for this connection alone. */
export interface ServerFrame extends Record<string, unknown> {
  /** null: an error before the server closes. */
  re?: number | null;
  ok?: unknown;
  error?: WireError;
  ch?: string;
  at: number;
  committed?: { show?: number; artist?: number; at: number };
  drain?: { min_ms: number; max_ms: number };
  expiring?: { in_ms: number };
  unsubscribed?: { channels: string[] };
}

/** The client, as its vote queue, its marks and its subscriptions see it. */
export interface ClientLink {
  clock: Clock;
  random(): number;
  emit(event: ClientEvent): void;
  /** Whether the connection is open and greeted. */
  isReady(): boolean;
  request<Reply = Record<string, unknown>>(op: string, fields?: Record<string, unknown>): Promise<Reply>;
  /** Signs the visitor in, unless they are. */
  ensureUser(): Promise<void>;
  /** The server no longer knows the visitor: the next request signs in again. */
  forgetUser(): void;
  retryDelayMs(retry_after_ms: number | null, attempt: number): number;
}

declare global {
  /** The language of the page, which the server puts before its script (server/words/compiling.py); phrases: for tests, by name. */
  var mysetlistWords: {
    language: string;
    direction: "ltr" | "rtl";
    phrases: Record<string, import("./words.js").Text>;
    plural(value: number): string;
  };
}
