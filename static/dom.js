/** Building and updating elements without markup strings. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * h("button", {class: "vote", type: "button", data: {vote: "up"}, on: {click}}, "Up", otherElement)
 * @param {string} tag
 * @param {Record<string, any>} [attributes]  null, undefined and false are left out
 * @param {...(Node|string|null)} children
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "data") Object.assign(element.dataset, value);
    else setAttribute(element, name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Writes only what differs: an untouched node costs no style or accessibility work. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else {
    const text = value === true ? "" : String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

export function setHidden(element, isHidden) {
  if (element.hidden !== isHidden) element.hidden = isHidden;
}

/**
 * Draws a bar as long as `share` of its frame. Written through the CSSOM, which the content security policy allows, unlike
 * style attributes.
 */
export function slideBar(bar, share) {
  const transform = `translateX(${((share - 1) * 100).toFixed(1)}%)`;
  if (bar.style.transform !== transform) bar.style.transform = transform;
}

const MOVE_MS = 420;

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Makes a change, and lets each element slide from where it was before to where it is then (FLIP). */
export function sliding(elements, change) {
  const before = calm.matches ? [] : elements.map((element) => element.getBoundingClientRect());
  change();
  before.forEach(({ left, top }, index) => {
    const now = elements[index].getBoundingClientRect();
    const [x, y] = [left - now.left, top - now.top];
    if (!elements[index].isConnected || Math.hypot(x, y) < 1) return;
    elements[index].animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }],
      { duration: MOVE_MS, easing: "cubic-bezier(.2,.7,.2,1)" });
  });
}

const PATHS = {
  up: "M12 5.5 19 13h-4.2v5.5H9.2V13H5z",
  down: "M12 18.5 5 11h4.2V5.5h5.6V11H19z",
  back: "M14.5 5.5 8 12l6.5 6.5",
  search: "M11 4.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm4.8 11.3 4.2 4.2",
};

export function icon(name, isLine = false) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", isLine ? "icon icon-line" : "icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
