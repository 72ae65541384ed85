"""The console's page Shows: control, sets by drag and by keys, the stage, tickets; two members of staff at one show."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.console import confirm, fits, is_fine, open_staff, tap_is_answered, visit
from tests.browser.pages import DESKTOP, TABLET, FanPool
from tests.support.open_shows import Show, make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What has the focus is not hidden by the bar that says that something is not saved.
IS_BELOW_THE_BAR = """() => document.activeElement.matches(".set-song")
    && document.activeElement.getBoundingClientRect().top >= document.querySelector(".unsaved").getBoundingClientRect().bottom"""
LONG_NAME = "Orchestra of Extraordinarily Long and Winding Names from Köln"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def admin(fans: FanPool, console: Console) -> AsyncIterator[Page]:
    """One tab of the administrator for all tests."""
    async with open_staff(fans, console.node, console.admin) as staff:
        yield (await staff.open("/admin/shows")).page


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def moderator(fans: FanPool, console: Console) -> AsyncIterator[Page]:
    """One tab of the moderator for all tests, on a tablet."""
    async with open_staff(fans, console.node, console.moderator, "moderator", viewport=TABLET) as staff:
        yield (await staff.open("/admin/shows")).page


async def open_show(page: Page, console: Console, show: Show, part: str = "") -> None:
    """Opens the desk of a show and waits for its sets."""
    await page.goto(f"{console.node.url}/admin/shows/{show.id}{part}")
    await expect(page.locator(".set-song, .stage-song").first).to_be_visible()


async def order(console: Console, show: Show) -> list[int]:
    """The songs of the show, by place."""
    rows = await console.sql.fetch("select id from setlist_songs where show_id = $1 order by position", show.id)
    return [row["id"] for row in rows]


async def test_keys_alone_control_a_show(admin: Page, console: Console) -> None:
    """From the list to a paused, resumed and closed show without a mouse; every dialog says what changes."""
    (show,) = await make_shows(console.database_url)
    await admin.goto(f"{console.node.url}/admin/shows")
    await visit(admin, "s", "Shows")
    await is_fine(admin)
    keys = admin.keyboard
    await expect(admin.get_by_role("link", name="show-")).not_to_have_count(0)
    await keys.press("j")
    await keys.press("Enter")
    await expect(admin.locator(".facts").first).to_contain_text("open")
    await expect(admin.locator(".set-song").first).to_be_visible()
    # A name in Arabic would turn the numbers of the day around.
    await expect(admin.locator(".show-state bdi")).to_have_count(3)
    await is_fine(admin)
    await keys.press("v")
    await expect(admin.get_by_role("dialog")).to_contain_text("Voting: open → locked")
    await expect(admin.get_by_role("dialog")).to_contain_text("No vote is lost")
    await keys.press("Enter")
    await expect(admin.locator("#notice")).to_contain_text("Voting is paused.")
    assert await console.sql.fetchval("select is_locked from shows where id = $1", show.id)
    await keys.press("v")
    await expect(admin.get_by_role("dialog")).to_contain_text("Voting: locked → open")
    await keys.press("Enter")
    await expect(admin.locator("#notice")).to_contain_text("Voting is open again.")

    await admin.get_by_role("button", name="Close voting").click()
    await confirm(admin, "Close voting", says="Voting is closed.")
    await admin.get_by_role("button", name="Reopen voting").click()
    dialog = admin.get_by_role("dialog")
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    await dialog.get_by_label("New end of voting").fill(f"{later:%Y-%m-%dT20:00}")
    await dialog.get_by_label("Reason").fill("The band is late")
    await confirm(admin, "Reopen voting", says="Voting is open again. All votes stay.")
    reason = await console.sql.fetchval("select detail->>'reason' from audit_log where action = 'show.reopen'")
    assert reason == "The band is late"


async def test_sets_are_edited_by_keys_and_by_drag(admin: Page, console: Console) -> None:
    """Songs move, leave and come in a draft; saving says what changes, and fans see it at once."""
    (show,) = await make_shows(console.database_url, songs=4)
    first, second, third, fourth = show.songs
    await open_show(admin, console, show)
    songs = admin.locator(".set-song")
    keys = admin.keyboard
    for key in ("j", "J"):
        await keys.press(key)
    await expect(songs.nth(1)).to_be_focused()
    for key in ("j", "j", "x"):
        await keys.press(key)
    await keys.press("n")
    dialog = admin.get_by_role("dialog")
    await dialog.get_by_label("Title").fill("Rarity")
    await confirm(admin, "Add", says="Save the sets to keep it.")
    await expect(admin.get_by_text("Not saved yet")).to_be_visible()
    assert await order(console, show) == [first, second, third, fourth]
    await admin.set_viewport_size({"width": 360, "height": 400})
    for key in ("j", "j", "k", "k"):
        await keys.press(key)
        assert await admin.evaluate(IS_BELOW_THE_BAR)
    await admin.set_viewport_size(DESKTOP)
    await keys.press("s")
    await expect(dialog).to_contain_text("Song 1: place 1 → 2")
    await expect(dialog).to_contain_text("Song 4 is removed")
    await expect(dialog).to_contain_text("Rarity is new, place 4 of Main set")
    await keys.press("Enter")
    await expect(admin.locator("#notice")).to_contain_text("The sets are saved.")
    await expect(songs.filter(has_text="new")).to_have_count(0)
    saved = await order(console, show)
    assert saved[:3] == [second, first, third]

    grip, target = songs.nth(0).locator(".grip"), songs.nth(2)
    await grip.hover()
    await admin.mouse.down()
    box = await target.bounding_box()
    assert box
    await admin.mouse.move(box["x"] + 20, box["y"] + box["height"] * 0.8, steps=4)
    await admin.mouse.up()
    await expect(admin.get_by_text("Not saved yet")).to_be_visible()
    await admin.get_by_role("button", name="Save the sets…").click()
    await confirm(admin, "Save", says="The sets are saved.")
    assert (await order(console, show))[:3] == [first, third, second]


async def test_the_second_learns_of_the_first(admin: Page, moderator: Page, console: Console) -> None:
    """What one changes is told on the desk of the other at once; an act for an older state is refused with who was faster."""
    (show,) = await make_shows(console.database_url)
    await open_show(admin, console, show)
    await open_show(moderator, console, show)
    await admin.keyboard.press("v")
    await expect(admin.get_by_role("dialog")).to_contain_text("Voting: open → locked")
    await moderator.get_by_role("button", name="Pause voting").click()
    await confirm(moderator, "Pause voting", says="Voting is paused.")
    await expect(admin.locator(".news")).to_contain_text("Voting: open → locked")
    await admin.keyboard.press("Enter")
    await expect(admin.get_by_role("alert")).to_contain_text(f"user {console.moderator} did show.lock")
    await admin.keyboard.press("Escape")
    await expect(admin.get_by_role("button", name="Resume voting")).to_be_visible()


async def test_a_moderator_has_only_what_the_server_honours(moderator: Page, console: Console) -> None:
    """Pause, close, sets and stage are there; window, budget, bill, tickets and new shows are not."""
    (show,) = await make_shows(console.database_url)
    await open_show(moderator, console, show)
    names = [name.strip() for name in await moderator.locator("main .toolbar button").all_inner_texts()]
    assert {"Pause voting v", "Close voting c", "Add a song… n"} <= {" ".join(name.split()) for name in names}
    for name in ("Window", "Budget", "Postpone", "Cancel show", "Make codes…", "Edit"):
        await expect(moderator.get_by_role("button", name=name)).to_have_count(0)
    await visit(moderator, "s", "Shows")
    await expect(moderator.get_by_role("button", name="New show…")).to_have_count(0)


async def test_the_stage_marks_with_one_tap_and_takes_it_back(moderator: Page, console: Console) -> None:
    """One tap marks the song that plays, Undo takes it back, another's tap appears; keys do the same; the page is dark."""
    (show,) = await make_shows(console.database_url, songs=3)
    await open_show(moderator, console, show, "/stage")
    songs = moderator.locator(".stage-song")
    await is_fine(moderator)
    await moderator.set_viewport_size(TABLET)
    heights = await songs.evaluate_all("songs => songs.map((song) => song.offsetHeight)")
    assert min(heights) >= 64
    for element in ("documentElement", "body"):
        assert await moderator.evaluate(f"getComputedStyle(document.{element}).backgroundColor") == "rgb(0, 0, 0)"
    await songs.nth(1).click()
    await expect(moderator.locator(".stage-now")).to_have_text("Song 2")
    await expect(songs.nth(1)).to_have_attribute("aria-current", "true")
    played = "select played_at is not null from setlist_songs where id = $1"
    assert await console.sql.fetchval(played, show.songs[1])
    await tap_is_answered(moderator)
    await moderator.get_by_role("button", name="Undo: Song 2").click()
    await expect(moderator.locator(".stage-now")).to_have_text("Nothing yet")
    assert not await console.sql.fetchval(played, show.songs[1])

    await console.sql.execute("update setlist_songs set played_at = now() where id = $1", show.songs[2])
    await expect(moderator.locator(".stage-now")).to_have_text("Song 3")
    await moderator.locator("h1").focus()
    for key in ("j", "Enter"):
        await moderator.keyboard.press(key)
    await expect(moderator.locator(".stage-now")).to_have_text("Song 1")
    await tap_is_answered(moderator)
    await moderator.keyboard.press("u")
    await expect(moderator.locator(".stage-now")).to_have_text("Song 3")


async def test_a_show_is_made_and_its_tickets(admin: Page, console: Console) -> None:
    """A new show is previewed and made, gets codes of tickets, and requires one."""
    await make_shows(console.database_url)
    artist, venue = await console.sql.fetchrow(
        "select a.name, v.name from artists a, venues v order by a.id, v.id limit 1"
    ) or ("", "")
    await visit(admin, "s", "Shows")
    await admin.keyboard.press("m")
    dialog = admin.get_by_role("dialog")
    await console.sql.execute("insert into artists (slug, name) values ('long', $1)", LONG_NAME)
    await dialog.get_by_label("Artist", exact=True).fill(LONG_NAME[:9])
    await expect(dialog.locator(".picks").get_by_role("button", name=LONG_NAME)).to_be_visible()
    await fits(admin)
    for label, name in (("Artist", artist), ("Venue", venue)):
        field = dialog.get_by_label(label, exact=True)
        await field.fill(name)
        await dialog.locator(".picks").get_by_role("button", name=name).first.click()
    await dialog.get_by_label("Starts").fill(f"{dt.datetime.now(dt.UTC) + dt.timedelta(days=40):%Y-%m-%dT20:00}")
    await dialog.get_by_label("Name").click()
    await expect(dialog).to_contain_text("Voting opens")
    await confirm(admin, "Make the show", says="is made.")
    await expect(admin.get_by_role("heading", level=1)).to_have_text(f"{artist} at {venue}")
    await admin.get_by_role("button", name="Make codes…").click()
    await dialog.get_by_label("How many").fill("3")
    await confirm(admin, "Make codes", says="3 codes made.")
    assert len((await admin.get_by_label("New codes").input_value()).splitlines()) == 3
    await admin.get_by_role("button", name="What a vote requires…").click()
    await dialog.get_by_label("A vote requires").select_option("code")
    await expect(dialog).to_contain_text("Fans without it cannot vote any more")
    await confirm(admin, "Change", says="A vote requires now: A ticket with a code.")
    await expect(admin.get_by_text("3 codes, 0 redeemed.")).to_be_visible()
    # Two buttons that both say "Cancel" would be a riddle.
    await admin.get_by_role("button", name="Cancel show").click()
    await dialog.get_by_role("button", name="Keep it").click()
    await expect(dialog).to_have_count(0)
