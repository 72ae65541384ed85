/** Types of client.js, the websocket client of the voting server, for any page and for node. */

export type Choice = "up" | "down" | "none";
export type Vote = [song: number, choice: Choice];
export type Durability = "accepted" | "committed";

export interface User {
  id: number;
  role: "user" | "moderator" | "admin";
}

export interface WireError {
  code: string;
  message?: string;
  retry_after_ms?: number | null;
}

export interface CastReply {
  /** Log position of the cast, comparable with the `at` of `votes:<show>`. */
  at: number;
  durability: Durability;
  ballot: Record<string, "up" | "down">;
  /** Votes left in the show's budget; null: the show has no budget. */
  remaining: number | null;
}

/** The argument of `on`. Each event is also an action of `reduce` in state.js. */
export type ClientEvent =
  | {
      type: "connection";
      /** polling: HTTP is in use in place of a websocket. */
      status: "live" | "polling" | "reconnecting" | "offline";
      /** Close code after which the client does not come back. */
      refusal: number | null;
      reason: PollingReason | null;
    }
  | { type: "hello"; user: User | null; skew_ms: number }
  | { type: "snapshot"; channel: string; at: number; state: unknown; isRewound: boolean }
  | { type: "push"; channel: string; at: number; payload: Record<string, unknown> }
  | { type: "channel_error"; channel: string; error: WireError }
  | {
      type: "ballot";
      show: number;
      ballot: Record<string, "up" | "down">;
      /** undefined: the visitor is not signed in and has the whole budget of the show. */
      remaining: number | null | undefined;
      unsent: Vote[];
    }
  | { type: "casting"; show: number; votes: Vote[]; phase: "waiting" | "pending" }
  | { type: "cast_ok"; show: number; votes: Vote[]; reply: CastReply }
  /** Kept and sent again later. */
  | { type: "cast_delayed"; show: number; votes: Vote[]; error: RequestError }
  /** Dropped: the server would give the same answer again. */
  | { type: "cast_refused"; show: number; votes: Vote[]; error: RequestError }
  /** Votes that waited in this browser are of another account, or of another server, and were not sent. */
  | { type: "dropped"; count: number; difference: "account" | "server" }
  | { type: "committed"; show?: number; artist?: number; at: number }
  /** Going or following: kept until the server has it. */
  | { type: "marking"; subject: Subject; wanted: boolean }
  | { type: "mark_ok"; subject: Subject; wanted: boolean; at: number }
  | { type: "mark_refused"; subject: Subject; wanted: boolean; error: RequestError }
  /** The token expires soon; the client gets a newer one from `signIn` and says hello with it. */
  | { type: "expiring"; in_ms: number }
  /** The server has removed these subscriptions. The client asks for them again; a refusal arrives as `channel_error`. */
  | { type: "unsubscribed"; channels: string[] };

/** Why there is no websocket: the browser has none, the network lets none through, or the server takes none from here. */
export type PollingReason = "missing" | "blocked" | "overloaded" | "rate_limited" | "origin";

/** The subject of a mark: `show:7` for going to a show, `artist:3` for following an artist. */
export type Subject = `show:${number}` | `artist:${number}`;

/** States of channels by kind. A push of `votes` has only the changed songs, a push of `activity` only the new events. */
export interface ChannelStates {
  votes: { tally: [song: number, up: number, down: number][]; total: number };
  song: { up: number; down: number };
  setlist: { setlists: { id: number; type: string; name: string; songs: { id: number; title: string }[] }[] };
  status: {
    status: "upcoming" | "live" | "finished" | "cancelled";
    voting: "open" | "locked" | "closed" | "final";
    opens_at: string;
    closes_at: string;
    now_playing: number | null;
    /** Who sees the counts before they are final; other visitors are refused as `forbidden`. */
    results: "live" | "after_vote" | "after_closing";
    /** Grows with every change of the show; missing on older servers. */
    revision?: number;
  };
  attendance: { going: number; watching: number };
  followers: { followers: number };
  /** For administrators; static/admin/types.d.ts has its type. */
  overview: Record<string, unknown>;
  trending: Record<"shows" | "artists", { id: number; score: number; rank: number }[]>;
  /** `gap`: events were missed, and these are the last fifty. */
  activity: { events: { at: number; kind: string; name: string; time_ms: number }[]; gap?: true };
}

export interface Clock {
  now(): number;
  setTimeout(work: () => void, delay_ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** The part of WebSocket that the client uses. */
export interface Socket {
  readyState: number;
  onopen: (() => void) | null;
  onmessage: ((event: { data: string }) => void) | null;
  onclose: ((event: { code: number; reason?: string }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export interface ClientOptions {
  on(event: ClientEvent): void;
  /** Default: `/ws` on the page's own host. */
  url?: string | (() => string);
  openSocket?(address: string, protocol: string): Socket;
  /** Opens HTTP in place of a websocket. Default: in a page of the server itself only, when `url` is not given. */
  openPolling?(onAnswer: (took_ms: number) => void): Socket;
  whyBlocked?(): Promise<PollingReason>;
  /** Storage for unsent votes and marks, usually `localStorage`; without it they live as long as the page. */
  storage?: Storage | null;
  clock?: Clock;
  /** Default: Math.random. */
  random?(): number;
  isOnline?(): boolean;
  /**
   * Gets a token: at the first vote of a visitor without an account, and before a token expires. Default: POST
   * /api/session, which keeps the user of the cookie.
   */
  signIn?(): Promise<{ token: string }>;
  /** The token that says who this is, before any cookie does; empty: there is none. Default: none. */
  token?(): string;
}

export declare class RequestError extends Error {
  constructor(error: WireError);
  code: string;
  retry_after_ms: number | null;
  readonly isTransient: boolean;
}

/** Whose votes wait in the browser. */
export declare class Owner {
  constructor(storage: Storage | null);
  readonly name: string;
  readonly installation: string;
}

export declare class Outbox {
  constructor(storage: Storage | null, owner: Owner);
  put(show: number, song: number, choice: Choice): void;
  unsent(show: number): Vote[];
  acknowledge(show: number, votes: Vote[], at: number | null): void;
  commit(show: number, at: number): void;
  drop(show: number, votes: Vote[]): void;
  forgetAcceptances(show: number): void;
  shows(): number[];
  /** Removes the owner's votes. */
  take(): Map<number, Vote[]>;
}

export declare class Marks {
  /** Marks that the server does not have yet, by subject. */
  unsaid(): Record<Subject, boolean>;
}

/** Delay before attempt number `attempt` [ms]: full jitter, 0..min(30 s, 0.5 s doubled with each attempt). */
export declare function backoffMs(attempt: number, random?: () => number): number;

export declare class Client {
  constructor(options: ClientOptions);
  readonly outbox: Outbox;
  readonly marks: Marks;
  connect(): void;
  close(): void;
  /** The browser puts the page aside, and may show it again: `connect` goes on then. */
  pause(): void;
  wake(): void;
  sleep(): void;
  /** Resolves to the reply's `ok`; rejects with RequestError. */
  request<Reply = Record<string, unknown>>(op: string, fields?: Record<string, unknown>): Promise<Reply>;
  subscribe(channels: string[]): Promise<void>;
  unsubscribe(channels: string[]): void;
  watch(show: number): void;
  unwatch(show: number): void;
  /** Asks for the ballot again. Call it when another page of the same visitor has voted. */
  refresh(show: number): Promise<void>;
  cast(show: number, song: number, choice: Choice): void;
  /** Kept and sent like a vote; the last mark counts. */
  attend(show: number, going: boolean): void;
  follow(artist: number, following: boolean): void;
}
