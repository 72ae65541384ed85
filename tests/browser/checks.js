/**
 * What can be wrong with a page for somebody who reads it large, from right to left, in the system's colours or without a mouse.
 * Each function gives one line for each element that it finds. A function expression for playwright's `evaluate`, as contrast.js.
 */
({
  /** Elements that reach past an edge of the window. What scrolls sideways by itself is left out. */
  outside() {
    return this.seen("body *").filter((element) => {
      const { left, right, width } = element.getBoundingClientRect();
      const isMeant = element.closest(".trending-items, .table-frame, .doc-block, .row, .song, .vote-row, .trending-item, .skip, .notice");
      return width > 0 && !isMeant && (right > document.documentElement.clientWidth + 1 || left < -1);
    }).map((element) => this.named(element));
  },

  /** Elements that hide a part of what they hold. A name may end with an ellipsis; the page of its owner shows it whole. */
  cut() {
    return this.seen("body *:not(input, textarea, select, option, thead, svg, svg *)").filter((element) => {
      const { overflowX, overflowY, textOverflow } = getComputedStyle(element);
      if (textOverflow === "ellipsis" && element.closest("[translate=no]")) return false;
      const [beyond_x, beyond_y] = [element.scrollWidth - element.clientWidth, element.scrollHeight - element.clientHeight];
      if (element.matches(".trending-items, .row, .song, .trending-item, .vote-row, .bar, .songs, .tag[title]")) return false;
      return (beyond_x > 1 && overflowX === "hidden") || (beyond_y > 3 && overflowY === "hidden");
    }).map((element) => `${this.named(element)} ${element.scrollWidth - element.clientWidth} ${element.scrollHeight - element.clientHeight}`);
  },

  /** Controls that are smaller than a finger. A link in a text is no larger than its line; axe-core wants 24 pixels or room around it. */
  small(size_px) {
    const controls = this.seen("button, select, summary, input:not([type=checkbox], [type=radio]), textarea, a[href]").filter((element) => {
      const { display } = getComputedStyle(element);
      const isInText = display === "inline" || (display === "inline-block" && element.parentElement.matches("p, .line-text"));
      return !(element.matches("a") && isInText);
    });
    const boxes = this.seen("input[type=checkbox], input[type=radio]").map((box) => box.labels[0] || box);
    return [...controls, ...boxes].filter((element) => {
      const { width, height } = this.hitBox(element);
      return Math.min(width, height) < size_px - 0.5;
    }).map((element) => `${this.named(element)} ${Math.round(this.hitBox(element).width)} x ${Math.round(this.hitBox(element).height)}`);
  },

  /** The box of a control; of a link that is laid over its card (::after), that of the card. */
  hitBox(element) {
    const cover = getComputedStyle(element, "::after");
    const isOver = cover.content !== "none" && cover.position === "absolute" && cover.top === "0px" && cover.bottom === "0px";
    return (isOver ? element.offsetParent || element : element).getBoundingClientRect();
  },

  /** Where everything is. Called before `unmirrored`. */
  notePlaces() {
    this.kept().places = this.boxes().map((element) => [element, this.place(element)]);
  },

  /** After `dir` has become "rtl": elements that are not where a mirror shows them, and texts with a side of their own. */
  unmirrored() {
    const width_px = document.documentElement.clientWidth;
    return this.kept().places.filter(([element, [left, right]]) => {
      const [now_left, now_right] = this.place(element);
      if (Math.abs(width_px - now_right - left) > 2 || Math.abs(width_px - now_left - right) > 2) return true;
      return ["left", "right"].includes(getComputedStyle(element).textAlign);
    }).map(([element, [left, right]]) => {
      const [now_left, now_right] = this.place(element).map(Math.round);
      return `${this.named(element)} ${Math.round(left)} to ${Math.round(right)}, then ${now_left} to ${now_right}`;
    });
  },

  place(element) {
    const { left, right } = element.getBoundingClientRect();
    return [left, right];
  },

  /** Boxes that follow the direction of the page. What stands in a line of text follows the letters. */
  boxes() {
    return this.seen("body *:not(svg *, option)").filter((element) => {
      if (getComputedStyle(element).display.startsWith("inline")) return false;
      return !element.parentElement.closest("[dir=auto], [dir=ltr]");
    });
  },

  /** Notes what is drawn with a background alone: a bar, a dot. Called before `vanished`. */
  notePainted() {
    this.kept().painted = this.seen("body *:not(svg, svg *, input, select, textarea, option, .skeleton)").filter((element) => {
      const { width, height } = element.getBoundingClientRect();
      return !element.textContent.trim() && !element.querySelector("svg, img") && width >= 2 && height >= 2 && this.isPainted(element);
    });
  },

  isPainted(element) {
    const { backgroundColor, backgroundImage } = getComputedStyle(element);
    const ground = (one) => one ? getComputedStyle(one).backgroundColor : "";
    const isClear = (color) => /^rgba.*, 0\)$/.test(color); // also a white one, in forced colours
    let parent = element.parentElement;
    while (parent && isClear(ground(parent))) parent = parent.parentElement;
    return backgroundImage !== "none" || (!isClear(backgroundColor) && backgroundColor !== ground(parent));
  },

  /** In forced colours: what was drawn and has neither a border nor a colour of its own any more; and pressed buttons that look like others. */
  vanished() {
    const hasBorder = (style) => ["Top", "Right", "Bottom", "Left"].some((side) =>
      style[`border${side}Style`] !== "none" && parseFloat(style[`border${side}Width`]) > 0);
    const gone = this.kept().painted.filter((element) => {
      const style = getComputedStyle(element);
      return element.isConnected && !hasBorder(style) && !this.isPainted(element);
    });
    const look = (element) => {
      const { backgroundColor, color, borderTopColor, borderTopWidth, borderTopStyle, outlineStyle, textDecorationLine } = getComputedStyle(element);
      return [backgroundColor, color, borderTopColor, borderTopWidth, borderTopStyle, outlineStyle, textDecorationLine].join();
    };
    const alike = this.seen("[aria-pressed=true], [aria-current]").filter((element) => {
      const group = element.closest("ul, ol, [role=group], .chips, .switches, nav") || element.parentElement;
      const others = [...group.querySelectorAll("[aria-pressed=false], a:not([aria-current])")];
      return others.some((other) => other.className === element.className && look(other) === look(element));
    });
    return [...gone, ...alike].map((element) => this.named(element));
  },

  /** Controls that the keyboard does not reach, whose focus cannot be seen, or that something covers while they have it. */
  unfocused() {
    const all = this.seen("a[href], button, input, select, textarea, summary, [tabindex]")
      .filter((element) => element.tabIndex >= 0 && !element.disabled && !element.closest(".skip"));
    const found = [];
    for (const element of all) {
      if (!element.isConnected || !element.checkVisibility()) continue;
      element.focus();
      const problem = document.activeElement !== element ? "takes no focus" : element.tabIndex > 0 ? "has an order of its own"
        : !this.showsFocus(element) ? "shows no focus" : this.isCovered(element) ? "is covered" : "";
      if (problem) found.push(`${this.named(element)} ${problem}`);
    }
    document.activeElement?.blur();
    scrollTo(0, 0);
    return found;
  },

  showsFocus(element) {
    const isOutlined = (one, part) => {
      const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(one, part);
      return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && outlineColor !== "rgba(0, 0, 0, 0)";
    };
    const near = [element, element.nextElementSibling, element.parentElement, element.parentElement?.parentElement];
    return near.some((one) => one && (isOutlined(one, null) || isOutlined(one, "::after")));
  },

  isCovered(element) {
    const box = [...element.getClientRects()].find(({ width, height }) => width > 1 && height > 1);
    if (!box) return false;
    const [x, y] = [(Math.max(0, box.left) + Math.min(innerWidth, box.right)) / 2, (Math.max(0, box.top) + Math.min(innerHeight, box.bottom)) / 2];
    const hit = document.elementFromPoint(x, y);
    return !hit || !(element.contains(hit) || hit.contains(element) || [...(element.labels || [])].some((label) => label.contains(hit)));
  },

  /** Animations that run although the reader wants none. */
  moving() {
    return document.getAnimations().map(({ effect }) => this.named(effect.target));
  },

  /** Adds a style sheet to the page's own, instead of the one of an earlier call. */
  style(text) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    document.adoptedStyleSheets = [sheet];
  },

  seen(selector) {
    return [...document.querySelectorAll(selector)].filter((element) =>
      element.checkVisibility({ visibilityProperty: true }) && !element.closest(".sr, .skip, noscript") && element.getClientRects().length);
  },

  kept() {
    window.keptByChecks = window.keptByChecks || {};
    return window.keptByChecks;
  },

  named(element) {
    return element.outerHTML.replace(/\s+/g, " ").slice(0, 110);
  },
})
