"""Reading shows from a real database: filters, order, cursors, one show, and what the live side is handed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from server.catalog.calendar import advance
from server.catalog.export import COLUMNS, export
from server.catalog.listings import fetch_artist, fetch_venue, list_artists, list_venues
from server.catalog.parameters import ListQuery, ShowQuery
from server.catalog.shows import fetch_setlist_state, fetch_show, fetch_status_row, list_shows
from server.errors import Refused
from server.protocol.parameters import parse_reference
from server.store.database import Database

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


class World:
    """A small catalogue: three artists, three venues, and the shows a test adds."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.artists: dict[str, int] = {}
        self.venues: dict[str, int] = {}

    async def build(self) -> None:
        """Inserts artists and venues."""
        for slug, name in (("bjork", "Björk"), ("radiohead", "Radiohead"), ("the-50-percent", "The 50% Band")):
            self.artists[slug] = await self.connection.fetchval(
                "insert into artists (slug, name, genre, country) values ($1, $2, 'Rock', 'GB') returning id",
                slug,
                name,
            )
        for slug, name, city, latitude, longitude, zone in (
            ("blaisdell-arena", "Blaisdell Arena", "Honolulu", 21.2987, -157.8497, "Pacific/Honolulu"),
            ("barclays-center", "Barclays Center", "Brooklyn", 40.6827, -73.9752, "America/New_York"),
            ("madison-square-garden", "Madison Square Garden", "New York", 40.7505, -73.9934, "America/New_York"),
        ):
            self.venues[slug] = await self.connection.fetchval(
                "insert into venues (slug, name, city, region, country, latitude, longitude, time_zone, capacity)"
                " values ($1, $2, $3, 'NY', 'US', $4, $5, $6, 100) returning id",
                slug, name, city, latitude, longitude, zone,
            )  # fmt: skip

    async def show(self, slug: str, starts_in: timedelta, status: str = "upcoming", **columns: Any) -> int:
        """Inserts a show and gives its id."""
        starts_at = NOW + starts_in
        row = {
            "slug": slug,
            "artist_id": self.artists[columns.pop("artist", "radiohead")],
            "venue_id": self.venues[columns.pop("venue", "madison-square-garden")],
            "name": slug.title(),
            "local_date": starts_at.date(),
            "time_zone": "America/New_York",
            "starts_at": starts_at,
            "status": status,
            "opens_at": starts_at - timedelta(days=30),
            "closes_at": starts_at,
        } | columns
        names = ", ".join(row)
        places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        statement = f"insert into shows ({names}) values ({places}) returning id"
        return int(await self.connection.fetchval(statement, *row.values()))

    async def setlist(self, show_id: int, titles: list[str], type_: str = "predicted") -> list[int]:
        """Inserts a setlist with songs and gives their ids."""
        setlist_id = await self.connection.fetchval(
            "insert into setlists (show_id, type, name) values ($1, $2, $3) returning id", show_id, type_, type_.title()
        )
        ids = []
        for position, title in enumerate(titles, start=1):
            song_id = await self.connection.fetchval(
                "insert into songs (artist_id, title) select artist_id, $2 from shows where id = $1"
                " on conflict (artist_id, title) do update set title = excluded.title returning id",
                show_id,
                title,
            )
            place = (setlist_id, show_id, song_id, position)
            statement = "insert into setlist_songs (setlist_id, show_id, song_id, position) values ($1, $2, $3, $4) returning id"
            ids.append(await self.connection.fetchval(statement, *place))
        return ids

    async def vote(self, show_id: int, song: int, up: int, down: int) -> None:
        """Inserts votes of new users."""
        statement = (
            "with u as (insert into users (role) select 'user' from generate_series(1, $5::int) returning id)"
            " insert into votes select $1, id, $2, $3::vote_choice, $4 from u"
        )
        for choice, count in (("up", up), ("down", down)):
            await self.connection.execute(statement, song, show_id, choice, NOW, count)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """A pool on a fresh database."""
    database = await Database.open(database_url, pool_size=2)
    yield database
    await database.close()


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A small catalogue in the same database."""
    connection = await asyncpg.connect(database_url)
    world = World(connection)
    await world.build()
    yield world
    await connection.close()


async def _slugs(db: Database, **filters: Any) -> list[str]:
    page = await list_shows(db, ShowQuery(**filters), now=NOW)
    return [item["slug"] for item in page["items"]]


async def test_the_order_is_live_upcoming_finished_cancelled(db: Database, world: World) -> None:
    """Live and upcoming shows come soonest first, then finished and cancelled ones latest first."""
    hour = timedelta(hours=1)
    await world.show("cancelled-late", 9 * hour, "cancelled")
    await world.show("cancelled-early", 2 * hour, "cancelled")
    await world.show("finished-old", -90 * hour, "finished")
    await world.show("finished-new", -9 * hour, "finished")
    await world.show("upcoming-far", 90 * hour)
    await world.show("upcoming-near", 9 * hour)
    await world.show("live-younger", -hour, "live")
    await world.show("live-older", -2 * hour, "live")
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
async def test_cursors_walk_everything_exactly_once(db: Database, world: World, limit: int) -> None:
    """Whatever the page's size, following the cursors gives the same list as one large page, ties included."""
    for number in range(24):
        status = ("live", "upcoming", "finished", "cancelled")[number % 4]
        # Three starts only, a microsecond apart: most shows differ from their neighbours by nothing but their id.
        await world.show(f"show-{number}", timedelta(microseconds=number % 3), status)
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


async def test_a_walk_survives_shows_that_come_and_go(db: Database, world: World) -> None:
    """A show deleted or added before the cursor neither repeats nor hides another."""
    for number in range(6):
        await world.show(f"show-{number}", timedelta(hours=number + 1))
    first = await list_shows(db, ShowQuery(limit=3), now=NOW)
    await world.connection.execute("delete from shows where slug = 'show-2'")
    await world.show("show-new", timedelta(minutes=1))
    second = await list_shows(db, ShowQuery(limit=3, cursor=first["next"]), now=NOW)
    assert [item["slug"] for item in second["items"]] == ["show-3", "show-4", "show-5"]
    assert second["next"] is None


async def test_filters_choose(db: Database, world: World) -> None:
    """Each filter chooses by its own field, they add up, and one that fits nothing gives an empty page."""
    await world.show("a", timedelta(days=1), artist="bjork", venue="barclays-center")
    await world.show("b", timedelta(days=2), artist="radiohead", venue="blaisdell-arena")
    await world.show("c", timedelta(days=3), artist="radiohead")
    await world.show("d", timedelta(days=-3), "finished", artist="bjork")
    assert await _slugs(db, status="finished") == ["d"]
    assert await _slugs(db, artist="bjork") == ["a", "d"]
    assert await _slugs(db, artist=str(world.artists["bjork"])) == ["a", "d"]
    assert await _slugs(db, venue="barclays-center") == ["a"]
    assert await _slugs(db, venue=str(world.venues["barclays-center"])) == ["a"]
    assert await _slugs(db, artist="bjork", status="upcoming") == ["a"]
    assert await _slugs(db, first=(NOW + timedelta(days=2)).date(), last=(NOW + timedelta(days=3)).date()) == ["b", "c"]
    assert await _slugs(db, last=(NOW - timedelta(days=3)).date()) == ["d"]
    for nothing in ("nobody", "0", "9" * 30, "ü", "a\x00b"):
        assert await _slugs(db, artist=nothing) == []
        assert await _slugs(db, venue=nothing) == []


async def test_nearness_is_measured_on_the_globe(db: Database, world: World) -> None:
    """`near` keeps what lies within the radius: 7.7 km between the two halls of New York, 8,000 to Honolulu."""
    await world.show("brooklyn", timedelta(days=1), venue="barclays-center")
    await world.show("honolulu", timedelta(days=2), venue="blaisdell-arena")
    await world.show("manhattan", timedelta(days=3))
    manhattan = "40.7505,-73.9934"
    assert await _slugs(db, near=manhattan) == ["brooklyn", "manhattan"]
    assert await _slugs(db, near=manhattan, radius_km=7.6) == ["manhattan"]
    assert await _slugs(db, near=manhattan, radius_km=7.8) == ["brooklyn", "manhattan"]
    assert await _slugs(db, near=manhattan, radius_km=7900) == ["brooklyn", "manhattan"]
    assert await _slugs(db, near=manhattan, radius_km=8100) == ["brooklyn", "honolulu", "manhattan"]
    # The shortest way from Honolulu's longitude leads over the date line.
    assert await _slugs(db, near="21.3,179.9", radius_km=2290) == []
    assert await _slugs(db, near="21.3,-179.9", radius_km=2290) == ["honolulu"]
    assert await _slugs(db, near="21.3,179.9", radius_km=2320) == ["honolulu"]
    assert await _slugs(db, near="-90,0", radius_km=20038) == ["brooklyn", "honolulu", "manhattan"]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("radiohead", ["b"]),
        ("RADIO brook", ["b"]),
        ("brooklyn", ["b"]),
        ("garden", ["c"]),
        ("björk", ["a"]),
        ("50%", ["c"]),
        ("%", ["c"]),
        ("_", []),
        ("\\", []),
        ("'; drop table shows; --", []),
        ("a b c d e f g h", []),
    ],
)
async def test_search_looks_at_names_literally(db: Database, world: World, q: str, found: list[str]) -> None:
    """Every word is looked for in show, artist, venue and city, and wildcards mean themselves."""
    await world.show("a", timedelta(days=1), artist="bjork", venue="blaisdell-arena")
    await world.show("b", timedelta(days=2), artist="radiohead", venue="barclays-center")
    await world.show("c", timedelta(days=3), artist="the-50-percent")
    assert await _slugs(db, q=q) == found


async def test_a_list_item_says_what_the_contract_says(db: Database, world: World) -> None:
    """Every field, and no other, with its exact spelling."""
    show_id = await world.show("a", timedelta(days=1))
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
                "artist": {"id": world.artists["radiohead"], "slug": "radiohead", "name": "Radiohead"},
                "venue": {
                    "id": world.venues["madison-square-garden"],
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


async def test_one_show_comes_with_everything(db: Database, world: World) -> None:
    """By id or slug: the item's fields, the budget, position and total, and setlists in order with their tallies."""
    show_id = await world.show(
        "a", -timedelta(hours=1), "live", closes_at=NOW + timedelta(hours=1), votes_per_user_max=9
    )
    actual = await world.setlist(show_id, ["Creep"], "actual")
    predicted = await world.setlist(show_id, ["Creep", "Let Down"])
    await world.vote(show_id, predicted[1], 3, 2)
    await world.connection.execute("update shows set position = 77 where id = $1", show_id)
    played_at = NOW - timedelta(minutes=9)
    await world.connection.execute("update setlist_songs set played_at = $2 where id = $1", predicted[0], played_at)
    show = await fetch_show(db, parse_reference("a"), now=NOW)
    assert show == await fetch_show(db, parse_reference(str(show_id)), now=NOW)
    assert show["voting"] == "open"
    assert (show["votes_per_user_max"], show["at"], show["total"], show["vote_count"]) == (9, 77, 5, 5)
    assert show["now_playing"] == predicted[0]
    assert [setlist["type"] for setlist in show["setlists"]] == ["predicted", "actual"]
    creep, let_down = show["setlists"][0]["songs"]
    assert creep["played_at"] == "2026-11-23T03:51:00Z"
    song_id = let_down.pop("song_id")
    assert song_id == await world.connection.fetchval("select id from songs where title = 'Let Down'")
    assert let_down == {
        "id": predicted[1],
        "title": "Let Down",
        "position": 2,
        "up": 3,
        "down": 2,
        "played_at": None,
    }
    assert [song["id"] for song in show["setlists"][1]["songs"]] == actual
    item = (await list_shows(db, ShowQuery(), now=NOW))["items"][0]
    assert {name: show[name] for name in item} == item
    assert set(show) - set(item) == {"votes_per_user_max", "at", "total", "now_playing", "setlists"}


@pytest.mark.parametrize(
    "reference", ["0", "1", "9" * 19, str(2**63), "9" * 500, "-1", "nobody", "a\0b", "ü", "%", "x" * 5000]
)
async def test_what_names_nothing_is_not_found(db: Database, reference: str) -> None:
    """Ids beyond bigint, unknown slugs and rubbish name no show, artist or venue."""
    for fetch in (fetch_show, fetch_artist, fetch_venue):
        with pytest.raises(Refused) as caught:
            await fetch(db, parse_reference(reference), now=NOW)
        assert caught.value.code == "not_found"


async def test_the_setlist_state_moves_with_its_revision(db: Database, world: World) -> None:
    """Adding, playing and moving songs raise the revision; a vote does not; an unknown show is None."""
    show_id = await world.show("a", timedelta(hours=1))
    (first,) = await world.setlist(show_id, ["Creep"])
    await world.connection.execute(
        "insert into setlists (show_id, type, name) values ($1, 'actual', 'Played')", show_id
    )
    before = await fetch_setlist_state(db, show_id)
    assert before is not None
    assert before[1]["setlists"][0]["songs"] == [{"id": first, "title": "Creep", "position": 1, "played_at": None}]
    assert before[1]["setlists"][1]["songs"] == []
    await world.vote(show_id, first, 2, 0)
    assert await fetch_setlist_state(db, show_id) == before
    await world.connection.execute("update setlist_songs set played_at = $2 where id = $1", first, NOW)
    after = await fetch_setlist_state(db, show_id)
    assert after is not None
    assert after[0] > before[0]
    assert after[1]["setlists"][0]["songs"][0]["played_at"] == "2026-11-23T04:00:00Z"
    assert await fetch_setlist_state(db, show_id + 1) is None


async def test_the_status_row_follows_the_show(db: Database, world: World) -> None:
    """now_playing is the song played last, in live shows only; a lock and the final tally show; unknown is None."""
    show_id = await world.show("a", -timedelta(hours=1), "live", closes_at=NOW + timedelta(hours=1))
    songs = await world.setlist(show_id, ["Creep", "Let Down", "Lucky"])
    row = await fetch_status_row(db, show_id)
    assert row is not None
    assert row.now_playing is None
    for song, minute in ((songs[2], 2), (songs[0], 1), (songs[1], 1)):
        await world.connection.execute(
            "update setlist_songs set played_at = $2 where id = $1", song, NOW - timedelta(minutes=minute)
        )
    row = await fetch_status_row(db, show_id)
    assert row is not None
    assert row.now_playing == songs[1]
    assert row.state(NOW)[1]["voting"] == "open"
    assert (await fetch_show(db, parse_reference("a"), now=NOW))["now_playing"] == songs[1]

    await world.connection.execute("update shows set is_locked = true where id = $1", show_id)
    locked = await fetch_status_row(db, show_id)
    assert locked is not None
    assert locked.state(NOW)[1]["voting"] == "locked"
    assert locked.state(NOW)[0] > row.state(NOW)[0]

    await world.connection.execute("update shows set status = 'finished', finalised_at = now() where id = $1", show_id)
    final = await fetch_status_row(db, show_id)
    assert final is not None
    assert final.state(NOW)[1] | {"opens_at": 0, "closes_at": 0} == {
        "status": "finished",
        "voting": "final",
        "opens_at": 0,
        "closes_at": 0,
        "now_playing": None,
    }
    assert (await fetch_show(db, parse_reference("a"), now=NOW))["now_playing"] is None
    assert await fetch_status_row(db, show_id + 1) is None


async def test_the_calendar_moves_what_is_due_and_nothing_else(db: Database, world: World) -> None:
    """Shows start on time and end after four hours or with their voting; others are not written at all."""
    hour = timedelta(hours=1)
    await world.show("to-come", timedelta(milliseconds=1))
    await world.show("starting", timedelta(0))
    await world.show("running", -4 * hour + timedelta(seconds=1), "live")
    await world.show("over", -4 * hour, "live")
    await world.show("still-voting", -5 * hour, "live", closes_at=NOW + hour)
    await world.show("slept-through", -50 * hour)
    await world.show("cancelled", -50 * hour, "cancelled")
    await world.show("done", -50 * hour, "finished")
    versions = "select slug, xmin::text || ctid::text as version, status from shows"
    before = {row["slug"]: row for row in await world.connection.fetch(versions)}
    assert await advance(db, NOW) == 3
    after = {row["slug"]: row for row in await world.connection.fetch(versions)}
    moved = {slug: row["status"] for slug, row in after.items() if row["version"] != before[slug]["version"]}
    assert moved == {"starting": "live", "over": "finished", "slept-through": "finished"}
    assert await advance(db, NOW) == 0
    assert await advance(db, NOW + timedelta(hours=1)) == 3


async def test_artists_and_venues_are_listed_and_searched(db: Database, world: World) -> None:
    """Plain lists by slug, walked by cursor, searched by words."""
    slugs = []
    cursor = None
    for _ in range(3):
        page = await list_artists(db, ListQuery(limit=1, cursor=cursor))
        slugs += [item["slug"] for item in page["items"]]
        cursor = page["next"]
    assert slugs == ["bjork", "radiohead", "the-50-percent"]
    assert cursor is None
    found = await list_artists(db, ListQuery(q="50%"))
    assert found["items"] == [
        {
            "id": world.artists["the-50-percent"],
            "slug": "the-50-percent",
            "name": "The 50% Band",
            "genre": "Rock",
            "country": "GB",
        }
    ]
    venues = await list_venues(db, ListQuery(q="new york"))
    assert [item["slug"] for item in venues["items"]] == ["madison-square-garden"]
    assert set(venues["items"][0]) == {
        "id", "slug", "name", "city", "region", "country", "latitude", "longitude", "time_zone", "capacity",
    }  # fmt: skip
    with pytest.raises(Refused, match="cursor"):
        await list_venues(db, ListQuery(cursor="bm9uc2Vuc2U"))


async def test_artists_and_venues_come_with_their_next_shows(db: Database, world: World) -> None:
    """Live and upcoming shows of one's own, soonest first, without those that are over."""
    await world.show("far", timedelta(days=9))
    await world.show("near", timedelta(days=1))
    await world.show("now", timedelta(0), "live")
    await world.show("past", -timedelta(days=1), "finished")
    await world.show("off", timedelta(days=1), "cancelled")
    await world.show("other", timedelta(days=1), artist="bjork", venue="blaisdell-arena")
    artist = await fetch_artist(db, parse_reference("radiohead"), now=NOW)
    venue = await fetch_venue(db, parse_reference(str(world.venues["madison-square-garden"])), now=NOW)
    assert [show["slug"] for show in artist["shows"]] == ["now", "near", "far"]
    assert [show["slug"] for show in venue["shows"]] == ["now", "near", "far"]
    assert artist["name"] == "Radiohead"
    assert venue["time_zone"] == "America/New_York"


async def test_an_export_ranks_each_setlist(db: Database, world: World) -> None:
    """CSV and JSON hold each song with tally, score and rank; equal scores share a rank, setlists rank apart."""
    show_id = await world.show("a", timedelta(hours=1))
    songs = await world.setlist(show_id, ["Creep", 'Say "Lucky", again', "Let Down"])
    (actual,) = await world.setlist(show_id, ["Creep"], "actual")
    await world.vote(show_id, songs[0], 1, 1)
    await world.vote(show_id, songs[1], 5, 1)
    await world.vote(show_id, actual, 2, 0)
    out = io.StringIO()
    await export(db, "a", "csv", out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert tuple(rows[0]) == COLUMNS
    assert [tuple(row.values()) for row in rows] == [
        ("Creep", "Predicted", "1", "1", "1", "0", "2"),
        ('Say "Lucky", again', "Predicted", "2", "5", "1", "4", "1"),
        ("Let Down", "Predicted", "3", "0", "0", "0", "2"),
        ("Creep", "Actual", "1", "2", "0", "2", "1"),
    ]
    out = io.StringIO()
    await export(db, str(show_id), "json", out)
    document = json.loads(out.getvalue())
    assert document["show"] == {"id": show_id, "slug": "a", "name": "A"}
    assert document["total"] == 10
    assert [{name: str(value) for name, value in song.items()} for song in document["songs"]] == rows
    with pytest.raises(Refused, match="show"):
        await export(db, "nobody", "csv", out)


async def test_every_named_query_is_understood(database_url: str) -> None:
    """PostgreSQL can prepare each query of the room's files."""
    from server.catalog import seeding, shows

    connection = await asyncpg.connect(database_url)
    try:
        for queries in (shows.queries, seeding.queries):
            names = [name for name in queries.available_queries if not name.endswith("_cursor")]
            assert len(names) >= 10
            for name in names:
                await connection.prepare(getattr(queries, name).sql)
    finally:
        await connection.close()
