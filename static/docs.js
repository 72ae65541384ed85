/** The page of the HTTP API, drawn from the OpenAPI document. */
import { h, setHidden, setText } from "./dom.js";
import { addressOf, codesOf, formatSchema, matches, operationsOf, resolveReference } from "./openapi.js";

/** @import { Answer, OpenApi, Operation, Parameter } from "./openapi.js" */

const SHOWN_CHARS_MAX = 20_000;
/** @type {Record<string, string>} */
const ACCESS = { anyone: "Anyone", user: "Signed in", moderator: "Moderators", admin: "Administrators" };

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const count = /** @type {HTMLElement} */ (document.getElementById("count"));
const search = /** @type {HTMLInputElement} */ (document.getElementById("search"));

/** @type {(title: string, ...children: (Node|null)[]) => HTMLElement} */
function createPart(title, ...children) {
  return h("section", { class: "doc-part" }, h("h3", {}, title), ...children);
}

/**
 * Code that scrolls when it is wider than the page, also by keys.
 * @param {string} text
 * @param {string} label
 */
function createBlock(text, label) {
  return h("pre", { class: "doc-block", tabindex: "0", role: "region", "aria-label": label }, h("code", {}, text));
}

/**
 * @param {Operation} operation
 * @param {OpenApi} api
 */
function createParameters(operation, api) {
  if (!operation.parameters.length) return null;
  const rows = operation.parameters.flatMap((parameter) => [
    h("dt", {}, h("code", {}, parameter.name),
      parameter.required ? h("span", { class: "doc-note" }, parameter.in === "path" ? "in the path" : "required") : null),
    h("dd", {}, h("code", { class: "doc-kind" }, formatSchema(parameter.schema, api)),
      parameter.description ? h("p", {}, ...withCode(parameter.description)) : null),
  ]);
  return createPart("Parameters", h("dl", { class: "doc-list" }, ...rows));
}

/**
 * @param {Operation} operation
 * @param {OpenApi} api
 */
function createBody({ requestBody: body }, api) {
  const [content] = Object.entries(body?.content ?? {});
  if (!body || !content) return null;
  const [mediaType, { schema }] = content;
  const optional = body.required ? "" : " It may be left out.";
  return createPart("Body", h("p", { class: "doc-note" }, `${mediaType}. ${body.description ?? ""}${optional}`),
    createBlock(formatSchema(schema, api), "Body"));
}

/**
 * @param {Operation} operation
 * @param {OpenApi} api
 */
function createAnswers(operation, api) {
  const rows = Object.entries(operation.responses).flatMap(([status, reference]) => {
    /** @type {Answer} */
    const answer = resolveReference(reference, api);
    const codes = codesOf(answer);
    const [mediaType, content] = Object.entries(answer.content ?? {})[0] ?? [];
    const summary = codes.length
      ? codes.flatMap((code, index) => [index ? " " : null, h("code", { class: "doc-code" }, code)])
      : [answer.description ?? "", mediaType ? `, ${mediaType}` : ""];
    const schema = content && !codes.length ? createBlock(formatSchema(content.schema, api), `Answer ${status}`) : null;
    return [h("dt", {}, h("code", {}, status)), h("dd", {}, h("p", {}, ...summary), schema)];
  });
  return createPart("Answers", h("dl", { class: "doc-list doc-answers" }, ...rows));
}

/**
 * A form that sends the request and shows the answer, only for operations that read. The visitor's own cookie is sent too.
 * @param {Operation} operation
 */
function createTryForm(operation) {
  if (operation.method !== "GET" || !operation.responses[200]) return null;
  const outcome = h("p", { class: "doc-outcome", role: "status" });
  const code = h("code");
  const answerBlock = h("pre", { class: "doc-block", tabindex: "0", role: "region", "aria-label": "Answer to your request", hidden: true }, code);
  const inputs = operation.parameters.map((parameter) => h("input", {
    id: `${operation.operationId}-${parameter.name}`, name: parameter.name, required: parameter.in === "path" || parameter.required,
    autocomplete: "off", spellcheck: "false", placeholder: placeholderOf(parameter),
  }));
  const fields = inputs.map((input) => h("p", { class: "doc-field" }, h("label", { for: input.id }, input.name), input));
  const submit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const address = addressOf(operation, Object.fromEntries(inputs.map((input) => [input.name, input.value])));
    setText(outcome, `Asking ${address}`);
    try {
      const answer = await fetch(address);
      const text = await answer.text();
      const isJson = answer.headers.get("Content-Type")?.includes("json");
      const shown = isJson ? JSON.stringify(JSON.parse(text), null, 2) : text;
      setText(code, shown.length > SHOWN_CHARS_MAX ? `${shown.slice(0, SHOWN_CHARS_MAX)}\n…` : shown);
      setText(outcome, `${answer.status} ${answer.statusText}: ${address}`);
      setHidden(answerBlock, false);
    } catch (error) {
      setText(outcome, `The request failed: ${errorText(error)}. Check the connection and try again.`);
      setHidden(answerBlock, true);
    }
  };
  return createPart("Try it", h("form", { class: "doc-try", on: { submit } }, ...fields,
    h("button", { class: "button", type: "submit" }, "Send")), outcome, answerBlock);
}

/** @param {Parameter} parameter */
function placeholderOf({ schema: { default: value } }) {
  return value === undefined || value === null ? null : String(value);
}

/**
 * @param {Operation} operation
 * @param {OpenApi} api
 */
function createOperation(operation, api) {
  const inside = h("div", { class: "doc-inside" });
  const summary = h("summary", {},
    h("span", { class: "doc-method", data: { method: operation.method } }, operation.method),
    h("code", { class: "doc-path" }, operation.path),
    h("span", { class: "doc-summary" }, ...withCode(operation.summary)),
    h("span", { class: "badge" }, ACCESS[operation["x-access"]] ?? ""));
  const element = h("details", { id: operation.operationId, class: "doc-operation" }, summary, inside);
  // Filled when it is first opened: most operations stay closed.
  element.addEventListener("toggle", () => {
    if (!element.open || inside.childElementCount) return;
    const parts = [
      operation.description ? h("p", {}, ...withCode(operation.description)) : null,
      createParameters(operation, api), createBody(operation, api), createAnswers(operation, api), createTryForm(operation),
      h("p", {}, h("a", { href: `#${operation.operationId}` }, "Link to this operation")),
    ];
    inside.append(...parts.filter((part) => part !== null));
  });
  return element;
}

/** @param {OpenApi} api */
function draw(api) {
  const drawn = operationsOf(api).map((operation) => ({ operation, element: createOperation(operation, api) }));
  const tags = [...new Set(drawn.map(({ operation }) => operation.tag))];
  const sections = tags.map((tag) => {
    const members = drawn.filter(({ operation }) => operation.tag === tag);
    const heading = h("h2", { id: `tag-${tag}` }, tag);
    return { members, link: h("li", {}, h("a", { href: `#tag-${tag}` }, tag)),
      element: h("section", { class: "doc-tag" }, heading, ...members.map(({ element }) => element)) };
  });
  const paragraphs = (api.info?.description ?? "").split("\n\n");
  const about = h("div", { class: "doc-about" }, ...paragraphs.map((text) => h("p", {}, ...withCode(text))));
  const nothing = h("p", { class: "empty small", hidden: true },
    "No operation matches. Try other words, or clear the search.");
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

  const followHash = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target instanceof HTMLDetailsElement) target.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", followHash);
  followHash();
}

/**
 * A sentence with its `code` marked up.
 * @param {string} text
 */
function withCode(text) {
  return text.split("`").map((piece, index) => (index % 2 ? h("code", {}, piece) : piece));
}

/** @param {unknown} error */
const errorText = (error) => (error instanceof Error ? error.message : String(error));

async function load() {
  setText(count, "Loading");
  try {
    const answer = await fetch("/api/openapi.json");
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    draw(await answer.json());
  } catch (error) {
    setText(count, "");
    const text = `The document could not be loaded: ${errorText(error)}. Check the connection and try again.`;
    main.replaceChildren(h("div", { class: "empty", role: "alert" }, h("p", {}, text),
      h("button", { class: "button", type: "button", on: { click: load } }, "Try again")));
  }
}

load();
