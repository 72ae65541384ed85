"""The console's page Catalogue: entries that are made and edited, and doubtful matches side by side, for administrators."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.console import confirm, is_fine, open_staff, visit
from tests.browser.pages import FanPool
from tests.support.open_shows import make_shows

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(fans: FanPool, console: Console) -> AsyncIterator[Page]:
    """One tab of the administrator for all tests; there are two shows, and a match of the first artist."""
    await make_shows(console.database_url, count=2)
    await console.sql.execute(
        "insert into identity_reviews (service, external_id, name, url, artist_id, confidence, evidence)"
        " select 'musicbrainz', 'x-1', 'Nova (DE)', 'https://musicbrainz.example/x-1', min(id), 0.62, 'One of two songs is the same.'"
        "   from artists"
    )
    async with open_staff(fans, console.node, console.admin) as staff:
        yield (await staff.open("/admin/catalogue")).page


async def test_a_match_is_decided_with_its_evidence(page: Page, console: Console) -> None:
    """Both names and the evidence stand side by side; keys alone decide; then the part is gone."""
    await visit(page, "k", "Catalogue")
    match = page.locator("[data-match]")
    await expect(match).to_contain_text("62.0 % sure. One of two songs is the same.")
    await expect(match.get_by_role("link", name="Nova (DE)")).to_be_visible()
    await is_fine(page)
    for key in ("n", "x"):
        await page.keyboard.press(key)
    await expect(page.get_by_role("dialog")).to_contain_text("The two stay apart.")
    await page.keyboard.press("Enter")
    await expect(page.locator("#notice")).to_contain_text("stay apart.")
    await expect(match).to_have_count(0)
    row = await console.sql.fetchrow("select verdict::text, decided_by from identity_reviews")
    assert row
    assert tuple(row) == ("different", console.admin)


async def test_an_artist_is_made_and_renamed(page: Page, console: Console) -> None:
    """The preview names what is made and what changes; a second one of the name needs a word more, in the server's words."""
    await page.keyboard.press("m")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("Stereolab")
    await dialog.get_by_label("Genre").click()
    await expect(dialog).to_contain_text("A new artist: Stereolab, at /artists/stereolab.")
    await confirm(page, "Make", says="Stereolab is made")

    await page.keyboard.press("m")
    await dialog.get_by_label("Name", exact=True).fill("Stereolab")
    await dialog.get_by_label("Genre").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("of this name is there")
    await page.keyboard.press("Escape")

    await page.get_by_label("Words").fill("Stereolab")
    row = page.get_by_role("row").filter(has_text="Stereolab")
    await expect(page.get_by_role("region", name="Entries").get_by_role("row")).to_have_count(2)
    await row.get_by_role("button", name="Edit").click()
    await dialog.get_by_label("Name", exact=True).fill("Stereolabs")
    await dialog.get_by_label("Reason").fill("A typing error")
    await expect(dialog).to_contain_text("Name: Stereolab → Stereolabs")
    await expect(dialog).to_contain_text("0 shows have the artist on the bill.")
    await confirm(page, "Save", says="is changed.")
    await expect(row).to_contain_text("Stereolabs")
    assert (
        await console.sql.fetchval("select detail->>'reason' from audit_log where action = 'artist.change'")
        == "A typing error"
    )


async def test_a_song_moves_to_the_artist_who_wrote_it(page: Page, console: Console) -> None:
    """A field picks an artist by a part of the name; somebody else's change meanwhile is told."""
    await page.get_by_label("Words").fill("Song 1")
    await page.get_by_label("Kind").select_option("song")
    row = page.get_by_role("region", name="Entries").get_by_role("row").nth(1)
    await expect(row).to_contain_text("Song 1")
    await row.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Artist who wrote it").fill("Stereolabs")
    await dialog.locator(".picks").get_by_role("button", name="Stereolabs").click()
    await expect(dialog).to_contain_text("Artist: artist-")
    await expect(dialog).to_contain_text("→ Stereolabs")
    await console.sql.execute("update songs set title = title || '!'")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Somebody else changed this song since you read it")
    # The dialog goes on with what the song is now: the other's change stays, and the next press saves.
    await expect(dialog.get_by_label("Title")).to_have_value(re.compile("!$"))
    await expect(dialog).not_to_contain_text("Title:")
    await confirm(page, "Save", says="is changed.")
    await expect(row).to_contain_text("Stereolabs")
    await expect(row).to_contain_text("!")


async def test_songs_are_looked_through_made_merged_and_come_back(page: Page, console: Console) -> None:
    """All songs come without a search, those of an artist by its button; a song is made, merged into another and comes back."""
    entries = page.get_by_role("region", name="Entries").get_by_role("row")
    dialog = page.get_by_role("dialog")
    await page.get_by_label("Words").fill("")
    await page.get_by_label("Kind").select_option("song")
    await expect(page.get_by_text("All songs, the newest first.")).to_be_visible()
    await expect(entries.nth(1)).to_contain_text("Song 6!")
    await page.get_by_label("Kind").select_option("artist")
    await page.get_by_label("Words").fill("Stereolabs")
    await expect(entries).to_have_count(2)
    await entries.nth(1).get_by_role("button", name="Songs").click()
    await expect(page.get_by_text("The songs of Stereolabs, by title.")).to_be_visible()
    await expect(entries).to_have_count(2)
    await is_fine(page)
    await page.get_by_role("button", name="New…").click()
    await dialog.get_by_label("Title").fill("Brakhage")
    await dialog.get_by_label("Make it although").click()
    await expect(dialog).to_contain_text("A new song: Brakhage of Stereolabs.")
    await confirm(page, "Make", says="Brakhage is made")

    twin = entries.filter(has_text="!")
    title = await twin.locator("th").inner_text()
    await entries.filter(has_text="Brakhage").get_by_role("button", name="Merge").click()
    await dialog.get_by_label("The song that is the same and goes").fill(title)
    await dialog.locator(".picks").get_by_role("button", name="Stereolabs").click()
    await expect(dialog).to_contain_text(f"{title} goes; its id and its address lead to Brakhage.")
    await expect(dialog).to_contain_text("1 show has the one that stays")
    await confirm(page, "Merge", says=f"{title} is merged into Brakhage.")
    await expect(twin).to_have_count(0)
    await page.get_by_role("region", name="Merges").get_by_role("button", name="Undo").click()
    await confirm(page, "Undo the merge", says=f"{title} is there again.")
    await expect(twin).to_have_count(1)
    assert await console.sql.fetchval("select count(*) from songs where title = 'Brakhage'") == 1
    await page.get_by_role("button", name="All songs").click()
    await expect(entries.nth(1)).to_contain_text("Brakhage")


async def test_a_duplicate_is_merged_and_comes_back(page: Page, console: Console) -> None:
    """The preview counts what moves along; afterwards only one is there; undoing it brings the other back."""
    first, second = [
        row["name"]
        for row in await console.sql.fetch("select name from artists where slug like 'artist-%' order by id")
    ]
    await page.get_by_label("Kind").select_option("artist")
    await page.get_by_label("Words").fill(first)
    entries = page.get_by_role("region", name="Entries").get_by_role("row")
    # A row that is drawn again between the press and the release of a button gets no click.
    await expect(entries.filter(has_text=second)).to_have_count(0)
    await entries.filter(has_text=first).get_by_role("button", name="Merge").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("The artist that is the same and goes").fill(second)
    await dialog.locator(".picks").get_by_role("button", name=second).click()
    await expect(dialog).to_contain_text(f"{second} goes; its id and its address lead to {first}.")
    await expect(dialog).to_contain_text("2 shows have the one that stays; 0 votes and 0 follows move along.")
    await confirm(page, "Merge", says=f"{second} is merged into {first}.")
    shows = "select count(distinct artist_id) from shows"
    assert await console.sql.fetchval(shows) == 1
    await is_fine(page)
    await page.get_by_role("region", name="Merges").get_by_role("button", name="Undo").click()
    await confirm(page, "Undo the merge", says=f"{second} is there again.")
    assert await console.sql.fetchval(shows) == 2
