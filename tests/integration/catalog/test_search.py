"""Searches by words: what matches, in which order, and that no input does harm."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.catalog.artists_venues_songs import list_artists, list_venues
from server.catalog.documents import SearchResults
from server.catalog.parameters import ListQuery, NearQuery, SearchQuery, ShowQuery
from server.catalog.search import search
from server.catalog.shows import list_shows
from server.errors import Refused
from server.store.database import Database
from tests.support import one_node
from tests.support.examples import scaled
from tests.support.small_catalogue import NOW, SmallCatalogue

database_url = one_node.database_url

DAY = timedelta(days=1)

NAMES = {
    "ac-dc": "AC/DC",
    "asap-rocky": "A$AP Rocky",
    "beyonce": "Beyoncé",
    "guns-n-roses": "Guns N’ Roses",
    "kino": "КИНО",
    "metallica": "Metallica",
    "motorhead": "Motörhead",
    "pearl-jam": "Pearl Jam",
    "sigur-ros": "Sigur Rós",
    "taylor-swift": "Taylor Swift",
    "tokyo-jihen": "東京事変",
    "umm-kulthum": "أم كلثوم",
}


@pytest_asyncio.fixture(loop_scope="module")
async def catalogue(catalogue: SmallCatalogue) -> SmallCatalogue:
    """The small catalogue with names that are hard to type."""
    for slug, name in NAMES.items():
        catalogue.artists[slug] = await catalogue.connection.fetchval(
            "insert into artists (slug, name) values ($1, $2) returning id", slug, name
        )
    return catalogue


async def _artists(db: Database, q: str) -> list[str]:
    return [item["slug"] for item in (await list_artists(db, ListQuery(q=q)))["items"]]


async def _shows(db: Database, **filters: Any) -> list[str]:
    return [item["slug"] for item in (await list_shows(db, ShowQuery(**filters), now=NOW))["items"]]


FOLDED = [
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
]


async def test_words_are_folded_and_may_be_incomplete(db: Database, catalogue: SmallCatalogue) -> None:
    """Accents, case, apostrophes, other punctuation, the order of words and missing last letters do not matter."""
    for q, found in FOLDED:
        assert await _artists(db, q) == found, q


MISSPELT = [
    ("radiohaed", ["radiohead"]),
    ("metalica", ["metallica"]),
    ("Metalllica", ["metallica"]),
    ("beyonse", ["beyonce"]),
    ("bjorkk", ["bjork"]),
    ("taylor swfit", ["taylor-swift"]),
    ("swfit taylor", ["taylor-swift"]),
    ("perl jam", ["pearl-jam"]),
    ("jam perl", ["pearl-jam"]),
    ("guns n rosse", ["guns-n-roses"]),
    ("xylophone", []),
    ("radiohead metallica", []),
]


async def test_misspelt_words_find_the_closest(db: Database, catalogue: SmallCatalogue) -> None:
    """Without an exact match the search compares by similarity, and gives only the most similar."""
    for q, found in MISSPELT:
        assert await _artists(db, q) == found, q


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
    """Every Unicode character, alone and between letters, folds to words that PostgreSQL accepts as a query.

    Of those without a meaning, which are three of four, one in a hundred stands for the others.
    """
    characters = [
        chr(code)
        for code in range(1, 0x110000)
        if (kind := unicodedata.category(chr(code))) != "Cs" and (kind not in ("Cn", "Co") or code % 100 == 0)
    ]
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


@pytest.mark.asyncio(loop_scope="module")  # of the pool; Hypothesis hides that it is a coroutine
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=scaled(30))
@given(q=_TEXT)
async def test_any_text_is_answered(q: str, db: Database) -> None:
    """Random text is answered, or refused when it has too many words."""
    refusal = None
    try:
        await search(db, SearchQuery(q=q), now=NOW)
    except Refused as refused:
        refusal = refused.code
    assert refusal in (None, "bad_request")
