"""What every page must keep to, all on one load: axe-core, contrast, small windows, wide letters, right to left, forced colours, keyboard."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]  # it has no types
from playwright.async_api import Page, ViewportSize

from tests.browser.pages import PHONE

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# A window of 1,440 pixels at 200 %, and one of 1,280 at 400 % (WCAG 1.4.10).
ZOOMED: tuple[ViewportSize, ...] = ({"width": 720, "height": 450}, {"width": 320, "height": 256})
# WCAG 1.4.12.
WIDE_LETTERS = (
    "* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }"
    " p { margin-bottom: 2em !important }"
)
FINGER_PX = 44
HAS_NO_OVERFLOW = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
# The elements that reach past the right edge, for the message of a failed assertion. The trending shows scroll sideways.
OVERFLOWING = """() => [...document.querySelectorAll("main *, header *")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".row, .trending-items"))
    .map((element) => element.outerHTML.slice(0, 120))"""
CONTRAST = Path(__file__).with_name("contrast.js").read_text()
FINDINGS = Path(__file__).with_name("findings.js").read_text()
CHECKS = f"window.checks = {Path(__file__).with_name('checks.js').read_text()}; undefined"
# Two animations never end and are not waited for: the dot of a page that reconnects, the beat beside a song that plays.
ANIMATIONS_ENDED = """async () => {
    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
    await Promise.all(document.getAnimations()
    .filter((running) => running.effect.getComputedTiming().endTime < Infinity)
    .map((running) => running.finished.catch(() => {})));
}"""

WATCH_POLICY = (
    "addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective}`))"
)


async def findings(page: Page, *rules: str) -> list[str]:
    """What axe-core finds (findings.js). Takes: rules, only these; none: all, and that for the size of targets."""
    # A colour in the middle of a transition is nobody's colour.
    await page.evaluate(ANIMATIONS_ENDED)
    if not await page.evaluate("() => Boolean(window.axe)"):
        await page.evaluate(AXE_SCRIPT)
    found: list[str] = await page.evaluate(FINDINGS, list(rules))
    return found


async def faint_texts(page: Page, canvas: Page, height: int = 2400) -> list[str]:
    """Texts in the first `height` pixels with a contrast below 4.5 to 1 (3 to 1 when large). Hides all texts."""
    assert page.viewport_size is not None
    await page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
    # Texts under the sticky header would be measured against it.
    await page.evaluate("() => scrollTo(0, 0)")
    await page.evaluate(ANIMATIONS_ENDED)
    texts: list[dict[str, Any]] = []
    picture = b""
    # A page that goes on living may move a text between the two: then the picture is of another page.
    while (found := await page.evaluate(f"() => ({CONTRAST}).collectTexts()")) != texts:
        texts = found
        picture = await page.screenshot(animations="disabled", scale="css")
    assert len(texts) > 10
    given = {"texts": texts, "picture": base64.b64encode(picture).decode()}
    measured = await canvas.evaluate(f"(given) => ({CONTRAST}).measureContrast(given)", given)
    return [f"{text['words']}: {text['contrast']:.2f}, {text['color']}" for text in measured if not text["isEnough"]]


async def found_by(page: Page, where: str, *names: str) -> list[str]:
    """What checks of checks.js find. Takes: where, begins each line; names, with their arguments."""
    lines = await page.evaluate(f"() => [{', '.join(f'...checks.{name}' for name in names)}]")
    return [f"{where}: {line}" for line in lines]


async def mirror_problems(page: Page) -> list[str]:
    """What is not where a mirror shows it when the page runs from right to left."""
    await page.evaluate("() => { checks.notePlaces(); document.dir = 'rtl' }")
    found = await found_by(page, "right to left", "outside()", "unmirrored()")
    await page.evaluate("() => { document.dir = 'ltr' }")
    return found


async def problems_of_a_wall(page: Page) -> list[str]:
    """What is wrong with a page that nobody operates: it only has to be read."""
    await page.emulate_media(reduced_motion="reduce")
    await page.evaluate(CHECKS)
    found = await findings(page) + await found_by(page, "wall", "outside()", "cut()", "moving()")
    await page.evaluate("() => checks.notePainted()")
    await page.emulate_media(forced_colors="active")
    found += await found_by(page, "forced colours", "vanished()")
    await page.emulate_media(forced_colors="none")
    # The panel of an overlay stands in the corner that its address names.
    return found if "/overlay/" in page.url else found + await mirror_problems(page)


async def problems(page: Page, *, is_translated: bool = True) -> list[str]:
    """What is wrong with a page that is open on a phone, one line each.

    The page is looked at in light and dark, in forced colours, with wide letters, in windows as small as zoom makes them, from right to
    left, and with the keyboard. Takes: is_translated, false for the pages of staff and programmers: no language turns them around
    """
    await page.emulate_media(color_scheme="light", reduced_motion="reduce")
    # What has scrolled under the header is covered, wherever a tap before this has led.
    await page.evaluate("() => scrollTo(0, 0)")
    await page.evaluate(CHECKS)
    found = [f"light: {line}" for line in await findings(page)]
    found += await found_by(page, "phone", "outside()", "cut()", f"small({FINGER_PX})", "moving()")
    await page.evaluate("() => checks.notePainted()")
    await page.emulate_media(forced_colors="active")
    found += await found_by(page, "forced colours", "vanished()")
    await page.emulate_media(color_scheme="dark", forced_colors="none")
    found += [f"dark: {line}" for line in await findings(page, "color-contrast")]
    if is_translated:
        found += await mirror_problems(page)
    await page.evaluate(f"() => checks.style({json.dumps(WIDE_LETTERS)})")
    found += await found_by(page, "wide letters", "outside()", "cut()")
    await page.evaluate("() => checks.style('')")
    for size in ZOOMED:
        await page.set_viewport_size(size)
        found += await found_by(page, f"{size['width']} pixels", "outside()", "cut()")
    await page.set_viewport_size(PHONE)
    # The browser shows the focus of whoever has pressed a key.
    await page.keyboard.press("Tab")
    return found + await found_by(page, "keyboard", "unfocused()")
