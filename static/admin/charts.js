/** Charts of the figures as plain SVG. Colours come from the style sheet, so both themes work. */
import { h, setText } from "../dom.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [360, 64];

/**
 * @param {string} tag
 * @param {Record<string, string|number>} attributes
 */
function s(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/**
 * The values from the first one that was measured; at least `least` of them, where there are as many.
 * @param {(number|null)[]} values
 * @param {number} least
 */
export function sinceMeasured(values, least) {
  const first = values.findIndex((value) => value !== null);
  return values.slice(Math.max(0, Math.min(first < 0 ? values.length : first, values.length - least)));
}

/**
 * The points of a line, and a break where nothing was measured. A single value is a dot.
 * @param {(number|null)[]} values
 * @param {number} top
 */
export function pathOf(values, top) {
  let isDrawing = false;
  const parts = values.map((value, index) => {
    if (value === null) {
      isDrawing = false;
      return "";
    }
    const x = (index / Math.max(1, values.length - 1)) * WIDTH;
    const point = `${x.toFixed(1)} ${(HEIGHT - 2 - (value / top) * (HEIGHT - 6)).toFixed(1)}`;
    const part = isDrawing ? `L${point}` : `M${point}h0`;
    isDrawing = true;
    return part;
  });
  return parts.join("");
}

/**
 * The next round number, for the top of a chart.
 * @param {number} value
 */
export function roundedUp(value) {
  if (value <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * unit >= value) ?? 10) * unit;
}

/**
 * A figure: its name, its value, and its line over a time.
 * @param {string} title
 */
export function createFigure(title) {
  const value = h("strong", { class: "figure-value" });
  const top = h("span", { class: "figure-top" });
  const line = s("path", { class: "figure-line" });
  const svg = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": title });
  svg.append(s("line", { class: "figure-base", x1: 0, x2: WIDTH, y1: HEIGHT - 2, y2: HEIGHT - 2 }), line);
  const element = h("figure", { class: "figure" },
    h("figcaption", {}, h("span", { class: "figure-title" }, title), value), top);
  element.append(svg);
  return {
    element,
    /** @param {{value: string, top: string, label: string, values: (number|null)[], highest: number}} drawn  label: for screen readers */
    update(drawn) {
      setText(value, drawn.value);
      setText(top, drawn.top);
      line.setAttribute("d", pathOf(drawn.values, roundedUp(drawn.highest)));
      svg.setAttribute("aria-label", drawn.label);
    },
  };
}

/**
 * A figure of the last hour.
 * @param {string} title
 * @param {(value: number|null) => string} format
 */
export function createChart(title, format) {
  const figure = createFigure(title);
  return {
    element: figure.element,
    /**
     * @param {number|null} now
     * @param {(number|null)[]} values
     * @param {string} span  the time over which they reach
     */
    update(now, values, span) {
      const highest = Math.max(0, ...values.filter((one) => one !== null));
      figure.update({
        value: format(now),
        top: values.some((one) => one !== null) ? `${span} · up to ${format(highest)}` : `${span} · nothing measured`,
        label: `${title}: now ${format(now)}, at most ${format(highest)} in ${span}`,
        values,
        highest,
      });
    },
  };
}
