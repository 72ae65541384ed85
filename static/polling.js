/**
 * HTTP in place of a websocket: answers the client's requests and pushes what has changed, in the messages of the websocket.
 *
 * One request a show every few seconds. Channels that HTTP does not have are refused as `not_found`; the client asks for
 * them again on the next websocket.
 */
import { call, RequestError } from "./api.js";

/**
 * @import { Clock, Socket, Vote } from "./client.d.ts"
 * @import { ShowBody } from "./types.js"
 * @typedef {{
 *   id: number, op: string, token?: string, channels: string[], show: number, votes: Vote[], going: boolean, artist: number,
 *   following: boolean,
 * }} Request
 */

const POLL_MS = 4_000;
const CLOSE_LOST = 1006;
const PING_MS = 60_000;

/** @implements {Socket} */
export class Polling {
  readyState = 0;
  /** @type {Socket["onopen"]} */
  onopen = null;
  /** @type {Socket["onmessage"]} */
  onmessage = null;
  /** @type {Socket["onclose"]} */
  onclose = null;
  #clock; #random; #onAnswer;
  /** @type {unknown} */
  #timer;
  /** @type {string|null} of a browser that keeps no cookies */
  #token = null;
  /** @type {Map<string, string>} channel -> its newest state as JSON; empty: the visitor may not see it */
  #states = new Map();
  /** @type {Map<number, number>} show -> position up to which its votes are accepted, until they are committed */
  #accepted = new Map();

  /**
   * @param {Clock} clock
   * @param {() => number} random
   * @param {(took_ms: number) => void} onAnswer  a poll was answered
   */
  constructor(clock, random, onAnswer) {
    this.#clock = clock;
    this.#random = random;
    this.#onAnswer = onAnswer;
    this.#timer = clock.setTimeout(() => {
      this.readyState = 1;
      this.onopen?.();
      this.#pollLater();
    }, 0);
  }

  /** @param {string} text */
  async send(text) {
    /** @type {Request} */
    const request = JSON.parse(text);
    try {
      this.#receive({ re: request.id, ok: await this.#answer(request) });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (error.code === "disconnected") this.#lose();
      else {
        const { code, message, retry_after_ms } = error;
        this.#receive({ re: request.id, error: { code, message, retry_after_ms } });
      }
    }
  }

  close() {
    this.readyState = 3;
    this.#clock.clearTimeout(this.#timer);
  }

  /**
   * @param {Request} request
   * @returns {Promise<unknown>}
   */
  #answer = async ({ op, token, channels, show, votes, going, artist, following }) => {
    switch (op) {
      case "hello":
        this.#token = token ?? this.#token;
        return { ...await this.#call("/api/session"), ping_ms: PING_MS };
      case "subscribe": return { channels: await this.#subscribe(channels) };
      case "unsubscribe":
        for (const channel of channels) this.#states.delete(channel);
        return {};
      case "cast": return this.#cast(show, votes);
      case "ballot": return this.#call(`/api/shows/${show}/ballot`);
      case "attend":
        await this.#call(`/api/shows/${show}/attendance`, { method: going ? "PUT" : "DELETE" });
        return { at: 0 };
      case "follow":
        await this.#call(`/api/artists/${artist}/follow`, { method: following ? "PUT" : "DELETE" });
        return { at: 0 };
      default: return {}; // ping: each poll shows already whether the server answers
    }
  };

  /**
   * @param {number} show
   * @param {Vote[]} votes
   */
  #cast = async (show, votes) => {
    const reply = await this.#call(`/api/shows/${show}/votes`, { method: "POST", body: JSON.stringify({ votes }) });
    if (reply.durability === "accepted") this.#accepted.set(show, reply.at);
    return reply;
  };

  /** @param {string[]} channels */
  #subscribe = async (channels) => {
    /** @type {Record<string, object>} */
    const answers = {};
    const shows = new Set(channels.map(showOf).filter((show) => show !== null));
    const bodies = new Map(await Promise.all([...shows].map(async (show) =>
      /** @type {const} */ ([show, await this.#fetchShow(show)]))));
    for (const channel of channels) {
      const body = bodies.get(showOf(channel) ?? 0);
      const found = body && stateOf(channel, body);
      if (!body || !found) {
        answers[channel] = { error: { code: body ? "forbidden" : "not_found" } };
        if (body) this.#states.set(channel, "");
        continue;
      }
      this.#states.set(channel, JSON.stringify(found));
      answers[channel] = found;
    }
    return answers;
  };

  #pollLater = () => {
    this.#timer = this.#clock.setTimeout(() => this.#poll(), POLL_MS * (0.8 + 0.4 * this.#random()));
  };

  #poll = async () => {
    try {
      for (const show of new Set([...this.#states.keys()].map(showOf))) {
        if (show === null) continue;
        const sent_ms = this.#clock.now();
        this.#push(show, await this.#fetchShow(show));
        if (this.readyState === 1) this.#onAnswer(this.#clock.now() - sent_ms);
      }
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (error.code === "disconnected") {
        this.#lose();
        return;
      }
      // The server asks for patience: the next poll comes later by itself.
    }
    if (this.readyState === 1) this.#pollLater();
  };

  /**
   * @param {number} show
   * @param {ShowBody} body
   */
  #push = (show, body) => {
    for (const [channel, before] of this.#states) {
      if (showOf(channel) !== show) continue;
      const found = stateOf(channel, body);
      const text = found ? JSON.stringify(found) : "";
      if (text === before) continue;
      this.#states.set(channel, text);
      if (found) this.#receive({ ch: channel, at: found.at, ...found.state });
      else this.#receive({ unsubscribed: { channels: [channel] } });
    }
    const accepted = this.#accepted.get(show);
    if (accepted !== undefined && body.at >= accepted) {
      this.#accepted.delete(show);
      this.#receive({ committed: { show, at: accepted } });
    }
  };

  /**
   * @param {number} show
   * @returns {Promise<ShowBody>}
   */
  #fetchShow = (show) => {
    return this.#call(`/api/shows/${show}`);
  };

  /**
   * @param {string} path
   * @param {RequestInit} [options]
   */
  #call = (path, options = {}) => {
    return call(path, this.#token ? { ...options, headers: { Authorization: `Bearer ${this.#token}` } } : options);
  };

  /** @param {object} frame */
  #receive = (frame) => {
    if (this.readyState === 1) this.onmessage?.({ data: JSON.stringify(frame) });
  };

  #lose = () => {
    if (this.readyState === 3) return;
    this.close();
    this.onclose?.({ code: CLOSE_LOST });
  };
}

/** @param {string} channel */
function showOf(channel) {
  const [kind = "", id] = channel.split(":");
  return ["votes", "setlist", "status", "attendance"].includes(kind) ? Number(id) : null;
}

/**
 * The state of a show's channel, from the show's page. Only counts have a position there; the other states have 0 and follow
 * each other as they come.
 * @param {string} channel
 * @param {ShowBody} body
 * @returns {{at: number, state: object}|null} null: the counts are hidden
 */
function stateOf(channel, body) {
  switch (channel.split(":")[0]) {
    case "votes": {
      /** @type {[number, number, number][]} */
      const tally = [];
      for (const { songs } of body.setlists) {
        for (const { id, up, down } of songs) {
          if (up === null || down === null) return null;
          tally.push([id, up ?? 0, down ?? 0]);
        }
      }
      return { at: body.at, state: { tally, total: body.total } };
    }
    case "setlist": return { at: 0, state: { setlists: body.setlists, sources: body.sources } };
    case "attendance": return { at: 0, state: { going: body.attendance_count ?? 0, watching: null } };
    default: {
      const { status, voting, opens_at, closes_at, now_playing, results, accuracy, revision } = body;
      return { at: 0, state: { status, voting, opens_at, closes_at, now_playing, results, accuracy, revision } };
    }
  }
}
