/** A clock, sockets and a storage that tests control, and the body of a show. */

export class FakeClock {
  #now_ms = 1_000_000;
  #timers = new Map();
  #next = 1;

  now() {
    return this.#now_ms;
  }

  setTimeout(work, delay_ms) {
    this.#timers.set(this.#next, { at_ms: this.#now_ms + delay_ms, work });
    return this.#next++;
  }

  clearTimeout(timer) {
    this.#timers.delete(timer);
  }

  /** Runs the timers that are due, in order. Promises settle after each. */
  async advance(delay_ms) {
    const end_ms = this.#now_ms + delay_ms;
    await settled();
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.at_ms <= end_ms);
      due.sort((a, b) => a[1].at_ms - b[1].at_ms);
      if (!due.length) break;
      const [id, { at_ms, work }] = due[0];
      this.#timers.delete(id);
      this.#now_ms = Math.max(this.#now_ms, at_ms);
      work();
      await settled();
    }
    this.#now_ms = end_ms;
  }
}

/** Resolves when chained promises have run: setImmediate comes after every microtask. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

export class FakeSocket {
  readyState = 0;
  sent = [];

  constructor(address, protocol) {
    this.address = address;
    this.protocol = protocol;
  }

  send(text) {
    if (this.readyState !== 1) throw new Error("sent on a socket that is not open");
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }

  receive(frame) {
    this.onmessage({ data: JSON.stringify(frame) });
  }

  drop(code = 1006) {
    this.readyState = 3;
    this.onclose({ code });
  }

  /** The newest request of one kind. */
  last(op) {
    return this.sent.findLast((frame) => frame.op === op);
  }

  count(op) {
    return this.sent.filter((frame) => frame.op === op).length;
  }

  async reply(op, ok) {
    this.receive({ re: this.last(op).id, ok });
    await settled();
  }

  async refuse(op, error) {
    this.receive({ re: this.last(op).id, error });
    await settled();
  }
}

/** `isFull` makes it refuse every write as a browser does; deleting still works. */
export class FakeStorage {
  #items = new Map();
  isFull = false;

  get length() {
    return this.#items.size;
  }

  key(index) {
    return [...this.#items.keys()][index] ?? null;
  }

  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  setItem(key, value) {
    if (this.isFull) throw new DOMException("the quota has been exceeded", "QuotaExceededError");
    this.#items.set(key, String(value));
  }

  removeItem(key) {
    this.#items.delete(key);
  }
}

/** Seeded random numbers, 0..1 (Mulberry32). */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const SONGS = [101, 102, 103, 104];

/** The body of GET /api/shows/7. */
export function showBody(changes = {}) {
  return {
    id: 7, slug: "aurora-7", name: "Aurora", status: "live", voting: "open", local_date: "2026-11-23",
    starts_at: "2026-11-24T03:00:00Z", time_zone: "America/Los_Angeles",
    opens_at: "2026-11-20T00:00:00Z", closes_at: "2026-11-24T03:00:00Z", vote_count: 20,
    artist: { id: 1, slug: "aurora", name: "Aurora" },
    venue: { id: 1, slug: "hall", name: "The Hall", city: "Oakland", region: "California", country: "US" },
    votes_per_user_max: null, at: 50, total: 20, now_playing: null,
    setlists: [{
      id: 70, type: "predicted", name: "Fans",
      songs: SONGS.map((id, index) => ({
        id, song_id: index + 1, title: `Song ${id}`, position: index + 1, up: 8 - 2 * index, down: 0, played_at: null,
      })),
    }],
    ...changes,
  };
}
