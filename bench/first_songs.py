"""Measures the time until the first songs of a live show are on a phone with a slow network and a CPU of a quarter.

    .venv/bin/python bench/first_songs.py [--runs 5] [--network slow-3g]

It needs Chromium. "slow-4g" is the network that the developer tools of Chromium call so: 562.5 ms to the first byte of each answer,
1.44 Mbit/s down, 0.68 Mbit/s up. "slow-3g" is the one of WebPageTest: 400 ms, 400 kbit/s both ways. Cold: an empty cache. Warm: a second
visit. The first songs can be read before the script is there; votable is when it is. It prints one JSON object and asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import time
import urllib.request

from measure import Node, data_folder, log_step, print_result, run_facts, summary_ms
from playwright.async_api import BrowserContext, async_playwright

NETWORKS = {
    "slow-4g": {
        "offline": False,
        "latency": 562.5,
        "downloadThroughput": 1_440_000 / 8,
        "uploadThroughput": 675_000 / 8,
    },
    "slow-3g": {"offline": False, "latency": 400, "downloadThroughput": 400_000 / 8, "uploadThroughput": 400_000 / 8},
}
# Notes when the frame with the first songs is drawn.
WATCH = """new MutationObserver((_, observer) => {
    if (!document.querySelector(".row .title")) return;
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => { window.drawn_ms = performance.now(); }));
}).observe(document, { childList: true, subtree: true });"""
BROWSERS = ("chromium", "google-chrome", "chromium-browser")


async def _visit(context: BrowserContext, address: str, network: str) -> tuple[float, float, int]:
    """Seconds until the first song is visible and until it can be voted on, and the bytes that came over the network."""
    page = await context.new_page()
    await page.add_init_script(WATCH)
    session = await context.new_cdp_session(page)
    received: list[int] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    await session.send("Network.enable")
    await session.send("Network.emulateNetworkConditions", NETWORKS[network])
    await session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    begin = time.perf_counter()
    await page.goto(address, wait_until="commit")
    await page.locator(".row .title").first.wait_for(state="visible")
    drawn_ms = await page.evaluate(
        "new Promise((resolve) => { const look = () => (window.drawn_ms ? resolve(window.drawn_ms)"
        " : requestAnimationFrame(look)); look(); })"
    )
    await page.locator("[data-song]").first.wait_for(state="visible")
    votable_s = time.perf_counter() - begin
    await page.wait_for_load_state("networkidle")
    await page.close()
    return drawn_ms / 1000, votable_s, int(sum(received))


def _live_show(url: str) -> str:
    """The address of a show on which fans vote."""
    with urllib.request.urlopen(f"{url}/api/shows?status=live&limit=1") as answer:
        return f"{url}/shows/{json.load(answer)['items'][0]['slug']}"


async def _measure(address: str, runs: int, network: str) -> dict[str, object]:
    cold_s: list[float] = []
    warm_s: list[float] = []
    votable_s: list[float] = []
    cold_bytes = warm_bytes = 0
    async with async_playwright() as playwright:
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(runs):
            context = await browser.new_context(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
            took_s, until_votable_s, cold_bytes = await _visit(context, address, network)
            cold_s.append(took_s)
            votable_s.append(until_votable_s)
            took_s, _, warm_bytes = await _visit(context, address, network)
            warm_s.append(took_s)
            log_step(f"cold {cold_s[-1]:.2f} s, votable {votable_s[-1]:.2f} s, warm {warm_s[-1]:.2f} s")
            await context.close()
        await browser.close()
    return {
        "cold_ms": summary_ms(cold_s), "cold_votable_ms": summary_ms(votable_s), "cold_bytes": cold_bytes, "warm_ms": summary_ms(warm_s), "warm_bytes": warm_bytes,
    }  # fmt: skip


def main() -> None:
    """Measures and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--network", choices=sorted(NETWORKS), default="slow-4g")
    parser.add_argument("--url", help="of a running node; without it, one is started")
    arguments = parser.parse_args()
    facts = run_facts()
    if arguments.url:
        measured = asyncio.run(_measure(_live_show(arguments.url), arguments.runs, arguments.network))
    else:
        with data_folder() as folder:
            server = Node(folder, "--demo")
            try:
                measured = asyncio.run(_measure(_live_show(server.url), arguments.runs, arguments.network))
            finally:
                server.stop()
    print_result(
        {
            "benchmark": "first_songs",
            **facts,
            "settings": {"runs": arguments.runs, "network": arguments.network},
            **measured,
        }
    )


if __name__ == "__main__":
    main()
