"""A database from before the first release becomes one of the migrations by topic, with one command."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from server.errors import SetupError
from server.settings import data_folder
from server.store.carry_over import VERSIONS_AFTER, VERSIONS_BEFORE
from server.store.migrations import migrate_status, migrate_up
from tests.support.engines import execute
from tests.support.schema import first_migrations, schema

FOLDER = data_folder("migrations")


async def make_old(url: str, versions: frozenset[str]) -> None:
    """What differs in a database from before: its versions, the bodies of functions, and comments."""
    await execute(
        url,
        "delete from schema_migrations;"
        f" insert into schema_migrations select unnest('{{{','.join(versions)}}}'::text[]);"
        " create or replace function round_number(n bigint) returns bigint language sql immutable parallel safe return 1;"
        " create or replace function tell_of_link() returns trigger language plpgsql as $$ begin return null; end $$;"
        " comment on table votes is null; comment on column shows.revision is null",
    )


async def comments(url: str) -> set[tuple[str, str]]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "select objoid::regclass || ' ' || coalesce(attname, ''), description"
            "  from pg_description left join pg_attribute on attrelid = objoid and attnum = objsubid and objsubid > 0"
            " where classoid = 'pg_class'::regclass"
        )
        return {tuple(row) for row in rows}
    finally:
        await connection.close()


async def test_a_database_from_before_is_carried_over(
    database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    """Looking at it names the command; the command ends where an empty database ends, and rows stay."""
    expected, said = await schema(database_url), await comments(database_url)
    old = empty_database_url
    await migrate_up(old, first_migrations(len(VERSIONS_AFTER), tmp_path / "first"))
    await make_old(old, VERSIONS_BEFORE)
    assert await schema(old) != expected
    with pytest.raises(SetupError, match=r"before the first release; `mysetlist migrate up` carries it over$"):
        await migrate_status(old, FOLDER)
    assert len(await migrate_up(old, FOLDER)) == len(await migrate_status(database_url, FOLDER)) - len(VERSIONS_AFTER)
    assert await schema(old) == expected
    assert await comments(old) == said
    assert all(migration.is_applied for migration in await migrate_status(old, FOLDER))


async def test_a_database_from_long_before_is_left_alone(database_url: str) -> None:
    """Without the last of the old migrations its tables are others."""
    await make_old(database_url, VERSIONS_BEFORE - {max(VERSIONS_BEFORE)})
    before = await schema(database_url)
    with pytest.raises(SetupError, match=r"has 25 of its 26 migrations; start with an empty database, or"):
        await migrate_up(database_url, FOLDER)
    assert await schema(database_url) == before


def test_the_new_versions_are_the_files() -> None:
    """The eight that a carried-over database is said to have are the first eight there are."""
    files = [path.name[:14] for path in sorted(FOLDER.glob("[0-9]*.sql"))]
    assert set(files[: len(VERSIONS_AFTER)]) == VERSIONS_AFTER
