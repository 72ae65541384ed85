/**
 * Notices to this browser, also while no page is open (docs/webpush.md).
 *
 * Never: asks for a permission without a tap
 */
import { call, RequestError, signedIn } from "./api.js";

/**
 * @typedef {"voting_closes"|"show_begins"|"song_on"} NoticeKind
 * @typedef {{id: number, endpoint: string, kinds: NoticeKind[], quiet_from: string|null, quiet_to: string|null}} Device
 * @typedef {{kinds: NoticeKind[], quiet_from: string|null, quiet_to: string|null}} Wish
 * @typedef {"unsupported"|"install"|"old_ios"|"blocked"} Obstacle
 *   install: on an iPhone, only a site on the home screen may send notices
 */

const PATH = "/api/me/push";
const IOS_WITH_PUSH = [16, 4];

/**
 * Why this browser can get no notices now; null: it can, if the visitor allows them.
 * @returns {Obstacle|null}
 */
export function obstacle() {
  if ("PushManager" in window && "Notification" in window && navigator.serviceWorker) {
    return Notification.permission === "denied" ? "blocked" : null;
  }
  const [, major, minor] = navigator.userAgent.match(/(?:iPhone|iPad|iPod).* OS (\d+)_(\d+)/) ?? [];
  // An iPad says that it is a Mac, but has a touch screen.
  const isIos = major !== undefined || (navigator.userAgent.includes("Macintosh") && navigator.maxTouchPoints > 1);
  if (!isIos || !window.isSecureContext) return "unsupported";
  const isOld = major !== undefined && (Number(major) - (IOS_WITH_PUSH[0] ?? 0) || Number(minor) - (IOS_WITH_PUSH[1] ?? 0)) < 0;
  return isOld ? "old_ios" : "install";
}

/**
 * What this browser is told now; null: nothing.
 * @returns {Promise<Device|null>}  rejects with RequestError
 */
export async function fetchDevice() {
  const subscription = await (await navigator.serviceWorker.getRegistration())?.pushManager.getSubscription();
  if (!subscription) return null;
  try {
    /** @type {{items: Device[]}} */
    const { items } = await call(PATH);
    return items.find(({ endpoint }) => endpoint === subscription.endpoint) ?? null;
  } catch (error) {
    if (!(error instanceof RequestError) || error.code !== "unauthenticated") throw error;
    return null; // signed out: the device is told nothing any more
  }
}

/**
 * Has this browser told what is wished. Call it from a tap: the first time, the browser asks the visitor.
 * @param {Wish} wish  with one kind at least
 * @returns {Promise<Device|null>} null: the visitor does not allow it
 */
export async function beTold(wish) {
  // At once: Safari asks only in the very moment of a tap.
  if (await Notification.requestPermission() !== "granted") return null;
  const { key } = await call("/api/push/key");
  const subscription = await subscribe(bytesOf(key));
  const { endpoint, keys } = subscription.toJSON();
  const time_zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
  const body = JSON.stringify({ endpoint, keys, time_zone, ...wish });
  return signedIn(() => call(PATH, { method: "PUT", body }));
}

/**
 * This browser is told nothing any more.
 * @param {Device} device
 */
export async function stopTelling({ id }) {
  await call(`${PATH}/${id}`, { method: "DELETE" }).catch((error) => {
    if (!(error instanceof RequestError) || error.code !== "not_found") throw error;
  });
  const subscription = await (await navigator.serviceWorker.getRegistration())?.pushManager.getSubscription();
  await subscription?.unsubscribe();
}

/** @param {Uint8Array<ArrayBuffer>} key */
async function subscribe(key) {
  await navigator.serviceWorker.register("/service-worker.js");
  const { pushManager } = await navigator.serviceWorker.ready;
  const options = { userVisibleOnly: true, applicationServerKey: key };
  try {
    return await pushManager.subscribe(options);
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== "InvalidStateError") throw error;
    // It is subscribed with the key of another database of this server.
    await (await pushManager.getSubscription())?.unsubscribe();
    return pushManager.subscribe(options);
  }
}

/** @param {string} text  base64url */
function bytesOf(text) {
  const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}
