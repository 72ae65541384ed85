"""`mysetlist restore` with files of other versions of PostgreSQL and of MySetlist."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from server.cli.backup_file import backup, restore
from server.errors import SetupError
from server.settings import data_folder
from server.store.carry_over import VERSIONS_AFTER, VERSIONS_BEFORE
from server.store.migrations import migrate_down, migrate_status, migrate_up
from tests.support.backups import no_progress, rows_of, value
from tests.support.commands import plain_environ, run_command
from tests.support.engines import DEBIAN_POSTGRES, debian_postgres, execute
from tests.support.open_shows import make_shows
from tests.support.schema import first_migrations

pytestmark = pytest.mark.timeout(60)

FOLDER = data_folder("migrations")
needs_debian_postgres = pytest.mark.skipif(
    not (DEBIAN_POSTGRES / "postgres").exists(), reason=f"no PostgreSQL 15 in {DEBIAN_POSTGRES} (.ci/run installs it)"
)


@pytest.fixture(scope="module")
def postgres_15() -> Iterator[str]:
    with debian_postgres() as url:
        yield url


@needs_debian_postgres
async def test_postgres_15_and_an_owner_without_superuser(postgres_15: str, redis_url: str, tmp_path: Path) -> None:
    """An owner without superuser rights and with a password backs up and restores a PostgreSQL 15."""
    await execute(postgres_15, "create role fan_owner login createrole password 'p/w&+'")
    urls = []
    for name in ("fans", "fans_too"):
        await execute(postgres_15, f"create database {name} owner fan_owner")
        host = urlsplit(postgres_15).netloc.rpartition("@")[2]
        urls.append(f"postgresql://fan_owner:{quote('p/w&+', safe='')}@{host}/{name}")
    await migrate_up(urls[0], FOLDER)
    await make_shows(urls[0], count=2)
    file = tmp_path / "votes.backup"
    environ = plain_environ() | {"DATABASE_URL": urls[0]}
    code, printed, errors = await run_command("backup", str(file), "--data-dir", str(tmp_path), environ=environ)
    assert (code, errors) == (0, "")
    assert printed.startswith(f"{file}: ")
    for _ in range(2):  # into an empty database, then into a full one
        assert await restore(urls[1], redis_url, file, no_progress) == []
    # The backup was noted when its file was complete.
    assert await rows_of(urls[1]) == await rows_of(urls[0]) | {"backups": []}


@pytest.mark.nightly
@needs_debian_postgres
async def test_between_versions_of_postgres(
    postgres_15: str, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """A newer PostgreSQL restores the file of an older one; the other direction is one clear line."""
    await execute(postgres_15, "create database between_versions")
    old = urlsplit(postgres_15)._replace(path="/between_versions").geturl()
    await migrate_up(old, FOLDER)
    await make_shows(old)
    await backup(old, tmp_path / "old", no_progress)
    assert await restore(database_url, redis_url, tmp_path / "old", no_progress) == []
    assert await rows_of(database_url) == await rows_of(old)
    await backup(database_url, tmp_path / "new", no_progress)
    with pytest.raises(SetupError, match=r"^pg_restore: error: unsupported version \(\S+\) in file header$"):
        await restore(old, redis_url, tmp_path / "new", no_progress)


async def test_a_file_of_an_older_release_is_migrated(
    database_url: str, empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """A backup that lacks the newest migration is restored and then migrated."""
    await make_shows(database_url)
    await migrate_down(database_url, FOLDER)
    file = tmp_path / "votes.backup"
    await backup(database_url, file, no_progress)
    assert await restore(empty_database_url, redis_url, file, no_progress) == []
    assert all(migration.is_applied for migration in await migrate_status(empty_database_url, FOLDER))
    assert await value(empty_database_url, "select count(*) from show_artists") == 1


async def test_a_file_from_before_the_first_release_is_carried_over(
    database_url: str, empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """The same tables under the old migrations' numbers."""
    old = empty_database_url
    await migrate_up(old, first_migrations(len(VERSIONS_AFTER), tmp_path / "first"))
    await make_shows(old)
    versions = ",".join(VERSIONS_BEFORE)
    await execute(
        old,
        f"delete from schema_migrations; insert into schema_migrations select unnest('{{{versions}}}'::text[])",
    )
    file = tmp_path / "votes.backup"
    await backup(old, file, no_progress)
    assert await restore(database_url, redis_url, file, no_progress) == []
    assert all(migration.is_applied for migration in await migrate_status(database_url, FOLDER))
    assert await value(database_url, "select count(*) from show_artists") == 1


async def test_a_file_of_a_newer_release_is_refused(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """The error is one line, and nothing is changed."""
    file = tmp_path / "votes.backup"
    await execute(database_url, "insert into schema_migrations values ('29990101000000')")
    await backup(database_url, file, no_progress)
    await execute(database_url, "delete from schema_migrations where version = '29990101000000'")
    before = await rows_of(database_url)
    with pytest.raises(
        SetupError, match="was made by a newer mysetlist: .* migration 29990101000000; upgrade mysetlist$"
    ):
        await restore(database_url, redis_url, file, no_progress)
    assert await rows_of(database_url) == before
