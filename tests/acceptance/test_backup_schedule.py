"""`mysetlist backup FOLDER --every` writes backups until it is stopped; `mysetlist drill` proves that one can be restored."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from server.admin.backups import TableCounts
from server.cli import backup_schedule
from server.cli import main as command_line
from server.cli.backup_file import Drill, backup
from server.cli.backup_schedule import backups_in, due_at, file_name, remove_abandoned, remove_oldest, sleep_until_due
from server.clock import utc_now
from server.voting.reconcile import Difference
from tests.support.backups import no_progress, value
from tests.support.clock import FakeClock
from tests.support.commands import Command, plain_environ, run_command
from tests.support.engines import execute
from tests.support.open_shows import make_shows
from tests.support.running_node import until

pytestmark = pytest.mark.timeout(60)
NOW = dt.datetime(2026, 11, 29, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def test_the_next_backup_is_due_after_the_newest() -> None:
    """At once without one; a file of a clock that was ahead does not put it off for years."""
    assert due_at(None, DAY, NOW) == NOW
    assert due_at(NOW - 3 * DAY, DAY, NOW) == NOW - 2 * DAY
    assert due_at(NOW - DAY / 2, DAY, NOW) == NOW + DAY / 2
    assert due_at(NOW + 9000 * DAY, DAY, NOW) == NOW + DAY


def test_only_complete_backups_of_the_schedule_count(tmp_path: Path) -> None:
    """Newest first; drafts, files by hand and digits that are no time are nobody's to remove."""
    times = [NOW - DAY, NOW, NOW - 2 * DAY]
    for at in times:
        (tmp_path / file_name(at)).touch()
    for name in ("votes.backup", f"{file_name(NOW)}.partial", "mysetlist-20269999T999999Z.backup"):
        (tmp_path / name).touch()
    assert [at for at, _ in backups_in(tmp_path)] == sorted(times, reverse=True)


def test_a_new_backup_is_never_the_oldest(tmp_path: Path) -> None:
    """A file that a wrong clock named for years ahead is older than the one just written, so it goes first."""
    ahead = [NOW + 9000 * DAY, NOW + 8000 * DAY]
    for at in (*ahead, NOW - DAY, NOW):
        (tmp_path / file_name(at)).touch()
    remove_oldest(tmp_path, 2, NOW)
    assert [at for at, _ in backups_in(tmp_path)] == [NOW, NOW - DAY]


def test_two_schedules_may_remove_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slower one finds it gone, and its own backup counts as written all the same."""
    found = [(NOW, tmp_path / file_name(NOW)), (NOW - DAY, tmp_path / file_name(NOW - DAY))]
    monkeypatch.setattr(backup_schedule, "backups_in", lambda _: found)
    remove_oldest(tmp_path, 1, NOW)


def test_drafts_of_killed_backups_are_removed(tmp_path: Path) -> None:
    """One that is being written stays, and so does a draft that a person named."""
    killed, written, by_hand = (
        tmp_path / f"{name}.partial" for name in (file_name(NOW), file_name(NOW - DAY), "mysetlist-mine.backup")
    )
    for path in (killed, written, by_hand):
        path.touch()
    with written.open() as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        remove_abandoned(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([written, by_hand])


async def test_a_clock_that_goes_back_puts_a_backup_off_by_one_interval_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clock of a machine was years ahead when the last backup was written, and has been set right since."""
    clock, slept_s = FakeClock(), 0.0

    async def sleep(wait_s: float) -> None:
        nonlocal slept_s
        slept_s += wait_s
        clock.advance(wait_s)

    # Only this module's: other tasks of the event loop sleep too.
    monkeypatch.setattr("server.cli.backup_schedule.asyncio", SimpleNamespace(sleep=sleep))
    await sleep_until_due(utc_now(clock) + 9000 * DAY, DAY, clock)
    assert slept_s == DAY.total_seconds()


async def test_backups_are_written_until_stopped(database_url: str, tmp_path: Path) -> None:
    """The newest two stay, each is noted, other files are left alone; SIGTERM leaves no draft."""
    folder, log = tmp_path / "files", tmp_path / "log"
    folder.mkdir()
    (folder / "mine.backup").touch()
    schedule = await Command.start(
        "backup", str(folder), "--every", "1s", "--keep", "2", "--data-dir", str(tmp_path),
        environ=plain_environ() | {"DATABASE_URL": database_url, "MYSETLIST_LOG_FORMAT": "json"},
        output=tmp_path / "output", errors=log,
    )  # fmt: skip
    await until_logged(log, "backup.removed")
    schedule.send_signal(signal.SIGTERM)
    assert await schedule.wait() == 128 + signal.SIGTERM
    written = actions(log).count("backup.written")
    assert await value(database_url, "select count(*) from backups") in (written, written + 1)
    assert len(backups_in(folder)) in (2, 3)
    assert (folder / "mine.backup").exists()
    assert not list(folder.glob("*.partial"))


async def test_a_schedule_outlives_a_database_that_is_away(tmp_path: Path) -> None:
    """The failure is logged with its reason and the time of the next try."""
    log = tmp_path / "log"
    schedule = await Command.start(
        "backup", str(tmp_path / "files"), "--every", "1s", "--data-dir", str(tmp_path),
        environ=plain_environ() | {"DATABASE_URL": "postgresql://me@127.0.0.1:1/x", "MYSETLIST_LOG_FORMAT": "json"},
        output=tmp_path / "output", errors=log,
    )  # fmt: skip
    await until_logged(log, "backup.failed", count=2)
    assert schedule.exit_code is None
    schedule.send_signal(signal.SIGTERM)
    assert await schedule.wait() == 128 + signal.SIGTERM


async def test_a_drill_counts_a_restored_file(database_url: str, tmp_path: Path) -> None:
    """Beside the database of now, which it leaves alone."""
    (show,) = await make_shows(database_url, count=1)
    file = tmp_path / "votes.backup"
    await backup(database_url, file, no_progress)
    await execute(database_url, f"delete from setlist_songs where id = {show.songs[1]}")
    environ = plain_environ() | {"DATABASE_URL": database_url}
    code, told, errors = await run_command("drill", str(file), "--data-dir", str(tmp_path), environ=environ)
    assert (code, errors) == (0, "")
    (songs,) = (line.split("│") for line in told.splitlines() if "songs of sets" in line)
    assert int(songs[2]) - int(songs[3]) == 1
    assert told.splitlines()[-1].startswith(f"{file} can be restored: it took ")


def test_a_drill_names_counts_that_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with 1, and says why there is no database to compare with. It makes nothing in the data dir."""
    counts = TableCounts(accounts=1, artists=2, shows=3, songs_of_sets=4, votes=5, casts=6, newest_cast=None)
    wrong = Difference(None, "song 101: 7 up, and 6 votes")

    async def found(*_: object) -> Drill:
        return Drill(restored=counts, live=None, why_no_live="it is lost", differences=[wrong], restore_s=1.0)

    monkeypatch.setattr("server.cli.backup_file.drill", found)
    # The loggers of this process would keep the stderr of this test.
    monkeypatch.setattr("server.telemetry.configure_logging", lambda *_: None)
    monkeypatch.setenv("MYSETLIST_DATA_DIR", str(tmp_path / "data"))
    done = CliRunner().invoke(command_line.app, ["drill", str(tmp_path / "x")])
    assert done.exit_code == 1
    assert done.output.splitlines()[-2:] == ["not compared with the database of now: it is lost", str(wrong)]
    assert list(tmp_path.iterdir()) == []


async def until_logged(log: Path, action: str, count: int = 1) -> None:
    """Waits until the command has logged an action so many times."""

    async def is_logged() -> bool:
        return actions(log).count(action) >= count

    await until(is_logged)


def actions(log: Path) -> list[str]:
    """What the command has logged so far."""
    if not log.exists():
        return []
    return [json.loads(line)["action"] for line in log.read_text().splitlines() if line.startswith("{")]
