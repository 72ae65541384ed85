"""Which artist, venue, show or song a record means: by its name and place, never by the slug that its name makes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from server.errors import SetupError
from server.store.database import Database
from server.sync.file_import import ImportResult, import_file
from server.sync.identities import Identity, put_identities
from server.sync.jobs import recorded_job
from server.sync.terminal_tables import fetch_outcomes
from tests.support import one_node
from tests.support.running_node import until_a_lock_is_awaited
from tests.support.unheld import unheld
from tests.unit.sync.test_matching import MINIMAL_PAIRS

database_url, redis_url = one_node.database_url, one_node.redis_url

VENUE = {"city": "London", "country": "GB", "latitude": 51.5, "longitude": -0.12, "time_zone": "Europe/London"}


async def bring(database: Database, folder: Path, content: Any) -> ImportResult:
    """Imports a JSON file with these lists, or a CSV file with this text."""
    path = folder / ("file.csv" if isinstance(content, str) else "file.json")
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return await import_file(database, path, unheld)


async def names(sql: Any, table: str) -> list[tuple[str, str]]:
    """Slug and name of all rows, in the order of their slugs."""
    return [tuple(row) for row in await sql.fetch(f"select slug, name from {table} order by slug")]


async def test_names_in_every_script_stay_apart(database: Database, sql: Any, tmp_path: Path) -> None:
    """Two names with one slug are two artists, in one file and in two; a second import changes nothing."""
    first = {"artists": [{"name": name} for name in ("MØ", "-M-", "Кино", "!!!", "311", "Múm")]}
    second = {"artists": [{"name": name, "country": "FI"} for name in ("MO", "M", "Kino", "???", "MÚM")]}
    assert (await bring(database, tmp_path, first)).counts == {"artists": {"added": 6}}
    result = await bring(database, tmp_path, second)
    assert result.counts == {"artists": {"added": 4, "changed": 1}}
    assert {one.message: one.note for _, one in result.results if one.note} == {
        "mo-2": "another name has the slug `mo`",
        "m-2": "another name has the slug `m`",
        "kino-2": "another name has the slug `kino`",
        "mum": "it is called `Múm` here; give its slug `mum` to change the name",
    }
    found = await names(sql, "artists")
    assert [pair for pair in found if not pair[0].startswith("artist-")] == [
        ("kino", "Кино"), ("kino-2", "Kino"), ("m", "-M-"), ("m-2", "M"), ("mo", "MØ"), ("mo-2", "MO"), ("mum", "Múm"),
    ]  # fmt: skip
    assert {name for slug, name in found if slug.startswith("artist-")} == {"!!!", "???", "311"}
    for content in (first, second):
        assert (await bring(database, tmp_path, content)).counts == {"artists": {"unchanged": len(content["artists"])}}
    songs = {"songs": [{"artist": artist, "title": artist} for artist in ("MØ", "MO", "!!!", "M", "-M-", "mo")]}
    assert (await bring(database, tmp_path, songs)).counts == {"songs": {"added": 5, "refused": 1}}
    owners = await sql.fetch("select a.name, s.title from songs s join artists a on a.id = s.artist_id")
    assert len(owners) == 5
    assert all(row["name"] == row["title"] for row in owners)


async def test_venues_of_one_city_stay_apart(database: Database, sql: Any, tmp_path: Path) -> None:
    """A venue is its name, city and country; a name that the catalogue spells otherwise is the same."""
    hall = VENUE | {"name": "武道館"}
    many = [
        hall,
        VENUE | {"name": "東京ドーム"},
        VENUE | {"name": "武道館", "city": "大阪"},
        VENUE | {"name": "武道館", "country": "US"},
    ]
    assert (await bring(database, tmp_path, {"venues": many})).counts == {"venues": {"added": 4}}
    assert len({slug for slug, _ in await names(sql, "venues")}) == 4
    assert (await bring(database, tmp_path, {"venues": many})).counts == {"venues": {"unchanged": 4}}
    moved = hall | {"name": "武道館 ", "city": "LONDON", "latitude": 51.6}
    assert (await bring(database, tmp_path, {"venues": [moved]})).counts == {"venues": {"changed": 1}}
    assert await sql.fetchval("select count(*) from venues where city = 'London' and latitude = 51.6") == 1


@pytest.mark.parametrize("is_one_file", [True, False])
async def test_early_and_late_shows_stay_two(database: Database, sql: Any, tmp_path: Path, is_one_file: bool) -> None:
    """A show is told by artist, venue, day and about its time; without a time two shows of a day are ambiguous."""
    await bring(database, tmp_path, {"artists": [{"name": "Band"}], "venues": [VENUE | {"name": "Roxy"}]})
    show = {"artist": "Band", "venue": "Roxy", "date": "2026-12-30"}
    early, late = show | {"time": "15:00"}, show | {"time": "20:30"}
    for content in [[early, late]] if is_one_file else [[early], [late]]:
        result = await bring(database, tmp_path, {"shows": content})
        assert result.counts == {"shows": {"added": len(content)}}
    starts = "select slug, starts_at::text from shows order by starts_at"
    assert [tuple(row) for row in await sql.fetch(starts)] == [
        ("band-roxy-london-2026-12-30", "2026-12-30 15:00:00+00"),
        ("band-roxy-london-2026-12-30-2030", "2026-12-30 20:30:00+00"),
    ]
    assert (await bring(database, tmp_path, {"shows": [early, late]})).counts == {"shows": {"unchanged": 2}}
    result = await bring(database, tmp_path, {"shows": [late | {"time": "21:00"}, show]})
    assert result.counts == {"shows": {"changed": 1, "refused": 1}}
    assert "give the `time` or the `slug` of one" in result.results[1][1].message
    assert await sql.fetchval("select max(starts_at)::text from shows") == "2026-12-30 21:00:00+00"


async def test_a_show_keeps_what_its_record_leaves_out(database: Database, sql: Any, tmp_path: Path) -> None:
    """The time, and a window that staff has changed; the window moves with the start."""
    await bring(database, tmp_path, {"artists": [{"name": "Band"}], "venues": [VENUE | {"name": "Roxy"}]})
    show = {"artist": "Band", "venue": "Roxy", "date": "2026-12-30", "slug": "gig"}
    await bring(database, tmp_path, {"shows": [show | {"time": "15:00"}]})
    await sql.execute("update shows set closes_at = '2026-12-29 12:00+00'")
    assert (await bring(database, tmp_path, {"shows": [show]})).counts == {"shows": {"unchanged": 1}}
    await bring(database, tmp_path, {"shows": [show | {"time": "16:00"}]})
    window = await sql.fetchrow("select starts_at::text, opens_at::text, closes_at::text from shows")
    assert tuple(window) == ("2026-12-30 16:00:00+00", "2026-11-30 16:00:00+00", "2026-12-29 13:00:00+00")


async def test_the_night_of_a_clock_change_has_one_rule(database: Database, sql: Any, tmp_path: Path) -> None:
    """As for staff: a skipped time does not exist, one that is shown twice needs an offset, others are local."""
    await bring(database, tmp_path, {"artists": [{"name": "Band"}], "venues": [VENUE | {"name": "Roxy"}]})
    rows = [
        "artist,venue,date,time,slug,opens_at",
        "Band,Roxy,2027-03-28,01:30,gap,",
        "Band,Roxy,2027-10-31,01:30,twice,",
        "Band,Roxy,2027-10-31,01:30+00:00,second,2027-10-01T12:00",
        "Band,Roxy,2027-10-31,20:00+09:00,far,",
        "Band,Roxy,2027-05-01,20:00,local,2027-03-28T01:30",
    ]
    result = await bring(database, tmp_path, "\n".join(rows))
    assert {one.line: one.message for _, one in result.results if one.outcome == "refused"} == {
        2: "2027-03-28T01:30:00 does not exist in Europe/London: the clocks skip this hour. Give another time.",
        3: "2027-10-31T01:30:00 occurs twice in Europe/London: the clocks go back. Add an offset, such as 2027-10-31T01:30:00+01:00.",
        5: "`time` 20:00+09:00 is 2027-10-31T11:00:00+00:00 in Europe/London: give the offset that holds there",
        6: "2027-03-28T01:30:00 does not exist in Europe/London: the clocks skip this hour. Give another time.",
    }
    (show,) = await sql.fetch("select slug, starts_at::text, opens_at::text from shows")
    assert tuple(show) == ("second", "2027-10-31 01:30:00+00", "2027-10-01 11:00:00+00")


async def test_spellings_of_a_title_are_one_song(database: Database, sql: Any, tmp_path: Path) -> None:
    """Predicted and played sets agree, whatever apostrophes, accents and numbers look like; the first spelling stays."""
    spellings = [
        ("Don’t Stop", "Don't Stop"), ("Hoppípolla", "Hoppi\u0301polla"), ("Part I", "Part 1"), ("Creep", "Creep (Live)"),
    ]  # fmt: skip
    catalogue = {"artists": [{"name": "Band"}], "venues": [VENUE | {"name": "Roxy"}]}
    show = {"artist": "Band", "venue": "Roxy", "date": "2026-12-30", "slug": "gig"}
    await bring(database, tmp_path, catalogue | {"shows": [show]})
    for type_, number in (("predicted", 0), ("actual", 1)):
        songs = [{"title": pair[number]} for pair in spellings]
        await bring(database, tmp_path, {"setlists": [{"show": "gig", "type": type_, "sets": [{"songs": songs}]}]})
    assert [row["title"] for row in await sql.fetch("select title from songs order by id")] == [
        one for one, _ in spellings
    ]
    assert await sql.fetchval("select count(distinct song_id) = 4 and count(*) = 8 from setlist_songs")
    again = {"songs": [{"artist": "band", "title": other} for _, other in spellings]}
    assert (await bring(database, tmp_path, again)).counts == {"songs": {"unchanged": 4}}


async def test_search_keeps_apart_what_the_import_keeps_apart(database: Database, sql: Any, tmp_path: Path) -> None:
    """Each title of a minimal pair is a song of its own, and a search for it finds it alone, in both forms of its marks."""
    titles = [title for pair in MINIMAL_PAIRS for title in pair]
    await bring(database, tmp_path, {"artists": [{"name": "Band", "songs": titles}]})
    found = "select array_agg(title) from songs where search @@ query_of(normalize($1, {}))"
    for title in titles:
        assert await sql.fetchval(found.format("NFC"), title) == [
            await sql.fetchval("select normalize($1, NFC)", title)
        ]
        assert len(await sql.fetchval(found.format("NFD"), title)) == 1
    assert await sql.fetchval("select count(distinct folded) from songs") == len(titles)
    variants = [
        ("Ёлка", "ёлка"),
        ("Sigur Rós", "sigur ro\u0301s"),
        ("Don’t", "dont"),
        ("A\u200bB\ufeff", "ab"),
        ("ＡＢ―Ｃ", "ab c"),
        ("ΟΔΌΣ", "οδος"),
    ]
    for one, other in variants:
        assert await sql.fetchval("select fold($1) = fold($2)", one, other), (one, other)


async def test_an_unexpected_error_is_a_failed_job(database: Database, sql: Any) -> None:
    """Its class is named; a job that somebody stopped says so."""
    with pytest.raises(KeyError):
        async with recorded_job(database, "file", "import", "a.csv"):
            raise KeyError("bug")
    with pytest.raises(KeyboardInterrupt):
        async with recorded_job(database, "file", "import", "a.csv"):
            raise KeyboardInterrupt
    jobs = await sql.fetch("select status::text, error from sync_jobs order by id")
    assert [tuple(row) for row in jobs] == [
        ("failed", "A bug stopped this job (KeyError). The output of the command has the details."),
        ("cancelled", "The command was stopped. What it had written stays."),
    ]


async def test_progress_counts_every_record_of_a_file(database: Database, sql: Any, tmp_path: Path) -> None:
    """Records that cannot be read are done too."""
    await bring(database, tmp_path, "name,country\nA,DE\nB,Germany\nC,DE\n")
    assert tuple(await sql.fetchrow("select done, total from sync_progress")) == (3, 3)
    await bring(database, tmp_path, "name,country\nB,Germany\n")
    assert tuple(await sql.fetchrow("select done, total from sync_progress order by job_id desc")) == (1, 1)


async def test_an_unknown_run_is_one_line(database: Database) -> None:
    """`sync status 99` says that there is no such run."""
    with pytest.raises(SetupError, match="no run has the number 99"):
        await fetch_outcomes(database, 99)


async def test_syncs_of_artists_that_share_ids_do_not_deadlock(database: Database, sql: Any) -> None:
    """Ids are locked in the order of their keys, whatever the order in which a provider lists them."""
    await sql.execute("insert into artists (slug, name) values ('one', 'One'), ('two', 'Two')")
    one, two = [row[0] for row in await sql.fetch("select id from artists order by slug")]
    first, last = (Identity("spotify", name, "", 0.5, "a link") for name in "ab")
    async with database.transaction() as connection:
        await put_identities(connection, one, [first, last])

    async def sync_two() -> None:
        async with database.transaction() as connection:
            await put_identities(connection, two, [last, first])

    async with asyncio.TaskGroup() as tasks, database.transaction() as connection:
        await put_identities(connection, one, [first])
        tasks.create_task(sync_two())
        await until_a_lock_is_awaited(sql, "artist_identities")
        await put_identities(connection, one, [last])
    assert await sql.fetchval("select array_agg(artist_id) from artist_identities") == [two, two]
