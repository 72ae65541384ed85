/** What happens to the page as a whole: it is hidden, put aside, shown again, and its network comes and goes. */

/**
 * No `unload` and no `beforeunload`: with one of them, browsers do not put a page aside to show it again (back-forward cache).
 * @param {{wake(): void, sleep(): void, pause(): void, connect(): void}} client
 * @param {{onHide(): void, isRefused(): boolean}} page  isRefused: the server takes no connection of this page any more
 */
export function followPageLife(client, { onHide, isRefused }) {
  addEventListener("online", () => client.wake());
  addEventListener("offline", () => client.sleep());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") client.wake();
    else onHide();
  });
  addEventListener("pagehide", () => {
    onHide();
    // Browsers put no page aside that has an open websocket.
    if (!isRefused()) client.pause();
  });
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) client.wake();
    else if (!isRefused()) client.connect();
  });
}

/** Has the browser keep the page itself (service-worker.js), after everything that the visitor waits for. */
export function keepPage() {
  const { serviceWorker } = navigator; // undefined without TLS, and where the visitor or an app forbids it
  const register = () => serviceWorker?.register("/service-worker.js").catch(() => {}); // then this visit works as before
  if (document.readyState === "complete") register();
  else addEventListener("load", register);
}
