/** JSON schemas of an OpenAPI document as a few lines that a person can read. */

/** What a reference stands for; anything else stands for itself. */
export function resolve(thing, api) {
  while (thing?.$ref) thing = thing.$ref.slice(2).split("/").reduce((inner, step) => inner[step], api);
  return thing;
}

/**
 * outline({type: "object", properties: {id: {type: "integer"}}, required: []}, api) is "{\n  id?: integer\n}".
 * @param {object} schema
 * @param {object} api  the document, for its references
 * @param {string} [indent]  of the lines after the first
 * @param {string[]} [above]  the references that lead here: one that comes again is named, not drawn
 */
export function outline(schema, api, indent = "", above = []) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").at(-1);
    return above.includes(schema.$ref) ? name : outline(resolve(schema, api), api, indent, [...above, schema.$ref]);
  }
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map((choice) => outline(choice, api, indent, above)).join(" | ");
  if (schema.type === "array") return list(schema, api, indent, above);
  if (schema.type === "object" || schema.properties) return object(schema, api, indent, above);
  return plain(schema);
}

/** A number, text or truth value, with its bounds. */
function plain(schema) {
  const kind = [].concat(schema.type ?? "anything").join(" | ");
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  const notes = [
    schema.format,
    minimum !== undefined && `≥ ${minimum}`,
    exclusiveMinimum !== undefined && `> ${exclusiveMinimum}`,
    maximum !== undefined && `≤ ${maximum}`,
    exclusiveMaximum !== undefined && `< ${exclusiveMaximum}`,
    schema.minLength > 0 && `at least ${schema.minLength} characters`,
    schema.maxLength !== undefined && `at most ${schema.maxLength} characters`,
    schema.pattern && `like ${schema.pattern}`,
    schema.default !== undefined && schema.default !== null && `otherwise ${JSON.stringify(schema.default)}`,
  ].filter(Boolean);
  return notes.length ? `${kind} (${notes.join(", ")})` : kind;
}

function list(schema, api, indent, above) {
  if (schema.prefixItems) return `[${schema.prefixItems.map((item) => outline(item, api, indent, above)).join(", ")}]`;
  const items = outline(schema.items ?? {}, api, indent, above);
  const [least, most] = [schema.minItems > 0 && `at least ${schema.minItems}`, schema.maxItems && `at most ${schema.maxItems}`];
  const notes = [least, most].filter(Boolean);
  return `[${items}, …]${notes.length ? ` (${notes.join(", ")})` : ""}`;
}

function object(schema, api, indent, above) {
  const deeper = `${indent}  `;
  const lines = Object.entries(schema.properties ?? {}).map(([name, inner]) => {
    const mark = schema.required?.includes(name) ? "" : "?";
    const said = inner.description ? `  — ${inner.description}` : "";
    return `${deeper}${name}${mark}: ${outline(inner, api, deeper, above)}${said}`;
  });
  if (typeof schema.additionalProperties === "object") {
    lines.push(`${deeper}[name]: ${outline(schema.additionalProperties, api, deeper, above)}`);
  }
  return lines.length ? `{\n${lines.join("\n")}\n${indent}}` : "{ … }";
}

/** Every operation of a document, in its order: {method, path, tag, parameters, …}. */
export function operationsOf(api) {
  return Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation, path, method: method.toUpperCase(), tag: operation.tags[0], parameters: operation.parameters ?? [],
    })));
}

/** The codes that an answer may carry. */
export function codesOf(answer) {
  const schema = answer.content?.["application/problem+json"]?.schema;
  return schema?.properties?.code?.enum ?? [];
}

/** Whether every word of `wanted` stands somewhere in the operation. */
export function matches(operation, wanted) {
  const names = operation.parameters.map((parameter) => parameter.name);
  const { method, path, summary, description = "", tag } = operation;
  const text = [method, path, summary, description, tag, operation["x-access"], ...names].join(" ").toLowerCase();
  return wanted.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** Where a try goes: the path with its values, and the parameters that have one. */
export function addressOf(operation, values) {
  const path = operation.path.replace(/\{(\w+)[^}]*\}/g, (_, name) => encodeURIComponent(values[name] ?? ""));
  const query = new URLSearchParams();
  for (const { name, in: place } of operation.parameters) if (place === "query" && values[name]) query.set(name, values[name]);
  return query.size ? `${path}?${query}` : path;
}
