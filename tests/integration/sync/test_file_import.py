"""Importing files: a second import changes nothing, votes stay, and a refused record does not stop the others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from server.errors import SetupError
from server.store.database import Database
from server.sync.file_import import ImportResult, import_file
from tests.support import one_node
from tests.support.unheld import unheld

database_url, redis_url = one_node.database_url, one_node.redis_url

DOCUMENTED = Path(__file__).parents[3] / "docs" / "import.md"

TOUR = {
    "artists": [
        {"name": "Sigur Rós", "country": "IS", "genre": "Post-rock", "songs": ["Hoppípolla", "Sæglópur", "Glósóli"]},
        {"name": "múm", "slug": "mum"},
    ],
    "venues": [
        {
            "name": "Harpa",
            "city": "Reykjavík",
            "country": "IS",
            "latitude": 64.1504,
            "longitude": -21.9323,
            "time_zone": "Atlantic/Reykjavik",
        }
    ],
    "songs": [{"artist": "mum", "title": "Green Grass of Tunnel"}],
    "shows": [{"artist": "Sigur Rós", "venue": "Harpa", "date": "2027-01-17", "slug": "night", "supports": ["múm"]}],
    "setlists": [
        {
            "show": "night",
            "sets": [
                {"artist": "múm", "songs": [{"title": "Green Grass of Tunnel"}]},
                {"songs": [{"title": "Sæglópur"}, {"title": "Glósóli", "medley": 1}]},
                {"kind": "encore", "songs": [{"title": "Green Grass of Tunnel", "by": "mum", "note": "with múm"}]},
            ],
        }
    ],
}


async def bring(database: Database, folder: Path, name: str, content: Any, **options: Any) -> ImportResult:
    """Imports a file with this content."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=1))
    return await import_file(database, path, unheld, **options)


async def read_sets(sql: Any, show: str) -> list[Any]:
    """Set, kind, act, title and note of every predicted song, in order."""
    rows = await sql.fetch(
        "select l.position, l.kind, a.name as act, g.title, e.note from shows w join setlists l on l.show_id = w.id"
        " left join artists a on a.id = l.artist_id join setlist_songs e on e.setlist_id = l.id"
        " join songs g on g.id = e.song_id where w.slug = $1 order by l.type, l.position, e.position",
        show,
    )
    return [tuple(row) for row in rows]


async def test_a_whole_tour_is_imported_and_a_second_import_changes_nothing(
    database: Database, sql: Any, tmp_path: Path
) -> None:
    """Artists, venue, songs, show with its support, and three sets with a cover; the job and its log are kept."""
    first = await bring(database, tmp_path, "tour.json", TOUR)
    assert first.counts == {
        "artists": {"added": 2},
        "venues": {"added": 1},
        "songs": {"added": 4},
        "shows": {"added": 1},
        "setlists": {"changed": 1},
    }
    assert await read_sets(sql, "night") == [
        (1, "main", "múm", "Green Grass of Tunnel", ""),
        (2, "main", None, "Sæglópur", ""),
        (2, "main", None, "Glósóli", ""),
        (3, "encore", None, "Green Grass of Tunnel", "with múm"),
    ]
    assert await sql.fetch("select status, (select count(*) from import_log) as logged from sync_jobs") == [
        ("succeeded", 9)
    ]
    bill = "select a.slug, b.billing from show_artists b join artists a on a.id = b.artist_id order by b.position"
    assert [tuple(row) for row in await sql.fetch(bill)] == [("sigur-ros", "headliner"), ("mum", "support")]

    second = await bring(database, tmp_path, "tour.json", TOUR)
    assert {outcome for counts in second.counts.values() for outcome in counts} == {"unchanged"}
    assert second.results == []
    assert await sql.fetch("select * from integrity_check()") == []


async def test_songs_that_move_keep_their_votes(database: Database, sql: Any, tmp_path: Path) -> None:
    """A song moves from the main set to the encore with its votes; one with votes that the file lacks moves to the end."""
    await bring(database, tmp_path, "tour.json", TOUR)
    user = await sql.fetchval("select user_id from sign_up('', null, interval '1 day')")
    for title in ("Sæglópur", "Glósóli"):
        await sql.execute(
            "insert into votes (setlist_song_id, user_id, show_id, choice, cast_at)"
            " select e.id, $1, e.show_id, 'up', now() from setlist_songs e join songs g on g.id = e.song_id"
            " where g.title = $2",
            user,
            title,
        )
    sets = [
        {"songs": [{"title": "Hoppípolla"}]},
        {"kind": "encore", "songs": [{"title": "Sæglópur"}]},
    ]
    result = await bring(database, tmp_path, "new.json", {"setlists": [{"show": "night", "sets": sets}]})
    assert result.counts == {"setlists": {"changed": 1}}
    assert await read_sets(sql, "night") == [
        (1, "main", None, "Hoppípolla", ""),
        (2, "encore", None, "Sæglópur", ""),
        (2, "encore", None, "Glósóli", ""),
    ]
    assert await sql.fetchval("select sum(up_count) from setlist_songs") == 2
    assert await sql.fetch("select * from miscounts()") == []


async def test_a_refused_record_is_reported_with_its_line_and_the_others_are_written(
    database: Database, sql: Any, tmp_path: Path
) -> None:
    """Unknown names, reversed windows, invalid dates, control characters and extra fields."""
    await bring(database, tmp_path, "tour.json", TOUR)
    rows = [
        "artist,venue,date,opens_at,closes_at,slug",
        "Sigur Rós,Harpa,2027-02-01,,,good",
        "Nobody,Harpa,2027-02-01,,,",
        "mum,Nowhere,2027-02-01,,,",
        "mum,Harpa,2027-13-01,,,",
        "mum,Harpa,2027-02-03,2027-02-03T00:00:00Z,2027-02-02T00:00:00Z,",
        "mum,Harpa,2027-02-03,,2000-01-01T00:00:00Z,",
        "mum,Harpa,0001-01-01,,,",
        "mum,Harpa,2027-02-04,2027-01-01,,",
        "mum,Harpa",
        "mum,Harpa,2027-02-05,,,Not A Slug",
        "'; drop table shows; --,Harpa,2027-02-05,,,",
        "mum,Harpa,2027-02-06,,,last",
    ]
    result = await bring(database, tmp_path, "shows.csv", "\n".join(rows) + "\n")
    assert result.counts == {"shows": {"added": 2, "refused": 10}}
    assert [one.line for _, one in sorted(result.results) if one.outcome == "refused"] == [
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
    ]
    assert {row["slug"] for row in await sql.fetch("select slug from shows")} == {"night", "good", "last"}
    logged = await sql.fetchval("select count(*) from import_log where outcome = 'refused'")
    assert logged == 10

    text = '{"artists": [\n {"name": "東京\ufffd"},\n {"name": "a\\u0000b"},\n {"name": "x", "colour": 1},\n {"name": "Ok"}]}'
    result = await bring(database, tmp_path, "more.json", text)
    assert {one.line: one.outcome for _, one in result.results} == {
        2: "refused",
        3: "refused",
        4: "refused",
        5: "added",
    }
    reasons = {one.line: one.message for _, one in result.results}
    assert (
        reasons[2]
        == "`東京�` has lost characters in a wrong encoding; save the file as UTF-8 (in Excel: Save as, `CSV UTF-8`) from its source"
    )
    assert reasons[4] == "`colour` is no field of artists; remove it"


async def test_a_dry_run_reports_everything_and_writes_nothing(database: Database, sql: Any, tmp_path: Path) -> None:
    """The counts are those of the real import; it leaves no row, no job and no log."""
    rehearsed = await bring(database, tmp_path, "tour.json", TOUR, dry_run=True)
    assert rehearsed.job_id is None
    assert await sql.fetchval("select (select count(*) from artists) + (select count(*) from sync_jobs)") == 0
    done = await bring(database, tmp_path, "tour.json", TOUR)
    assert done.counts == rehearsed.counts
    assert done.results == rehearsed.results


async def test_csv_files_of_every_kind(database: Database, sql: Any, tmp_path: Path) -> None:
    """The first line decides the kind of a file; lists stand in one cell, and rows of a setlist belong together."""
    files = {
        "artists.csv": "name,country,songs\nBand,US,One; Two;Three\nOther,,\n",
        "venues.csv": "name,city,country,latitude,longitude,time_zone,capacity\n"
        '"Hall, the",Boston,US,42.3,-71,America/New_York,900\n',
        "songs.csv": "artist,title\nOther,Four\n",
        "shows.csv": 'artist,venue,date,time,slug,supports\nBand,"Hall, the",2027-03-01,19:30,gig,Other\n',
        "setlists.csv": "show,title,set,kind,by,is_tape\ngig,One,1,,,\ngig,Two,1,,,yes\ngig,Four,2,encore,Other,\n",
    }
    for name, text in files.items():
        result = await bring(database, tmp_path, name, "﻿" + text)
        assert all("refused" not in counts for counts in result.counts.values()), result.results
    assert await read_sets(sql, "gig") == [
        (1, "main", None, "One", ""),
        (1, "main", None, "Two", ""),
        (2, "encore", None, "Four", ""),
    ]
    assert await sql.fetchval("select starts_at::text from shows") == "2027-03-02 00:30:00+00"
    assert await sql.fetchval("select count(*) from setlist_songs where is_tape") == 1
    # Songs that stand with their artist count in the progress of songs.
    progress = await sql.fetch("select done, total from sync_progress where stage = 'songs' order by job_id")
    assert [tuple(row) for row in progress] == [(3, 3), (1, 1)]


INVALID_FILES = [
    ("a.txt", "", "must end in .csv or .json"),
    ("a.csv", "", "a.csv is empty"),
    ("a.csv", "band,colour\nx,red\n", "lacks the columns of every known kind"),
    ("a.xlsx", "", "a.xlsx is a workbook"),
    ("a.csv", "PK\x03\x04", "holds a workbook"),
    ("a.csv", "name,colour\nx,red\n", "artists have no column `colour`; remove it"),
    ("a.csv", "name,genre,name\nx,rock,y\n", "the column `name` is there 2 times; keep one of them"),
    ("a.csv", 'name\n"open\n', "line 2"),
    ("a.json", "{", "line 1: the end of the file stands where the name of a list is expected"),
    ("a.json", "[]", "`[` stands where an object of lists is expected"),
    ("a.json", '{"bands": [1]}', "a list `bands`"),
    ("a.json", '{"artists": [],\n "artists": []}', "the list `artists` is there twice, in lines 1 and 2"),
    ("a.json", '{"artists": [] "songs": []}', '`"` stands where a comma is expected'),
    ("a.json", '{"artists": [{"name": NaN}]}', "NaN is no number"),
    ("a.json", '{"artists": ' + "[" * 5000, "."),
]


async def test_an_invalid_file_is_one_line(database: Database, tmp_path: Path) -> None:
    """Nothing is written, and no job starts."""
    for name, content, complaint in INVALID_FILES:
        with pytest.raises(SetupError, match=re.escape(complaint)) as caught:
            await bring(database, tmp_path, name, content)
        assert "\n" not in str(caught.value), name


async def test_a_missing_file_and_one_without_utf8_are_one_line(database: Database, tmp_path: Path) -> None:
    """The message names the wrong byte."""
    (tmp_path / "a.csv").write_bytes(b"name\nB\xf6hse\n")
    with pytest.raises(SetupError, match="line 2: byte 6 is not UTF-8 \\(in Windows-1252 it is `ö`\\)"):
        await import_file(database, tmp_path / "a.csv", unheld)
    with pytest.raises(SetupError, match="No such file"):
        await import_file(database, tmp_path / "b.csv", unheld)


async def test_the_documented_example_is_imported(database: Database, tmp_path: Path) -> None:
    """docs/import.md shows a file that works."""
    example = re.search(r"```json\n(.*?)```", DOCUMENTED.read_text(), re.DOTALL)
    assert example is not None
    result = await bring(database, tmp_path, "example.json", example[1])
    assert all("refused" not in counts for counts in result.counts.values()), result.results
    assert set(result.counts) == {"artists", "venues", "songs", "shows", "setlists"}


async def test_a_song_twice_in_one_set_stands_once_and_an_ambiguous_name_is_refused(
    database: Database, sql: Any, tmp_path: Path
) -> None:
    """Fans vote on a song of a set once; the import says so."""
    await bring(database, tmp_path, "tour.json", TOUR)
    twice = [{"songs": [{"title": "Sæglópur"}, {"title": "Glósóli"}, {"title": "Sæglópur", "note": "again"}]}]
    result = await bring(database, tmp_path, "a.json", {"setlists": [{"show": "night", "sets": twice}]})
    assert result.counts == {"setlists": {"changed": 1}}
    assert result.results[0][1].note == "`Sæglópur` is in set 1 more than once: it stands once, at its first place"
    assert [row[3:] for row in await read_sets(sql, "night")] == [("Sæglópur", ""), ("Glósóli", "")]
    await bring(database, tmp_path, "b.json", {"artists": [{"name": "Múm", "slug": "other-mum"}]})
    result = await bring(database, tmp_path, "c.json", {"songs": [{"artist": "MUM", "title": "New"}]})
    assert result.counts == {"songs": {"refused": 1}}
    assert (
        result.results[0][1].message == "2 artists are called `MUM`: give the slug of one, mum (múm), other-mum (Múm)"
    )


async def test_a_song_played_twice_in_a_night_has_two_rows(database: Database, sql: Any, tmp_path: Path) -> None:
    """The reprise in the encore gets votes of its own, also after the file is imported again."""
    await bring(database, tmp_path, "tour.json", TOUR)
    sets = [
        {"songs": [{"title": "Sæglópur"}, {"title": "Glósóli"}]},
        {"kind": "encore", "songs": [{"title": "Sæglópur", "note": "reprise"}]},
    ]
    setlists = {"setlists": [{"show": "night", "sets": sets}]}
    await bring(database, tmp_path, "a.json", setlists)
    ids = [row["id"] for row in await sql.fetch("select id from setlist_songs order by id")]
    again = await bring(database, tmp_path, "a.json", setlists)
    assert again.counts == {"setlists": {"unchanged": 1}}
    assert [row["id"] for row in await sql.fetch("select id from setlist_songs order by id")] == ids
    assert len(ids) == 3


async def test_shows_near_the_ends_of_the_calendar_are_refused(database: Database, tmp_path: Path, sql: Any) -> None:
    """A year with a typing error: neither the show nor its opening can be far from the calendar's middle, in every form."""
    await bring(database, tmp_path, "tour.json", TOUR)
    lines = (
        "Sigur Rós,Harpa,0001-01-01,,",
        "Sigur Rós,Harpa,9999-12-31,,",
        "Sigur Rós,Harpa,9999-12-31,20:00,",
        "Sigur Rós,Harpa,1850-01-01,,",
        "Sigur Rós,Harpa,2027-02-01,,0001-01-01T00:00:00Z",
        "Sigur Rós,Harpa,2027-02-01,,0001-01-01T00:00:00",
    )
    result = await bring(database, tmp_path, "shows.csv", "\n".join(("artist,venue,date,time,opens_at", *lines)))
    assert result.counts["shows"] == {"refused": len(lines)}
    assert await sql.fetchval("select count(*) from shows") == 1
