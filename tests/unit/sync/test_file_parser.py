"""Import files as people and spreadsheets save them: taken right, or refused with what was found beside what is wanted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server.errors import SetupError
from server.sync.file_parser import ParsedFile, read_file

SHOW = "artist,venue,date,time\nBand,Hall,{},{}\n"


def parse(folder: Path, content: str | bytes, name: str = "file.csv") -> ParsedFile:
    """Parses a file with this content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_file(path)


def only(parsed: ParsedFile) -> Any:
    """The only record of a file."""
    assert parsed.refusals == []
    ((found,),) = parsed.stages.values()
    return found.record


def refusal(parsed: ParsedFile) -> str:
    """The reason of the only refusal of a file without records."""
    assert [records for records in parsed.stages.values() if records] == []
    (refused,) = parsed.refusals
    return refused.message


@pytest.mark.parametrize(
    "content",
    [
        "artist,title\nBand,Söng\n",
        "artist,title\r\nBand,Söng\r\n",
        "artist,title\rBand,Söng\r",
        "Artist;Title\nBand;Söng\n",
        "sep=;\r\nartist;title\r\nBand;Söng\r\n",
        '"sep=|"\nartist|title\nBand|Söng\n',
        "\ufeffARTIST\tTITLE\nBand\tSöng\n",
        "\n,\n artist , title \n\n,\nBand, Söng \u200b\n,\n , \n",
        "artist,title,,\nBand,Söng,,\n,,,\n",
        "artist,title,\nBand,So\u0308ng,,,\n",
        "artist,title\nBand,Söng\n".encode("utf-16"),
        "artist\ttitle\nBand\tSöng\n".encode("utf-16-le"),
        "artist,title\nBand,Söng\n".encode("utf-16-be"),
        "artist,title\nBand,Söng\n".encode("utf-32"),
    ],
)
def test_a_table_is_read_in_every_usual_form(tmp_path: Path, content: str | bytes) -> None:
    """Separators, line ends, encodings, case of the columns, blank rows and trailing separators make no difference."""
    record = only(parse(tmp_path, content))
    assert (record.artist, record.title) == ("Band", "Söng")


@pytest.mark.parametrize("header", ["Time Zone", "time-zone", "TIMEZONE", " time_zone "])
def test_the_name_of_a_column_is_folded(tmp_path: Path, header: str) -> None:
    """Case, spaces, hyphens and underscores make no difference."""
    text = f"Name,City,Country,Latitude,Longitude,{header}\nHall,Graz,at,47.1,15.4,europe/vienna\n"
    record = only(parse(tmp_path, text))
    assert (record.country, record.time_zone) == ("AT", "Europe/Vienna")


def test_wholly_empty_rows_are_no_records(tmp_path: Path) -> None:
    """A table with a header alone is empty, without a refusal."""
    assert parse(tmp_path, "artist,title\n,\n , \n\n") == ParsedFile({}, [])


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"artist,title\nBand,S\xf6ng\n", "line 2: byte 19 is not UTF-8 (in Windows-1252 it is `ö`)"),
        (b"PK\x03\x04\x14", "holds a workbook"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n\n", "is empty"),
        (b"band,colour\nx,y\n", "it has `band`, `colour`"),
        (b'artist,title\nBand,"Song\n', "check its quotation marks"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, content: bytes, found: str) -> None:
    """One sentence says what the file is."""
    with pytest.raises(SetupError) as caught:
        parse(tmp_path, content)
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["Hoppípolla", "Don’t Stop", "Кино", "東京", "Ça ira"])
def test_a_text_in_a_wrong_encoding_is_told(tmp_path: Path, text: str) -> None:
    """The sentence has the text that was meant; the same text in order is taken."""
    mangled = "".join(
        chr(byte) if byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else bytes([byte]).decode("cp1252")
        for byte in text.encode()
    )
    assert f"is `{text}` in a wrong encoding" in refusal(parse(tmp_path, f"artist,title\nBand,{mangled}\n"))
    assert only(parse(tmp_path, f"artist,title\nBand,{text}\n")).title == text
    assert only(parse(tmp_path, "artist,title\nBand,AMANHÃ…\n")).title == "AMANHÃ…"


@pytest.mark.parametrize(
    ("date", "time", "taken"),
    [
        ("2027-04-27", "20:00", ("2027-04-27", "20:00")),
        ("2027-04-27 00:00:00", "20:00:00", ("2027-04-27", "20:00")),
        ("2027-04-27T00:00", "9:30", ("2027-04-27", "09:30")),
        ("2027-04-27", "8:00 PM", ("2027-04-27", "20:00")),
        ("2027-04-27", "8 pm", ("2027-04-27", "20:00")),
        ("2027-04-27", "12:15 a.m.", ("2027-04-27", "00:15")),
        ("2027-04-27", "12 PM", ("2027-04-27", "12:00")),
        ("2027-10-31", "02:30+01:00", ("2027-10-31", "02:30+01:00")),
    ],
)
def test_days_and_times_as_people_write_them(tmp_path: Path, date: str, time: str, taken: tuple[str, str]) -> None:
    """A spreadsheet adds midnight to a day and seconds to a time."""
    record = only(parse(tmp_path, SHOW.format(date, time)))
    assert (str(record.date), record.time) == taken


@pytest.mark.parametrize(
    "date",
    ["4/27/2027", "27.04.2027", "04-05-2027", "27-4-2027", "46504", "2027-04-27 20:00", "2027-02-30", "April 27"],
)
def test_a_day_in_another_form_is_refused_with_the_wanted_form(tmp_path: Path, date: str) -> None:
    """Nobody can tell 04/05 from 05/04."""
    assert refusal(parse(tmp_path, SHOW.format(date, ""))) == (
        f"`date` is `{date}`; give the date as year-month-day, such as 2027-04-27"
    )
    shows = {"shows": [{"artist": "Band", "venue": "Hall", "date": date}]}
    assert f"`date` is `{date}`" in refusal(parse(tmp_path, json.dumps(shows), "file.json"))


@pytest.mark.parametrize("time", ["20h00", "24:00", "13:00 PM", "0:30 PM", "20.30", "8", "20:00:30"])
def test_a_time_in_another_form_is_refused_with_the_wanted_form(tmp_path: Path, time: str) -> None:
    """Only forms with one reading are taken."""
    assert refusal(parse(tmp_path, SHOW.format("2027-04-27", time))) == (
        f"`time` is `{time}`; give the local time as hours:minutes, such as 20:00"
    )


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ("AT,0,0,Europe/Vienna", "`latitude` and `longitude` are 0"),
        ('AT,"51,5",1,Europe/Vienna', "`latitude` is `51,5`; give degrees from -90 to 90, such as 51.5; decimals take a point"),
        ("AT,,1,Europe/Vienna", "`latitude` is missing or empty"),
        ("AT,nan,1,Europe/Vienna", "`latitude` is `nan`"),
        ("AT,1,inf,Europe/Vienna", "`longitude` is `inf`"),
        ("USA,1,1,Europe/Vienna", "`country` is `USA`; give the two letters"),
        ("AT,1,1,Factory", "`time_zone` is `Factory`; give an IANA time zone"),
        ("AT,1,1,localtime", "`time_zone` is `localtime`"),
        ("AT,1,1,Vienna", "`time_zone` is `Vienna`"),
    ],
)  # fmt: skip
def test_a_place_that_is_none_is_refused(tmp_path: Path, cells: str, found: str) -> None:
    """The sentence has the value and what is wanted."""
    text = f"name,city,country,latitude,longitude,time_zone\nHall,Graz,{cells}\n"
    assert refusal(parse(tmp_path, text)).startswith(found)


def test_a_list_in_a_cell_may_hold_its_separator(tmp_path: Path) -> None:
    r"""Semicolons and line breaks separate; `\;` is part of a name."""
    record = only(parse(tmp_path, 'name,songs\nBand,"One; Wake Up\\; Go;Two\nThree;"\n'))
    assert record.songs == ["One", "Wake Up; Go", "Two", "Three"]


def test_a_field_twice_in_a_record_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    """The refusal has the line; records around it are taken, each with its line."""
    text = '{"artists": [{"name": "A"},\n {"name": "B",\n  "name": "C"}, {"name": "D"}],\n "songs": [{"artist": "A", "title": "x"}]}'
    parsed = parse(tmp_path, text, "file.json")
    assert [(found.line, found.record.name) for found in parsed.stages["artists"]] == [(1, "A"), (3, "D")]  # type: ignore[attr-defined]
    assert [found.line for found in parsed.stages["songs"]] == [4]
    assert [(one.line, one.message) for one in parsed.refusals] == [
        (2, "the field `name` is there twice; keep one of them")
    ]


def test_a_record_twice_with_other_values_is_refused(tmp_path: Path) -> None:
    """The second would overwrite the first; the same values twice are one record."""
    parsed = parse(tmp_path, "name,country\nBand,DK\nBand,\nBAND,FI\nOther,FI\n")
    assert [found.line for found in parsed.stages["artists"]] == [2, 3, 5]
    assert [(one.line, one.message) for one in parsed.refusals] == [
        (4, "line 2 has `BAND` already, with another `country` (DK, not FI): keep one of the two, or give another one a `slug` of its own")
    ]  # fmt: skip
    sets = {"show": "a", "sets": [{"songs": [{"title": "x"}]}]}
    other = {"show": "a", "sets": [{"songs": [{"title": "y"}]}]}
    assert (
        "the setlist of `a` already"
        in parse(tmp_path, json.dumps({"setlists": [sets, other]}), "a.json").refusals[0].message
    )


def read_sets(parsed: ParsedFile) -> list[tuple[str, str | None, list[str]]]:
    """Kind, name and titles of each set of the only setlist."""
    sets = msgspec.to_builtins(only(parsed))["sets"]
    return [(one["kind"], one["name"], [song["title"] for song in one["songs"]]) for one in sets]


def test_without_numbers_a_set_ends_where_its_kind_or_name_changes(tmp_path: Path) -> None:
    """An empty cell says that the set goes on."""
    rows = "show,title,kind,name\na,X,,\na,Y,main,\na,Z,encore,\na,W,,\na,V,encore,Second encore\n"
    assert read_sets(parse(tmp_path, rows)) == [
        ("main", None, ["X", "Y"]),
        ("encore", None, ["Z", "W"]),
        ("encore", "Second encore", ["V"]),
    ]


def test_a_set_with_a_number_is_of_one_kind(tmp_path: Path) -> None:
    """A row that contradicts an earlier one refuses the setlist."""
    rows = "show,title,set,kind\na,X,1,\na,Y,2,encore\na,Z,2,\n"
    assert read_sets(parse(tmp_path, rows)) == [("main", None, ["X"]), ("encore", None, ["Y", "Z"])]
    assert "the `kind` of set 1 is `main` in line 2, and `encore` in line 3" in refusal(
        parse(tmp_path, "show,title,set,kind\na,X,1,main\na,Y,1,encore\n")
    )


@pytest.mark.parametrize(
    ("row", "refused"),
    [
        ("a,Y,x,", ["a"]),
        ("a,Y,no,,more", ["a"]),
        ("a,Y,no,oops", ["a"]),
        (",Y,no,", ["a", "b"]),
        ("Not A Slug,Y,no,", ["a", "b"]),
    ],
)
def test_a_setlist_with_an_unreadable_row_is_refused_whole(tmp_path: Path, row: str, refused: list[str]) -> None:
    """A row without a show may belong to the setlists beside it; others are taken."""
    text = f"show,title,is_tape,type\na,X,no,\n{row}\nb,X,no,\nb,Z,no,\nc,Z,no,\n"
    parsed = parse(tmp_path, text)
    taken = [found.record.show for found in parsed.stages["setlists"]]  # type: ignore[attr-defined]
    assert taken == [show for show in "abc" if show not in refused]
    assert len(parsed.refusals) == len(refused)
    assert all("line 3: " in one.message and "the whole setlist stays" in one.message for one in parsed.refusals)


def test_a_pipe_and_a_folder_are_no_file(tmp_path: Path) -> None:
    """Nobody may write into the pipe: reading it would never end."""
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    for name in ("pipe.csv", "folder.csv"):
        with pytest.raises(SetupError, match=r"is no file; name a file$"):
            read_file(tmp_path / name)
