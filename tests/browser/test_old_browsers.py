"""The page in browsers that lack what newer ones have.

docs/browsers.md lists the oldest browsers. What they lack is taken away here before the page's scripts run.
"""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

WITHOUT_NEW_FEATURES = """
for (const name of ["structuredClone", "requestIdleCallback", "IntersectionObserver", "ResizeObserver", "BroadcastChannel",
    "WeakRef", "FinalizationRegistry", "reportError", "scheduler", "navigation", "URLPattern"]) delete window[name];
delete URL.canParse;
delete URL.parse;
delete AbortSignal.timeout;
delete AbortSignal.any;
delete AbortSignal.prototype.throwIfAborted;
delete Array.prototype.at;
for (const name of ["findLast", "findLastIndex", "toSorted", "toReversed", "with", "toSpliced"]) delete Array.prototype[name];
delete String.prototype.at;
delete String.prototype.replaceAll;
delete Object.hasOwn;
delete Object.groupBy;
delete Map.groupBy;
delete Promise.any;
delete Promise.withResolvers;
delete Promise.try;
for (const name of Object.getOwnPropertyNames(Set.prototype)) if (/^(union|inter|diff|symm|is)/.test(name)) delete Set.prototype[name];
for (const name of ["DurationFormat", "PluralRules", "Segmenter", "DisplayNames", "supportedValuesOf"]) {
    delete Intl[name];
}
delete crypto.randomUUID;
delete Navigator.prototype.locks;
delete Navigator.prototype.userAgentData;
delete Navigator.prototype.connection;
delete Element.prototype.animate;
delete Element.prototype.replaceChildren;
delete Element.prototype.checkVisibility;
delete Element.prototype.setHTML;
delete Document.prototype.startViewTransition;
const Known = Intl.DateTimeFormat;
Intl.DateTimeFormat = function (locale, options = {}) {
    if (options.timeZone === "America/Chicago") throw new RangeError("Invalid time zone specified: America/Chicago");
    return new Known(locale, options);
};
"""
WITHOUT_STORAGE = """
for (const name of ["localStorage", "sessionStorage"]) {
    Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
}
"""


async def test_a_browser_of_the_oldest_kind_shows_songs_and_votes(
    node: Node, open_fan: OpenFan, database_url: str
) -> None:
    """Without anything newer than the oldest browsers, and with a zone that it does not know, a fan reads and votes."""
    (show,) = await make_shows(database_url)
    song = show.songs[0]
    visitor = await open_fan()
    for script in (WITHOUT_NEW_FEATURES, WITHOUT_NEW_FEATURES + WITHOUT_STORAGE):
        await visitor.context.clear_cookies()
        tab = await visitor.open("/", script=script)
        await expect(tab.page.get_by_role("listitem").first).to_be_visible()
        await tab.goto(f"/shows/{show.id}")
        await tab.expect_live()
        await expect(tab.page.locator(".show-when").first).to_contain_text("UTC")
        await tab.button(song, "up").tap()
        await tab.expect_durability(song, "committed")
        await tab.button(song, "up").tap()
        await tab.expect_counts(song, 0, 0)
    await tab.goto(f"/artists/{show.artist}")
    await expect(tab.page.get_by_role("region", name="Next shows").get_by_role("listitem")).to_have_count(1)
    await tab.page.get_by_role("searchbox").fill("song")
    await expect(tab.page.get_by_role("region", name="Songs").get_by_role("link").first).to_be_visible()
