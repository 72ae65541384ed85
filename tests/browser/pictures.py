"""Takes pictures of every page with the sample data, in six sizes, for people to look at.

    .venv/bin/python -m tests.browser.pictures FOLDER [--only show artist] [--language ja]

One sheet for each page: a phone, a tablet and a desktop, each in light and dark. A change of styles is looked at before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from server.embedded import EmbeddedEngines
from server.protocol.identity import COOKIE
from server.settings import data_folder
from server.store.migrations import migrate_up
from server.words.choosing import COOKIE as LANGUAGE_COOKIE
from tests.browser.checks import SCHEMES
from tests.browser.pages import DESKTOP, DRAWN, FLAGS, PHONE, TABLET, Fan, FanPool, Tab, chromium_path
from tests.browser.sample import Sample, make_sample, open_page
from tests.support.node_process import SECRET
from tests.support.running_node import running_node

SIZES: tuple[ViewportSize, ...] = (PHONE, TABLET, DESKTOP)
HEIGHT_PX_MAX = 2200
# A sheet is as large as one can read: what is wide is drawn smaller.
SCALES = {PHONE["width"]: 1.0, TABLET["width"]: 0.6, DESKTOP["width"]: 0.5}
GAP_PX = 12
PAPER: ViewportSize = {"width": 794, "height": 1123}


async def picture(page: Page, size: ViewportSize) -> Image.Image:
    """The page from its top, in a window of this size; scaled."""
    await page.set_viewport_size(size)
    # What stays at the top while one scrolls would be drawn in the middle.
    height_px = await page.evaluate("() => { scrollTo(0, 0); return document.documentElement.scrollHeight; }")
    clip = {"x": 0, "y": 0, "width": size["width"], "height": min(max(height_px, size["height"]), HEIGHT_PX_MAX)}
    shot = Image.open(io.BytesIO(await page.screenshot(full_page=True, clip=clip, animations="disabled")))  # type: ignore[arg-type]
    scale = SCALES.get(size["width"], 1.0)
    return shot.convert("RGB").resize((int(shot.width * scale), int(shot.height * scale)), Image.Resampling.LANCZOS)


def sheet(pictures: list[Image.Image]) -> Image.Image:
    """All pictures in one row."""
    made = Image.new("RGB", (sum(one.width + GAP_PX for one in pictures), max(one.height for one in pictures)), "#888")
    left = 0
    for one in pictures:
        made.paste(one, (left, 0))
        left += one.width + GAP_PX
    return made


async def six_pictures(page: Page) -> Image.Image:
    """A page in all sizes and both schemes."""
    pictures = []
    for size in SIZES:
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            pictures.append(await picture(page, size))
    return sheet(pictures)


async def take(folder: Path, browser: Browser, only: list[str], language: str) -> None:
    """Starts a node with the sample data and writes one sheet for each page."""
    with tempfile.TemporaryDirectory(prefix="mysetlist-pictures-") as engines_folder:
        Path(engines_folder).chmod(0o711)
        engines = await EmbeddedEngines.start(Path(engines_folder) / "engines")
        try:
            await migrate_up(engines.database_url, data_folder("migrations"))
            async with (
                running_node(engines.database_url, engines.redis_url, secret=SECRET, has_chores=True) as node,
                FanPool(browser).fan(node.url, locale=language) as fan,
                FanPool(browser).fan(node.url, locale=language) as staff,
                FanPool(browser).fan(node.url, locale=language, with_worker=True) as visitor,
            ):
                sample = await make_sample(node, engines.database_url, SECRET, fan)
                # Chromium tells a worker no locale of a test.
                chosen = {"name": LANGUAGE_COOKIE, "value": language.split("-", maxsplit=1)[0], "url": node.url}
                await visitor.context.add_cookies([chosen])  # type: ignore[list-item]
                await staff.context.add_cookies([{"name": COOKIE, "value": sample.admin, "url": node.url}])
                for name in sample.paths:
                    if not only or any(word in name for word in only):
                        async with opened(staff if name.startswith("console") else fan, sample, name) as page:
                            (await six_pictures(page)).save(folder / f"{name.replace(' ', '-')}.png")
                if not only or "paper" in only:
                    (await paper(fan, sample)).save(folder / "paper.png")
                if not only or "without" in only:
                    await strange(visitor, sample, folder)
                for one in (fan, staff, visitor):
                    print("\n".join(one.console_errors))
                    one.console_errors.clear()
        finally:
            await engines.stop()


@asynccontextmanager
async def opened(fan: Fan, sample: Sample, name: str) -> AsyncIterator[Page]:
    """A page by its name, with what can be opened on it open; closed after the block."""
    tab = await fan.new_tab()
    page = await open_page(tab, sample, name)
    for summary in await page.locator("summary:visible").all():
        await summary.click()
    await page.wait_for_load_state("networkidle")
    yield page
    await page.close()


async def paper(fan: Fan, sample: Sample) -> Image.Image:
    """The result of a show as it is printed."""
    async with opened(fan, sample, "finished show") as page:
        await page.emulate_media(media="print")
        return await picture(page, PAPER)


async def strange(visitor: Fan, sample: Sample, folder: Path) -> None:
    """What somebody sees who has no account, and then no network."""
    tab = await visitor.open(sample.paths["live show"])
    await tab.expect_live()
    await tab.page.evaluate("async () => { await navigator.serviceWorker.ready }")
    await tab.page.reload()
    await tab.expect_live()
    await tab.goto("/me")
    await tab.page.wait_for_load_state("networkidle")
    (await six_pictures(tab.page)).save(folder / "without-account.png")
    await visitor.go_offline()
    for name, path in (
        ("show", sample.paths["live show"]),
        ("home", "/"),
        ("missing", f"/shows/{sample.shows['finished']}"),
        ("entry", sample.paths["artist"]),
    ):
        await without_network(tab, path)
        (await six_pictures(tab.page)).save(folder / f"without-network-{name}.png")


async def without_network(tab: Tab, path: str) -> None:
    """Opens a path while there is no network, as far as the worker can."""
    await tab.goto(path)
    await tab.page.wait_for_timeout(1500)


async def main() -> None:
    """Takes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="words of the names of pages")
    parser.add_argument("--language", default="en-US")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=[*FLAGS, *DRAWN])
        await take(arguments.folder, browser, arguments.only, arguments.language)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
