"""Migrations: the schema file, tables that say what they hold, and only databases that are ours to change."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

import asyncpg
import pytest

from server.errors import SetupError
from server.settings import data_folder
from server.store import migrations
from server.store.migrations import migrate_down, migrate_status, migrate_up
from tests.support.schema import schema
from tests.support.schema_file import FILE, schema_file

FOLDER = data_folder("migrations")


async def test_the_schema_file_is_of_these_migrations(database_url: str) -> None:
    """migrations/schema.sql says what a migrated database holds, and the lock order of docs/data-model.md."""
    wanted, found = await schema_file(database_url), FILE.read_text()
    difference = "\n".join(
        difflib.unified_diff(found.splitlines(), wanted.splitlines(), "schema.sql", "database", "", "", 0)
    )
    assert not difference, f"migrations/schema.sql is out of date: run `make schema`\n{difference[:5000]}"


async def test_every_table_says_what_a_row_is(database_url: str) -> None:
    """`comment on table` stands for each, so that psql and migrations/schema.sql tell it too."""
    connection = await asyncpg.connect(database_url)
    try:
        silent = await connection.fetch(
            "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
            " and (not relispartition or relname like '%_default') and relname <> 'schema_migrations'"
            " and obj_description(oid, 'pg_class') is null"
        )
    finally:
        await connection.close()
    assert [row["relname"] for row in silent] == []


async def test_nothing_to_apply_starts_no_program(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual start finds everything applied and loses no time on dbmate."""

    def refuse() -> str:
        raise AssertionError("dbmate was started")

    monkeypatch.setattr(migrations, "dbmate_path", refuse)
    assert await migrate_up(database_url, FOLDER) == []
    assert all(migration.is_applied for migration in await migrate_status(database_url, FOLDER))


async def test_only_what_is_missing_is_applied(database_url: str, tmp_path: Path) -> None:
    """A newer release brings a file; the old ones stay as they are."""
    shutil.copytree(FOLDER, tmp_path / "newer")
    (tmp_path / "newer" / "29990101000000_more.sql").write_text(
        "-- migrate:up\ncreate table more ();\n-- migrate:down\ndrop table more;\n"
    )
    status = await migrate_status(database_url, tmp_path / "newer")
    assert [migration.name for migration in status if not migration.is_applied] == ["29990101000000_more"]
    assert [migration.name for migration in await migrate_up(database_url, tmp_path / "newer")] == [
        "29990101000000_more"
    ]


async def test_a_database_of_a_newer_release_is_left_alone(database_url: str, tmp_path: Path) -> None:
    """An old node must not work on a schema it does not know."""
    shutil.copytree(FOLDER, tmp_path / "newer")
    (tmp_path / "newer" / "29990101000000_more.sql").write_text(
        "-- migrate:up\ncreate table more ();\n-- migrate:down\ndrop table more;\n"
    )
    await migrate_up(database_url, tmp_path / "newer")
    for attempt in (migrate_up, migrate_down, migrate_status):
        with pytest.raises(SetupError, match="has migration 29990101000000, which this version .* upgrade$"):
            await attempt(database_url, FOLDER)


async def test_a_migration_that_fails_changes_nothing_and_says_why(empty_database_url: str, tmp_path: Path) -> None:
    """One line with PostgreSQL's reason and the file; the file's first half is rolled back."""
    (tmp_path / "20000101000000_broken.sql").write_text(
        "-- migrate:up\ncreate table half ();\nselect 1 / 0;\n-- migrate:down\ndrop table half;\n"
    )
    before = await schema(empty_database_url)
    with pytest.raises(
        SetupError, match=r"cannot migrate the database: .*division by zero.*20000101000000_broken"
    ) as caught:
        await migrate_up(empty_database_url, tmp_path)
    assert "\n" not in str(caught.value)
    assert await schema(empty_database_url) == before


@pytest.mark.parametrize(
    ("url", "address", "tls_mode"),
    [
        ("postgresql://postgres@/fans?host=/run/x", "postgres://postgres@/fans?host=/run/x", "disable"),
        ("postgresql:///fans", "postgres:///fans", "disable"),
        ("postgres://me:p%40w@db:5433/fans", "postgres://me:p%40w@db:5433/fans", "prefer"),
        ("postgresql://db/fans?sslmode=verify-full", "postgres://db/fans?sslmode=verify-full", "prefer"),
    ],
)
def test_addresses_are_turned_for_dbmate(url: str, address: str, tls_mode: str) -> None:
    """The same address works for asyncpg and for dbmate; a mode in the address is never overruled."""
    assert migrations.dbmate_address(url) == (address, tls_mode)
