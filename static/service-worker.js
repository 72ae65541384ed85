/**
 * The service worker: keeps the page and its files in the browser, so that the page opens without a network.
 *
 * Owns:    one cache for each version of the files; the worker of another version deletes it
 * Gives:   a page from the network, and its own copy only when the network is away or slow; files of its version from the cache
 * Never:   touches the API, the websocket, the console, the metrics or a link with a token; stores what an answer tells of a show
 *          or a visitor (seen-shows.js does that); loads a page again
 * Ends:    when a server has no worker, or a script that clears everything (docs/adr/0045-pages-without-a-network.md)
 *
 * It also shows the notices of a fan who wants them, while no page is open (docs/webpush.md).
 *
 * The server puts `shell` before this text (server/web/service_worker.py).
 */

/** @import { Notice, RequestEvent, WorkerScope } from "./service-worker.d.ts" */

const worker = /** @type {WorkerScope} */ (/** @type {unknown} */ (self));
const { version, page, headers, files } = worker.shell;

const PREFIX = "mysetlist.shell.";
const CACHE = PREFIX + version;
const FOLDER = `/static/${version}/`;
/** The addresses that index.html draws. Others, such as /me, /signin and /admin, go to the network as if there were no worker. */
const PAGES = /^\/(?:(?:shows|artists|venues|songs)\/[^/]+)?$/;
const WAIT_MS = 3_000;
const AWAY = [502, 503, 504]; // what a proxy answers while no node does
const GONE = [404, 410];

worker.addEventListener("install", (event) => event.waitUntil(keepFiles()));
worker.addEventListener("activate", (event) => event.waitUntil(deleteCaches((name) => name !== CACHE)));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate") {
    if (PAGES.test(pathname)) event.respondWith(openPage(event));
  } else if (files.includes(pathname) || (pathname.startsWith(FOLDER) && !pathname.includes("/admin/"))) {
    event.respondWith(openFile(event));
  }
});

worker.addEventListener("push", (event) => event.waitUntil(tell(event.data?.json() ?? null)));
worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openShow(new URL(event.notification.data, location.origin)));
});

/** Keeps all files of the page, or none: a node of another version answers with its own files during an upgrade. */
async function keepFiles() {
  const cache = await caches.open(CACHE);
  await Promise.all(files.map(async (path) => {
    const response = await fetch(path); // the browser has most of them since the page was loaded
    if (!isOfThisVersion(response)) throw new Error(`${path} is not of version ${version}`);
    await cache.put(path, response);
  }));
  await worker.skipWaiting();
}

/**
 * Only files of the version in their address are kept for good.
 * @param {Response} response
 */
function isOfThisVersion({ ok, headers: given }) {
  return ok && (given.get("Cache-Control") ?? "").includes("immutable");
}

/** @param {(name: string) => boolean} isOld */
async function deleteCaches(isOld) {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && isOld(name)) await caches.delete(name);
  }
}

/**
 * The server's page; after a short wait the kept one, which asks for the newest show by itself.
 * @param {RequestEvent} event
 * @returns {Promise<Response>}
 */
async function openPage(event) {
  const answer = fetch(event.request);
  const patience = new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  try {
    const response = await Promise.race([answer, patience]);
    if (response instanceof Response && !AWAY.includes(response.status)) {
      if (response.ok && !hasWorker(response)) event.waitUntil(leaveIfGone());
      return response;
    }
  } catch {
    // There is no network.
  }
  answer.catch(() => {}); // nobody waits for it any more
  return new Response(page, { headers });
}

/**
 * Whether the page comes from a server with a worker: the policy of its pages names workers.
 * @param {Response} response
 */
const hasWorker = (response) => (response.headers.get("Content-Security-Policy") ?? "").includes("worker-src");

/** An older version of the server may be back, which has no worker: then this one and what it keeps go too. */
async function leaveIfGone() {
  const { status } = await fetch(location.href, { method: "HEAD", cache: "no-store" });
  if (!GONE.includes(status)) return;
  await deleteCaches(() => true);
  await worker.registration.unregister();
}

/**
 * @param {RequestEvent} event
 * @returns {Promise<Response>}
 */
async function openFile({ request }) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request.url, { ignoreVary: true });
  if (kept) return kept;
  const response = await fetch(request);
  if (isOfThisVersion(response)) await cache.put(request.url, response.clone());
  return response;
}

/**
 * Browsers let no message pass without something to see.
 * @param {Notice|null} notice
 */
function tell(notice) {
  const { title, text, url, tag } = notice ?? { title: "MySetlist", text: "", url: "/", tag: "" };
  return worker.registration.showNotification(title, { body: text, tag, data: url, icon: "/static/icon-192.png" });
}

/**
 * A page that shows it already, else a new one.
 * @param {URL} url
 */
async function openShow({ origin, pathname }) {
  if (origin !== location.origin) return;
  const pages = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  const open = pages.find((client) => new URL(client.url).pathname === pathname);
  await (open ? open.focus() : worker.clients.openWindow(pathname));
}
