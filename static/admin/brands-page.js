/** The page Brands: the service under the names, colours and hosts of venues and bands. */
import { h } from "../dom.js";
import { ask } from "./ask.js";
import { number } from "./formats.js";
import { idsOf, searching } from "./lookups.js";
import { button, createLoader, send, stepKeys } from "./parts.js";
import { createTable } from "./table.js";

/**
 * @import { ConsolePage, Desk, Field, OpenPage } from "./types.js"
 * @typedef {{ground: string, surface: string, text: string, accent: string}} Scheme
 * @typedef {{dark?: Scheme|null, light?: Scheme|null}} Colours
 * @typedef {{id: number, host: string, name: string, artist: number|null, venue: number|null, colours: Colours, logo_bytes: number,
 *   logo_type: string|null, revision: number}} Brand
 */

const PATH = "/api/admin/brands";
const EVERY_MS = 10_000;
const PARTS = /** @type {const} */ (["ground", "surface", "text", "accent"]);
const PICTURES = "image/png,image/jpeg,image/webp";

/** @type {ConsolePage} */
export const brands = { name: "brands", title: "Brands", key: "r", role: "admin", open };

/**
 * @param {Desk} desk
 * @returns {OpenPage}
 */
function open(desk) {
  const loader = createLoader();
  const table = createTable("Brands", ["Brand", "Host", "Its list", "Colours", "Logo", "Acts"], { isNamed: true, none: "There is no brand yet." });
  const load = () => loader.load(() => /** @type {Promise<{items: Brand[]}>} */ (desk.call(`${PATH}?limit=100`)), ({ items }) =>
    table.update(items.map((one) => ({
      key: String(one.id),
      cells: [one.name, one.host, listOf(one), coloursOf(one), one.logo_bytes ? `${number(Math.ceil(one.logo_bytes / 1024))} KiB` : "–"],
      acts: [
        { label: "Edit…", act: () => edit(one) }, { label: "Logo…", act: () => chooseLogo(one) }, { label: "Delete…", act: () => remove(one) },
      ],
    }))));

  async function make() {
    await ask(desk, {
      title: "New brand", label: "Make the brand", fields: fieldsOf(desk, null),
      preview: async (values) => {
        if (!values.host || !values.name) return [];
        await send(desk, "POST", `${PATH}?preview=true`, bodyOf(values));
        return [`Whoever opens ${values.host} sees ${values.name}. Let this host lead here first.`];
      },
      async act(values) {
        await send(desk, "POST", PATH, bodyOf(values));
        return `The brand ${values.name} is made.`;
      },
    });
    load();
  }

  /** @param {Brand} brand */
  async function edit(brand) {
    let before = brand;
    /** @param {Record<string, string>} values */
    const body = (values) => ({ ...bodyOf(values), revision: before.revision });
    await ask(desk, {
      title: `Edit ${brand.name}`, label: "Save", fields: fieldsOf(desk, brand),
      async refresh() {
        const { items } = /** @type {{items: Brand[]}} */ (await desk.call(`${PATH}?limit=100`));
        before = items.find(({ id }) => id === brand.id) ?? before;
        return fieldsOf(desk, before);
      },
      preview: async (values) => {
        await send(desk, "PATCH", `${PATH}/${brand.id}?preview=true`, body(values));
        return ["Open pages take it when they are loaded again."];
      },
      async act(values) {
        await send(desk, "PATCH", `${PATH}/${brand.id}`, body(values));
        return `The brand ${values.name} is saved.`;
      },
    });
    load();
  }

  /** @param {Brand} brand */
  function chooseLogo(brand) {
    const input = h("input", { type: "file", accept: PICTURES });
    input.addEventListener("change", () => {
      const [file] = input.files ?? [];
      if (file) changeLogo(brand, file);
    });
    input.click();
  }

  /**
   * @param {Brand} brand
   * @param {File} file
   */
  async function changeLogo(brand, file) {
    const body = { logo: await base64Of(file) };
    await ask(desk, {
      title: `A new logo for ${brand.name}?`, label: "Take this logo",
      preview: async () => {
        const { logo_bytes: bytes } = /** @type {Brand} */ (await send(desk, "PATCH", `${PATH}/${brand.id}?preview=true`, body));
        return [`${file.name}, ${number(Math.ceil(bytes / 1024))} KiB.`];
      },
      async act() {
        await send(desk, "PATCH", `${PATH}/${brand.id}`, body);
        return `The brand ${brand.name} has a new logo.`;
      },
    });
    load();
  }

  /** @param {Brand} brand */
  async function remove(brand) {
    await ask(desk, {
      title: `Delete ${brand.name}?`, label: "Delete for good", isGrave: true,
      lines: [`${brand.host} then shows MySetlist. Shows, votes and accounts stay.`],
      preview: async () => {
        await send(desk, "DELETE", `${PATH}/${brand.id}?preview=true`);
        return [];
      },
      async act() {
        await send(desk, "DELETE", `${PATH}/${brand.id}`);
        return `The brand ${brand.name} is deleted.`;
      },
    });
    load();
  }

  const stop = desk.repeat(load, EVERY_MS);
  return {
    element: h("div", { class: "stack" },
      h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, "Brands"), h("p", { class: "toolbar" }, button("New brand…", make, "n"))),
      h("p", { class: "note" }, "A brand is the service under the name, colours and host of a venue or a band. Whoever opens that host sees it; votes, accounts and shows stay the same. First have the host lead to this server: whoever runs the servers sets that up."),
      loader.element, table.element),
    shortcuts: [{ key: "n", label: "New brand", act: make }, ...stepKeys(table.element, ".row-acts button", "brand")],
    close: stop,
  };
}

/**
 * @param {Desk} desk
 * @param {Brand|null} brand  null: a new one
 * @returns {Field[]}
 */
const fieldsOf = (desk, brand) => [
  { name: "name", label: "Name", required: true, value: brand?.name ?? "", attributes: { maxlength: 60 } },
  { name: "host", label: "Host", required: true, value: brand?.host ?? "", hint: "such as vote.club.example", attributes: { maxlength: 260, inputmode: "url", spellcheck: "false" } },
  { name: "artist", label: "Only shows of this artist", picks: { search: searching(desk, "artists"), chosen: chosenOf(brand?.artist, "Artist") } },
  { name: "venue", label: "Only shows at this venue", picks: { search: searching(desk, "venues"), chosen: chosenOf(brand?.venue, "Venue") } },
  ...(/** @type {const} */ (["dark", "light"])).map((scheme) => /** @type {Field} */ ({
    name: scheme, label: `Colours of ${scheme} pages`, value: textOf(brand?.colours[scheme]), hint: "ground, surface, text, accent, such as #001020 #002030 #ffffff #00ffaa; empty: those of MySetlist",
    attributes: { spellcheck: "false" },
  })),
];

/**
 * @param {number|null|undefined} id
 * @param {string} kind
 */
const chosenOf = (id, kind) => (id ? [{ id, text: `${kind} ${id}` }] : []);

/** @param {Record<string, string>} values */
const bodyOf = (values) => ({
  host: values.host?.toLowerCase(), name: values.name, artist: idsOf(values.artist ?? "")[0] ?? null, venue: idsOf(values.venue ?? "")[0] ?? null,
  colours: { ...(values.dark ? { dark: schemeOf(values.dark) } : {}), ...(values.light ? { light: schemeOf(values.light) } : {}) },
});

/** @param {string} text  four colours */
const schemeOf = (text) => {
  const colours = text.toLowerCase().split(/[\s,;]+/);
  return Object.fromEntries(PARTS.map((part, place) => [part, colours[place] ?? ""]));
};

/** @param {Scheme|null|undefined} scheme */
const textOf = (scheme) => (scheme ? PARTS.map((part) => scheme[part]).join(" ") : "");

/** @param {Brand} brand */
const listOf = ({ artist, venue }) => [artist ? `artist ${artist}` : "", venue ? `venue ${venue}` : ""].filter(Boolean).join(", ") || "all shows";

/** @param {Brand} brand */
const coloursOf = ({ colours }) => ["dark", "light"].filter((scheme) => colours[/** @type {"dark"|"light"} */ (scheme)]).join(" and ") || "those of MySetlist";

/** @param {File} file */
async function base64Of(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
