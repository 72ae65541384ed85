"""`mysetlist backup` and `mysetlist restore`: PostgreSQL in a file, and a service that comes up from one.

Only PostgreSQL is kept. What Valkey holds is a copy, or votes of the last moments that were not committed; a restore
throws all of it away: a vote that is not in the file is not in the restored world (docs/backup.md).
"""

from __future__ import annotations

from pathlib import Path

from server.cache.connection import Connection
from server.embedded.postgres import programs_folder
from server.errors import CacheError, SetupError
from server.settings import data_folder
from server.store.carry_over import VERSIONS_BEFORE
from server.store.database import Database
from server.store.dumps import Programs, Progress, analyze, refuse_foreign_tables, roles_statement, table_sizes
from server.store.engine import check_postgres
from server.store.migrations import migrate_status, migrate_up
from server.voting.leases import live_nodes
from server.voting.log import log_ends, queries, restart_logs
from server.voting.reconcile import Difference, miscounted


async def backup(database_url: str, file: Path, progress: Progress, *, force: bool = False) -> int:
    """Writes the database to a file, as of one instant; nodes may go on meanwhile.

    Takes:  force, whether a file that is there already is replaced
    Gives:  its size [bytes]
    Raises: SetupError: nothing is left behind, and a file that was there is as it was
    Cancel: likewise
    """
    if file.exists() and (file.is_dir() or not force):
        raise SetupError(f"{file} is a folder" if file.is_dir() else f"{file} is there already; --force replaces it")
    sizes = await table_sizes(database_url)
    programs = await Programs.find(database_url, programs_folder())
    await programs.dump(file, sizes, progress)
    return file.stat().st_size


async def restore(database_url: str, redis_url: str, file: Path, progress: Progress) -> list[Difference]:
    """Puts a backup in the place of what the database holds, brings it up to date, and has Valkey begin anew.

    Gives:  counts that differ from the rows they count; none: all is well
    Raises: SetupError: before anything was changed; or at the migrations, and the line says so
            StoreError, CacheError: PostgreSQL or Valkey went away
    Cancel: until the file is in, everything is as it was
    """
    _refuse_unreadable(file)
    folder = data_folder("migrations")
    await check_postgres(database_url)
    programs = await Programs.find(database_url, programs_folder())
    contents = await programs.look_into(file)
    known = {path.name.split("_", 1)[0] for path in folder.glob("[0-9]*.sql")} | VERSIONS_BEFORE
    if unknown := contents.versions - known:
        raise SetupError(
            f"{file} was made by a newer mysetlist: it has migration {max(unknown)}, which this one does not know; upgrade"
        )
    await refuse_foreign_tables(database_url, folder)
    connection = Connection(redis_url)
    try:
        if node_count := len(await live_nodes(database_url)):
            raise SetupError(f"nodes are running on this database ({node_count}); stop them first")
        ends = await log_ends(connection.ask, sorted(contents.positions))
        await programs.restore(
            file, contents, roles=roles_statement(folder), position_min=max(ends, default=0) + 1, progress=progress
        )
        await _bring_up_to_date(database_url, folder, file)
        try:
            await restart_logs(connection.ask, await _positions(database_url))
        except CacheError as error:
            raise SetupError(
                f"{file} is restored, but Valkey went away ({error}); nodes throw its old copy away when they start"
            ) from error
    finally:
        await connection.close()
    progress("analyze", 0, 1)
    await analyze(database_url)
    return await miscounted(database_url)


async def _positions(database_url: str) -> dict[int, int]:
    database = await Database.open(database_url, pool_size=1)
    try:
        async with database.connection() as connection:
            return {row["shard"]: row["position"] async for row in queries.fetch_positions(connection)}
    finally:
        await database.close()


async def _bring_up_to_date(database_url: str, folder: Path, file: Path) -> None:
    try:
        await migrate_up(database_url, folder)
    except SetupError as error:
        pending = [migration for migration in await migrate_status(database_url, folder) if not migration.is_applied]
        raise SetupError(
            f"{file} is restored, but {len(pending)} newer migrations are not applied to it: {error}"
        ) from error


def _refuse_unreadable(file: Path) -> None:
    try:
        with file.open("rb") as opened:
            if not opened.read(1):
                raise SetupError(f"{file} is empty")
    except OSError as error:
        raise SetupError(f"cannot read {file}: {error.strerror}") from error
