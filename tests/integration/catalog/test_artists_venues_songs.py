"""Artists, venues and songs: lists, details, and their counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.catalog.artists_venues_songs import fetch_artist, fetch_song, fetch_venue, list_artists, list_venues
from server.catalog.parameters import ListQuery, NearQuery
from server.catalog.rotation import fetch_rotation
from server.errors import Refused
from server.protocol.http.parameters import parse_reference
from server.store.database import Database
from tests.support import one_node
from tests.support.small_catalogue import NOW, SmallCatalogue

database_url = one_node.database_url

DAY = timedelta(days=1)


async def test_artists_and_venues_are_listed_and_searched(db: Database, catalogue: SmallCatalogue) -> None:
    """Lists are ordered by slug, have pages, and can be searched by words."""
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
            "id": catalogue.artists["the-50-percent"],
            "slug": "the-50-percent",
            "name": "The 50% Band",
            "genre": "Rock",
            "country": "GB",
        }
    ]
    venues = await list_venues(db, NearQuery(q="new york"))
    assert [item["slug"] for item in venues["items"]] == ["madison-square-garden"]
    assert set(venues["items"][0]) == {
        "id", "slug", "name", "city", "region", "country", "latitude", "longitude", "time_zone", "capacity",
    }  # fmt: skip
    with pytest.raises(Refused, match="cursor"):
        await list_venues(db, NearQuery(cursor="bm9uc2Vuc2U"))


async def test_artists_and_venues_come_with_their_next_shows(db: Database, catalogue: SmallCatalogue) -> None:
    """Their own live and upcoming shows come soonest first; finished and cancelled ones are left out."""
    await catalogue.show("far", timedelta(days=9))
    await catalogue.show("near", timedelta(days=1))
    await catalogue.show("now", timedelta(0), "live")
    await catalogue.show("past", -timedelta(days=1), "finished")
    await catalogue.show("off", timedelta(days=1), "cancelled")
    await catalogue.show("other", timedelta(days=1), artist="bjork", venue="blaisdell-arena")
    artist = await fetch_artist(db, parse_reference("radiohead"), now=NOW)
    venue = await fetch_venue(db, parse_reference(str(catalogue.venues["madison-square-garden"])), now=NOW)
    assert [show["slug"] for show in artist["shows"]] == ["now", "near", "far"]
    assert [show["slug"] for show in venue["shows"]] == ["now", "near", "far"]
    assert artist["name"] == "Radiohead"
    assert venue["time_zone"] == "America/New_York"


async def test_artists_and_venues_come_with_their_counts(db: Database, catalogue: SmallCatalogue) -> None:
    """An artist has a follower count, and a venue the mean rating of its approved reviews."""
    sql = catalogue.connection
    users = [row["id"] for row in await sql.fetch("insert into users select from generate_series(1, 3) returning id")]
    await sql.execute(
        "insert into user_follows_artists (user_id, artist_id) select unnest($1::bigint[]), $2",
        users,
        catalogue.artists["bjork"],
    )
    venue_id = catalogue.venues["barclays-center"]
    venue = await fetch_venue(db, parse_reference(str(venue_id)), now=NOW)
    assert (venue["review_count"], venue["rating"]) == (0, None)
    for user_id, rating, status in zip(users, (5, 4, 1), ("approved", "approved", "pending"), strict=True):
        await sql.execute(
            "insert into venue_reviews (venue_id, user_id, rating, status) values ($1, $2, $3, $4::moderation_status)",
            venue_id, user_id, rating, status,
        )  # fmt: skip
    venue = await fetch_venue(db, parse_reference(str(venue_id)), now=NOW)
    assert (venue["review_count"], venue["rating"]) == (2, 4.5)
    artist = await fetch_artist(db, parse_reference("bjork"), now=NOW)
    assert artist["follower_count"] == 3


async def test_a_song_has_its_votes_where_they_are_public(db: Database, catalogue: SmallCatalogue) -> None:
    """Votes of a show that hides its counts are in no number of the song, until they are final."""
    for name, results, (up, down) in (("open", "live", (3, 1)), ("hidden", "after_closing", (5, 2))):
        show = await catalogue.show(name, DAY, results=results)
        (placed,) = await catalogue.setlist(show, ["Creep"])
        await catalogue.vote(show, placed, up, down)
    song_id = await catalogue.connection.fetchval("select id from songs where title = 'Creep'")

    async def told() -> tuple[int, int, dict[str, tuple[int | None, int | None]]]:
        song = await fetch_song(db, song_id)
        return song["up"], song["down"], {one["show"]["slug"]: (one["up"], one["down"]) for one in song["setlists"]}

    assert await told() == (3, 1, {"hidden": (None, None), "open": (3, 1)})
    await catalogue.connection.execute("update shows set finalised_at = now() where slug = 'hidden'")
    assert await told() == (8, 3, {"hidden": (5, 2), "open": (3, 1)})


async def test_the_rotation_of_an_artist(db: Database, catalogue: SmallCatalogue) -> None:
    """Finished shows with a played set, latest first; their songs by how many of them had it; votes only where they are public.
    Tapes, sets of support acts and cancelled shows are left out.
    """
    sql = catalogue.connection
    support = catalogue.artists["bjork"]
    for days, titles in ((4, ["Creep", "Airbag"]), (3, ["Creep", "Lucky"]), (2, ["Creep", "Lucky", "Tape"])):
        show = await catalogue.show(f"past-{days}", -days * DAY, "finished")
        await catalogue.setlist(show, titles, "actual")
    await sql.execute(
        "update setlist_songs set is_tape = true where song_id = (select id from songs where title = 'Tape')"
    )
    await sql.execute(
        "insert into show_artists (show_id, artist_id, billing, position) values ($1, $2, 'support', 2)", show, support
    )
    await sql.execute(
        "with l as (insert into setlists (show_id, type, name, position, artist_id) values ($1, 'actual', 'Support', 2, $2)"
        " returning id) insert into setlist_songs (setlist_id, show_id, song_id, position)"
        " select l.id, $1, s.id, 1 from l, songs s where s.title = 'Airbag'",
        show, support,
    )  # fmt: skip
    await catalogue.show("unknown", -DAY, "finished")
    for name, status, results, up in (
        ("next", "upcoming", "live", 4), ("hidden", "upcoming", "after_vote", 90), ("off", "cancelled", "live", 90)
    ):  # fmt: skip
        voted = await catalogue.show(name, DAY, status, results=results)
        first, second = await catalogue.setlist(voted, ["Creep", "Lucky"])
        await catalogue.vote(voted, first, 1, 3)
        await catalogue.vote(voted, second, up, 0)

    rotation = await fetch_rotation(db, parse_reference("radiohead"))
    assert [show["slug"] for show in rotation["shows"]] == ["past-2", "past-3", "past-4"]
    assert rotation["shows"][0]["venue"]["city"] == "New York"
    ids = {show["id"]: show["slug"] for show in rotation["shows"]}
    assert [(song["title"], sorted(ids[show] for show in song["shows"])) for song in rotation["songs"]] == [
        ("Creep", ["past-2", "past-3", "past-4"]),
        ("Lucky", ["past-2", "past-3"]),
        ("Airbag", ["past-4"]),
    ]
    assert [(song["title"], song["up"], song["down"]) for song in rotation["votes"]] == [
        ("Lucky", 4, 0),
        ("Creep", 1, 3),
    ]
    assert rotation["artist"]["name"] == "Radiohead"
    with pytest.raises(Refused) as caught:
        await fetch_rotation(db, parse_reference("nobody"))
    assert caught.value.code == "not_found"


async def test_a_song_has_its_artists_and_setlists(db: Database, catalogue: SmallCatalogue) -> None:
    """It has its own artist, every artist who plays it, most often first, and the latest setlists with it."""
    first = await catalogue.show("first", -2 * DAY, "finished")
    second = await catalogue.show("second", -DAY, "finished")
    await catalogue.setlist(first, ["Creep"])
    await catalogue.setlist(first, ["Creep"], "actual")
    await catalogue.setlist(second, ["Let Down", "Creep"])
    sql = catalogue.connection
    song_id = await sql.fetchval("select id from songs where title = 'Creep'")
    cover = await catalogue.show("cover", DAY, artist="bjork")
    (placed,) = await catalogue.setlist(cover, ["Hyperballad"])
    await sql.execute("update setlist_songs set song_id = $2 where id = $1", placed, song_id)

    song = await fetch_song(db, song_id)
    assert (song["title"], song["artist"]["slug"]) == ("Creep", "radiohead")
    assert song["artists"] == [
        {
            "id": catalogue.artists["radiohead"],
            "slug": "radiohead",
            "name": "Radiohead",
            "predicted_count": 2,
            "played_count": 1,
            "last_played_on": "2026-11-21",
        },
        {
            "id": catalogue.artists["bjork"],
            "slug": "bjork",
            "name": "Björk",
            "predicted_count": 1,
            "played_count": 0,
            "last_played_on": None,
        },
    ]
    assert [(each["show"]["slug"], each["type"], each["position"]) for each in song["setlists"]] == [
        ("cover", "predicted", 1),
        ("second", "predicted", 2),
        ("first", "predicted", 1),
        ("first", "actual", 1),
    ]
    assert song["setlists"][0]["show"] == {
        "id": cover,
        "slug": "cover",
        "name": "Cover",
        "status": "upcoming",
        "local_date": "2026-11-24",
        "artist": {"id": catalogue.artists["bjork"], "slug": "bjork", "name": "Björk"},
        "venue": {
            "id": catalogue.venues["madison-square-garden"],
            "slug": "madison-square-garden",
            "name": "Madison Square Garden",
            "city": "New York",
        },
    }
    artist = await fetch_artist(db, parse_reference("radiohead"), now=NOW)
    assert [(each["title"], each["played_count"]) for each in artist["songs"]] == [("Creep", 1), ("Let Down", 0)]
    assert (artist["follower_count"], artist["show_count"]) == (0, 2)
    with pytest.raises(Refused) as caught:
        await fetch_song(db, song_id + 999)
    assert caught.value.code == "not_found"
