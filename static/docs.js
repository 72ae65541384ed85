/** The page of the HTTP interface, drawn from the OpenAPI document. */
import { h, setHidden, setText } from "./dom.js";
import { addressOf, codesOf, matches, operationsOf, outline, resolve } from "./openapi.js";

const SHOWN_CHARS_MAX = 20_000;
const WHO = { anyone: "Anyone", user: "Signed in", moderator: "Moderators", admin: "Administrators" };

const main = document.getElementById("main");
const count = document.getElementById("count");
const search = document.getElementById("search");

function part(title, ...children) {
  return h("section", { class: "doc-part" }, h("h3", {}, title), ...children);
}

/** What is wider than the page is scrolled, by keys too. */
function block(text, label) {
  return h("pre", { class: "doc-block", tabindex: "0", role: "region", "aria-label": label }, h("code", {}, text));
}

function drawParameters(operation, api) {
  if (!operation.parameters.length) return null;
  const rows = operation.parameters.flatMap((parameter) => [
    h("dt", {}, h("code", {}, parameter.name),
      parameter.required ? h("span", { class: "doc-note" }, parameter.in === "path" ? "in the path" : "required") : null),
    h("dd", {}, h("code", { class: "doc-kind" }, outline(parameter.schema, api)),
      parameter.description ? h("p", {}, ...words(parameter.description)) : null),
  ]);
  return part("Parameters", h("dl", { class: "doc-list" }, ...rows));
}

function drawBody(operation, api) {
  const body = operation.requestBody;
  if (!body) return null;
  const [[kind, { schema }]] = Object.entries(body.content);
  const needed = body.required ? "" : " It may be left out.";
  return part("Body", h("p", { class: "doc-note" }, `${kind}. ${body.description ?? ""}${needed}`),
    block(outline(schema, api), "Body"));
}

function drawAnswers(operation, api) {
  const rows = Object.entries(operation.responses).flatMap(([status, reference]) => {
    const answer = resolve(reference, api);
    const codes = codesOf(answer);
    const [kind, content] = Object.entries(answer.content ?? {})[0] ?? [];
    const said = codes.length
      ? codes.flatMap((code, index) => [index ? " " : null, h("code", { class: "doc-code" }, code)])
      : [answer.description, kind ? `, ${kind}` : ""];
    return [
      h("dt", {}, h("code", {}, status)),
      h("dd", {}, h("p", {}, ...said), content && !codes.length ? block(outline(content.schema, api), `Answer ${status}`) : null),
    ];
  });
  return part("Answers", h("dl", { class: "doc-list doc-answers" }, ...rows));
}

/** For what only reads: a form, and what the server says. The visitor's own cookie goes along. */
function drawTry(operation) {
  if (operation.method !== "GET" || !operation.responses[200]) return null;
  const outcome = h("p", { class: "doc-outcome", role: "status" });
  const code = h("code");
  const text = h("pre", { class: "doc-block", tabindex: "0", role: "region", "aria-label": "What came back", hidden: true }, code);
  const inputs = operation.parameters.map((parameter) => h("input", {
    id: `${operation.operationId}-${parameter.name}`, name: parameter.name, required: parameter.in === "path" || parameter.required,
    autocomplete: "off", spellcheck: "false", placeholder: parameter.schema.default,
  }));
  const fields = inputs.map((input) => h("p", { class: "doc-field" }, h("label", { for: input.id }, input.name), input));
  const submit = async (event) => {
    event.preventDefault();
    const address = addressOf(operation, Object.fromEntries(inputs.map((input) => [input.name, input.value])));
    setText(outcome, `Asking ${address}`);
    try {
      const answer = await fetch(address);
      const said = await answer.text();
      const isJson = answer.headers.get("Content-Type")?.includes("json");
      const shown = isJson ? JSON.stringify(JSON.parse(said), null, 2) : said;
      setText(code, shown.length > SHOWN_CHARS_MAX ? `${shown.slice(0, SHOWN_CHARS_MAX)}\n…` : shown);
      setText(outcome, `${answer.status} ${answer.statusText}: ${address}`);
      setHidden(text, false);
    } catch (error) {
      setText(outcome, `No answer: ${error.message}`);
      setHidden(text, true);
    }
  };
  return part("Try it", h("form", { class: "doc-try", on: { submit } }, ...fields,
    h("button", { class: "button", type: "submit" }, "Send")), outcome, text);
}

function drawOperation(operation, api) {
  const inside = h("div", { class: "doc-inside" });
  const summary = h("summary", {},
    h("span", { class: "doc-method", data: { method: operation.method } }, operation.method),
    h("code", { class: "doc-path" }, operation.path),
    h("span", { class: "doc-summary" }, ...words(operation.summary)),
    h("span", { class: "badge" }, WHO[operation["x-access"]]));
  const element = h("details", { id: operation.operationId, class: "doc-operation" }, summary, inside);
  // Drawn when it is first opened: most are never looked at.
  element.addEventListener("toggle", () => {
    if (!element.open || inside.childElementCount) return;
    const parts = [
      operation.description ? h("p", {}, ...words(operation.description)) : null,
      drawParameters(operation, api), drawBody(operation, api), drawAnswers(operation, api), drawTry(operation),
      h("p", {}, h("a", { href: `#${operation.operationId}` }, "Link to this operation")),
    ];
    inside.append(...parts.filter(Boolean));
  });
  return element;
}

function draw(api) {
  const drawn = operationsOf(api).map((operation) => ({ operation, element: drawOperation(operation, api) }));
  const tags = [...new Set(drawn.map(({ operation }) => operation.tag))];
  const sections = tags.map((tag) => {
    const members = drawn.filter(({ operation }) => operation.tag === tag);
    const heading = h("h2", { id: `tag-${tag}` }, tag);
    return { members, link: h("li", {}, h("a", { href: `#tag-${tag}` }, tag)),
      element: h("section", { class: "doc-tag" }, heading, ...members.map(({ element }) => element)) };
  });
  const about = h("div", { class: "doc-about" }, ...api.info.description.split("\n\n").map((text) => h("p", {}, ...words(text))));
  const nothing = h("p", { class: "empty small", hidden: true }, "Nothing matches.");
  main.replaceChildren(
    h("nav", { class: "doc-nav", "aria-label": "Parts" }, h("ul", {}, ...sections.map(({ link }) => link))),
    h("div", { class: "doc-body" }, about, nothing, ...sections.map(({ element }) => element)));

  const filter = () => {
    const wanted = search.value.trim();
    let shown = 0;
    for (const { members, link, element } of sections) {
      const found = members.filter((member) => matches(member.operation, wanted));
      for (const member of members) setHidden(member.element, !found.includes(member));
      setHidden(element, !found.length);
      setHidden(link, !found.length);
      shown += found.length;
    }
    setHidden(nothing, shown > 0);
    setHidden(about, wanted !== "");
    setText(count, wanted ? `${shown} of ${drawn.length} operations` : `${drawn.length} operations`);
  };
  search.addEventListener("input", filter);
  filter();

  const follow = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target instanceof HTMLDetailsElement) target.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", follow);
  follow();
}

/** A sentence with its `code` marked up. */
function words(text) {
  return text.split("`").map((piece, index) => (index % 2 ? h("code", {}, piece) : piece));
}

async function load() {
  setText(count, "Loading");
  try {
    const answer = await fetch("/api/openapi.json");
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    draw(await answer.json());
  } catch (error) {
    setText(count, "");
    main.replaceChildren(h("div", { class: "empty", role: "alert" }, h("p", {}, `The document did not load: ${error.message}`),
      h("button", { class: "button", type: "button", on: { click: load } }, "Try again")));
  }
}

load();
