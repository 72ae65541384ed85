"""The page in Spanish, Japanese and a language from right to left: by the browser's wish, by hand, and in the account."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import Page, expect

from server.node import web_app
from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP, PHONE
from tests.support import pseudo_language
from tests.support.node_process import SECRET
from tests.support.open_shows import make_shows
from tests.support.running_node import running_node

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Texts that are cut off or leave their box, and what makes the page wider than the screen.
TOO_LONG = """() => {
    const isSeen = (element) => element.offsetParent && !element.closest(".sr, .skip");
    const isCut = (element) => getComputedStyle(element).overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1;
    const isOutside = (element) => {
        const { left, right, width } = element.getBoundingClientRect();
        return width > 0 && (right > document.documentElement.clientWidth + 1 || left < -1) && !element.closest(".switches, .chips, .trending-items");
    };
    return [
        ...[...document.querySelectorAll("button, a, h1, h2, h3, p, label, .badge, .pill")].filter((element) => isSeen(element) && isCut(element)),
        ...[...document.querySelectorAll("body *:not(.fill, .fill-down)")].filter((element) => isSeen(element) && isOutside(element)),
    ].map((element) => element.outerHTML.slice(0, 120));
}"""
# What people read or hear, without names: those are not translated, or stand between isolates.
READ_TEXTS = """() => {
    const texts = [];
    const isFixed = (element) => element.closest("[translate=no], script, style, noscript, [hidden]");
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) if (!isFixed(node.parentElement)) texts.push(node.textContent);
    for (const name of ["aria-label", "placeholder", "title", "alt"]) {
        for (const element of document.querySelectorAll(`[${name}]`)) if (!isFixed(element)) texts.push(element.getAttribute(name));
    }
    return [...texts, document.title];
}"""
# Dates in Hebrew have no Latin letters; names of zones do.
NO_TEXT = re.compile("\u2068[^\u2068\u2069]*\u2069|MySetlist|XXXX-XXXX|\\b(AM|PM|UTC|GMT|EST|EDT)\\b")


async def latin_texts(page: Page) -> list[str]:
    """What stays in Latin letters on a page in Hebrew ones, except names."""
    texts: list[str] = await page.evaluate(READ_TEXTS)
    for _ in range(3):  # isolates stand in isolates
        texts = [NO_TEXT.sub("", text) for text in texts]
    return sorted({text.strip() for text in texts if re.search("[A-Za-z]{2}", text)})


async def test_the_browser_chooses_the_language_and_a_select_changes_it(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Spanish by Accept-Language, Japanese by hand, which lasts; a vote and its plural are told in each of them."""
    (show,) = await make_shows(database_url, songs=2, votes_per_user_max=2)
    fan = await open_fan(locale="es-MX")
    fan.allowed_errors = re.compile("404|401")
    tab = await fan.new_tab()
    page = tab.page
    await tab.goto(f"/shows/{show.id}")
    await expect(tab.connection).to_have_text("Conectado")
    await expect(page.locator("html")).to_have_attribute("lang", "es")
    await expect(page.get_by_text("Te quedan 2 de 2 votos")).to_be_visible()
    await tab.button(show.songs[0], "up").tap()
    await tab.expect_durability(show.songs[0], "committed")
    await expect(tab.row(show.songs[0])).to_contain_text("Tu voto, contado")
    await expect(page.locator(".total")).to_have_text("1voto")
    await expect(page.locator(".window-text")).to_have_text(re.compile(r"^Votación abierta hasta .* \(dentro de .*\)$"))
    await expect(page).to_have_title(re.compile(r"\| MySetlist$"))
    select = page.locator("#language")
    assert await select.input_value() == "es"
    await expect(select.locator("option")).to_have_text(["English", "Español", "日本語"])
    await select.select_option("ja")
    await expect(page.locator("html")).to_have_attribute("lang", "ja")
    await expect(tab.connection).to_have_text("オンライン")
    await expect(page.locator(".total")).to_have_text("1票")
    await expect(tab.row(show.songs[0])).to_contain_text("あなたの票（集計済み）")
    # The account keeps it for emails.
    user = await sql.fetchval("select user_id from votes where show_id = $1", show.id)
    assert await sql.fetchval("select language from user_profiles where user_id = $1", user) == "ja"
    # The cookie lasts, whatever the browser asks for.
    await tab.goto("/")
    await expect(page.get_by_role("heading", level=1)).to_have_text("今夜、聴きたい曲は？")
    await expect(page.get_by_text("件のライブを表示しています")).to_have_count(1)
    await tab.goto("/me")
    await expect(page.get_by_role("heading", level=1)).to_have_text("アカウント")
    await tab.goto("/nowhere")
    await expect(page.get_by_role("heading", level=1)).to_have_text("このアドレスにページはありません")
    await tab.goto(f"/screen/{show.id}?lang=es")
    await expect(page.locator("#voting")).to_have_text("La votación cierra en")
    await expect(page.locator("#totals")).to_contain_text("1 voto")


@pytest.mark.parametrize("language", ["es", "ja"])
async def test_no_text_is_cut(language: str, node: Node, open_fan: OpenFan, database_url: str) -> None:
    """The longest words fit at 360 px, and nothing is wider than the screen; also at 1440 px."""
    (show,) = await make_shows(database_url, songs=3, votes_per_user_max=5)
    fan = await open_fan(locale=language)
    fan.allowed_errors = re.compile("401")  # nobody is signed in
    tab = await fan.new_tab()
    for path, heading in (
        (f"/shows/{show.id}", ".rows .title"),
        ("/", ".card:not(.skeleton)"),
        ("/me", "#email-state:not(:empty)"),
    ):
        await tab.goto(path)
        await expect(tab.page.locator(heading).first).to_be_visible()
        for viewport in (DESKTOP, PHONE):
            await tab.page.set_viewport_size(viewport)
            assert await tab.page.evaluate(TOO_LONG) == [], (path, viewport)


async def test_nothing_stays_english_in_a_language_from_right_to_left(
    own_database_url: str, redis_url: str, open_fan: OpenFan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With English in Hebrew letters, every text of each page is in them; the page runs from right to left, and nothing leaves it."""
    folder = pseudo_language.static_folder(tmp_path)
    monkeypatch.setattr(web_app, "data_folder", lambda _name: folder)
    async with running_node(own_database_url, redis_url, secret=SECRET) as node:
        (show,) = await make_shows(own_database_url, songs=3, votes_per_user_max=5)
        fan = await open_fan(node.url, locale=pseudo_language.TAG)
        fan.allowed_errors = re.compile("404|401|ERR_CONNECTION_REFUSED")  # the node ends before the tab
        tab = await fan.new_tab()
        await tab.goto(f"/shows/{show.id}")
        await expect(tab.connection).to_have_attribute("data-connection", "live")
        await expect(tab.page.locator("html")).to_have_attribute("dir", "rtl")
        await tab.button(show.songs[0], "up").tap()
        await tab.expect_durability(show.songs[0], "committed")
        assert await latin_texts(tab.page) == []
        assert await tab.page.evaluate(TOO_LONG) == []
        for path, ready in (
            ("/", ".card:not(.skeleton)"),
            ("/me", "#signed-in li"),
            ("/signin", "#who"),
            ("/nowhere", "h1"),
            (f"/screen/{show.id}", ".song"),
        ):
            await tab.goto(path)
            await expect(tab.page.locator(ready).first).to_be_visible()
            assert await latin_texts(tab.page) == [], path
            if not path.startswith("/screen"):
                assert await tab.page.evaluate(TOO_LONG) == [], path


async def test_japanese_lines_end_between_phrases(open_fan: OpenFan) -> None:
    """Japanese has no spaces: without more, the heading of a phone ends its first line within the word for "page"."""
    fan = await open_fan(locale="ja", viewport=PHONE)
    fan.allowed_errors = re.compile("404")
    page = (await fan.open("/nowhere")).page
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("このアドレスにページはありません")
    lines = await heading.evaluate(
        """(element) => {
            const range = document.createRange();
            const top = (at) => (range.setStart(element.firstChild, at), range.setEnd(element.firstChild, at + 1), range.getBoundingClientRect().top);
            const tops = [...element.textContent].map((_, at) => top(at));
            return [...new Set(tops)].map((one) => [...element.textContent].filter((_, at) => tops[at] === one).join(""));
        }"""
    )
    assert [line.replace("\u200b", "") for line in lines] == ["このアドレスに", "ページはありません"]
