"""Searches by words and by distance: what matches, in which order, and that no input does harm."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.catalog.artists_venues_songs import fetch_artist, fetch_song, fetch_venue, list_artists, list_venues
from server.catalog.documents import SearchResults
from server.catalog.parameters import ListQuery, NearQuery, SearchQuery, ShowQuery
from server.catalog.search import search
from server.catalog.shows import list_shows
from server.errors import Refused
from server.protocol.http.parameters import parse_reference
from server.store.database import REQUEST_ROLE, Database
from tests.support.small_catalogue import SmallCatalogue

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
DAY = timedelta(days=1)

NAMES = {
    "ac-dc": "AC/DC",
    "asap-rocky": "A$AP Rocky",
    "beyonce": "Beyoncé",
    "guns-n-roses": "Guns N’ Roses",
    "kino": "КИНО",
    "metallica": "Metallica",
    "motorhead": "Motörhead",
    "sigur-ros": "Sigur Rós",
    "taylor-swift": "Taylor Swift",
    "tokyo-jihen": "東京事変",
    "umm-kulthum": "أم كلثوم",
}


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """A pool with the rights of requests."""
    database = await Database.open(database_url, role=REQUEST_ROLE, pool_size=2)
    yield database
    await database.close()


@pytest.fixture
async def catalogue(database_url: str) -> AsyncIterator[SmallCatalogue]:
    """A small catalogue with names that are hard to type."""
    connection = await asyncpg.connect(database_url)
    catalogue = SmallCatalogue(connection, NOW)
    await catalogue.build()
    for slug, name in NAMES.items():
        catalogue.artists[slug] = await connection.fetchval(
            "insert into artists (slug, name) values ($1, $2) returning id", slug, name
        )
    yield catalogue
    await connection.close()


async def _artists(db: Database, q: str) -> list[str]:
    return [item["slug"] for item in (await list_artists(db, ListQuery(q=q)))["items"]]


async def _shows(db: Database, **filters: Any) -> list[str]:
    return [item["slug"] for item in (await list_shows(db, ShowQuery(**filters), now=NOW))["items"]]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("ac/dc", ["ac-dc"]),
        ("AC DC", ["ac-dc"]),
        ("dc ac", ["ac-dc"]),
        ("asap", ["asap-rocky"]),
        ("a$ap", ["asap-rocky"]),
        ("BEYONCE", ["beyonce"]),
        ("beyoncé", ["beyonce"]),
        ("bjork", ["bjork"]),
        ("guns n roses", ["guns-n-roses"]),
        ("Guns N' Roses", ["guns-n-roses"]),
        ("кино", ["kino"]),
        ("motorhead", ["motorhead"]),
        ("sigur ros", ["sigur-ros"]),
        ("sig ro", ["sigur-ros"]),
        ("radioh", ["radiohead"]),
        ("東京", ["tokyo-jihen"]),
        ("كلثوم", ["umm-kulthum"]),
        ("50", ["the-50-percent"]),
        ("Bjo\u0308rk", ["bjork"]),
    ],
)
async def test_words_are_folded_and_may_be_incomplete(
    db: Database, catalogue: SmallCatalogue, q: str, found: list[str]
) -> None:
    """Accents, case, apostrophes, other punctuation, the order of words and missing last letters do not matter."""
    assert await _artists(db, q) == found


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("radiohaed", ["radiohead"]),
        ("metalica", ["metallica"]),
        ("Metalllica", ["metallica"]),
        ("beyonse", ["beyonce"]),
        ("bjorkk", ["bjork"]),
        ("taylor swfit", ["taylor-swift"]),
        ("swfit taylor", ["taylor-swift"]),
        ("xylophone", []),
        ("radiohead metallica", []),
    ],
)
async def test_misspelt_words_find_the_closest(
    db: Database, catalogue: SmallCatalogue, q: str, found: list[str]
) -> None:
    """Without an exact match the search compares by similarity, and gives only the most similar."""
    assert await _artists(db, q) == found


async def test_exact_matches_hide_similar_ones(db: Database, catalogue: SmallCatalogue) -> None:
    """Similarity counts only for a kind without an exact match, and gives only the most similar rows."""
    await catalogue.show("metal", DAY, artist="metallica")
    await catalogue.show("metro", DAY, artist="bjork", name="Metallic Nights")
    assert await _shows(db, q="metal") == ["metal", "metro"]
    assert await _shows(db, q="metalica") == ["metal"]
    found = await search(db, SearchQuery(q="metalica"), now=NOW)
    assert [artist["slug"] for artist in found["artists"]] == ["metallica"]
    assert [show["slug"] for show in found["shows"]] == ["metal"]
    assert (found["songs"], found["venues"]) == ([], [])


async def test_each_misspelt_word_counts(db: Database, catalogue: SmallCatalogue) -> None:
    """Several misspelt words may match anywhere in the words of a show."""
    await catalogue.show("brooklyn", DAY, artist="metallica", venue="barclays-center")
    await catalogue.show("honolulu", DAY, artist="metallica", venue="blaisdell-arena")
    assert await _shows(db, q="brookln metalica") == ["brooklyn"]
    assert await _shows(db, q="metalica honolulo") == ["honolulu"]


async def test_a_misspelt_search_has_pages(db: Database, catalogue: SmallCatalogue) -> None:
    """The cursor of a search by similarity continues the same search."""
    for number in range(5):
        await catalogue.show(f"show-{number}", timedelta(hours=number + 1), artist="metallica")
    walked: list[str] = []
    cursor = None
    for _ in range(3):
        page = await list_shows(db, ShowQuery(q="metalica", limit=2, cursor=cursor), now=NOW)
        walked += [item["slug"] for item in page["items"]]
        cursor = page["next"]
    assert cursor is None
    assert walked == [f"show-{number}" for number in range(5)]


async def test_the_words_of_a_show_follow_its_sources(db: Database, catalogue: SmallCatalogue) -> None:
    """After a change of show, artist, venue or bill a show is found by its new words and not by the old ones."""
    show_id = await catalogue.show("a", DAY, artist="radiohead", venue="barclays-center", name="One Night")
    sql = catalogue.connection
    for q in ("one night", "radiohead", "barclays", "brooklyn"):
        assert await _shows(db, q=q) == ["a"], q
    await sql.execute("update shows set name = 'Two Evenings' where id = $1", show_id)
    assert (await _shows(db, q="evenings"), await _shows(db, q="night")) == (["a"], [])
    await sql.execute("update venues set city = 'Hoboken' where slug = 'barclays-center'")
    assert (await _shows(db, q="hoboken"), await _shows(db, q="brooklyn")) == (["a"], [])
    await sql.execute("update shows set venue_id = $2 where id = $1", show_id, catalogue.venues["blaisdell-arena"])
    assert (await _shows(db, q="honolulu"), await _shows(db, q="hoboken")) == (["a"], [])
    await sql.execute("update artists set name = 'On a Friday' where slug = 'radiohead'")
    assert (await _shows(db, q="friday"), await _shows(db, q="radiohead")) == (["a"], [])
    await sql.execute(
        "insert into show_artists (show_id, artist_id, billing, position) values ($1, $2, 'support', 2)",
        show_id,
        catalogue.artists["kino"],
    )
    assert await _shows(db, q="кино friday") == ["a"]
    await sql.execute("update shows set artist_id = $2 where id = $1", show_id, catalogue.artists["metallica"])
    assert (await _shows(db, q="metallica"), await _shows(db, q="friday")) == (["a"], [])
    await sql.execute("delete from show_artists where artist_id = $1", catalogue.artists["kino"])
    assert await _shows(db, q="кино") == []


async def test_the_best_match_comes_first(db: Database, catalogue: SmallCatalogue) -> None:
    """Exact names come before followers, short titles before long ones, large venues before small; shows keep their order."""
    sql = catalogue.connection
    for slug, name in (("queen-b", "Queen B"), ("queen", "Queen"), ("queens", "Queens of the Stone Age")):
        catalogue.artists[slug] = await sql.fetchval(
            "insert into artists (slug, name) values ($1, $2) returning id", slug, name
        )
    await sql.execute("update artist_stats set follower_count = 9 where artist_id = $1", catalogue.artists["queens"])
    await sql.execute(
        "insert into songs (artist_id, title) select $1, unnest($2::text[])",
        catalogue.artists["kino"],
        ["The Queen Is Dead", "Killer Queen", "Dancing Queens"],
    )
    for slug, capacity in (("queen-hall", 100), ("queens-park", None), ("queen-arena", 9_000)):
        await sql.execute(
            "insert into venues (slug, name, city, country, latitude, longitude, time_zone, capacity)"
            " values ($1, $2, 'Reykjavík', 'IS', 64, -22, 'Atlantic/Reykjavik', $3)",
            slug, slug.replace("-", " ").title(), capacity,
        )  # fmt: skip
    await catalogue.show("past", -DAY, "finished", artist="queen")
    await catalogue.show("next", DAY, artist="queen")
    found = await search(db, SearchQuery(q="queen"), now=NOW)
    assert [artist["slug"] for artist in found["artists"]] == ["queen", "queens", "queen-b"]
    assert [song["title"] for song in found["songs"]] == ["Killer Queen", "Dancing Queens", "The Queen Is Dead"]
    assert found["songs"][0]["artist"]["slug"] == "kino"
    assert [venue["slug"] for venue in found["venues"]] == ["queen-arena", "queen-hall", "queens-park"]
    assert [show["slug"] for show in found["shows"]] == ["next", "past"]
    few = await search(db, SearchQuery(q="queen", limit=1), now=NOW)
    assert few == {
        "artists": found["artists"][:1], "songs": found["songs"][:1], "venues": found["venues"][:1], "shows": found["shows"][:1],
    }  # fmt: skip
    of_one_kind = await search(db, SearchQuery(q="queen", kind="songs"), now=NOW)
    assert of_one_kind == SearchResults(artists=[], songs=found["songs"], venues=[], shows=[])


HOSTILE = [
    "'", "''", "\\", "\\'", "'\\", '"', "&", "|", "!", ":*", "a:*", "<->", "(", ")", "a & b | !c", "$$", "%", "_", "%s", "{}",
    "'; drop table shows; --", "' or '1'='1", "a' & 'b", "\u202e\u202d", "🤘", "👩‍🎤", "𝔗𝔥𝔢", "ﷺ", "﹨", "＼", "＇", "İ", "ẞ", "½",
    "1e400", "-1", "http://a.b/?c=d&e=f", "a@b.c", "C:\\Windows", "~/.ssh", "a\u0300" * 50, "\u200b", "\ufeff", "\u00a0",
    "!" * 100, "' " * 50, "\\" * 100, "x" * 100, "東" * 100, "a b c d e f g h",
]  # fmt: skip
_TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=100)


async def test_no_text_does_harm(db: Database, catalogue: SmallCatalogue) -> None:
    """Every hostile text is answered by every list; quotes and operators are words or nothing."""
    await catalogue.show("a", DAY)
    for q in HOSTILE:
        found = await search(db, SearchQuery(q=q), now=NOW)
        assert set(found) == {"artists", "songs", "venues", "shows"}
        await list_shows(db, ShowQuery(q=q, near="90,0", radius_km=20_038), now=NOW)
        await list_artists(db, ListQuery(q=q))
        await list_venues(db, NearQuery(q=q))
        await list_venues(db, NearQuery(q=q, near="0,180", radius_km=20_038))
    assert await _shows(db) == ["a"]


async def test_any_text_becomes_a_query(database_url: str) -> None:
    """Every Unicode character, alone and between letters, folds to words that PostgreSQL accepts as a query."""
    characters = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000]
    connection = await asyncpg.connect(database_url)
    try:
        # Twenty to a text, joined by quotes and backslashes: one bad character makes the test fail.
        texts = ["a'b\\c".join(characters[start : start + 20]) for start in range(0, len(characters), 20)]
        refused = await connection.fetchval(
            "select count(*) from unnest($1::text[]) as t (q) where query_of(q) is null and words_of(q) <> ''", texts
        )
        assert refused == 0
    finally:
        await connection.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(q=_TEXT)
async def test_any_text_is_answered(q: str, db: Database) -> None:
    """Random text is answered, or refused when it has too many words."""
    refusal = None
    try:
        await search(db, SearchQuery(q=q), now=NOW)
    except Refused as refused:
        refusal = refused.code
    assert refusal in (None, "bad_request")


# ──────────────────────────────────────────────────────────────────── distance

_EDGES = st.sampled_from([-90.0, -89.999999, -45.0, 0.0, 1e-9, 45.0, 89.999999, 90.0])
_LATITUDES = st.one_of(_EDGES, st.floats(-90, 90))
_LONGITUDES = st.one_of(
    st.sampled_from([-180.0, -179.999999, -90.0, 0.0, 90.0, 179.999999, 180.0]), st.floats(-180, 180)
)
_PLACES = st.tuples(_LATITUDES, _LONGITUDES)
_RADII = st.one_of(
    st.sampled_from([0.001, 1.0, 111.2, 5_000.0, 10_007.6, 20_015.0, 20_038.0]), st.floats(0.001, 20_038)
)


def _haversine_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    (lat_a, lon_a), (lat_b, lon_b) = (tuple(map(math.radians, place)) for place in (a, b))
    chord = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * 6371.0088 * math.asin(min(1.0, math.sqrt(chord)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(venues=st.lists(_PLACES, min_size=1, max_size=40), centre=_PLACES, radius_km=_RADII)
async def test_distances_agree_with_the_haversine_formula(
    venues: list[tuple[float, float]], centre: tuple[float, float], radius_km: float, database_url: str
) -> None:
    """Also across the date line and the poles; both formulas are exact to a metre, so a difference below two is allowed."""
    connection = await asyncpg.connect(database_url)
    database = await Database.open(database_url, pool_size=1)
    try:
        await connection.execute("delete from venues; alter table venues alter id restart")
        await connection.executemany(
            "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
            " values ('v' || $1::int, 'V', 'C', 'US', $2, $3, 'UTC')",
            [(number, *place) for number, place in enumerate(venues)],
        )
        near = f"{centre[0]!r},{centre[1]!r}"
        found: dict[str, float] = {}
        cursor = None
        while True:
            page = await list_venues(database, NearQuery(near=near, radius_km=radius_km, limit=7, cursor=cursor))
            found |= {item["slug"]: item["distance_km"] for item in page["items"]}
            cursor = page["next"]
            if cursor is None:
                break
    finally:
        await database.close()
        await connection.close()
    assert list(found.values()) == sorted(found.values())
    for number, place in enumerate(venues):
        expected = _haversine_km(centre, place)
        distance = found.get(f"v{number}")
        if distance is None:
            assert expected > radius_km - 0.002
        else:
            assert distance == pytest.approx(expected, abs=0.002)
            assert expected < radius_km + 0.002


async def test_lists_near_a_point_have_distances(db: Database, catalogue: SmallCatalogue) -> None:
    """Venues come nearest first, shows in their own order; only lists with `near` have distances."""
    manhattan = "40.7505,-73.9934"
    venues = (await list_venues(db, NearQuery(near=manhattan, radius_km=9_000)))["items"]
    assert [(venue["slug"], round(venue["distance_km"], 1)) for venue in venues] == [
        ("madison-square-garden", 0.0),
        ("barclays-center", 7.7),
        ("blaisdell-arena", 7_981.7),
    ]
    assert [v["slug"] for v in (await list_venues(db, NearQuery(near=manhattan, q="brooklyn")))["items"]] == [
        "barclays-center"
    ]
    await catalogue.show("near", 2 * DAY)
    await catalogue.show("far", DAY, venue="barclays-center")
    shows = (await list_shows(db, ShowQuery(near=manhattan), now=NOW))["items"]
    assert [(show["slug"], round(show["distance_km"], 1)) for show in shows] == [("far", 7.7), ("near", 0.0)]
    assert await _shows(db, near=manhattan, venue="barclays-center") == ["far"]
    assert await _shows(db, near="0,0", venue="barclays-center") == []
    assert "distance_km" not in (await list_shows(db, ShowQuery(), now=NOW))["items"][0]
    assert "distance_km" not in (await list_venues(db, NearQuery()))["items"][0]


# ──────────────────────────────────────────────────────────────────── details


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
    }
    artist = await fetch_artist(db, parse_reference("radiohead"), now=NOW)
    assert [(each["title"], each["played_count"]) for each in artist["songs"]] == [("Creep", 1), ("Let Down", 0)]
    assert (artist["follower_count"], artist["show_count"]) == (0, 2)
    with pytest.raises(Refused) as caught:
        await fetch_song(db, song_id + 999)
    assert caught.value.code == "not_found"


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
