/** The work that a show may ask of a device before its first vote: many hashes, which make many accounts expensive. */

const BATCH = 500;

/** Whether this browser can do it: pages without HTTPS have no hashes. */
export const canWork = () => globalThis.crypto?.subtle !== undefined;

/**
 * Finds the number that the challenge asks for.
 * @param {{challenge: string, maxnumber: number, salt: string, signature: string}} work
 * @returns {Promise<{challenge: string, salt: string, signature: string, number: number} | null>}
 */
export async function doWork({ challenge, maxnumber, salt, signature }) {
  const encoder = new TextEncoder();
  /** @param {number} number */
  const hash = (number) => crypto.subtle.digest("SHA-256", encoder.encode(`${salt}${number}`));
  for (let first = 0; first <= maxnumber; first += BATCH) {
    const count = Math.min(BATCH, maxnumber - first + 1);
    const digests = await Promise.all(Array.from({ length: count }, (_, place) => hash(first + place)));
    const place = digests.findIndex((digest) => hex(digest) === challenge);
    if (place >= 0) return { challenge, salt, signature, number: first + place };
  }
  return null;
}

/** @param {ArrayBuffer} digest */
const hex = (digest) => Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
