"""Measures the time until the first songs of a show are on a phone, with the network "slow 4G" and a CPU of a quarter.

    .venv/bin/python bench/first_songs.py [--runs 5]

It needs Chromium. The network is the one that the developer tools of Chromium call "Slow 4G": 562.5 ms to the first byte of each
answer, 1.44 Mbit/s down, 0.68 Mbit/s up. Cold: an empty cache. Warm: a second visit. It prints one JSON object and asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import time

from measure import Node, data_folder, log_step, print_result, run_facts, summary_ms
from playwright.async_api import BrowserContext, async_playwright

SLOW_4G = {
    "offline": False, "latency": 562.5, "downloadThroughput": 1_440_000 / 8, "uploadThroughput": 675_000 / 8,
}  # fmt: skip
BROWSERS = ("chromium", "google-chrome", "chromium-browser")


async def _visit(context: BrowserContext, address: str) -> tuple[float, int]:
    """Seconds until the first song is visible, and the bytes that came over the network."""
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    received: list[int] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    await session.send("Network.enable")
    await session.send("Network.emulateNetworkConditions", SLOW_4G)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    begin = time.perf_counter()
    await page.goto(address, wait_until="commit")
    await page.locator("[data-song]").first.wait_for(state="visible")
    took_s = time.perf_counter() - begin
    await page.wait_for_load_state("networkidle")
    await page.close()
    return took_s, int(sum(received))


async def _measure(url: str, runs: int) -> dict[str, object]:
    address = f"{url}/shows/1"
    cold_s: list[float] = []
    warm_s: list[float] = []
    cold_bytes = warm_bytes = 0
    async with async_playwright() as playwright:
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(runs):
            context = await browser.new_context(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
            took_s, cold_bytes = await _visit(context, address)
            cold_s.append(took_s)
            took_s, warm_bytes = await _visit(context, address)
            warm_s.append(took_s)
            log_step(f"cold {cold_s[-1]:.2f} s, warm {warm_s[-1]:.2f} s")
            await context.close()
        await browser.close()
    return {
        "cold_ms": summary_ms(cold_s), "cold_bytes": cold_bytes, "warm_ms": summary_ms(warm_s), "warm_bytes": warm_bytes,
    }  # fmt: skip


def main() -> None:
    """Measures and prints the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--url", help="of a running node; without it, one is started")
    arguments = parser.parse_args()
    facts = run_facts()
    if arguments.url:
        measured = asyncio.run(_measure(arguments.url, arguments.runs))
    else:
        with data_folder() as folder:
            server = Node(folder, "--demo")
            try:
                measured = asyncio.run(_measure(server.url, arguments.runs))
            finally:
                server.stop()
    print_result({"benchmark": "first_songs", **facts, "settings": {"runs": arguments.runs}, **measured})


if __name__ == "__main__":
    main()
