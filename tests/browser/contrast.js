/**
 * Measures on the page's pixels how well every visible text stands out from its real background.
 *
 * Call `collectTexts` first. Then take a screenshot, which shows no letters, and give it to `measureContrast` in another
 * tab. Computed styles would miss bars, glow and everything else that lies behind a text without being its ancestor.
 * Both are function expressions for playwright's `evaluate`.
 */
({
  /** Every text in the window: its words, colour, size and the box of its letters. Afterwards no letter is drawn. */
  collectTexts() {
    document.adoptedStyleSheets = []; // those of an earlier call; the page itself has none
    const found = [];
    const add = (element, words, style, rects) => {
      for (const { left: begin, top, right: edge, bottom: end } of rects) {
        const left = Math.max(begin, 0); // scrolled out of its row
        // The screenshot ends with the window; pixels below and beside it would count as black.
        const right = Math.min(edge, innerWidth);
        const bottom = Math.min(end, innerHeight);
        const x = (left + right) / 2;
        const y = (top + bottom) / 2;
        if (right - left < 2 || bottom - top < 2) continue;
        const hit = document.elementFromPoint(x, y);
        // Clipped, covered, or only for screen readers.
        if (!hit || !(element.contains(hit) || hit.contains(element) || isControlOver(hit, element))) continue;
        const size_px = parseFloat(style.fontSize);
        const isLarge = size_px >= 24 || (size_px >= 18.66 && Number(style.fontWeight) >= 700);
        found.push({ words, color: style.color, isLarge, box: [left, top, right, bottom].map(Math.round) });
      }
    };
    // The layers of a row let pointers through, so the row itself is hit.
    const isControlOver = (hit, element) =>
      hit.matches("a, button, label") && hit.closest("li, p, div")?.contains(element);
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
   * The lowest contrast of each text with the pixels behind its letters (WCAG 2, relative luminance). Left out are the
   * three worst columns, because the end of a bar is a thin line that may pass behind a letter, and the worst twentieth
   * of the other pixels.
   */
  async measureContrast({ texts, picture }) {
    const LINE_COLUMNS = 3;
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
      const [width, height] = [Math.max(1, right - left), Math.max(1, bottom - top)];
      const { data } = context.getImageData(left, top, width, height);
      const known = new Map(); // most pixels of a text share a few colours
      const contrastAt = (pixel) => {
        const behind = [data[4 * pixel], data[4 * pixel + 1], data[4 * pixel + 2]];
        const key = (behind[0] << 16) | (behind[1] << 8) | behind[2];
        if (!known.has(key)) {
          const letter = [red, green, blue].map((value, index) => value * alpha + behind[index] * (1 - alpha));
          const [low, high] = [luminance(behind), luminance(letter)].sort((a, b) => a - b);
          known.set(key, (high + 0.05) / (low + 0.05));
        }
        return known.get(key);
      };
      const columns = Array.from({ length: width }, (_, x) => {
        const pixels = Array.from({ length: height }, (_, y) => contrastAt(y * width + x));
        return { pixels, worst: Math.min(...pixels) };
      });
      columns.sort((a, b) => a.worst - b.worst);
      const contrasts = columns.slice(Math.min(LINE_COLUMNS, width - 1)).flatMap(({ pixels }) => pixels);
      contrasts.sort((a, b) => a - b);
      const contrast = contrasts[Math.floor(contrasts.length / 20)];
      return { words, color, contrast, isEnough: contrast >= (isLarge ? 3 : 4.5) };
    });
  },
})
