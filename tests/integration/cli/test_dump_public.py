"""`mysetlist dump-public`: files that anyone may use, and what is not in them."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pyarrow import parquet  # type: ignore[import-untyped]  # it has no types

from server.catalog import public_data
from server.catalog.public_data import TABLES
from server.cli.dump_files import DESCRIPTION_FILE, Format, dump
from server.errors import SetupError
from tests.support.running_node import settings
from tests.support.small_catalogue import SmallCatalogue

NOW = datetime.now(UTC)


@pytest.fixture
async def catalogue(database_url: str) -> Any:
    """Shows of our own, under an embargo, and of a provider."""
    connection = await asyncpg.connect(database_url)
    made = SmallCatalogue(connection, NOW)
    await made.build()
    await made.connection.execute("update artists set name = '=Formula' where slug = 'bjork'")
    shows = {
        name: await made.show(name, timedelta(hours=1), results=results, origin=origin)
        for name, results, origin in (
            ("open", "live", None),
            ("hidden", "after_closing", None),
            ("listed", "live", "ticketmaster"),
        )
    }
    for name, show_id in shows.items():
        songs = await made.setlist(show_id, [f"Song of {name}"])
        await made.vote(show_id, songs[0], 2, 1)
        await made.setlist(show_id, [f"Song of {name}"], "actual")
    await made.connection.execute(
        "insert into show_identities (service, external_id, show_id, confidence, evidence, songs)"
        " values ('setlistfm', 'x', $1, 1, 'test', '{}')",
        shows["listed"],
    )
    yield made
    await connection.close()


def read(folder: Path, table: str, file_format: Format) -> list[dict[str, Any]]:
    """The rows of a file."""
    match file_format:
        case "csv":
            with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
                return list(csv.DictReader(file))
        case "json":
            return [json.loads(line) for line in (folder / f"{table}.jsonl").read_text("utf-8").splitlines()]
        case "parquet":
            rows: list[dict[str, Any]] = parquet.read_table(folder / f"{table}.parquet").to_pylist()
            return rows


@pytest.mark.parametrize("file_format", ["csv", "json", "parquet"])
async def test_only_what_is_public_and_ours(
    file_format: Format, catalogue: SmallCatalogue, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No count under an embargo, no name that a provider gave, nobody's vote; the same rows in each format, however small a page."""
    monkeypatch.setattr(public_data, "PAGE_ROWS", 2)
    counts = await dump(settings(database_url, "redis://nowhere"), tmp_path / "new", file_format, lambda *_: None)
    folder = tmp_path / "new"
    rows = {table.name: read(folder, table.name, file_format) for table in TABLES}
    assert {name: len(found) for name, found in rows.items()} == counts
    assert {path.name for path in folder.iterdir()} == {
        DESCRIPTION_FILE,
        *(f"{table.name}.{'jsonl' if file_format == 'json' else file_format}" for table in TABLES),
    }
    names = [row["name"] or None for row in rows["shows"]]
    assert names == ["Open", "Hidden", None]
    assert [int(row["vote_count"]) for row in rows["shows"]] == [3, 3, 3]
    shows = [int(row["id"]) for row in rows["shows"]]
    assert [(int(row["show_id"]), int(row["up"]), int(row["down"])) for row in rows["counts"]] == [
        (shows[0], 2, 1),
        (shows[2], 2, 1),
    ]
    assert {int(row["show_id"]) for row in rows["played"]} == set(shows[:2])
    assert {row["title"] or None for row in rows["songs"]} == {"Song of open", "Song of hidden", None}
    assert rows["artists"][0]["name"] == ("'=Formula" if file_format == "csv" else "=Formula")
    description = json.loads((folder / DESCRIPTION_FILE).read_text())
    assert description["licenses"][0]["name"] == "CC0-1.0"
    assert {resource["name"] for resource in description["resources"]} == rows.keys()


async def test_a_folder_that_cannot_be_written_is_named(database_url: str, tmp_path: Path) -> None:
    """One line with the folder and the reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="file/new: cannot be written"):
        await dump(settings(database_url, "redis://nowhere"), tmp_path / "file" / "new", "csv", lambda *_: None)


async def test_a_missing_package_is_named(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parquet needs a package that most installations do not have: one line says how to install it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SetupError, match=r"pip install 'mysetlist\[parquet\]'"):
        await dump(settings(database_url, "redis://nowhere"), tmp_path, "parquet", lambda *_: None)
