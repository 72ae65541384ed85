"""Writes a backup into a folder every so often and removes the oldest: the work of `mysetlist backup FOLDER --every`."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from pathlib import Path

import structlog

from server.cli.backup_file import backup_and_note
from server.clock import Clock, utc_now
from server.errors import SetupError, StoreError
from server.settings import Settings
from server.store.dumps import Progress, remove_draft

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
        remove_abandoned(folder)
        newest = next((made_at for made_at, _ in backups_in(folder)), None)
    except OSError as error:
        raise SetupError(f"cannot use the folder {folder}: {error.strerror}") from error
    due = due_at(newest, every, utc_now(clock))
    log.info("backup.next", folder=str(folder), at=due.isoformat(timespec="seconds"))
    while True:
        await sleep_until_due(due, every, clock)
        begun_at = utc_now(clock)
        try:
            await _write(settings, folder / file_name(begun_at), progress)
            remove_oldest(folder, keep_count, begun_at)
            due = begun_at + every
        except (SetupError, StoreError, OSError) as error:
            due = begun_at + min(every, dt.timedelta(seconds=RETRY_S))
            log.warning("backup.failed", reason=str(error), tried_again_at=due.isoformat(timespec="seconds"))


async def sleep_until_due(due: dt.datetime, every: dt.timedelta, clock: Clock) -> None:
    """Sleeps until then, but never longer than the interval: the clock that named the instant may have been wrong."""
    while True:
        now = utc_now(clock)
        due = min(due, now + every)
        if due <= now:
            return
        await asyncio.sleep(min((due - now).total_seconds(), LOOK_EVERY_S))


def remove_abandoned(folder: Path) -> None:
    """Removes the drafts that a killed backup of a schedule has left. They would fill the disk, and hold personal data."""
    for path in folder.iterdir():
        if path.suffix == ".partial" and _NAME.fullmatch(path.stem) and remove_draft(path):
            log.info("backup.draft_removed", file=str(path))


def remove_oldest(folder: Path, keep_count: int, written_at: dt.datetime) -> None:
    """Removes what is more than `keep_count` files. Takes: written_at, of the newest, which was begun at this instant."""
    # The name of a file that seems to be newer is of a clock that was wrong, so its age is unknown, and it goes first.
    files = sorted(backups_in(folder), key=lambda file: (file[0] <= written_at, file[0]), reverse=True)
    for _, path in files[keep_count:]:
        # Another schedule on the folder may have removed it.
        path.unlink(missing_ok=True)
        log.info("backup.removed", file=str(path))


async def _write(settings: Settings, file: Path, progress: Progress) -> None:
    # The engines are opened for each backup: meanwhile the node may stop, move to other engines, or start again.
    size_bytes, why_not_noted = await backup_and_note(settings, file, progress, force=True)
    log.info("backup.written", file=str(file), size_bytes=size_bytes)
    if why_not_noted:
        log.warning("backup.not_noted", file=str(file), reason=why_not_noted)
