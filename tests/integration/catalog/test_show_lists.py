"""Lists of shows: filters, order, cursors, and the fields of an item."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from server.catalog.parameters import ShowQuery
from server.catalog.shows import list_shows
from server.store.database import Database
from tests.support import one_node
from tests.support.small_catalogue import NOW, SmallCatalogue

database_url = one_node.database_url


async def _slugs(db: Database, **filters: Any) -> list[str]:
    page = await list_shows(db, ShowQuery(**filters), now=NOW)
    return [item["slug"] for item in page["items"]]


async def test_the_order_is_live_upcoming_finished_cancelled(db: Database, catalogue: SmallCatalogue) -> None:
    """Live and upcoming shows come soonest first, then finished and cancelled ones latest first."""
    hour = timedelta(hours=1)
    await catalogue.show("cancelled-late", 9 * hour, "cancelled")
    await catalogue.show("cancelled-early", 2 * hour, "cancelled")
    await catalogue.show("finished-old", -90 * hour, "finished")
    await catalogue.show("finished-new", -9 * hour, "finished")
    await catalogue.show("upcoming-far", 90 * hour)
    await catalogue.show("upcoming-near", 9 * hour)
    await catalogue.show("live-younger", -hour, "live")
    await catalogue.show("live-older", -2 * hour, "live")
    assert await _slugs(db) == [
        "live-older",
        "live-younger",
        "upcoming-near",
        "upcoming-far",
        "finished-new",
        "finished-old",
        "cancelled-late",
        "cancelled-early",
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_together_give_every_show_exactly_once(db: Database, catalogue: SmallCatalogue, limit: int) -> None:
    """With any page size, following the cursors gives the same list as one large page, ties included."""
    for number in range(24):
        status = ("live", "upcoming", "finished", "cancelled")[number % 4]
        # Only three different starts, a microsecond apart: most neighbours differ by their id alone.
        await catalogue.show(f"show-{number}", timedelta(microseconds=number % 3), status)
    whole = await _slugs(db, limit=100)
    assert len(whole) == 24
    walked: list[str] = []
    cursor = None
    while True:
        page = await list_shows(db, ShowQuery(limit=limit, cursor=cursor), now=NOW)
        assert 1 <= len(page["items"]) <= limit
        walked += [item["slug"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert walked == whole


async def test_pages_stay_right_while_shows_are_added_and_deleted(db: Database, catalogue: SmallCatalogue) -> None:
    """A show deleted or added before the cursor neither repeats nor hides another."""
    for number in range(6):
        await catalogue.show(f"show-{number}", timedelta(hours=number + 1))
    first = await list_shows(db, ShowQuery(limit=3), now=NOW)
    await catalogue.connection.execute("delete from shows where slug = 'show-2'")
    await catalogue.show("show-new", timedelta(minutes=1))
    second = await list_shows(db, ShowQuery(limit=3, cursor=first["next"]), now=NOW)
    assert [item["slug"] for item in second["items"]] == ["show-3", "show-4", "show-5"]
    assert second["next"] is None


async def test_each_filter_selects_by_its_field(db: Database, catalogue: SmallCatalogue) -> None:
    """Filters combine, and one that matches no show gives an empty page."""
    await catalogue.show("a", timedelta(days=1), artist="bjork", venue="barclays-center")
    await catalogue.show("b", timedelta(days=2), artist="radiohead", venue="blaisdell-arena")
    await catalogue.show("c", timedelta(days=3), artist="radiohead")
    await catalogue.show("d", timedelta(days=-3), "finished", artist="bjork")
    assert await _slugs(db, status="finished") == ["d"]
    assert await _slugs(db, artist="bjork") == ["a", "d"]
    assert await _slugs(db, artist=str(catalogue.artists["bjork"])) == ["a", "d"]
    assert await _slugs(db, venue="barclays-center") == ["a"]
    assert await _slugs(db, venue=str(catalogue.venues["barclays-center"])) == ["a"]
    assert await _slugs(db, artist="bjork", status="upcoming") == ["a"]
    assert await _slugs(db, first=(NOW + timedelta(days=2)).date(), last=(NOW + timedelta(days=3)).date()) == ["b", "c"]
    assert await _slugs(db, last=(NOW - timedelta(days=3)).date()) == ["d"]
    for nothing in ("unknown", "0", "9" * 30, "ü", "a\x00b"):
        assert await _slugs(db, artist=nothing) == []
        assert await _slugs(db, venue=nothing) == []


SEARCHES = [
    ("radiohead", ["b"]),
    ("RADIO brook", ["b"]),
    ("brooklyn", ["b"]),
    ("garden", ["c"]),
    ("björk", ["a"]),
    ("50%", ["c"]),
    ("%", []),
    ("_", []),
    ("\\", []),
    ("'; drop table shows; --", []),
    ("a b c d e f g h", []),
]


async def test_a_search_needs_every_word(db: Database, catalogue: SmallCatalogue) -> None:
    """Words match show, artist, venue and city; signs without a word match nothing and do no harm."""
    await catalogue.show("a", timedelta(days=1), artist="bjork", venue="blaisdell-arena")
    await catalogue.show("b", timedelta(days=2), artist="radiohead", venue="barclays-center")
    await catalogue.show("c", timedelta(days=3), artist="the-50-percent")
    for q, found in SEARCHES:
        assert await _slugs(db, q=q) == found, q


async def test_a_list_item_has_the_fields_of_the_contract(db: Database, catalogue: SmallCatalogue) -> None:
    """It has every field, spelt exactly so, and no other."""
    show_id = await catalogue.show("a", timedelta(days=1))
    page = await list_shows(db, ShowQuery(), now=NOW)
    assert page == {
        "items": [
            {
                "id": show_id,
                "slug": "a",
                "name": "A",
                "status": "upcoming",
                "voting": "open",
                "local_date": "2026-11-24",
                "starts_at": "2026-11-24T04:00:00Z",
                "time_zone": "America/New_York",
                "opens_at": "2026-10-25T04:00:00Z",
                "closes_at": "2026-11-24T04:00:00Z",
                "vote_count": 0,
                "artist": {"id": catalogue.artists["radiohead"], "slug": "radiohead", "name": "Radiohead"},
                "venue": {
                    "id": catalogue.venues["madison-square-garden"],
                    "slug": "madison-square-garden",
                    "name": "Madison Square Garden",
                    "city": "New York",
                    "region": "NY",
                    "country": "US",
                    "latitude": 40.7505,
                    "longitude": -73.9934,
                    "capacity": 100,
                },
            }
        ],
        "next": None,
    }
