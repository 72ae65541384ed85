/** The page Webhooks: who is told what happens, what arrived, and what did not. */
import { h, setHidden, setText } from "../dom.js";
import { ask } from "./ask.js";
import { createFilters } from "./fields.js";
import { ago, counted, duration, moment, number } from "./formats.js";
import { button, createFacts, createLoader, createPaged, queryOf, send, stepKeys } from "./parts.js";
import { createTable } from "./table.js";

/**
 * @import { ConsolePage, Desk, Field, OpenPage } from "./types.js"
 * @typedef {{at: string, status: number|null, took_ms: number, error: string}} Attempt
 * @typedef {{id: number, revision: number, url: string, description: string, events: string[], is_enabled: boolean, why_disabled: string,
 *   created_at: string, failing_since: string|null, previous_secret_until: string|null, waiting: number, dead: number,
 *   last_attempt: Attempt|null}} Webhook
 * @typedef {"queued"|"sending"|"delivered"|"dead"} State
 * @typedef {{id: number, event: string, message_id: string, show: number, at: string, state: State, attempts: number,
 *   next_at: string|null, tried_at: string|null, status: number|null, took_ms: number|null, error: string}} Delivery
 * @typedef {{is_delivered: boolean, status: number|null, took_ms: number, error: string}} TestResult
 */

const PATH = "/api/admin/webhooks";
const EVERY_MS = 5_000;
const PAGE_COUNT = 25;

/** What a webhook may be told. */
const EVENTS = {
  "show.opened": "Voting opens", "show.closed": "Voting closes", "show.final": "A result is final", "show.milestone": "100, 1,000, 10,000, … votes",
  "song.played": "A song is played", "group.flagged": "Ballots look like the work of one hand",
};

/** @type {Record<State, string>} */
const STATES = { queued: "waits", sending: "is being sent", delivered: "delivered", dead: "dead letter" };

/** @type {ConsolePage} */
export const webhooks = { name: "webhooks", title: "Webhooks", key: "w", role: "admin", open: (desk, [id]) => (id ? openOne(desk, id) : openList(desk)) };

/**
 * @param {Desk} desk
 * @returns {OpenPage}
 */
function openList(desk) {
  const loader = createLoader();
  const secret = createSecret();
  const table = createTable("Webhooks", ["Webhook", "State", "Events", "Last attempt", "Not delivered"], { isNamed: true, none: "There is no webhook yet." });
  const load = () => loader.load(() => /** @type {Promise<{items: Webhook[]}>} */ (desk.call(`${PATH}?limit=100`)), ({ items }) =>
    table.update(items.map((one) => ({
      key: String(one.id), href: `/admin/webhooks/${one.id}`, level: levelOf(one),
      cells: [nameOf(one), stateOf(one), `${one.events.length} of ${Object.keys(EVENTS).length}`, one.last_attempt ? attempted(one.last_attempt) : "none yet", left(one)],
    }))));

  async function make() {
    await ask(desk, {
      title: "New webhook", label: "Make the webhook", fields: fieldsOf(null),
      lines: ["Its secret is shown only once: keep it before you leave this page."],
      preview: async (values) => {
        if (!values.url || !eventsIn(values).length) return [];
        await send(desk, "POST", `${PATH}?preview=true`, bodyOf(values));
        return [`From now on it gets ${counted(eventsIn(values).length, "kind")} of events.`];
      },
      async act(values) {
        const made = /** @type {Webhook & {secret: string}} */ (await send(desk, "POST", PATH, bodyOf(values)));
        secret.show(nameOf(made), made.secret);
        return `The webhook ${nameOf(made)} is made. Press Test on its page.`;
      },
    });
    load();
    secret.focus();
  }

  const stop = desk.repeat(load, EVERY_MS);
  return {
    element: h("div", { class: "stack" },
      h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, "Webhooks"), h("p", { class: "toolbar" }, button("New webhook…", make, "n"))),
      h("p", { class: "note" }, "A webhook tells another program what happens at shows, such as a chat or a partner's page. Messages are signed as Standard Webhooks say (standardwebhooks.com); its libraries check them with the secret. What does not arrive is sent again, for about three days."),
      loader.element, secret.element, table.element),
    shortcuts: [{ key: "n", label: "New webhook", act: make }, ...stepKeys(table.element, "th a", "webhook")],
    close: stop,
  };
}

/**
 * @param {Desk} desk
 * @param {string} id
 * @returns {OpenPage}
 */
function openOne(desk, id) {
  const path = `${PATH}/${encodeURIComponent(id)}`;
  const loader = createLoader();
  const secret = createSecret();
  const title = h("h1", { tabindex: "-1" }, `Webhook ${id}`);
  const facts = createFacts("The webhook");
  const address = h("p", { class: "command" });
  const gets = h("p", { class: "note" });
  const ofTest = createLoader();
  const outcome = h("p", { class: "note", role: "status" });
  const table = createTable("Deliveries", ["Event", "State", "Last answer", "Acts"]);
  const paged = createPaged((cursor) => /** @type {Promise<{items: Delivery[], next: string|null}>} */ (
    desk.call(`${path}/deliveries?${queryOf({ ...filters.values(), cursor, limit: PAGE_COUNT })}`)), (items) => {
    deliveries = items;
    drawDeliveries();
  });
  const filters = createFilters("Filter deliveries", [
    { name: "state", label: "State", type: "select", options: [["", "All"], ["dead", "Dead letters"], ["queued", "Waiting"], ["delivered", "Delivered"]] },
  ], () => paged.reload());
  const again = button("Send all dead letters again…", () => sendAgain(null));
  const toggle = button("Disable…", change);
  const acts = h("p", { class: "toolbar" }, button("Test", test, "t"), button("Edit…", edit, "e"), toggle, button("New secret…", rotate, "r"), button("Delete…", remove, "x"));
  const element = h("div", { class: "stack" }, h("p", {}, h("a", { class: "back", href: "/admin/webhooks", data: { link: "" } }, "‹ Webhooks")),
    h("div", { class: "page-head" }, title, acts), loader.element, ofTest.element, outcome, secret.element, facts.element, address, gets, filters.element, table.element,
    h("p", { class: "toolbar" }, again), paged.element);
  /** @type {Delivery[]} */
  let deliveries = [];
  /** @type {Webhook|null} */
  let shown = null;

  const load = () => loader.load(() => /** @type {Promise<Webhook>} */ (desk.call(path)), (found) => {
    shown = found;
    setText(title, `Webhook ${nameOf(found)}`);
    facts.update([
      ["State", stateOf(found)], ["Not delivered", left(found)],
      ["Last attempt", found.last_attempt ? attempted(found.last_attempt) : "none yet"], ["Made", moment(found.created_at)],
      ["The secret before", found.previous_secret_until ? `signs too until ${moment(found.previous_secret_until)}` : "none"],
    ]);
    setText(address, found.url);
    setText(gets, `Gets ${found.events.join(", ")}.`);
    setText(toggle, found.is_enabled ? "Disable…" : "Enable…");
    setHidden(again, !found.dead || !found.is_enabled);
    drawDeliveries(); // whether one can be sent again depends on the webhook
  });

  const drawDeliveries = () => table.update(deliveries.map(deliveryRow));

  /** @param {Delivery} one */
  const deliveryRow = (one) => ({
    key: String(one.id), level: one.state === "dead" ? "critical" : one.error ? "warning" : "",
    cells: [`${one.event}, show ${one.show}, ${ago(new Date(one.at))}`,
      [STATES[one.state], ...(one.attempts ? [counted(one.attempts, "attempt")] : []), ...(one.next_at ? [`next ${moment(one.next_at)}`] : [])].join(", "),
      one.tried_at ? attempted({ at: one.tried_at, status: one.status, took_ms: one.took_ms ?? 0, error: one.error }) : one.error || "–"],
    acts: one.state === "dead" && shown?.is_enabled ? [{ label: "Send again", act: () => sendAgain(one) }] : [],
  });

  function reload() {
    load();
    paged.reload();
  }

  async function test() {
    setText(outcome, "");
    await ofTest.load(() => /** @type {Promise<TestResult>} */ (send(desk, "POST", `${path}/test`)), (result) => setText(outcome, tested(result)));
  }

  async function edit() {
    if (!shown) return;
    let before = shown;
    /** @param {Record<string, string>} values */
    const body = (values) => ({ ...bodyOf(values), revision: before.revision });
    await ask(desk, {
      title: `Edit ${nameOf(shown)}`, label: "Save", fields: fieldsOf(shown),
      async refresh() {
        before = /** @type {Webhook} */ (await desk.call(path));
        return fieldsOf(before);
      },
      preview: async (values) => {
        await send(desk, "PATCH", `${path}?preview=true`, body(values));
        return [`It gets ${counted(eventsIn(values).length, "kind")} of events. What waits goes to the new address.`];
      },
      async act(values) {
        return `The webhook ${nameOf(/** @type {Webhook} */ (await send(desk, "PATCH", path, body(values))))} is saved.`;
      },
    });
    reload();
  }

  async function change() {
    if (!shown) return;
    let body = { is_enabled: !shown.is_enabled, revision: shown.revision };
    const name = nameOf(shown);
    await ask(desk, {
      title: `${body.is_enabled ? "Enable" : "Disable"} ${name}?`, label: body.is_enabled ? "Enable" : "Disable",
      lines: [body.is_enabled ? "It gets what happens from now on." : "It gets nothing until somebody enables it."],
      async refresh() {
        body = { ...body, revision: /** @type {Webhook} */ (await desk.call(path)).revision };
        return [];
      },
      preview: async () => {
        const { ended } = /** @type {{ended: number}} */ (await send(desk, "PATCH", `${path}?preview=true`, body));
        return body.is_enabled ? ["Dead letters stay until you send them again."] : [`Waiting events that become dead letters: ${number(ended)}.`];
      },
      async act() {
        await send(desk, "PATCH", path, body);
        return `The webhook ${name} is ${body.is_enabled ? "enabled" : "disabled"}.`;
      },
    });
    reload();
  }

  async function rotate() {
    if (!shown) return;
    const name = nameOf(shown);
    await ask(desk, {
      title: `A new secret for ${name}?`, label: "Make a new secret",
      lines: ["It is shown only once: keep it before you leave this page.", "For a day, messages are signed with the secret before too. The one before that is valid no more."],
      async act() {
        secret.show(name, /** @type {{secret: string}} */ (await send(desk, "POST", `${path}/secret`)).secret);
        return `The webhook ${name} has a new secret.`;
      },
    });
    load();
    secret.focus();
  }

  /** @param {Delivery|null} one  null: all dead letters */
  async function sendAgain(one) {
    const body = one ? { delivery: one.id } : {};
    await ask(desk, {
      title: one ? `Send ${one.event} of show ${one.show} again?` : "Send all dead letters again?", label: "Send again",
      lines: ["The receiver may have it already: the message has the same id."],
      preview: async () => {
        const { count } = /** @type {{count: number}} */ (await send(desk, "POST", `${path}/again?preview=true`, body));
        return [`Sent at once: ${counted(count, "event")}; tried again for three days if that fails.`];
      },
      async act() {
        const { count } = /** @type {{count: number}} */ (await send(desk, "POST", `${path}/again`, body));
        return `On the way again: ${counted(count, "event")}.`;
      },
    });
    reload();
  }

  async function remove() {
    if (!shown) return;
    const name = nameOf(shown);
    const isGone = await ask(desk, {
      title: `Delete ${name}?`, label: "Delete for good", isGrave: true, lines: ["Its secret and its deliveries are deleted. Nobody can bring them back."],
      preview: async () => {
        const { waiting, dead } = /** @type {{waiting: number, dead: number}} */ (await send(desk, "DELETE", `${path}?preview=true`));
        return [`Lost with it: ${counted(waiting, "waiting event")}, ${counted(dead, "dead letter")}.`];
      },
      async act() {
        await send(desk, "DELETE", path);
        return `The webhook ${name} is deleted.`;
      },
    });
    if (isGone) desk.go("/admin/webhooks");
  }

  const stop = desk.repeat(() => {
    load();
    // Somebody who has opened more pages reads them: only the first page moves by itself.
    if (deliveries.length <= PAGE_COUNT) paged.reload();
  }, EVERY_MS);
  return {
    element,
    shortcuts: [
      { key: "t", label: "Send a test", act: test }, { key: "e", label: "Edit the webhook", act: edit }, { key: "r", label: "Make a new secret", act: rotate },
      { key: "x", label: "Delete the webhook", act: remove }, { key: "/", label: "Filter deliveries", act: () => filters.controls.state?.focus() },
      ...stepKeys(table.element, ".row-acts button", "dead letter"),
    ],
    close: stop,
  };
}

/** A secret that was just made; empty until then. */
function createSecret() {
  const says = h("p", {});
  const value = h("input", { id: "new-secret", readonly: true, spellcheck: "false" });
  const element = h("section", { class: "panel-part", "aria-labelledby": "secret-title", hidden: true },
    h("h2", { id: "secret-title" }, "The new secret"), says, h("p", { class: "field" }, h("label", { for: value.id }, "Secret"), value));
  return {
    element,
    /** @type {(name: string, secret: string) => void} */
    show(name, secret) {
      setText(says, `Of ${name}. It is shown only now: copy it to the receiver.`);
      value.value = secret;
      setHidden(element, false);
    },
    focus() {
      if (element.hidden) return;
      value.focus();
      value.select();
    },
  };
}

/**
 * @param {Webhook|null} webhook  null: a new one
 * @returns {Field[]}
 */
const fieldsOf = (webhook) => [
  { name: "url", label: "Address", type: "text", required: true, value: webhook?.url ?? "", hint: "https:// and a public host", attributes: { maxlength: 2_000, inputmode: "url", spellcheck: "false" } },
  { name: "description", label: "Name for staff", value: webhook?.description ?? "", attributes: { maxlength: 200 } },
  ...Object.entries(EVENTS).map(([name, words]) => /** @type {Field} */ ({ name, label: `${words} (${name})`, type: "checkbox", value: !webhook || webhook.events.includes(name) ? "on" : "" })),
];

/** @param {Record<string, string>} values */
const eventsIn = (values) => Object.keys(EVENTS).filter((name) => values[name] === "on");

/** @param {Record<string, string>} values */
const bodyOf = (values) => ({ url: values.url, description: values.description, events: eventsIn(values) });

/** @param {Pick<Webhook, "url"|"description">} webhook */
const nameOf = ({ url, description }) => description || (URL.canParse(url) ? new URL(url).host : url);

/** @param {Webhook} webhook */
function stateOf({ is_enabled, why_disabled, failing_since }) {
  if (!is_enabled) return why_disabled ? `disabled: ${why_disabled}` : "disabled";
  return failing_since ? `failing for ${duration((Date.now() - Date.parse(failing_since)) / 1000)}` : "on";
}

/** @param {Webhook} webhook */
const left = ({ waiting, dead }) => [...(waiting ? [`${number(waiting)} waiting`] : []), ...(dead ? [counted(dead, "dead letter")] : [])].join(", ") || "–";

/** @param {Webhook} webhook */
const levelOf = ({ is_enabled, why_disabled, failing_since, dead }) => (why_disabled ? "critical" : is_enabled && (failing_since || dead) ? "warning" : "");

/** @param {Attempt} attempt */
const attempted = ({ at, status, took_ms, error }) => `${error || `It answered ${status}.`} ${number(took_ms)} ms, ${ago(new Date(at))}`;

/** @param {TestResult} result */
const tested = ({ is_delivered, status, took_ms, error }) => (is_delivered ? `The receiver answered ${status} after ${number(took_ms)} ms: it took the test.` : `The test was not taken, after ${number(took_ms)} ms: ${error}`);
