/** Creates and updates elements without markup strings. */

const elements = globalThis.Element?.prototype; // tests run without a page
if (elements && !elements.replaceChildren) {
  // Missing before Chromium 86.
  elements.replaceChildren = function (...children) {
    this.textContent = "";
    this.append(...children);
  };
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {string|number|boolean|null|undefined} AttributeValue  null, undefined and false: no attribute
 * @typedef {{[Type in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Type]) => unknown}} Listeners
 */

/**
 * h("button", {class: "vote", type: "button", data: {vote: "up"}, on: {click}}, "Up", otherElement)
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {{
 *   [attribute: string]: AttributeValue | Record<string, string|number> | Listeners,
 *   data?: Record<string, string|number>,
 *   on?: Listeners,
 * }} [attributes]
 * @param {...(Node|string|null)} children
 */
export function h(tag, { on = {}, data = {}, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [event, listener] of Object.entries(on)) {
    element.addEventListener(event, /** @type {EventListener} */ (listener));
  }
  for (const [name, value] of Object.entries(data)) element.dataset[name] = String(value);
  for (const [name, value] of Object.entries(attributes)) {
    setAttribute(element, name, /** @type {AttributeValue} */ (value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * Writes only a text that differs: an untouched node costs no style or accessibility work.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Writes only a value that differs, as `setText` does.
 * @param {Element} element
 * @param {string} name
 * @param {AttributeValue} value
 */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else {
    const text = value === true ? "" : String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/**
 * @param {HTMLElement} element
 * @param {boolean} isHidden
 */
export function setHidden(element, isHidden) {
  if (element.hidden !== isHidden) element.hidden = isHidden;
}

/**
 * Gives an element these children. Those that are in place are not touched: a button that is taken out and put back while somebody
 * presses it is never clicked.
 * @param {Element} parent
 * @param {Element[]} children
 */
export function setChildren(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}

/**
 * Draws a bar that fills `share` of its frame. The style is written through the CSSOM: the content security policy allows
 * that, but no style attributes.
 * @param {HTMLElement} bar
 * @param {number} share  0..1
 */
export function setBar(bar, share) {
  const value = share.toFixed(3);
  if (bar.style.getPropertyValue("--share") !== value) bar.style.setProperty("--share", value);
}

const MOVE_MS = 420;

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * Makes a change and animates each element from its old place to its new one (FLIP).
 * @param {Element[]} elements
 * @param {() => void} change
 */
export function animateMoves(elements, change) {
  const before = reducedMotion.matches ? [] : elements.map((element) => ({ element, box: element.getBoundingClientRect() }));
  change();
  for (const { element, box } of before) {
    const now = element.getBoundingClientRect();
    const [x, y] = [box.left - now.left, box.top - now.top];
    if (!element.isConnected || Math.hypot(x, y) < 1) continue;
    element.animate?.([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }],
      { duration: MOVE_MS, easing: "cubic-bezier(.2,.7,.2,1)" });
  }
}

const ICON_PATHS = {
  up: "M12 5.5 19 13h-4.2v5.5H9.2V13H5z",
  down: "M12 18.5 5 11h4.2V5.5h5.6V11H19z",
  back: "M14.5 5.5 8 12l6.5 6.5",
  place: "M12 21s-6.5-6-6.5-11a6.5 6.5 0 0 1 13 0c0 5-6.5 11-6.5 11Zm0-8.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5",
  star: "M12 4.2l2.4 4.9 5.4.8-3.9 3.8.9 5.4-4.8-2.6-4.8 2.6.9-5.4-3.9-3.8 5.4-.8z",
  search: "M11 4.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm4.8 11.3 4.2 4.2",
};

/**
 * @param {keyof typeof ICON_PATHS} name
 * @param {boolean} isLine  drawn as a line, else filled
 */
export function icon(name, isLine = false) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", isLine ? "icon icon-line" : "icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICON_PATHS[name]);
  svg.append(path);
  return svg;
}
