"""Writes a backup file, restores one, and tries one out: the work of `mysetlist backup`, `restore` and `drill`.

A backup holds PostgreSQL only. Valkey holds a copy, and votes of the last moments that are not committed yet. A restore
deletes everything in Valkey: a vote that is not in the file does not exist after the restore (docs/backup.md).
"""

from __future__ import annotations

import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from server.admin.backups import TableCounts, note_backup, table_counts
from server.cache.cluster import connection_to
from server.cli.engines import engines_for
from server.embedded import EmbeddedEngines
from server.embedded.postgres import programs_folder
from server.errors import CacheError, SetupError, StoreError
from server.settings import Settings, data_folder, has_database
from server.store.carry_over import VERSIONS_BEFORE
from server.store.database import Database
from server.store.dumps import Programs, Progress, analyze, refuse_foreign_tables, roles_statement, table_sizes
from server.store.engine import check_postgres
from server.store.migrations import migrate_status, migrate_up
from server.voting.leases import live_nodes
from server.voting.log import log_ends, restart_logs
from server.voting.queries import voting as queries
from server.voting.reconcile import Difference, miscounted


async def backup(database_url: str, file: Path, progress: Progress, *, force: bool = False) -> int:
    """Writes the database to a file, as of one instant; nodes may keep running.

    Takes:  force, whether an existing file is replaced
    Gives:  the size of the file [bytes]
    Raises: SetupError: the backup failed; no new file is left behind and an existing file is unchanged
    Cancel: as after SetupError
    """
    if file.exists() and (file.is_dir() or not force):
        raise SetupError(
            f"{file} is a folder; name a file" if file.is_dir() else f"{file} exists; add --force to replace it"
        )
    sizes = await table_sizes(database_url)
    programs = await Programs.find(database_url, programs_folder())
    await programs.dump(file, sizes, progress)
    return file.stat().st_size


async def backup_and_note(settings: Settings, file: Path, progress: Progress, *, force: bool) -> tuple[int, str]:
    """Writes the database of the settings to a file, and notes the complete backup in it.

    Takes:  force, as backup
    Gives:  the size of the file [bytes], and why it is not noted; empty: it is
    Raises: SetupError: as engines_for and backup
    Cancel: as backup
    """
    async with engines_for(settings, valkey=False, tables=False) as engines:
        size_bytes = await backup(engines.database_url, file, progress, force=force)
        return size_bytes, await _note(engines.database_url, file, size_bytes)


async def _note(database_url: str, file: Path, size_bytes: int) -> str:
    """Notes a complete backup in the database. Gives: why that failed; empty: it is noted."""
    try:
        await note_backup(
            database_url, file_name=file.name, size_bytes=size_bytes, host=socket.gethostname() or "unknown"
        )
    except StoreError as error:
        return str(error)
    return ""


async def restore(database_url: str, redis_url: str, file: Path, progress: Progress) -> list[Difference]:
    """Replaces the contents of the database with a backup, migrates them, and restarts the logs in Valkey.

    Gives:  counts that differ from the rows they count; empty: all agree
    Raises: SetupError: nothing was changed; or a migration failed after the restore, and the line says so
            StoreError, CacheError: PostgreSQL or Valkey went away
    Cancel: nothing is changed as long as the file is not wholly restored
    """
    refuse_unreadable(file)
    folder = data_folder("migrations")
    await check_postgres(database_url)
    programs = await Programs.find(database_url, programs_folder())
    contents = await programs.look_into(file)
    known = {path.name.split("_", 1)[0] for path in folder.glob("[0-9]*.sql")} | VERSIONS_BEFORE
    if unknown := contents.versions - known:
        raise SetupError(
            f"{file} was made by a newer mysetlist: this one does not know its migration {max(unknown)}; upgrade mysetlist"
        )
    await refuse_foreign_tables(database_url, folder)
    connection = connection_to(redis_url)
    try:
        if node_count := len(await live_nodes(database_url)):
            raise SetupError(f"nodes are running on this database ({node_count}); stop them first")
        ends = await log_ends(connection.ask, sorted(contents.positions))
        await programs.restore(
            file, contents, roles=roles_statement(folder), position_min=max(ends, default=0) + 1, progress=progress
        )
        await _migrate(database_url, folder, file)
        try:
            await restart_logs(connection, await _positions(database_url))
        except CacheError as error:
            raise SetupError(
                f"{file} is restored, but Valkey went away ({error}); nodes delete its old copy when they start"
            ) from error
    finally:
        await connection.close()
    progress("analyze", 0, 1)
    await analyze(database_url)
    return await miscounted(database_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What a drill found. live: counts of the database of now; None: why_no_live says why."""

    restored: TableCounts
    live: TableCounts | None
    why_no_live: str
    differences: list[Difference]
    restore_s: float


async def drill(settings: Settings, file: Path, progress: Progress) -> Drill:
    """Restores a backup into engines of its own in a temporary folder, and counts.

    Raises: SetupError: the file cannot be restored, or the disk is full
    Cancel: the engines are stopped and their folder is removed
    """
    refuse_unreadable(file)
    with tempfile.TemporaryDirectory(prefix="mysetlist-drill-") as folder:
        Path(folder).chmod(0o711)  # started by root, PostgreSQL runs as another user
        engines = await EmbeddedEngines.start(Path(folder))
        try:
            began_s = time.monotonic()
            differences = await restore(engines.database_url, engines.redis_url, file, progress)
            restore_s = time.monotonic() - began_s
            restored = await table_counts(engines.database_url)
        finally:
            await engines.stop()
    live, why_no_live = await _live_counts(settings)
    return Drill(restored=restored, live=live, why_no_live=why_no_live, differences=differences, restore_s=restore_s)


async def _live_counts(settings: Settings) -> tuple[TableCounts | None, str]:
    """The counts of the database of now, or None and why there are none: a drill works where the database is lost."""
    try:
        if settings.database_url is None and not has_database(settings.data_dir):
            return None, f"{settings.data_dir} has no database, and DATABASE_URL is not set"
        async with engines_for(settings, valkey=False, tables=False) as engines:
            return await table_counts(engines.database_url), ""
    except (SetupError, StoreError) as error:
        return None, str(error)


async def _positions(database_url: str) -> dict[int, int]:
    database = await Database.open(database_url, pool_size=1)
    try:
        async with database.connection() as connection:
            return {row["shard"]: row["position"] async for row in queries.fetch_positions(connection)}
    finally:
        await database.close()


async def _migrate(database_url: str, folder: Path, file: Path) -> None:
    try:
        await migrate_up(database_url, folder)
    except SetupError as error:
        pending = [migration for migration in await migrate_status(database_url, folder) if not migration.is_applied]
        raise SetupError(
            f"{file} is restored, but {len(pending)} newer migrations are not applied: {error}; run: mysetlist migrate up"
        ) from error


def refuse_unreadable(file: Path) -> None:
    """Raises SetupError when there is no backup to read in a file."""
    try:
        with file.open("rb") as opened:
            if not opened.read(1):
                raise SetupError(f"{file} is empty; name a file made by mysetlist backup")
    except OSError as error:
        raise SetupError(f"cannot read {file}: {error.strerror}") from error
