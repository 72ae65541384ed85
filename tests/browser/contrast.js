/**
 * Looks at the page's pixels: how well every visible text stands out from what is really behind it.
 *
 * `texts` is called first; then a screenshot without the texts is taken and given to `worst` in another page. A
 * computed background would miss the bars, the glow and everything else that lies behind a text without being its
 * ancestor. Both are function expressions for playwright's `evaluate`.
 */
({
  /** Every text in the window: its words, colour, size and where its letters are; afterwards no letter is drawn. */
  texts() {
    document.adoptedStyleSheets = []; // of an earlier look; the page itself has none
    const found = [];
    const add = (element, words, style, rects) => {
      for (const { left, top, right, bottom: end } of rects) {
        // The picture ends with the window; what is below would be taken for black.
        const bottom = Math.min(end, innerHeight);
        const x = (left + right) / 2;
        const y = (top + bottom) / 2;
        if (right - left < 2 || bottom - top < 2) continue;
        const seen = document.elementFromPoint(x, y);
        // Clipped, covered, or only for screen readers.
        if (!seen || !(element.contains(seen) || seen.contains(element) || covers(seen, element))) continue;
        const size_px = parseFloat(style.fontSize);
        const isLarge = size_px >= 24 || (size_px >= 18.66 && Number(style.fontWeight) >= 700);
        found.push({ words, color: style.color, isLarge, box: [left, top, right, bottom].map(Math.round) });
      }
    };
    // The rows' own layers let pointers through; the row itself is what is hit.
    const covers = (seen, element) => seen.matches("a, button, label") && seen.closest("li, p, div")?.contains(element);
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode;
      const element = node.parentElement;
      const words = node.textContent.trim();
      if (!words || element.closest(".sr, .skip, noscript, [hidden]") || !element.checkVisibility()) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      add(element, words, getComputedStyle(element), range.getClientRects());
    }
    for (const input of document.querySelectorAll("input[placeholder]")) {
      const { left, top, right, bottom } = input.getBoundingClientRect();
      const letters = { left: left + 50, right: right - 20, top: top + 14, bottom: bottom - 14 };
      add(input, input.placeholder, getComputedStyle(input, "::placeholder"), [letters]);
    }
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("*, ::placeholder { color: transparent !important; caret-color: transparent !important }");
    document.adoptedStyleSheets = [sheet];
    return found;
  },

  /**
   * For each text its lowest contrast with what is behind its letters (WCAG 2, relative luminance). The worst
   * twentieth of the pixels is left out: the end of a bar is a thin line that passes behind a letter at most.
   */
  async worst({ texts, picture }) {
    const image = new Image();
    image.src = `data:image/png;base64,${picture}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const luminance = ([red, green, blue]) =>
      0.2126 * linear(red / 255) + 0.7152 * linear(green / 255) + 0.0722 * linear(blue / 255);
    return texts.map(({ words, color, isLarge, box: [left, top, right, bottom] }) => {
      const [red, green, blue, alpha = 1] = color.match(/[\d.]+/g).map(Number);
      const { data } = context.getImageData(left, top, Math.max(1, right - left), Math.max(1, bottom - top));
      const contrasts = [];
      for (let at = 0; at < data.length; at += 4) {
        const behind = [data[at], data[at + 1], data[at + 2]];
        const letter = [red, green, blue].map((value, index) => value * alpha + behind[index] * (1 - alpha));
        const [low, high] = [luminance(behind), luminance(letter)].sort((a, b) => a - b);
        contrasts.push((high + 0.05) / (low + 0.05));
      }
      const contrast = contrasts.sort((a, b) => a - b)[Math.floor(contrasts.length / 20)];
      return { words, color, contrast, isEnough: contrast >= (isLarge ? 3 : 4.5) };
    });
  },
})
