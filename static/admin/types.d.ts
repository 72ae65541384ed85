/** Types of the console: what a page of it is, and the answers that more than one module reads. */
import type { User, WireError } from "../client.js";

export type StaffRole = "moderator" | "admin";

/** A key that acts while its page is open. */
export interface Shortcut {
  key: string;
  label: string;
  act(): void;
}

/** A page on screen. */
export interface OpenPage {
  /** Its first h1 gets the focus. */
  element: HTMLElement;
  shortcuts?: Shortcut[];
  /** What would be lost if the page were left now, in sentences; empty: nothing. */
  unsaved?(): string[];
  /** Called when another page opens: stops timers and watches. */
  close?(): void;
}

/** A page of the console, as pages.js lists it. */
export interface ConsolePage {
  /** Its address is /admin/<name>; the first page is also /admin. */
  name: string;
  title: string;
  /** `g` and this key open it. */
  key: string;
  /** The least role that may open it. Others do not see it. */
  role: StaffRole;
  /** `path`: the parts of the address after the name. */
  open(desk: Desk, path: string[]): OpenPage;
}

export interface Watcher {
  /** The whole state of the channel. */
  onState(state: unknown): void;
  onRefused(error: WireError): void;
}

/** What the shell gives to its pages. */
export interface Desk {
  user: User;
  /** Whether a page of this name is there, and this user may open it: a button to it is shown only then. */
  has(page: string): boolean;
  /** Opens an address of the console, unless something unsaved stays. */
  go(address: string): void;
  /** A request to the HTTP API; rejects with RequestError. */
  call<Answer = unknown>(path: string, options?: RequestInit): Promise<Answer>;
  /** Watches a channel until the function that it gives is called. Nothing comes while the tab is hidden. */
  watch(channel: string, watcher: Watcher): () => void;
  /** Calls `work` now and then every `every_ms`, but not while the tab is hidden, until the function that it gives is called. */
  repeat(work: () => void, every_ms: number): () => void;
  /** Shows the outcome of an act for some seconds; screen readers say it. */
  tell(text: string): void;
}

/** A field of a form. */
export interface Field {
  name: string;
  label: string;
  /** Default: text. pick: entries of the catalogue, as `picks` says. */
  type?: "pick" | "text" | "number" | "date" | "datetime-local" | "search" | "select" | "checkbox" | "textarea";
  /** Value and text of each choice of a select. */
  options?: [value: string, text: string][];
  value?: string;
  required?: boolean;
  hint?: string;
  attributes?: Record<string, string | number>;
  picks?: Picks;
}

/** An entry of the catalogue that a field may hold. */
export interface Pick {
  id: number;
  text: string;
}

export interface Picks {
  search(words: string): Promise<Pick[]>;
  chosen?: Pick[];
  /** How many the field holds; default 1. */
  max?: number;
}

/** What `ask` asks before an act. */
export interface Question {
  title: string;
  /** What the act changes, as far as the page knows. */
  lines?: string[];
  /** What the act would change, from the server; asked again when a field changes. Rejects with the refusal of the act. */
  preview?(values: Record<string, string>): Promise<string[]>;
  fields?: Field[];
  /** Of the button that acts. */
  label: string;
  /** Of the button that does not; default: Cancel. */
  cancelLabel?: string;
  /** The act cannot be undone here: the focus is on Cancel. */
  isGrave?: boolean;
  /**
   * Reads again what the act begins with, after the server has refused it because somebody else was faster. Gives the fields as they
   * are now: what was changed in the dialog stays.
   */
  refresh?(): Promise<Field[]>;
  /** Does the act, and gives its result in one sentence; empty: the page shows it by itself. */
  act(values: Record<string, string>): Promise<string>;
}

/** What an act does for fans. */
export interface Effect {
  is_preview: boolean;
  votes_kept: number;
  votes_lost: number;
  fans_going: number;
  fans_mailed: number;
}

/** `GET /api/admin/shows/{show}`. `…_local` is the local time at the show. */
export interface ShowSettings {
  id: number;
  slug: string;
  name: string;
  artist: number;
  venue: number;
  revision: number;
  status: "upcoming" | "live" | "finished" | "cancelled";
  voting: "open" | "locked" | "closed" | "final";
  starts_at: string;
  opens_at: string;
  closes_at: string;
  starts_local: string;
  opens_local: string;
  closes_local: string;
  time_zone: string;
  is_locked: boolean;
  is_final: boolean;
  results: "live" | "after_vote" | "after_closing";
  votes_per_user_max: number | null;
  requires_ticket: boolean;
  bill: { id: number; name: string; billing: "headliner" | "support" }[];
  effect: Effect | null;
}

/** A song of a set; fans vote on its `id`. */
export interface SetSong {
  id: number;
  title: string;
  note: string;
  is_tape: boolean;
  medley: number | null;
  played_at: string | null;
}

export interface ShowSet {
  id: number;
  type: "predicted" | "actual";
  kind: "main" | "encore" | "alternate";
  name: string;
  artist: { id: number; name: string };
  songs: SetSong[];
}

export interface Button {
  label: string;
  page: string;
}

export interface Finding {
  name: string;
  severity: "critical" | "warning" | "info";
  cause: string;
  act: string;
  /** Who does the act. */
  by: "staff" | "operator";
  button: Button | null;
}

/** Null: nothing to measure. */
export interface Figures {
  committed_votes: number;
  acknowledgement_p99_ms: number | null;
  oldest_uncommitted_ms: number;
  push_lag_p99_ms: number | null;
  watchers: number;
  sockets_behind: number;
  errors: number;
}

export interface NodeRow {
  node: string;
  state: "ready" | "not ready" | "draining" | "stopped" | "silent";
  reasons: string[];
  version: string;
  started_at: string;
  seen_at: string;
  shards_held: number;
  connection_count: number;
  figures: Figures;
}

export interface ServiceRow {
  service: string;
  kind: "engine" | "provider";
  status: "ok" | "degraded" | "down" | null;
  detail: string;
  seen_at: string | null;
  availability_24h: number | null;
  latency_mean_ms: number | null;
}

/** A service level and its error budget. */
export interface LevelRow {
  name: "availability" | "acknowledgement" | "push";
  words: string;
  objective: number;
  days_counted: number;
  since: string | null;
  event_count: number;
  missed_count: number;
  /** The share that is left; below 0: it is overdrawn. */
  budget_left: number | null;
  burns: { window: string; burn: number | null; missed_count: number; missed_minutes: number }[];
  burn_by_day: (number | null)[];
}

export interface LiveShow {
  id: number;
  slug: string;
  name: string;
  /** An upcoming one is there when its voting is open and its votes look suspicious. */
  status: "live" | "upcoming";
  artist: string;
  venue: string;
  votes: number;
  /** Null: not known yet. */
  votes_per_s: number | null;
  suspicion: number;
}

export interface ErrorRow {
  nodes: string[];
  action: string;
  detail: string;
  count: number;
  last_at: string;
  request_id: string;
  trace_id: string;
}

export interface ActRow {
  at: string;
  actor: number | null;
  action: string;
  subject: string;
}

/** Every list has one number for each step, the oldest first; null: nothing to measure. */
export type History = { step_s: number; until: string } & { [Name in keyof Figures]: (number | null)[] };

/** `GET /api/admin/overview`. Null: not for this role. */
export interface Overview {
  seen_at: string;
  is_complete: boolean;
  verdict: { level: "well" | Finding["severity"]; sentence: string; act: string; by: Finding["by"]; button: Button | null };
  findings: Finding[];
  figures: Figures;
  nodes: NodeRow[] | null;
  services: ServiceRow[] | null;
  levels: LevelRow[] | null;
  shows: LiveShow[];
  errors: ErrorRow[] | null;
  acts: ActRow[] | null;
  is_traced: boolean;
  history: History | null;
}
