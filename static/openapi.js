/** Reads an OpenAPI document: its operations, their codes, and its JSON schemas as text for people. */

/**
 * The parts of an OpenAPI 3.1 document that the page reads.
 * @typedef {{
 *   $ref?: string, type?: string|string[], const?: unknown, enum?: unknown[], anyOf?: Schema[], oneOf?: Schema[],
 *   properties?: Record<string, Schema>, required?: string[], additionalProperties?: Schema|boolean,
 *   items?: Schema, prefixItems?: Schema[], minItems?: number, maxItems?: number,
 *   minimum?: number, maximum?: number, exclusiveMinimum?: number, exclusiveMaximum?: number,
 *   minLength?: number, maxLength?: number, pattern?: string, format?: string, default?: unknown, description?: string,
 * }} Schema
 * @typedef {Record<string, {schema: Schema}>} Content  by media type
 * @typedef {{$ref?: string, description?: string, content?: Content}} Answer
 * @typedef {{name: string, in: string, required?: boolean, description?: string, schema: Schema}} Parameter
 * @typedef {{
 *   operationId: string, summary: string, description?: string, tags: string[], parameters?: Parameter[],
 *   requestBody?: {required?: boolean, description?: string, content: Content}, responses: Record<string, Answer>,
 *   "x-access": string,
 * }} DocumentOperation
 * @typedef {{
 *   paths: Record<string, Record<string, DocumentOperation>>, info?: {description: string}, components?: object,
 * }} OpenApi
 * @typedef {DocumentOperation & {path: string, method: string, tag: string, parameters: Parameter[]}} Operation
 */

/**
 * The object that a reference names. An object without a reference is returned as it is.
 * @template {{$ref?: string}} Thing
 * @param {Thing} thing
 * @param {OpenApi} api
 * @returns {Thing}
 */
export function resolveReference(thing, api) {
  let resolved = thing;
  while (resolved.$ref) {
    const steps = resolved.$ref.slice(2).split("/");
    // The document decides which type a reference leads to.
    resolved = steps.reduce((/** @type {any} */ inner, step) => inner[step], api);
  }
  return resolved;
}

/**
 * A schema as text: {type: "object", properties: {id: {type: "integer"}}, required: []} gives "{\n  id?: integer\n}".
 * @param {Schema} schema
 * @param {OpenApi} api  the document, for its references
 * @param {string} [indent]  of the lines after the first
 * @param {string[]} [above]  references that contain this schema: a schema that contains itself is named, not written again
 * @returns {string}
 */
export function formatSchema(schema, api, indent = "", above = []) {
  if (schema.$ref) {
    const name = schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1);
    return above.includes(schema.$ref) ? name
      : formatSchema(resolveReference(schema, api), api, indent, [...above, schema.$ref]);
  }
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map((choice) => formatSchema(choice, api, indent, above)).join(" | ");
  if (schema.type === "array") return formatArray(schema, api, indent, above);
  if (schema.type === "object" || schema.properties) return formatObject(schema, api, indent, above);
  return formatScalar(schema);
}

/**
 * A number, a text or a boolean, with its bounds.
 * @param {Schema} schema
 */
function formatScalar(schema) {
  const kind = [schema.type ?? "anything"].flat().join(" | ");
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength } = schema;
  const notes = [
    schema.format,
    minimum !== undefined && `≥ ${minimum}`,
    exclusiveMinimum !== undefined && `> ${exclusiveMinimum}`,
    maximum !== undefined && `≤ ${maximum}`,
    exclusiveMaximum !== undefined && `< ${exclusiveMaximum}`,
    minLength && `at least ${minLength} characters`,
    schema.maxLength !== undefined && `at most ${schema.maxLength} characters`,
    schema.pattern && `pattern ${schema.pattern}`,
    schema.default !== undefined && schema.default !== null && `default ${JSON.stringify(schema.default)}`,
  ].filter(Boolean);
  return notes.length ? `${kind} (${notes.join(", ")})` : kind;
}

/** @type {(schema: Schema, api: OpenApi, indent: string, above: string[]) => string} */
function formatArray(schema, api, indent, above) {
  if (schema.prefixItems) {
    return `[${schema.prefixItems.map((item) => formatSchema(item, api, indent, above)).join(", ")}]`;
  }
  const items = formatSchema(schema.items ?? {}, api, indent, above);
  const least = schema.minItems && `at least ${schema.minItems}`;
  const most = schema.maxItems && `at most ${schema.maxItems}`;
  const notes = [least, most].filter(Boolean);
  return `[${items}, …]${notes.length ? ` (${notes.join(", ")})` : ""}`;
}

/** @type {(schema: Schema, api: OpenApi, indent: string, above: string[]) => string} */
function formatObject(schema, api, indent, above) {
  const deeper = `${indent}  `;
  const lines = Object.entries(schema.properties ?? {}).map(([name, inner]) => {
    const mark = schema.required?.includes(name) ? "" : "?";
    const description = inner.description ? `  — ${inner.description}` : "";
    return `${deeper}${name}${mark}: ${formatSchema(inner, api, deeper, above)}${description}`;
  });
  if (typeof schema.additionalProperties === "object") {
    lines.push(`${deeper}[name]: ${formatSchema(schema.additionalProperties, api, deeper, above)}`);
  }
  return lines.length ? `{\n${lines.join("\n")}\n${indent}}` : "{ … }";
}

/**
 * All operations of a document, in its order.
 * @param {OpenApi} api
 * @returns {Operation[]}
 */
export function operationsOf(api) {
  return Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation, path, method: method.toUpperCase(), tag: operation.tags[0] ?? "", parameters: operation.parameters ?? [],
    })));
}

/**
 * The error codes that an answer may carry.
 * @param {Answer} answer
 * @returns {string[]}
 */
export function codesOf(answer) {
  const schema = answer.content?.["application/problem+json"]?.schema;
  return /** @type {string[]} */ (schema?.properties?.code?.enum ?? []);
}

/**
 * Whether the operation contains every word of `wanted`.
 * @param {Operation} operation
 * @param {string} wanted
 */
export function matches(operation, wanted) {
  const names = operation.parameters.map((parameter) => parameter.name);
  const { method, path, summary, description = "", tag } = operation;
  const text = [method, path, summary, description, tag, operation["x-access"], ...names].join(" ").toLowerCase();
  return wanted.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/**
 * The address of a request: the path with its values, and the query parameters that have a value.
 * @param {Pick<Operation, "path"|"parameters">} operation
 * @param {Record<string, string>} values
 */
export function addressOf(operation, values) {
  const path = operation.path.replace(/\{(\w+)[^}]*\}/g, (_, name) => encodeURIComponent(values[name] ?? ""));
  const query = new URLSearchParams();
  for (const { name, in: location } of operation.parameters) {
    const value = values[name];
    if (location === "query" && value) query.set(name, value);
  }
  return query.size ? `${path}?${query}` : path;
}
