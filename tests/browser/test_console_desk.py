"""The desk and the stage of a show: leaving with unsaved work, channels that do not come, touch, and two administrators."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Dialog, Page, Route, WebSocketRoute, expect

from tests.browser.conftest import Console
from tests.browser.console import REFUSALS, confirm, open_staff, tap_is_answered
from tests.browser.pages import NETWORK_ERRORS, TABLET, Fan, FanPool
from tests.support.open_shows import Show, make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

WATCH_TWICE = """async (channel) => {
    const { Live } = await import("/static/admin/live.js");
    const live = new Live(() => {});
    const watcher = (told) => ({ onState: told, onRefused: told });
    const stopOld = live.watch(channel, watcher(() => {}));
    const told = new Promise((resolve) => live.watch(channel, watcher(() => resolve(true))));
    stopOld();
    return told;
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def staff(fans: FanPool, console: Console) -> AsyncIterator[Fan]:
    """A browser of the administrator for all tests."""
    async with open_staff(fans, console.node, console.admin, viewport=TABLET) as opened:
        opened.allowed_errors = re.compile(f"{NETWORK_ERRORS.pattern}|{REFUSALS.pattern}")
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(staff: Fan) -> Page:
    """One tab of the administrator."""
    return (await staff.new_tab()).page


async def open_show(page: Page, console: Console, show: Show, part: str = "") -> None:
    """Opens the desk or the stage of a show and waits for its sets."""
    await page.goto(f"{console.node.url}/admin/shows/{show.id}{part}")
    await expect(page.locator(".set-song, .stage-song").first).to_be_visible()


def refuse_channels(kinds: tuple[str, ...], socket: WebSocketRoute) -> None:
    """A connection whose subscriptions of these kinds are refused, as a server may do."""
    server = socket.connect_to_server()

    def answer(text: str | bytes) -> None:
        frame: Any = json.loads(text)
        for channel in (frame.get("ok") or {}).get("channels", {}):
            if channel.partition(":")[0] in kinds:
                frame["ok"]["channels"][channel] = {"error": {"code": "bad_request", "message": "Too many of them."}}
        if frame.get("ch", "").partition(":")[0] not in kinds:
            socket.send(json.dumps(frame))

    server.on_message(answer)


async def go_on_after(event: asyncio.Event, route: Route) -> None:
    """Keeps a request until the event."""
    await event.wait()
    await route.continue_()


async def test_a_page_with_unsaved_work_asks_before_it_is_left(page: Page, console: Console) -> None:
    """By a link, by keys, by Back and by a reload: an unsaved set and new codes stay until the question is answered."""
    (show,) = await make_shows(console.database_url, songs=3)
    await page.goto(f"{console.node.url}/admin/shows")
    await page.get_by_role("link", name=re.compile(f"^show-.*{show.id}$|^show-")).first.wait_for()
    await page.evaluate(
        "(path) => { history.pushState(null, '', path); dispatchEvent(new Event('popstate')); }",
        f"/admin/shows/{show.id}",
    )
    await expect(page.locator(".set-song").first).to_be_visible()
    for key in ("j", "J"):
        await page.keyboard.press(key)
    question = page.get_by_role("dialog", name="Leave this page?")
    for leave in (
        partial(page.get_by_role("link", name="People").click),
        partial(page.keyboard.press, "t"),
        partial(page.evaluate, "history.back()"),
    ):
        await leave()
        await expect(question).to_contain_text("The changes of the sets are not saved.")
        await expect(question.get_by_role("button", name="Stay")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(question).to_have_count(0)
        assert page.url == f"{console.node.url}/admin/shows/{show.id}"
        await expect(page.get_by_text("Not saved yet")).to_be_visible()

    asked: list[str] = []

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.dismiss()

    page.on("dialog", stay)
    await page.evaluate("location.reload()")
    await expect(page.get_by_text("Not saved yet")).to_be_visible()
    page.remove_listener("dialog", stay)
    assert asked == ["beforeunload"]
    await page.get_by_role("button", name="Discard").click()

    await page.get_by_role("button", name="Make codes…").click()
    await page.get_by_role("dialog").get_by_label("How many").fill("2")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("dialog")).to_contain_text("The show gets 2 new codes.")
    await confirm(page, "Make codes", says="2 codes made.")
    await page.get_by_role("link", name="People").click()
    await expect(question).to_contain_text("The codes that were just made are shown only here.")
    await page.keyboard.press("Escape")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Save the codes as a file").click()
    saved = await (await download.value).path()
    assert saved.read_text() == await page.get_by_label("New codes").input_value()
    await page.get_by_role("link", name="People").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("People")


async def test_the_desk_and_the_stage_say_what_is_not_live(staff: Fan, console: Console) -> None:
    """They name the channels that do not come and the reason, and follow the show over HTTP meanwhile."""
    (show,) = await make_shows(console.database_url, songs=3)
    tab = await staff.new_tab()
    page = tab.page
    await page.route_web_socket(re.compile("/ws$"), partial(refuse_channels, ("votes", "setlist")))
    await page.clock.install()
    await open_show(page, console, show)
    says = page.locator("main .refused")
    await expect(says).to_have_text(
        "Not live: the sets, the counts. Too many of them. This page asks again every 5 seconds."
    )
    await console.sql.execute(
        "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at) values ($1, $2, $3, 'up', now())",
        show.songs[1], console.moderator, show.id,
    )  # fmt: skip
    await page.clock.run_for(5_000)
    await expect(page.locator(f".set-votes[data-song='{show.songs[1]}']")).to_have_text("1 up, 0 down")
    await expect(page.locator(".facts").first).to_contain_text("Votes1")

    await open_show(page, console, show, "/stage")
    await expect(says).to_contain_text("Not live: what others mark. Too many of them.")
    await expect(page.locator("#connection")).to_be_hidden()
    await page.evaluate("dispatchEvent(new Event('offline'))")
    await expect(page.locator("#connection")).to_have_text("Connecting")
    await expect(page.locator("#connection")).to_be_visible()
    await page.evaluate("dispatchEvent(new Event('online'))")
    await page.clock.run_for(1_000)
    await expect(page.locator("#connection")).to_have_text("Live")
    await console.sql.execute("update setlist_songs set played_at = now() where id = $1", show.songs[2])
    await page.clock.run_for(5_000)
    await expect(page.locator(".stage-now")).to_have_text("Song 3")

    # A tap that comes while another is on its way says so.
    sent = asyncio.Event()
    await page.route(re.compile("/played$"), partial(go_on_after, sent))
    await page.locator(".stage-song").nth(0).click()
    await page.locator(".stage-song").nth(1).click()
    await expect(page.locator(".stage-says")).to_contain_text("this one did nothing. Tap again.")
    sent.set()
    await page.clock.run_for(5_000)
    await expect(page.locator(".stage-now")).to_have_text("Song 1")

    await open_show(page, console, show)
    asked = asyncio.Event()
    await page.route(re.compile("/results"), partial(go_on_after, asked))
    await page.get_by_role("button", name="Results as CSV").click()
    await page.clock.run_for(60_000)
    await expect(page.get_by_text("The file did not come within a minute. Try again.")).to_be_visible()
    asked.set()
    assert await page.evaluate(WATCH_TWICE, f"status:{show.id}")
    await page.close()


async def test_a_finger_drags_songs(page: Page, console: Console) -> None:
    """On a tablet a song follows the finger on its grip, past the others and back, and the page does not scroll meanwhile."""
    (show,) = await make_shows(console.database_url, songs=12)
    await open_show(page, console, show)
    touch = await page.context.new_cdp_session(page)
    await touch.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    songs = page.locator(".set-song .set-title")

    async def drag(start: int, end: int) -> None:
        grip = await page.locator(".grip").nth(start).bounding_box()
        target = await page.locator(".set-song").nth(end).bounding_box()
        assert grip
        assert target
        x, y = grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2
        goal = target["y"] + target["height"] * (0.8 if end > start else 0.2)

        async def send(kind: str, *points: dict[str, float]) -> None:
            await touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

        await send("touchStart", {"x": x, "y": y})
        for part in range(1, 9):
            await send("touchMove", {"x": x, "y": y + (goal - y) * part / 8})
        await send("touchEnd")

    await page.locator(".sets").evaluate("(sets) => sets.scrollIntoView({ block: 'start' })")
    scrolled = await page.evaluate("scrollY")
    await drag(0, 2)
    await expect(page.get_by_text("Not saved yet")).to_be_visible()
    await expect(songs.nth(2)).to_have_text("Song 1")
    await drag(3, 1)
    await expect(songs).to_have_text([f"Song {number}" for number in (2, 4, 3, 1, *range(5, 13))])
    assert abs(await page.evaluate("scrollY") - scrolled) < 100  # the bar of unsaved changes has come
    await page.get_by_role("button", name="Save the sets…").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Song 1: place 1 → 4")
    await confirm(page, "Save", says="The sets are saved.")
    await touch.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
    rows = await console.sql.fetch("select id from setlist_songs where show_id = $1 order by position", show.id)
    assert [row["id"] for row in rows][:4] == [show.songs[place] for place in (1, 3, 2, 0)]


async def test_the_second_administrator_learns_of_each_act_of_the_first(
    page: Page, staff: Fan, console: Console
) -> None:
    """Sets, window, tickets and the stage: the other desk tells the change, and an act for the older state goes on only after it
    has shown who was faster.
    """
    (show,) = await make_shows(console.database_url, songs=3)
    other = (await staff.new_tab()).page
    await open_show(page, console, show)
    await open_show(other, console, show)
    dialog, theirs = page.get_by_role("dialog"), other.get_by_role("dialog")
    news = page.locator(".news")

    await page.get_by_role("button", name="What a vote requires…").click()
    await dialog.get_by_label("A vote requires").select_option("mail")
    await expect(dialog).to_contain_text("Fans without it cannot vote any more")
    await other.get_by_role("button", name="What a vote requires…").click()
    await theirs.get_by_label("A vote requires").select_option("work")
    await confirm(other, "Change", says="A vote requires now")
    await expect(news).to_contain_text("Requires a ticket: false → true")
    await dialog.get_by_role("button", name="Change").click()
    await expect(dialog.get_by_role("alert")).to_contain_text(f"user {console.admin} did show.tickets")
    await confirm(page, "Change", says="A vote requires now: A confirmed email.")

    await page.get_by_role("button", name="Window").click()
    await dialog.get_by_label("Ends").fill("2031-01-01T20:00")
    await expect(dialog).to_contain_text("Voting ends:")
    await other.get_by_role("button", name="Window").click()
    await theirs.get_by_label("Ends").fill("2032-02-02T20:00")
    await confirm(other, "Save", says="The show is changed.")
    await expect(news).to_contain_text("Voting ends:")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("did show.change (closes_at)")
    # What this administrator typed stays, and is shown against what the other has made of it.
    await expect(dialog).to_contain_text("Voting ends: 2032-02-02 20:00 → 2031-01-01 20:00")
    await confirm(page, "Save", says="The show is changed.")

    await page.locator("h1").focus()
    for key in ("j", "J"):
        await page.keyboard.press(key)
    await expect(other.locator(".news")).to_contain_text("2031-01-01")
    await other.locator("h1").focus()
    for key in ("j", "x", "s"):
        await other.keyboard.press(key)
    await confirm(other, "Save", says="The sets are saved.")
    await expect(page.get_by_text("Somebody else changed the sets meanwhile.")).to_be_visible()
    await page.get_by_role("button", name="Save the sets…").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("did show.sets")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Discard").click()
    await expect(page.locator(".set-song")).to_have_count(2)

    await other.goto(f"{console.node.url}/admin/shows/{show.id}/stage")
    await other.locator(".stage-song").nth(0).click()
    await expect(news).to_contain_text("the sets, the songs or the tickets")
    await page.goto(f"{console.node.url}/admin/shows/{show.id}/stage")
    await tap_is_answered(other)
    await other.locator(".stage-song").nth(1).click()
    await expect(page.locator(".stage-now")).to_have_text("Song 3")
    await other.close()


PRESS_IN_A_TABLE = """async () => {
    const { createTable } = await import("/static/admin/table.js");
    const table = createTable("Pressed", ["Name"]);
    window.pressed = [];
    window.show = (...names) => table.update(names.map((name) =>
        ({ key: name, cells: [name], acts: [{ label: `Press ${name}`, act: () => pressed.push(name) }] })));
    document.querySelector("main").replaceChildren(table.element);
    show("a", "b", "c");
}"""


async def test_a_press_survives_rows_that_come_and_go(staff: Fan, console: Console) -> None:
    """A button that is pressed while other rows come, go and change places is clicked when it is let go, and keeps its focus."""
    page = (await staff.new_tab()).page
    await page.goto(f"{console.node.url}/admin")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await page.evaluate(PRESS_IN_A_TABLE)
    await page.get_by_role("button", name="Press a").hover()
    await page.mouse.down()
    for names in (["a", "c", "b"], ["a", "b"], ["a", "d", "b"]):
        await page.evaluate("(names) => show(...names)", names)
    await page.mouse.up()
    assert await page.evaluate("pressed") == ["a"]
    await page.evaluate("show('b', 'd', 'a')")
    assert await page.evaluate("document.activeElement.textContent") == "Press a"
    await page.evaluate("show('d')")
    assert await page.evaluate("document.activeElement.getAttribute('aria-label')") == "Pressed"
