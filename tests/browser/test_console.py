"""The console of staff: who gets in, what each role sees, the page Now live, keys alone, and how it looks."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from playwright.async_api import expect

from server.node.node import Node
from server.people.sessions import create_link
from tests.browser.checks import findings
from tests.browser.conftest import OpenFan
from tests.browser.console import open_staff
from tests.browser.pages import DESKTOP, TABLET, FanPool
from tests.support.identity_provider import AUDIENCE, IdentityProvider, SigningKey
from tests.support.node_process import SECRET
from tests.support.open_shows import make_shows
from tests.support.running_node import running_node, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHOW_AS = """(state) => {
    Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


async def make_staff(sql: Any, role: Literal["moderator", "admin"]) -> int:
    """A new member of staff."""
    return int(await sql.fetchval("insert into users (role) values ($1::user_role) returning id", role))


async def test_a_link_opens_the_console_and_the_page_now_is_live(
    node: Node, open_fan: OpenFan, sql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody gets in without being staff. The verdict, its act and the figures change without a reload, and only while the
    tab is seen.
    """
    owner = node.rooms.databases.owner
    fan = await open_fan(viewport=TABLET)
    page = (await fan.open("/admin")).page
    await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    assert await findings(page) == []
    await page.set_viewport_size(DESKTOP)
    form = await page.locator("form").bounding_box()
    assert form is not None
    assert form["width"] > 400
    await page.get_by_label("Token of your identity provider").fill("nonsense")
    fan.allowed_errors = re.compile("status of 401")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator(".form-outcome")).not_to_be_empty()
    await page.close()

    link = await create_link(owner, SECRET, "admin", node.url, "a test")
    page = (await fan.open(link.removeprefix(node.url))).page
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{node.url}/admin")
    await expect(page.locator(".verdict-sentence")).to_have_text("All well.")
    await expect(page.locator("#connection")).to_have_text("Live")
    await expect(page.get_by_role("region", name="Nodes").get_by_role("row", name=node.rooms.name)).to_contain_text(
        "ready"
    )
    await expect(page.get_by_role("row", name="session.open_link")).to_be_visible()
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("server.node.node.shutil.disk_usage", lambda _: usage._replace(free=4_096))
    await expect(page.locator(".verdict-sentence")).to_contain_text("is nearly full: 4,096 bytes are free")
    await expect(page.locator(".verdict")).to_have_attribute("data-level", "critical")
    await expect(page.locator(".verdict-act")).to_contain_text("Free space")
    # Its button leads to a page that is not there.
    await expect(page.locator(".verdict-act a")).to_have_count(0)
    assert await findings(page) == []
    monkeypatch.undo()
    await expect(page.locator(".verdict-sentence")).to_have_text("All well.")
    await page.get_by_text("The service levels as a table").click()
    levels = page.get_by_role("region", name="Service levels")
    await expect(levels.get_by_role("row", name="votes that the service answers")).to_contain_text("99.9\u00a0%")
    await expect(page.get_by_role("img", name="Error budget of acknowledgements within 500 ms")).to_be_visible()
    await page.get_by_text("The figures as a table").click()
    await expect(page.get_by_role("region", name="Figures by five minutes").get_by_role("row").nth(1)).to_contain_text(
        ":"
    )
    assert await page.locator(".figure svg").first.get_attribute("aria-label")

    async def is_not_watched() -> bool:
        return not await _is_watched(node)

    assert await _is_watched(node)
    await page.evaluate(SHOW_AS, "hidden")
    await until(is_not_watched)
    await page.evaluate(SHOW_AS, "visible")
    await until(lambda: _is_watched(node))
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


async def test_moderators_see_what_they_may_act_on(node: Node, fans: FanPool, sql: Any, database_url: str) -> None:
    """Live shows and what waits for them; no nodes, errors or acts, and no pages of administrators."""
    (show,) = await make_shows(database_url, count=1)
    await sql.execute("update shows set status = 'live' where id = $1", show.id)
    moderator = await make_staff(sql, "moderator")
    async with open_staff(fans, node, moderator, "moderator", viewport=TABLET, secret=SECRET) as fan:
        page = (await fan.open("/admin")).page
        await expect(page.locator(".verdict-sentence")).to_have_text("Nothing waits for you.")
        await expect(page.get_by_role("heading", name="Shows to watch")).to_be_visible()
        for title in ("Nodes", "Engines and providers", "Last errors", "Who did what"):
            await expect(page.get_by_role("heading", name=title)).to_be_hidden()
        links = await page.locator("#nav a").all_inner_texts()
        assert links[0] == "Now"
        await page.set_viewport_size(DESKTOP)
        table = await page.get_by_role("region", name="Shows to watch").bounding_box()
        assert table is not None
        assert table["width"] > 1000
        assert "Audit" not in links
        # They have no history: the charts say how long they reach.
        await expect(page.locator(".figure-top").first).to_contain_text("2\u00a0min · ")
        # The channel is not theirs: the page asks again by itself.
        async with page.expect_response(lambda response: "/api/admin/overview?history=false" in response.url):
            pass


async def test_keys_alone_are_enough(node: Node, fans: FanPool, sql: Any) -> None:
    """The list of keys, the pages, the table, and the switch that turns single keys off; the focus is always seen."""
    async with open_staff(fans, node, await make_staff(sql, "admin"), secret=SECRET) as fan:
        page = (await fan.open("/admin/nowhere")).page
        await expect(page.get_by_role("heading", name="No such page")).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        # On a phone the list is longer than the screen: it begins at its start, and the button stays in sight.
        await page.set_viewport_size({"width": 360, "height": 500})
        await page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keys")
        await expect(dialog).to_contain_text("Now")
        await expect(dialog.get_by_role("heading", name="Keys")).to_be_in_viewport(ratio=1)
        await expect(dialog.get_by_role("button", name="Close")).to_be_in_viewport(ratio=1)
        assert await findings(page) == []
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await page.set_viewport_size(DESKTOP)
        await page.keyboard.press("g")
        await page.keyboard.press("n")
        await expect(page.get_by_role("heading", name="Now")).to_be_focused()
        assert page.url == f"{node.url}/admin"
        await page.keyboard.press("t")
        await expect(page.locator(".now > .as-table")).to_have_attribute("open", "")
        await page.keyboard.press("?")
        await dialog.get_by_label("Single keys act").focus()
        await page.keyboard.press("Space")
        await page.keyboard.press("Escape")
        await page.keyboard.press("t")
        await expect(page.locator(".now > .as-table")).to_have_attribute("open", "")


@asynccontextmanager
async def node_with_provider(database_url: str, redis_url: str, key: SigningKey) -> AsyncIterator[Node]:
    """A node that takes the tokens of an identity provider, and the roles in them."""
    async with (
        IdentityProvider.open(key) as provider,
        running_node(
            database_url,
            redis_url,
            secret=SECRET,
            jwks_url=provider.url,
            jwt_audience=AUDIENCE,
            jwt_role_claim="role",
        ) as node,
    ):
        yield node


async def test_a_token_of_an_identity_provider_opens_the_console(
    open_fan: OpenFan, own_database_url: str, redis_url: str
) -> None:
    """The tab keeps it, also for the websocket; a token without the role is refused, and signing out forgets it."""
    key = SigningKey("ES256", "key")
    async with node_with_provider(own_database_url, redis_url, key) as node:
        page = (await (await open_fan(node.url)).open("/admin")).page
        token = page.get_by_label("Token of your identity provider")
        await token.fill(key.token("ben"))
        await token.press("Enter")
        await expect(page.locator(".form-outcome")).to_contain_text("is not staff")
        await token.fill(key.token("ana", role="admin"))
        await token.press("Enter")
        await expect(page.locator(".verdict-sentence")).to_have_text("All well.")
        await until(lambda: _is_watched(node))
        await page.reload()
        await expect(page.locator(".verdict-sentence")).to_have_text("All well.")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


async def test_a_token_counts_without_a_websocket_and_before_a_cookie(
    open_fan: OpenFan, own_database_url: str, redis_url: str, own_sql: Any
) -> None:
    """Whoever is a fan in this browser and staff by a token is staff, also where HTTP stands in for the websocket."""
    key = SigningKey("ES256", "key")
    (show,) = await make_shows(own_database_url)
    await own_sql.execute("update shows set results = 'after_closing' where id = $1", show.id)
    async with node_with_provider(own_database_url, redis_url, key) as node:
        page = (await (await open_fan(node.url)).open("/admin", script="delete window.WebSocket")).page
        await page.evaluate("async () => { await fetch('/api/session', { method: 'POST' }); }")
        await page.reload()
        token = page.get_by_label("Token of your identity provider")
        await token.fill(key.token("ana", role="admin"))
        await token.press("Enter")
        await expect(page.locator(".verdict-sentence")).to_be_visible()
        await page.goto(f"{node.url}/admin/shows/{show.id}")
        await expect(page.locator("#connection")).to_have_text("Delayed")
        await expect(page.locator(".facts")).to_contain_text("Votes0")
        await expect(page.get_by_text("Not live")).to_be_hidden()
        await page.close()


async def _is_watched(node: Node) -> bool:
    return any(channel.name == "overview" and channel.subscribers for channel in node.rooms.hub.channels())
