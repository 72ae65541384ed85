"""Writes a backup into a folder every so often and removes the oldest: the work of `mysetlist backup FOLDER --every`."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from pathlib import Path

import structlog

from server.cli.backup_file import backup, note
from server.cli.engines import engines_for
from server.clock import Clock, utc_now
from server.errors import SetupError, StoreError
from server.settings import Settings
from server.store.dumps import Progress

log = structlog.get_logger(__name__)

RETRY_S = 300.0  # after a backup that failed; sooner when the next one is due sooner
LOOK_EVERY_S = 60.0  # a machine that slept looks at its clock again after this time
_NAME = re.compile(r"mysetlist-(\d{8}T\d{6})Z\.backup")
_TIME = "%Y%m%dT%H%M%S"


def file_name(made_at: dt.datetime) -> str:
    """The name of a backup that was begun at this instant (UTC)."""
    return f"mysetlist-{made_at.strftime(_TIME)}Z.backup"


def backups_in(folder: Path) -> list[tuple[dt.datetime, Path]]:
    """The complete backups that a schedule wrote into a folder, with the instant in their name, newest first."""
    found = []
    for path in folder.iterdir():
        if name := _NAME.fullmatch(path.name):
            try:
                found.append((dt.datetime.strptime(name[1], _TIME).replace(tzinfo=dt.UTC), path))
            except ValueError:  # digits that are no time: the file is not ours
                continue
    return sorted(found, reverse=True)


def due_at(newest: dt.datetime | None, every: dt.timedelta, now: dt.datetime) -> dt.datetime:
    """When the next backup is due. A newest one in the future was named by a clock that was wrong."""
    return now if newest is None else min(newest, now) + every


async def backup_every(
    settings: Settings, folder: Path, every: dt.timedelta, keep_count: int, clock: Clock, progress: Progress
) -> None:
    """Writes backups until cancelled, and logs each. A backup that fails is tried again after RETRY_S.

    Takes:  keep_count, how many of its own files stay in the folder
    Raises: SetupError: the folder cannot be read or made
    Cancel: the backup that is being written leaves nothing behind
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        newest = next((made_at for made_at, _ in backups_in(folder)), None)
    except OSError as error:
        raise SetupError(f"cannot use the folder {folder}: {error.strerror}") from error
    due = due_at(newest, every, utc_now(clock))
    log.info("backup.next", folder=str(folder), at=due.isoformat(timespec="seconds"))
    while True:
        await _sleep_until(due, clock)
        begun_at = utc_now(clock)
        try:
            await _write(settings, folder / file_name(begun_at), progress)
            _remove_oldest(folder, keep_count)
            due = begun_at + every
        except (SetupError, StoreError, OSError) as error:
            due = begun_at + min(every, dt.timedelta(seconds=RETRY_S))
            log.warning("backup.failed", reason=str(error), tried_again_at=due.isoformat(timespec="seconds"))


async def _sleep_until(due: dt.datetime, clock: Clock) -> None:
    while True:
        wait_s = (due - utc_now(clock)).total_seconds()
        if wait_s <= 0:
            return
        await asyncio.sleep(min(wait_s, LOOK_EVERY_S))


async def _write(settings: Settings, file: Path, progress: Progress) -> None:
    # The engines are opened for each backup: meanwhile the node may stop, move to other engines, or start again.
    async with engines_for(settings, valkey=False, tables=False) as engines:
        size_bytes = await backup(engines.database_url, file, progress, force=True)
        why_not_noted = await note(engines.database_url, file, size_bytes)
    log.info("backup.written", file=str(file), size_bytes=size_bytes)
    if why_not_noted:
        log.warning("backup.not_noted", file=str(file), reason=why_not_noted)


def _remove_oldest(folder: Path, keep_count: int) -> None:
    for _, path in backups_in(folder)[keep_count:]:
        path.unlink()
        log.info("backup.removed", file=str(path))
