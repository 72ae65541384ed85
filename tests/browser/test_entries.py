"""The pages of artists, venues and songs, the search in the header, and the way between them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import asyncpg
import pytest
from playwright.async_api import Page, Route, expect

from server.node.node import Node
from tests.browser.conftest import OpenFan
from tests.browser.pages import DESKTOP
from tests.support.open_shows import Show, make_shows
from tests.support.running_node import until

if TYPE_CHECKING:
    Sql = asyncpg.Connection[asyncpg.Record]

pytestmark = pytest.mark.asyncio(loop_scope="session")

OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def make_career(database_url: str, sql: Sql, name: str) -> tuple[Show, list[Show], dict[str, str]]:
    """An artist with an upcoming show with votes and three finished ones with played sets and scores; and the slugs."""
    upcoming, *past = await make_shows(database_url, count=4, songs=4)
    await sql.execute(
        "update artists set name = $2, slug = lower($2), genre = 'Rock', country = 'IS' where id = $1",
        upcoming.artist,
        name,
    )
    await sql.execute(
        "update songs set title = title || ' of ' || $2::text where artist_id = $1", upcoming.artist, name
    )
    songs = [
        row["song_id"]
        for row in await sql.fetch(
            "select song_id from setlist_songs where show_id = $1 order by position", upcoming.id
        )
    ]

    async def vote(show: Show, place: int, choice: str, count: int) -> None:
        await sql.execute(
            "with u as (insert into users (role) select 'user' from generate_series(1, $4::int) returning id)"
            " insert into votes select $1, id, $2, $3::vote_choice, now() from u",
            show.songs[place], show.id, choice, count,
        )  # fmt: skip

    await vote(upcoming, 1, "up", 3)
    await vote(upcoming, 0, "down", 1)
    for days, show in enumerate(past, start=2):
        await sql.execute(
            "update shows set artist_id = $2, status = 'finished', starts_at = now() - $3 * interval '1 day',"
            " local_date = current_date - $3::int, opens_at = now() - interval '30 days', closes_at = now() - $3 * interval '1 day',"
            " venue_id = (select venue_id from shows where id = $4), finalised_at = now() where id = $1",
            show.id, upcoming.artist, days, upcoming.id,
        )  # fmt: skip
        await sql.execute(
            "update setlist_songs e set song_id = u.song_id from setlist_songs u"
            " where u.show_id = $2 and u.position = e.position and e.show_id = $1",
            show.id,
            upcoming.id,
        )
        await vote(show, 0, "up", 1)  # a score uses the votes of the moment when the played set comes
        setlist = await sql.fetchval(
            "insert into setlists (show_id, type, name) values ($1, 'actual', 'Played') returning id", show.id
        )
        await sql.execute(
            "insert into setlist_songs (setlist_id, show_id, song_id, position)"
            " select $1, $2, s, row_number() over () from unnest($3::bigint[]) s",
            setlist, show.id, songs[: days - 1],
        )  # fmt: skip
    scored = "select count(*) = 3 from show_accuracy where hits = 1 and show_id = any($1::bigint[])"
    await until(lambda: sql.fetchval(scored, [show.id for show in past]))
    row = await sql.fetchrow(
        "select s.slug, v.slug as venue, v.id as venue_id from shows s join venues v on v.id = s.venue_id where s.id = $1",
        upcoming.id,
    )
    assert row is not None
    return upcoming, past, {"show": row["slug"], "venue": row["venue"], "artist": name.lower(), "song": str(songs[1])}


async def heading_is(page: Page, text: str, *, is_focused: bool = True) -> None:
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text(text)
    if is_focused:
        await expect(heading).to_be_focused()
    assert await page.evaluate(OVERFLOW) <= 0


async def test_from_a_show_to_its_artist_song_and_venue_and_back(
    node: Node, open_fan: OpenFan, database_url: str, sql: Sql
) -> None:
    """Names lead to their pages, which have what fans ask for; each has a title, its heading has the focus, and Back is at once
    where the reader was.
    """
    upcoming, _, slugs = await make_career(database_url, sql, "Hvalfang")
    fan = await open_fan()
    # Chromium writes this to the console when the first follow finds that there is no account yet.
    fan.allowed_errors = re.compile("status of 401")
    page = (await fan.open_show(upcoming.id)).page
    await page.get_by_role("heading", level=1).get_by_role("link").tap()
    await expect(page).to_have_url(f"{node.url}/artists/{slugs['artist']}")
    await heading_is(page, "Hvalfang")
    await expect(page).to_have_title("Hvalfang: shows, songs and votes | MySetlist")
    await expect(page.locator(".entry-facts")).to_have_text("Rock · IS · 4 shows")
    shows = page.get_by_role("region", name="Next shows")
    await expect(shows.get_by_role("listitem")).to_have_count(1)
    await expect(shows).to_contain_text("4 votes")
    played = page.get_by_role("region", name="Played at the last 3 shows").get_by_role("listitem")
    await expect(played).to_have_count(3)
    await expect(played.first).to_contain_text("Song 1 of Hvalfang")
    await expect(played.first.locator(".dots i[data-on]")).to_have_count(3)
    await expect(played.nth(2)).to_contain_text("at 1 of 3")
    voted = page.get_by_role("region", name="Songs by votes").get_by_role("listitem")
    await expect(voted.first).to_contain_text("Song 2 of Hvalfang")
    await expect(voted.first).to_contain_text("3 up, 0 down")
    accuracy = page.get_by_role("region", name="How well fans foresee")
    await expect(accuracy).to_contain_text("The crowd foresaw 61% of what was played at the last 3 shows.")
    await expect(accuracy.locator(".bar")).to_have_count(3)
    await accuracy.get_by_text("Show by show").tap()
    await expect(accuracy.get_by_role("listitem").first).to_contain_text("1 of 1 song foreseen")

    follow = page.get_by_role("button", name="Follow Hvalfang")
    await follow.tap()
    await expect(page.get_by_text("1 follower", exact=True)).to_be_visible()
    await expect(follow).to_have_attribute("aria-pressed", "true")

    await page.evaluate("scrollTo({ top: 300, behavior: 'instant' })")
    before = await page.evaluate("scrollY")
    assert before > 0
    await played.nth(1).get_by_role("link").tap()
    await heading_is(page, "Song 2 of Hvalfang")
    await expect(page.get_by_role("region", name="Votes")).to_contain_text("Fans voted 3 times up and 0 times down.")
    setlists = page.get_by_role("region", name="In setlists").get_by_role("listitem")
    await expect(setlists.first).to_contain_text("Predicted, 3 votes")
    await expect(setlists.nth(3)).to_contain_text("Played as number 2")
    await expect(page.get_by_role("region", name="Who plays it").get_by_role("link", name="Hvalfang")).to_be_visible()
    assert await page.evaluate("scrollY") == 0
    await page.go_back()
    await heading_is(page, "Hvalfang")
    assert await page.evaluate("scrollY") == before
    await expect(follow).to_have_attribute("aria-pressed", "true")
    await page.go_forward()
    await heading_is(page, "Song 2 of Hvalfang")

    await setlists.nth(1).get_by_role("link", name=slugs["venue"]).tap()
    await heading_is(page, slugs["venue"])
    assert await page.get_by_role("link", name="Map").get_attribute("href") == (
        "https://www.openstreetmap.org/?mlat=30.00000&mlon=-97.00000#map=16/30.00000/-97.00000"
    )
    await expect(page.get_by_role("region", name="Last shows").get_by_role("listitem")).to_have_count(3)
    await expect(page.get_by_text("No reviews yet")).to_be_visible()
    await page.get_by_label("4 stars").check(force=True)
    await page.get_by_label("What others should know").fill("Good sound everywhere.")
    await page.get_by_role("button", name="Send").tap()
    await expect(page.get_by_text(re.compile("Thank you"))).to_be_visible()
    assert await sql.fetchval("select rating from venue_reviews where body = 'Good sound everywhere.'") == 4
    await page.reload()
    await heading_is(page, slugs["venue"], is_focused=False)
    await expect(page.get_by_label("What others should know")).to_have_value("Good sound everywhere.")
    await page.get_by_role("button", name="Delete").tap()
    await expect(page.get_by_text("Your review is deleted.")).to_be_visible()
    await page.get_by_role("region", name="Last shows").get_by_role("link", name="Hvalfang").first.tap()
    await expect(page).to_have_url(re.compile(r"/shows/"))
    await expect(page.get_by_role("heading", level=1)).to_have_text("Hvalfang")


async def test_the_search_in_the_header_finds_everything(open_fan: OpenFan, database_url: str, sql: Sql) -> None:
    """It finds as the visitor types, on every page and by keyboard alone; what is not found says so."""
    upcoming, _, slugs = await make_career(database_url, sql, "Skjaldmeyja")
    fan = await open_fan(viewport=DESKTOP)
    page = (await fan.open(f"/songs/{slugs['song']}")).page
    await heading_is(page, "Song 2 of Skjaldmeyja", is_focused=False)
    search = page.get_by_role("searchbox", name="Search artists, songs, venues and shows")
    await search.fill("skjaldm")
    artists = page.get_by_role("region", name="Artists").get_by_role("link")
    await expect(artists).to_have_text([re.compile("Skjaldmeyja.*Rock, IS")])
    await expect(page.get_by_role("region", name="Shows").get_by_role("link").first).to_contain_text("Skjaldmeyja")
    await search.press("ArrowDown")
    await expect(artists.first).to_be_focused()
    await page.keyboard.press("Enter")
    await heading_is(page, "Skjaldmeyja")
    await expect(artists).to_have_count(0)

    await search.fill("zzqqxx")
    await expect(page.get_by_text("Nothing has “zzqqxx” in its name.")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("Nothing has “zzqqxx”")).to_be_hidden()
    await search.fill("skjaldmeyja")
    await search.press("Enter")
    await expect(page).to_have_url(re.compile(r"/\?q=skjaldmeyja$"))
    await expect(page.locator(".card[data-show]")).to_have_count(4)
    assert upcoming.id in [
        int(await card.get_attribute("data-show") or 0) for card in await page.locator(".card[data-show]").all()
    ]


async def test_a_page_that_is_missing_or_does_not_come(
    node: Node, open_fan: OpenFan, database_url: str, sql: Sql
) -> None:
    """An unknown name says so; a server that cannot be reached too, and another attempt brings the page, tapped or by itself."""
    _, _, slugs = await make_career(database_url, sql, "Drangey")
    fan = await open_fan()
    fan.allowed_errors = re.compile("404|ERR_FAILED")
    for path, text in (
        ("/artists/no-such", "Artist not found"),
        ("/venues/no-such", "Venue not found"),
        ("/songs/999999999", "Song not found"),
    ):
        tab = await fan.open(path)
        await expect(tab.page.get_by_role("heading", level=1)).to_have_text(text)
        await expect(tab.page.get_by_role("button", name="Try again")).to_be_hidden()
        await tab.page.close()
    tab = await fan.new_tab()
    is_down = True

    async def answer(route: Route) -> None:
        await (route.abort() if is_down else route.continue_())

    await tab.page.route(re.compile("/api/artists/"), answer)
    await tab.goto(f"/artists/{slugs['artist']}")
    await heading_is(tab.page, "This artist could not be loaded", is_focused=False)
    await expect(tab.page.get_by_role("alert")).to_contain_text("Check your connection and try again.")
    is_down = False
    await tab.page.get_by_role("button", name="Try again").tap()
    await heading_is(tab.page, "Drangey", is_focused=False)

    # Nobody taps, and nothing says that the network is back: the page tries again by itself.
    is_down = True
    tab = await fan.new_tab()
    await tab.page.clock.install()
    await tab.page.route(re.compile("/api/artists/"), answer)
    await tab.goto(f"/artists/{slugs['artist']}")
    await heading_is(tab.page, "This artist could not be loaded", is_focused=False)
    is_down = False
    await tab.page.clock.fast_forward(4_000)
    await heading_is(tab.page, "Drangey", is_focused=False)
    await expect(tab.page.get_by_role("alert")).to_be_hidden()
