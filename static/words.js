/**
 * The texts of the page in the reader's language, its numbers and its dates. The server writes the texts of one language
 * into the script of a page (server/words/compiling.py).
 *
 * Walls use it too, so it has no syntax that TV sets of 2018 do not know (docs/browsers.md).
 */

/**
 * @typedef {string|Part[]} Text
 * @typedef {string|[name: string]|[name: string, variants: Record<string, Text>, otherwise: string]} Part
 * @typedef {Record<string, string|number>} Values
 */

const { language, direction, phrases, plural } = mysetlistWords;

/** The tag of the page's language. */
export const LANGUAGE = language;

const asked = (typeof navigator === "object" && navigator.languages) || [];
/** The reader's own form of the language, such as en-GB, for numbers and dates. In another language they would not fit the text. */
export const LOCALE = asked.filter((tag) => tag === language || tag.indexOf(`${language}-`) === 0)[0] || language;

/** @type {Intl.NumberFormat|undefined} */
let numberFormat;

/** @param {number} value */
export function count(value) {
  if (value >= 0 && value < 1000 && Math.floor(value) === value) return String(value);
  if (!numberFormat) numberFormat = new Intl.NumberFormat(LOCALE);
  return numberFormat.format(value);
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]|[\ud802\ud803\ud83a\ud83b][\udc00-\udfff]/;

/**
 * A name that does not change the order of the words around it: between FSI and PDI (Unicode Annex 9).
 * @param {string} name
 */
export const isolated = (name) => (direction === "rtl" || RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name);

/**
 * A text of static/words/. Its name stands in the call as a string: the server writes the text in its place.
 * @param {string} text
 * @param {Values} [values]  its variables; numbers choose a plural
 */
export function phrase(text, values) {
  return written(phrases[text] || text, values || {});
}

/**
 * @param {Text} text
 * @param {Values} values
 * @returns {string}
 */
function written(text, values) {
  if (typeof text === "string") return text;
  return text.map((part) => {
    if (typeof part === "string") return part;
    const value = values[part[0]];
    if (value === undefined) return `{${part[0]}}`;
    if (part.length === 1) return typeof value === "number" ? count(value) : isolated(value);
    const variants = part[1];
    // An exact number goes before its plural.
    const keys = [String(value), typeof value === "number" ? plural(value) : "", part[2]];
    return written(variants[keys.filter((key) => key in variants)[0] || ""] || "", values);
  }).join("");
}
