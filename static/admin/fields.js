/** Fields of forms: of the filters of a page, and of the dialog before an act. */
import { h } from "../dom.js";
import { createPicker } from "./picker.js";

/**
 * @import { Field } from "./types.js"
 * @typedef {HTMLInputElement|HTMLSelectElement|HTMLTextAreaElement} Control
 */

let made = 0;

/** @param {Field} field */
function createControl(field) {
  const { name, type = "text", required = false, value = "", attributes = {} } = field;
  const id = `field-${name}-${++made}`;
  if (type === "select") {
    const control = h("select", { id, name, required, ...attributes }, ...(field.options ?? []).map(([option, text]) =>
      h("option", { value: option, selected: option === value }, text)));
    return control;
  }
  if (type === "textarea") return h("textarea", { id, name, required, rows: 4, ...attributes }, value);
  const control = h("input", { id, name, type, required, autocomplete: "off", ...attributes });
  if (type === "checkbox") control.checked = value === "on";
  else control.value = value;
  return control;
}

/** @param {Control} control */
const contentOf = (control) => (control instanceof HTMLInputElement && control.type === "checkbox" ? (control.checked ? "on" : "") : control.value.trim());

/**
 * @param {Field[]} fields
 * @returns {{elements: HTMLElement[], controls: Record<string, Control>, values(): Record<string, string>, renew(newer: Field[]): void}}
 *   values: a checkbox is "on" or empty; renew: takes newer values of fields that nobody has changed
 */
export function createFields(fields) {
  /** @type {Record<string, Control>} */
  const controls = {};
  /** @type {Record<string, (field: Field) => void>} */
  const setters = {};
  const elements = fields.map((field) => {
    if (field.picks) {
      const { input, value, element, hold } = createPicker(`field-${field.name}-${++made}`, field.name, field.picks);
      controls[field.name] = value;
      setters[field.name] = ({ picks }) => hold(picks?.chosen ?? []);
      return h("div", { class: "field" }, h("label", { for: input.id }, field.label), element);
    }
    const control = createControl(field);
    controls[field.name] = control;
    setters[field.name] = ({ value = "" }) => {
      if (control instanceof HTMLInputElement && control.type === "checkbox") control.checked = value === "on";
      else control.value = value;
    };
    const hint = field.hint ? h("span", { class: "field-hint", id: `${control.id}-hint` }, field.hint) : null;
    if (hint) control.setAttribute("aria-describedby", hint.id);
    const label = h("label", { for: control.id }, field.label);
    return field.type === "checkbox"
      ? h("p", { class: "check" }, control, label)
      : h("p", { class: "field" }, label, control, hint);
  });
  const values = () => Object.fromEntries(Object.entries(controls).map(([name, control]) => [name, contentOf(control)]));
  let begun = values();
  return {
    elements, controls, values,
    renew(newer) {
      const now = values();
      for (const field of newer) {
        if (now[field.name] !== begun[field.name]) continue;
        setters[field.name]?.(field);
        begun = { ...begun, [field.name]: values()[field.name] ?? "" };
      }
    },
  };
}

/**
 * A form of filters above a list: it acts as soon as a field changes.
 * @param {string} label
 * @param {Field[]} fields
 * @param {(values: Record<string, string>) => void} onChange
 */
export function createFilters(label, fields, onChange) {
  const { elements, controls, values } = createFields(fields);
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  const now = () => {
    clearTimeout(timer);
    onChange(values());
  };
  const element = h("form", { class: "filter-form", role: "search", "aria-label": label, on: {
    submit: (event) => {
      event.preventDefault();
      now();
    },
    change: now,
    input: () => {
      clearTimeout(timer);
      timer = setTimeout(now, 300);
    },
  } }, ...elements);
  return { element, controls, values };
}
