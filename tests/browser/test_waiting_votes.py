"""Votes that wait in a browser belong to the account that made them."""

from __future__ import annotations

import asyncpg
import pytest
from playwright.async_api import expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import NETWORK_ERRORS, Fan, Tab
from tests.support.open_shows import make_shows, make_users

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT = "select count(*) from votes where show_id = $1"


async def vote_then_go_offline(visitor: Fan, show: int, first: int, waiting: int) -> Tab:
    """Casts one vote, so that the fan has an account, and leaves another one waiting."""
    visitor.allowed_errors = NETWORK_ERRORS
    tab = await visitor.open_show(show)
    await tab.button(first, "up").tap()
    await tab.expect_durability(first, "committed")
    await visitor.go_offline()
    await tab.button(waiting, "up").tap()
    await tab.expect_durability(waiting, "waiting")
    return tab


async def test_waiting_votes_of_another_account_are_dropped(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """After a sign-out, and when somebody else signs in, a waiting vote is dropped with a word and never cast."""
    (show,) = await make_shows(database_url)
    (other,) = await make_users(database_url, 1)
    first, waiting, *_ = show.songs
    visitor = await open_fan()
    for cookies in ([], [{"name": "mysetlist_session", "value": other.token, "url": node.url}]):
        tab = await vote_then_go_offline(visitor, show.id, first, waiting)
        before = await sql.fetchval(COUNT, show.id)
        await visitor.context.clear_cookies()
        await visitor.context.add_cookies(cookies)  # type: ignore[arg-type]
        await visitor.go_online()
        await tab.expect_live()
        await expect(tab.page.locator("#notice")).to_have_text(
            "1 waiting vote was not sent, because another account made it in this browser.OK"
        )
        await tab.expect_choice(waiting, "none")
        await tab.page.reload()
        await tab.expect_live()
        await tab.expect_choice(waiting, "none")
        await tab.page.close()
        await visitor.context.clear_cookies()
        assert await sql.fetchval(COUNT, show.id) == before


async def test_waiting_votes_of_another_database_are_dropped(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Another data folder at the same address has other songs under the same numbers, so a waiting vote is not cast there."""
    (show,) = await make_shows(database_url)
    first, waiting, *_ = show.songs
    visitor = await open_fan()
    tab = await vote_then_go_offline(visitor, show.id, first, waiting)
    await tab.page.evaluate(
        """() => {
            const [key] = Object.keys(localStorage).filter((key) => key.startsWith("mysetlist.outbox."));
            const [, , , account, show] = key.split(".");
            const moved = `mysetlist.outbox.an-older-database.${account}.${show}`;
            localStorage.setItem(moved, localStorage.getItem(key));
            localStorage.removeItem(key);
            localStorage.setItem("mysetlist.owner", `an-older-database.${account}`);
        }"""
    )
    await tab.page.close()
    await visitor.go_online()
    tab = await visitor.open_show(show.id)
    await expect(tab.page.locator("#notice")).to_contain_text("made on another server at this address")
    await tab.expect_choice(first, "up")
    await tab.expect_choice(waiting, "none")
    assert await sql.fetchval(COUNT, show.id) == 1


async def test_a_banned_or_erased_account_is_told_so_once(
    node: Node, open_fan: OpenFan, database_url: str, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """The page says it in one sentence, its buttons are off, and it does not connect again."""
    (show,) = await make_shows(database_url)
    song = show.songs[0]
    for change, sentence in (
        ("insert into user_bans (user_id, kind, reason) select max(id), 'all', 'Spam.' from users", "blocked"),
        ("select erase_user()", "erased"),
    ):
        visitor = await open_fan()
        tab = await visitor.open_show(show.id)
        await tab.button(song, "up").tap()
        await tab.expect_durability(song, "committed")
        await tab.page.evaluate("""() => {
            window.socketCount = 0;
            const Original = WebSocket;
            window.WebSocket = class extends Original {
                constructor(...options) {
                    super(...options);
                    window.socketCount += 1;
                }
            };
        }""")
        if sentence == "erased":
            # Another device of this fan does it, so this page learns it from the server.
            token = (await visitor.context.cookies())[0]["value"]
            await visitor.context.request.delete(f"{node.url}/api/me", headers={"Authorization": f"Bearer {token}"})
        else:
            await sql.execute(change)
        await expect(tab.page.get_by_role("alert")).to_contain_text(
            f"This account {'is' if sentence == 'blocked' else 'was'} {sentence}"
        )
        await expect(tab.button(song, "up")).to_be_disabled()
        await tab.button(song, "down").tap(force=True)
        await expect(tab.page.locator("#notice")).to_contain_text(sentence)
        assert await tab.page.evaluate("() => socketCount") == 0
