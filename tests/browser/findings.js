/**
 * What axe-core finds on a page: one line for each element. A function expression for playwright's `evaluate`.
 *
 * Contrast is most of what axe-core calculates. It depends only on how a text looks and on the grounds below it, so it is measured
 * on one element of each look: a table of fifty rows has a few.
 */
(async (rules) => {
  const { axe } = window;
  const CONTRAST = "color-contrast";
  // Without preload, axe-core does not fetch the style sheets again, which no rule that is on needs.
  const options = { resultTypes: ["violations"], selectors: false, preload: false };

  const grounds = new Map();
  const groundsBelow = (element) => {
    if (!element) return "";
    if (!grounds.has(element)) {
      const { backgroundColor, backgroundImage, opacity } = getComputedStyle(element);
      const own = [backgroundColor, backgroundImage, opacity].join();
      grounds.set(element, groundsBelow(element.parentElement) + (own === "rgba(0, 0, 0, 0),none,1" ? "" : `;${own}`));
    }
    return grounds.get(element);
  };
  const hasWords = (element) => element.matches("input, select, textarea")
    || [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const oneOfEachLook = () => {
    const looks = new Map();
    for (const element of document.querySelectorAll("body *:not(script, style, noscript, svg *)")) {
      if (!element.checkVisibility() || !hasWords(element)) continue;
      const { color, fontSize, fontWeight, textShadow } = getComputedStyle(element);
      const look = [groundsBelow(element), color, fontSize, fontWeight, textShadow].join("|");
      if (!looks.has(look)) looks.set(look, element);
    }
    return [...looks.values()];
  };

  const others = rules.filter((rule) => rule !== CONTRAST);
  const violations = [];
  if (others.length) violations.push(...(await axe.run({ ...options, runOnly: others })).violations);
  if (!rules.length) {
    const wanted = { "target-size": { enabled: true }, [CONTRAST]: { enabled: false } };
    violations.push(...(await axe.run({ ...options, rules: wanted })).violations);
  }
  const looks = !rules.length || rules.includes(CONTRAST) ? oneOfEachLook() : [];
  if (looks.length) violations.push(...(await axe.run({ include: looks }, { ...options, runOnly: [CONTRAST] })).violations);
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 140)} ${node.failureSummary}`));
})
