/** Checks a receipt of the ledger in this browser: it trusts only the hashes and the signature (docs/ledger.md). */

/**
 * @typedef {{song: number, choice: "up"|"down", index: number, entry: string, proof: string[]}} ReceiptVote
 * @typedef {{show: number, checkpoint: string, key: string, size: number, votes: ReceiptVote[]}} Receipt
 * @typedef {{signature: "good"|"bad"|"unknown", size: number, votes: {song: number, choice: "up"|"down", index: number, isIn: boolean}[]}} Checked
 *   signature: unknown, this browser cannot check it
 */

const ENTRY_BYTES = 58;
const KIND_AT = 16;
const CHOICE_AT = 17;
const SHOW_AT = 18;
const SONG_AT = 26;
const FAN_AT = 34;
const TIME_AT = 50;
const CHOICES = { up: 1, down: 2 };
const KINDS_OF_VOTES = [0, 1]; // cast, or changed by something else than the fan
const KEY_KIND = 1;

/**
 * @param {Receipt} receipt
 * @returns {Promise<Checked>}
 */
export async function check(receipt) {
  const [origin = "", size = "", root = ""] = receipt.checkpoint.split("\n");
  const count = Number(size);
  const signature = await checkSignature(receipt.checkpoint, receipt.key, origin);
  const isOfShow = origin.endsWith(`/shows/${receipt.show}`) && String(count) === size;
  const names = new Set(receipt.votes.map(({ entry }) => hex(bytesOf(entry).slice(FAN_AT, TIME_AT))));
  const votes = await Promise.all(receipt.votes.map(async (vote) => {
    const { song, choice, index } = vote;
    const isIn = isOfShow && signature !== "bad" && names.size === 1 && says(bytesOf(vote.entry), receipt.show, vote)
      && await leadsTo(vote, count, bytesOf(root));
    return { song, choice, index, isIn };
  }));
  return { signature, size: count, votes };
}

/**
 * Whether an entry says what the receipt says of it.
 * @param {Uint8Array} entry
 * @param {number} show
 * @param {ReceiptVote} vote
 */
function says(entry, show, { song, choice }) {
  if (entry.length !== ENTRY_BYTES) return false;
  const view = new DataView(entry.buffer, entry.byteOffset);
  return KINDS_OF_VOTES.includes(view.getUint8(KIND_AT)) && view.getUint8(CHOICE_AT) === CHOICES[choice] && numberAt(view, SHOW_AT) === show && numberAt(view, SONG_AT) === song;
}

/** @type {(view: DataView, at: number) => number} */
const numberAt = (view, at) => view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);

/**
 * Whether the hashes of a proof lead from the entry to the root (RFC 9162, section 2.1.3.2).
 * @param {ReceiptVote} vote
 * @param {number} size
 * @param {Uint8Array} root
 */
async function leadsTo({ index, entry, proof }, size, root) {
  if (!(Number.isSafeInteger(index) && index >= 0 && index < size)) return false;
  let number = index;
  let last = size - 1;
  let found = await hash(Uint8Array.of(0), bytesOf(entry));
  for (const text of proof) {
    if (last === 0) return false;
    const other = bytesOf(text);
    if (number % 2 === 1 || number === last) {
      found = await hash(Uint8Array.of(1), other, found);
      while (number % 2 === 0 && number !== 0) {
        number = half(number);
        last = half(last);
      }
    } else {
      found = await hash(Uint8Array.of(1), found, other);
    }
    number = half(number);
    last = half(last);
  }
  return last === 0 && isSame(found, root);
}

/** @type {(number: number) => number} */
const half = (number) => Math.floor(number / 2);

/**
 * @param {string} note
 * @param {string} key  as signed-note writes it
 * @param {string} origin
 * @returns {Promise<Checked["signature"]>}
 */
async function checkSignature(note, key, origin) {
  const [name = "", digits = ""] = key.split("+");
  const material = bytesOf(key.slice(name.length + digits.length + 2)); // base64 may have a plus too
  const end = note.indexOf("\n\n");
  if (name !== origin || material[0] !== KEY_KIND || material.length !== 33 || end < 0) return "bad";
  const text = new TextEncoder();
  const id = (await hash(text.encode(`${name}\n`), material)).slice(0, 4);
  const line = note.slice(end + 2).split("\n").find((one) => one.startsWith(`— ${name} `));
  const signed = bytesOf(line?.split(" ")[2] ?? "");
  if (hex(id) !== digits || !isSame(signed.slice(0, 4), id)) return "bad";
  let isGood;
  try {
    const imported = await crypto.subtle.importKey("raw", material.slice(1), "Ed25519", false, ["verify"]);
    isGood = await crypto.subtle.verify("Ed25519", imported, signed.slice(4), text.encode(note.slice(0, end + 1)));
  } catch {
    return "unknown"; // an older browser does not know Ed25519
  }
  return isGood ? "good" : "bad";
}

/** @param {Uint8Array<ArrayBuffer>[]} parts */
async function hash(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer()));
}

/** @type {(base64: string) => Uint8Array<ArrayBuffer>} what is no base64 gives no bytes */
function bytesOf(base64) {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

/** @type {(bytes: Uint8Array) => string} */
const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** @type {(one: Uint8Array, other: Uint8Array) => boolean} */
const isSame = (one, other) => one.length === other.length && one.every((byte, place) => byte === other[place]);
