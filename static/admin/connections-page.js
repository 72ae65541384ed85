/** The page Connections: nodes, channels and connections, and how to close one of them. */
import { h, setText } from "../dom.js";
import { ask } from "./ask.js";
import { createFilters } from "./fields.js";
import { ago, bytes, counted, number } from "./formats.js";
import { createFacts, createLoader, queryOf, stepKeys } from "./parts.js";
import { createTable } from "./table.js";

/**
 * @import { ConsolePage, Desk } from "./types.js"
 * @typedef {{name: string, subscriber_count: number, at: number, pushes_per_s: number, lag_ms: number|null}} Channel
 * @typedef {{node: string, seen_at: string, connection_count: number, user_count: number, subscription_count: number,
 *   channel_count: number, buffer_bytes: number, behind_count: number, pushes_per_s: number, frames_per_s: number,
 *   skipped_per_s: number, lag_max_ms: number|null, untrusted_proxy: string}} FleetNode
 * @typedef {{id: string, kind: string, user: number|null, role: string, address: string, since: string, channels: string[],
 *   buffer_bytes: number, skipped_count: number}} Connection
 * @typedef {{node: string, is_complete: boolean, totals: {node_count: number, connection_count: number,
 *   subscription_count: number, buffer_bytes: number, pushes_per_s: number, frames_per_s: number, skipped_per_s: number,
 *   lag_max_ms: number|null}, nodes: FleetNode[], channels: Channel[],
 *   connections: {items: Connection[], next: string|null}}} Subscriptions
 * @typedef {{closed_count: number, unanswered: string[]}} Closed
 */

const PATH = "/api/realtime/subscriptions";
const EVERY_MS = 3_000;
const CHANNELS_NAMED_MAX = 6;

/** @type {ConsolePage} */
export const connections = { name: "connections", title: "Connections", key: "c", role: "admin", open };

/** @param {Desk} desk */
function open(desk) {
  let node = "";
  let cursors = [""]; // of the pages of connections until the one that is shown
  let next = "";
  const loader = createLoader();
  const totals = createFacts("All nodes");
  const nodes = createTable("Nodes", ["Node", "State", "Connections", "Users", "Subscriptions", "Behind", "Pushes/s", "Skipped/s", "Lag", "Buffers", "Acts"]);
  const channels = createTable("Channels", ["Channel", "Subscribers", "Pushes/s", "Lag", "Position", "Acts"]);
  const list = createTable("Connections of one node", ["Connection", "User", "Kind", "Network", "Since", "Channels", "Buffer", "Skipped", "Acts"]);
  const filter = createFilters("Find a channel", [{ name: "channel", label: "Find a channel", type: "search" }], () => draw());
  const back = h("button", { class: "button", type: "button", on: { click: () => turn(cursors.slice(0, -1)) } }, "Earlier");
  const forth = h("button", { class: "button", type: "button", on: { click: () => turn([...cursors, next]) } }, "Later");
  const place = h("span", { class: "note" });
  const paging = h("p", { class: "toolbar" }, back, forth, place);
  const note = h("p", { class: "note" });
  const element = h("div", { class: "stack" }, h("h1", { tabindex: "-1" }, "Connections"), loader.element, totals.element, note,
    nodes.element, filter.element, channels.element, list.element, paging);
  /** @type {Subscriptions|null} */
  let shown = null;

  const load = () => loader.load(
    () => /** @type {Promise<Subscriptions>} */ (desk.call(`${PATH}?${queryOf({ node, cursor: cursors.at(-1) ?? "", limit: 50 })}`)),
    (answer) => {
      shown = answer;
      draw();
    });

  /** @param {string[]} to */
  function turn(to) {
    cursors = to;
    load();
  }

  function draw() {
    if (!shown) return;
    const { totals: all, is_complete } = shown;
    next = shown.connections.next ?? "";
    totals.update([
      ["Nodes", number(all.node_count)], ["Connections", number(all.connection_count)],
      ["Subscriptions", number(all.subscription_count)], ["Pushes a second", number(all.pushes_per_s)],
      ["Skipped a second", number(all.skipped_per_s)], ["Longest lag", all.lag_max_ms === null ? "–" : `${all.lag_max_ms}\u00a0ms`],
      ["Buffers", bytes(all.buffer_bytes)],
    ]);
    setText(note, is_complete ? "" : "Valkey does not answer: only the node that answers is listed.");
    nodes.update(shown.nodes.map((one) => ({
      key: one.node, level: one.behind_count || one.untrusted_proxy ? "warning" : "", cells: [one.node,
        one.untrusted_proxy ? `proxy ${one.untrusted_proxy} is not trusted` : one.node === shown?.node ? "listed below" : "seen",
        ...[one.connection_count, one.user_count, one.subscription_count, one.behind_count, one.pushes_per_s, one.skipped_per_s].map(number),
        one.lag_max_ms === null ? "–" : `${one.lag_max_ms}\u00a0ms`, bytes(one.buffer_bytes)],
      acts: one.node === shown?.node ? [] : [{ label: "List", act: () => {
        node = one.node;
        turn([""]);
      } }],
    })));
    const wanted = filter.values().channel ?? "";
    channels.update(shown.channels.filter(({ name }) => name.includes(wanted)).map((one) => ({
      key: one.name,
      cells: [one.name, number(one.subscriber_count), number(one.pushes_per_s), one.lag_ms === null ? "–" : `${one.lag_ms}\u00a0ms`, String(one.at)],
      acts: [{ label: "Close", act: () => closeChannel(one) }],
    })));
    list.update(shown.connections.items.map((one) => ({
      key: one.id,
      cells: [one.id, one.user === null ? "reader" : `${one.role} ${one.user}`, one.kind, one.address, ago(new Date(one.since)),
        named(one.channels), bytes(one.buffer_bytes), number(one.skipped_count)],
      acts: [{ label: "Close", act: () => closeConnection(one) }],
    })));
    paging.hidden = cursors.length === 1 && !next;
    back.disabled = cursors.length === 1;
    forth.disabled = !next;
    setText(place, `Page ${cursors.length} of the connections of ${shown.node}, the oldest first`);
  }

  /** @param {Channel} channel */
  const closeChannel = ({ name, subscriber_count }) => close({
    title: `Close the channel ${name}?`, label: "Close the channel", query: { channel: name },
    lines: [`${counted(subscriber_count, "subscriber")} on all nodes lose the channel. Their connections stay open.`,
      "They may subscribe again; our own pages do so by themselves."],
    result: ({ closed_count }) => `The channel ${name} lost ${counted(closed_count, "subscriber")}.`,
  });

  /** @param {Connection} connection */
  const closeConnection = ({ id, user, channels: names }) => close({
    title: `Close the connection ${id}?`, label: "Close the connection", query: { connection: id },
    lines: [user === null ? "A reader without an account loses the connection." : `Account ${user} loses the connection.`,
      `It has ${counted(names.length, "channel")}: ${named(names)}.`, "The page of the client connects again by itself."],
    result: () => `The connection ${id} is closed.`,
  });

  /**
   * @param {{title: string, label: string, lines: string[], query: Record<string, string>, result(closed: Closed): string}} act
   */
  async function close({ title, label, lines, query, result }) {
    await ask(desk, { title, label, lines, async act() {
      const closed = /** @type {Closed} */ (await desk.call(`${PATH}?${queryOf(query)}`, { method: "DELETE" }));
      const silent = closed.unanswered.length ? ` No answer from ${closed.unanswered.join(", ")}: it may still close its own.` : "";
      return result(closed) + silent;
    } });
    load();
  }

  const stop = desk.repeat(load, EVERY_MS);
  return {
    element,
    shortcuts: [
      { key: "/", label: "Find a channel", act: () => filter.controls.channel?.focus() },
      ...stepKeys(element, ".row-acts button", "button"),
      { key: "r", label: "Load again", act: load },
    ],
    close: stop,
  };
}

/** @param {string[]} names */
const named = (names) => (names.length > CHANNELS_NAMED_MAX
  ? `${names.slice(0, CHANNELS_NAMED_MAX).join(", ")} and ${names.length - CHANNELS_NAMED_MAX} more` : names.join(", ") || "none");
