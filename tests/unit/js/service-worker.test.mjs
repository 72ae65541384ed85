import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { FakeClock, settled } from "./fakes.mjs";

const SCRIPT = readFileSync(new URL("../../../static/service-worker.js", import.meta.url), "utf8");
const VERSION = "00112233aabbccdd";
const FILES = [`/static/${VERSION}/app.js`, `/static/${VERSION}/style.css`];
const ORIGIN = "https://sets.example";
const FOR_GOOD = { "Cache-Control": "public, max-age=31536000, immutable" };
const WITH_WORKER = { "Content-Security-Policy": "worker-src 'self'" };

/** A worker of VERSION in a browser of its own. `answer` stands for the network: it gets an address and gives a response. */
function start(answer, stored = {}) {
  const caches = new Map(Object.entries(stored).map(([name, entries]) => [name, new Map(Object.entries(entries))]));
  const listeners = {};
  const clock = new FakeClock();
  const seen = { unregistered: 0, skipped: 0, fetched: [], shown: [], opened: [] };
  const storage = {
    async open(name) {
      if (!caches.has(name)) caches.set(name, new Map());
      const entries = caches.get(name);
      return { put: async (key, value) => entries.set(key.replace(ORIGIN, ""), value), match: async (key) => entries.get(key.replace(ORIGIN, "")) };
    },
    keys: async () => [...caches.keys()],
    delete: async (name) => caches.delete(name),
  };
  const self = {
    shell: { version: VERSION, page: "<!doctype html>kept", headers: { "Content-Type": "text/html" }, files: FILES },
    registration: {
      unregister: async () => { seen.unregistered += 1; },
      showNotification: async (title, options) => { seen.shown.push({ title, ...options }); },
    },
    clients: { matchAll: async () => seen.pages ?? [], openWindow: async (url) => { seen.opened.push(url); } },
    skipWaiting: async () => { seen.skipped += 1; },
    addEventListener: (type, listener) => { listeners[type] = listener; },
  };
  const fetch = async (asked, options) => {
    const address = (asked.url ?? asked).replace(ORIGIN, "");
    seen.fetched.push(address);
    return answer(address, options);
  };
  new Function("self", "caches", "fetch", "location", "setTimeout", SCRIPT)(
    self, storage, fetch, { origin: ORIGIN, href: `${ORIGIN}/service-worker.js` }, (work, delay_ms) => clock.setTimeout(work, delay_ms));
  const live = (type) => new Promise((resolve, reject) => listeners[type]({ waitUntil: (work) => work.then(resolve, reject) }));
  const ask = (path, { method = "GET", mode = "navigate" } = {}) => {
    let given = null;
    const late = [];
    listeners.fetch({
      request: { url: path.startsWith("/") ? ORIGIN + path : path, method, mode },
      respondWith: (response) => { given = response; },
      waitUntil: (work) => late.push(work),
    });
    return given?.then(async (response) => {
      await Promise.all(late);
      return response;
    }) ?? null;
  };
  const hear = (type, event) => new Promise((resolve) => listeners[type]({ ...event, waitUntil: (work) => work.then(resolve) }));
  return { ask, live, hear, caches, clock, seen };
}

const files = (address) => new Response(`text of ${address}`, { headers: FOR_GOOD });

test("all files of one version are kept, or none", async () => {
  const worker = start(files, { "mysetlist.shell.old": {}, "mysetlist.shows.a.1": {}, other: {} });
  await worker.live("install");
  assert.deepEqual([...worker.caches.get(`mysetlist.shell.${VERSION}`).keys()], FILES);
  assert.equal(worker.seen.skipped, 1);
  await worker.live("activate");
  assert.deepEqual([...worker.caches.keys()], ["mysetlist.shows.a.1", "other", `mysetlist.shell.${VERSION}`]);

  const mixed = start((address) => new Response("x", { headers: address.endsWith("css") ? { "Cache-Control": "no-cache" } : FOR_GOOD }));
  await assert.rejects(mixed.live("install"), /style\.css is not of version/);
  assert.equal(mixed.seen.skipped, 0);
});

test("what is not the page, its files or a GET goes to the network as if there were no worker", () => {
  const { ask } = start(files);
  for (const path of ["/me", "/signin", "/admin", "/admin/shows", "/metrics", "/api/docs", "/confirm-email?token=x", "/unsubscribe?token=x",
    "/screen/7", "/embed/7", "/j/ABCD", "/shows/7/", "/shows/7/more", "/healthz", "https://other.example/"]) assert.equal(ask(path), null, path);
  for (const path of ["/api/shows/7", "/api/me", "/ws", "/static/app.js", "/static/ffffffffffffffff/app.js",
    `/static/${VERSION}/admin/app.js`]) assert.equal(ask(path, { mode: "cors" }), null, path);
  assert.equal(ask("/shows/7", { method: "POST" }), null);
  assert.notEqual(ask("/shows/7"), null);
  assert.notEqual(ask("/?q=a"), null);
});

test("a page comes from the network; without it, behind a proxy without a node, and after three seconds from the browser", async () => {
  const answers = { "/": () => new Response("new", { headers: WITH_WORKER }), "/shows/7": () => Promise.reject(new TypeError("no network")),
    "/shows/8": () => new Response("bad gateway", { status: 502 }), "/shows/9": () => new Promise(() => {}),
    "/shows/10": () => new Response("no such show", { status: 404, headers: WITH_WORKER }) };
  const { ask, clock, seen } = start((address) => answers[address]());
  assert.equal(await (await ask("/")).text(), "new");
  assert.equal(await (await ask("/shows/7")).text(), "<!doctype html>kept");
  assert.equal(await (await ask("/shows/8")).text(), "<!doctype html>kept");
  assert.equal((await ask("/shows/10")).status, 404);
  const slow = ask("/shows/9");
  await clock.advance(2_900);
  assert.equal(await Promise.race([slow, settled()]), undefined);
  await clock.advance(200);
  assert.equal(await (await slow).text(), "<!doctype html>kept");
  assert.equal(seen.unregistered, 0);
});

test("files of its version come from the browser, and the next ones are kept; an answer of another version is not", async () => {
  const { ask, live, seen } = start((address) => (address.endsWith("early.js") ? new Response("of another node", { headers: { "Cache-Control": "no-cache" } }) : files(address)));
  await live("install");
  seen.fetched.length = 0;
  assert.equal(await (await ask(FILES[0], { mode: "cors" })).text(), `text of ${FILES[0]}`);
  assert.deepEqual(seen.fetched, []);
  const more = `/static/${VERSION}/more.js`;
  const early = `/static/${VERSION}/early.js`;
  for (const path of [more, more, early, early]) await ask(path, { mode: "cors" });
  assert.deepEqual(seen.fetched, [more, early, early]);
});

test("a notice is shown, and a message without one too; a tap leads to the page that is open, else to a new one", async () => {
  const { hear, seen } = start(files);
  const notice = { title: "Your song is on: Aurora", text: "Band, Hall.", url: "/shows/7", tag: "song-7" };
  await hear("push", { data: { json: () => notice } });
  await hear("push", { data: null });
  assert.deepEqual(seen.shown.map(({ title, body, tag, data }) => [title, body, tag, data]),
    [["Your song is on: Aurora", "Band, Hall.", "song-7", "/shows/7"], ["MySetlist", "", "", "/"]]);
  let closed = 0;
  const tap = (data) => hear("notificationclick", { notification: { data, close: () => { closed += 1; } } });
  await tap("/shows/7");
  assert.deepEqual(seen.opened, ["/shows/7"]);
  let focused = 0;
  seen.pages = [{ url: `${ORIGIN}/shows/8` }, { url: `${ORIGIN}/shows/7?x#y`, focus: async () => { focused += 1; } }];
  await tap("/shows/7");
  await tap("https://other.example/shows/7");
  await tap("//other.example/shows/7");
  assert.deepEqual([seen.opened.length, focused, closed], [1, 1, 4]);
});

test("a server without a worker ends it, and a proxy's own page does not", async () => {
  const at = (status) => start((_address, options) => (options?.method === "HEAD" ? new Response(null, { status }) : new Response("page")),
    { [`mysetlist.shell.${VERSION}`]: {}, other: {} });
  const gone = at(404);
  assert.equal(await (await gone.ask("/")).text(), "page");
  assert.equal(gone.seen.unregistered, 1);
  assert.deepEqual([...gone.caches.keys()], ["other"]);
  const away = at(503);
  await away.ask("/");
  assert.equal(away.seen.unregistered, 0);
});
