/** One account: its profile, its bans, its role. */
import { h, setText } from "../dom.js";
import { ask } from "./ask.js";
import { counted, moment, number } from "./formats.js";
import { button, createFacts, createLoader, drawButtons, send } from "./parts.js";
import { createTable } from "./table.js";

/**
 * @import { Desk, Field, OpenPage } from "./types.js"
 * @typedef {{id: number, kind: "vote"|"write"|"all", reason: string, banned_at: string, expires_at: string|null,
 *   banned_by: number|null, lifted_at: string|null}} Ban
 * @typedef {{id: number, created_at: string, display_name: string|null, bio: string|null, city: string|null,
 *   country: string|null, is_public: boolean, status: string, role: "user"|"moderator"|"admin",
 *   counts: {follows: number, attendance: number, votes: number, reviews: number}, bans: Ban[]}} Account
 */

const KINDS = { vote: "may not vote", write: "may not write", all: "may neither vote nor write" };
const HOUR_MS = 3_600_000;
const LENGTHS = /** @type {[string, string][]} */ ([
  ["1", "1 hour"], ["24", "1 day"], ["168", "7 days"], ["720", "30 days"], ["8760", "1 year"], ["", "For good"],
]);

/**
 * @param {Desk} desk
 * @param {string} id
 * @returns {OpenPage}
 */
export function createAccount(desk, id) {
  const path = `/api/admin/users/${encodeURIComponent(id)}`;
  const loader = createLoader();
  const title = h("h1", { tabindex: "-1" }, `Account ${id}`);
  const facts = createFacts("The account");
  const text = h("blockquote", { class: "queue-text" });
  const bans = createTable("Bans", ["Ban", "State", "Reason", "Since", "Until", "By", "Acts"]);
  const acts = h("p", { class: "toolbar" });
  const element = h("div", { class: "stack" },
    h("p", {}, h("a", { class: "back", href: "/admin/people", data: { link: "" } }, "‹ People")),
    h("div", { class: "page-head" }, title, acts), loader.element, facts.element, text, bans.element);
  /** @type {Account|null} */
  let shown = null;

  const load = () => loader.load(() => /** @type {Promise<Account>} */ (desk.call(path)), draw);

  /** @param {Account} account */
  const mayBan = ({ role, id: number }) => number !== desk.user.id && (role === "user" || desk.user.role === "admin");

  /** @param {Account} account */
  function draw(account) {
    shown = account;
    const { display_name, city, country, status, is_public, role, created_at, counts } = account;
    setText(title, display_name ? `Account ${account.id}: ${display_name}` : `Account ${account.id}`);
    facts.update([
      ["Role", role], ["Since", moment(created_at)], ["Place", [city, country].filter(Boolean).join(", ") || "–"],
      ["Profile", is_public ? status : `${status}, not public`], ["Votes", number(counts.votes)], ["Reviews", number(counts.reviews)],
      ["Follows", number(counts.follows)], ["Shows", number(counts.attendance)],
    ]);
    setText(text, account.bio ?? "");
    text.hidden = !account.bio;
    const isMine = mayBan(account);
    bans.update(account.bans.map((one) => ({
      key: String(one.id), level: isActive(one) ? "critical" : "",
      cells: [`${one.id}: ${KINDS[one.kind]}`, one.lifted_at ? "lifted" : isActive(one) ? "active" : "over", one.reason, moment(one.banned_at),
        one.expires_at ? moment(one.expires_at) : "for good", one.banned_by === null ? "–" : `account ${one.banned_by}`],
      acts: isActive(one) && isMine ? [{ label: "Lift", act: () => lift(one) }] : [],
    })));
    drawButtons(acts, String(isMine), () => [
      ...(isMine ? [button("Ban…", ban, "b")] : []),
      ...(desk.user.role === "admin" ? [button("Change role…", changeRole, "l")] : []),
      ...(desk.has("audit") ? [h("a", { class: "button", href: `/admin/audit/user/${account.id}`, data: { link: "" } }, "Acts about it")] : []),
    ]);
  }

  async function ban() {
    if (!shown || !mayBan(shown)) return;
    await ask(desk, {
      title: `Ban account ${shown.id}?`, label: "Ban",
      fields: [
        { name: "kind", label: "From what", type: "select", options: [["vote", "Voting"], ["write", "Writing"], ["all", "Everything"]] },
        { name: "hours", label: "For how long", type: "select", options: LENGTHS, value: "168" },
        { name: "reason", label: "Reason (the fan sees it)", required: true, attributes: { maxlength: 1000 } },
      ],
      async preview(values) {
        const made = /** @type {Ban & {votes_kept: number}} */ (await send(desk, "POST", `${path}/bans?preview=true`, bodyOf({ ...values, reason: values.reason || "–" })));
        return [`The account ${KINDS[made.kind]} ${made.expires_at ? `until ${moment(made.expires_at)}` : "for good"}.`,
          `${counted(made.votes_kept, "vote")} that it has cast ${made.votes_kept === 1 ? "stays" : "stay"}. Staff can lift the ban at any time.`];
      },
      async act(values) {
        const made = /** @type {Ban} */ (await send(desk, "POST", `${path}/bans`, bodyOf(values)));
        return `Account ${id} ${KINDS[made.kind]}${made.expires_at ? ` until ${moment(made.expires_at)}` : " any more"}.`;
      },
    });
    load();
  }

  /** @param {Ban} one */
  async function lift({ id: number, kind }) {
    await ask(desk, { title: `Lift ban ${number}?`, label: "Lift the ban",
      async preview() {
        const after = /** @type {Account} */ (await desk.call(`${path}/bans/${number}?preview=true`, { method: "DELETE" }));
        const rest = after.bans.filter(isActive);
        return [`The account, which ${KINDS[kind]} now, may do so again at once${rest.length ? ", as far as its other bans allow" : ""}.`,
          ...rest.map((other) => `Ban ${other.id} stays: the account ${KINDS[other.kind]} ${other.expires_at ? `until ${moment(other.expires_at)}` : "for good"}.`)];
      },
      async act() {
        await desk.call(`${path}/bans/${number}`, { method: "DELETE" });
        return `Ban ${number} is lifted.`;
      } });
    load();
  }

  async function changeRole() {
    if (!shown || desk.user.role !== "admin") return;
    let before = shown.role;
    const fields = () => /** @type {Field[]} */ ([
      { name: "role", label: "Role", type: "select", value: before, options: [["user", "Fan"], ["moderator", "Moderator"], ["admin", "Administrator"]] },
    ]);
    await ask(desk, {
      title: `Change the role of account ${shown.id}`, label: "Change the role", fields: fields(),
      async refresh() {
        before = /** @type {Account} */ (await desk.call(path)).role;
        return fields();
      },
      async preview({ role }) {
        const after = /** @type {Account} */ (await send(desk, "PATCH", `${path}?preview=true`, { role, before }));
        return after.role === before ? [`The account is ${before} already. Nothing changes.`]
          : [`The account is ${after.role} instead of ${before}.`, "A lower role counts within two seconds, a higher one from the next sign-in on."];
      },
      async act({ role }) {
        const { role: now } = /** @type {Account} */ (await send(desk, "PATCH", path, { role, before }));
        return `Account ${id} is ${now} now.`;
      },
    });
    load();
  }

  load();
  return {
    element,
    shortcuts: [
      { key: "b", label: "Ban", act: ban },
      ...(desk.user.role === "admin" ? [{ key: "l", label: "Change role", act: changeRole }] : []),
      { key: "r", label: "Load again", act: load },
    ],
  };
}

/** @param {Record<string, string>} values */
const bodyOf = ({ kind, hours, reason }) => ({ kind, reason, expires_at: hours ? until(hours) : null });

/** @param {string} hours */
const until = (hours) => new Date(Date.now() + Number(hours) * HOUR_MS).toISOString();

/** @param {Ban} ban */
const isActive = ({ lifted_at, expires_at }) => !lifted_at && (!expires_at || Date.parse(expires_at) > Date.now());
