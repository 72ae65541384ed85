"""Leaves a venue's screen alone under a crowd: its memory may not grow, it may not reload, and its counts are right in the end.

    .venv/bin/python bench/wall.py [--minutes 60] [--rate 5] [--voters 100]

A node with sample data runs `/screen/{show}` in Chromium, while a crowd votes on this show and every five minutes the next song is
played. Each minute, after a collection of garbage, the script prints the heap of the page's scripts, its elements (DOM nodes) and its
listeners, as Chromium counts them, and the memory of its process. It prints one JSON object at the end, and exits with 1 if one of
them was larger in the last third of the time than in the second third, if the page was loaded again, or if a count on the screen is
not that of the server. It needs Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
from typing import Any

import aiohttp
import asyncpg
import psutil
from measure import Node, log_step, node, print_result, run_facts
from playwright.async_api import CDPSession, Page, async_playwright

from server.load.crowd import CrowdOptions
from server.load.crowd import run as run_crowd

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser")
SAMPLE_EVERY_S = 60.0
PLAY_EVERY_S = 300.0
# Noise of a heap that is as large as before, and of a process that gives memory back late. Each song that was played has one text more.
GROWTH_MAX = {"heap_kb": 1.05, "elements": 1.05, "listeners": 1.0, "process_mb": 1.1}
LIVE = """select s.id from shows s join setlists l on l.show_id = s.id join setlist_songs p on p.setlist_id = l.id
    where s.status = 'live' and p.played_at is null group by 1 order by count(*) desc limit 1"""
OPEN = "update shows set closes_at = now() + $2 * interval '1 minute' where id = $1"
PLAY = """update setlist_songs set played_at = now() where id =
    (select id from setlist_songs where show_id = $1 and played_at is null order by position limit 1)"""
# The counts of the screen, by the id of the song in the setlist.
SHOWN = """() => Object.fromEntries([...document.querySelectorAll(".song")]
    .map((row) => [row.getAttribute("data-song"), Number(row.querySelector(".count").textContent.replace(/\\D/g, ""))]))"""


async def watch(running: Node, arguments: argparse.Namespace) -> dict[str, Any]:
    """Opens the screen, lets the crowd vote and measures.

    Gives:  samples, one for each minute; grown, what became larger; is_reloaded; wrong_counts; votes of the crowd
    """
    sql = await asyncpg.connect(running.database_url())
    show = await sql.fetchval(LIVE)
    await sql.execute(OPEN, show, arguments.minutes + 60)
    async with async_playwright() as playwright:
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(f"{running.url}/screen/{show}")
        await page.locator(".song").first.wait_for()
        await page.evaluate("window.isFirstLoad = true")
        options = CrowdOptions(
            url=running.url, show=show, voters=arguments.voters, rate_per_s=arguments.rate, natural=True,
            duration_s=arguments.minutes * 60,
        )  # fmt: skip
        stop = asyncio.Event()
        crowd = asyncio.create_task(run_crowd(options, stop=stop, show_progress=False), name="crowd")
        playing = asyncio.create_task(play_songs(sql, show), name="songs")
        try:
            samples = await measure(page, arguments.minutes)
        finally:
            stop.set()
            playing.cancel()
        report = await crowd
        is_reloaded = not await page.evaluate("window.isFirstLoad === true")
        wrong = await wrong_counts(page, running.url, show)
        if arguments.picture:
            await page.screenshot(path=arguments.picture)
        await browser.close()
    await sql.close()
    return {
        "samples": samples, "grown": grown(samples), "is_reloaded": is_reloaded, "wrong_counts": wrong, "console": errors,
        "votes": report["votes"],
    }  # fmt: skip


async def play_songs(sql: asyncpg.Connection[asyncpg.Record], show: int) -> None:
    """Marks one song after the other as played, until it is cancelled."""
    while True:
        await asyncio.sleep(PLAY_EVERY_S)
        await sql.execute(PLAY, show)


async def measure(page: Page, minutes: int) -> list[dict[str, float]]:
    """Prints and gives one sample for each minute."""
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    log_step("minute  heap_kb  elements  listeners  process_mb")
    samples = []
    for minute in range(1, minutes + 1):
        await asyncio.sleep(SAMPLE_EVERY_S)
        one = await sample(session)
        samples.append(one)
        log_step(
            f"{minute:6} {one['heap_kb']:8.0f} {one['elements']:9.0f} {one['listeners']:10.0f} {one['process_mb']:11.1f}"
        )
    return samples


async def sample(session: CDPSession) -> dict[str, float]:
    """What the page holds now, after its garbage is collected."""
    # What only the first collection makes free goes with the second.
    for _ in range(2):
        await session.send("HeapProfiler.collectGarbage")
    found = {one["name"]: one["value"] for one in (await session.send("Performance.getMetrics"))["metrics"]}
    return {
        "heap_kb": round(found["JSHeapUsedSize"] / 1024),
        "elements": found["Nodes"],
        "listeners": found["JSEventListeners"],
        "process_mb": round(max(renderers_mb()), 1),
    }


def renderers_mb() -> list[float]:
    """The memory of each process of Chromium that draws a page [MB]."""
    return [
        process.memory_info().rss / 2**20
        for process in psutil.Process().children(recursive=True)
        if "--type=renderer" in process.cmdline()
    ]


def grown(samples: list[dict[str, float]]) -> list[str]:
    """What is larger in the last third than in the second: in the first, the page and its code are still being filled."""
    third = len(samples) // 3
    found = []
    for name, limit in GROWTH_MAX.items():
        before, after = (
            statistics.median(one[name] for one in part) for part in (samples[third : 2 * third], samples[2 * third :])
        )
        if after > before * limit:
            found.append(f"{name}: {before:.0f}, then {after:.0f}")
    return found


async def wrong_counts(page: Page, url: str, show: int) -> list[str]:
    """The songs whose count on the screen is not that of the server; the last votes get some seconds to arrive."""
    for _ in range(15):
        await asyncio.sleep(1)
        shown = await page.evaluate(SHOWN)
        async with aiohttp.request("GET", f"{url}/api/shows/{show}") as answer:
            body = await answer.json()
        counted = {str(song["id"]): song["up"] for setlist in body["setlists"] for song in setlist["songs"]}
        wrong = [
            f"song {song}: {count} on the screen, {counted[song]} counted"
            for song, count in shown.items()
            if counted[song] != count
        ]
        if not wrong:
            break
    return wrong


def main() -> None:
    """Measures and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rate", type=float, default=5.0, help="casts a second of all voters")
    parser.add_argument("--voters", type=int, default=100)
    parser.add_argument("--picture", help="file for a picture of the screen at the end")
    arguments = parser.parse_args()
    facts = run_facts()
    with node() as running:
        found = asyncio.run(watch(running, arguments))
    print_result({"benchmark": "wall", **facts, "settings": vars(arguments), **found})
    sys.exit(1 if found["grown"] or found["is_reloaded"] or found["wrong_counts"] or found["console"] else 0)


if __name__ == "__main__":
    main()
