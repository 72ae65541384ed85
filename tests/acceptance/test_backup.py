"""`mysetlist backup`: a complete file or none, and no password on a command line."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server.cli.backup_file import backup
from server.errors import SetupError
from server.store.dumps import libpq_address
from tests.support.backups import no_progress, value
from tests.support.commands import plain_environ, run_command
from tests.support.engines import DEBIAN_POSTGRES, execute

pytestmark = pytest.mark.timeout(60)


async def test_an_existing_file_is_kept(database_url: str, tmp_path: Path) -> None:
    """Only --force replaces it, and only when the new file is complete."""
    file = tmp_path / "votes.backup"
    file.write_text("older")
    with pytest.raises(SetupError, match="exists; add --force to replace it$"):
        await backup(database_url, file, no_progress)
    assert file.read_text() == "older"
    assert await backup(database_url, file, no_progress, force=True) == file.stat().st_size > 1000
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(SetupError, match="is a folder; name a file$"):
        await backup(database_url, tmp_path, no_progress, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["votes.backup"]


async def test_a_backup_is_noted_in_the_database(database_url: str, tmp_path: Path) -> None:
    """With its size and its name without the folder. When that fails, the file is complete, and the command says why."""
    file = tmp_path / "votes.backup"
    environ = plain_environ() | {"DATABASE_URL": database_url}
    code, told, errors = await run_command("backup", str(file), "--data-dir", str(tmp_path), environ=environ)
    assert (code, errors) == (0, "")
    assert told.startswith(f"{file}: ")
    size = file.stat().st_size
    noted = f"select count(*) from backups where file_name = 'votes.backup' and size_bytes = {size} and host <> ''"
    assert await value(database_url, noted) == 1
    await execute(database_url, "drop table backups")
    code, told, errors = await run_command("backup", str(file), "--force", "--data-dir", str(tmp_path), environ=environ)
    assert (code, told[:10]) == (0, str(file)[:10])
    assert errors.startswith(f"{file} is complete, but the console will not know of it: UndefinedTableError: ")


async def test_a_full_disk_leaves_nothing_behind(database_url: str, tmp_path: Path) -> None:
    """With a limit on file sizes in place of a full disk, the error is one line and the older backup stays."""
    file = tmp_path / "b" / "votes.backup"
    file.parent.mkdir()
    file.write_text("older")
    command = [sys.executable, "-P", "-m", "server", "backup", str(file), "--force", "--data-dir", str(tmp_path)]
    environ = plain_environ() | {"DATABASE_URL": database_url}
    limited = ["bash", "-c", 'ulimit -f 16; exec "$@"', "-", *command]
    done = subprocess.run(limited, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, f"mysetlist: pg_dump: was ended by {signal.SIGXFSZ.name}\n")
    assert [path.name for path in file.parent.iterdir()] == ["votes.backup"]
    assert file.read_text() == "older"
    with pytest.raises(SetupError, match="^cannot write .*: No such file or directory$"):
        await backup(database_url, tmp_path / "missing" / "votes.backup", no_progress)


async def test_an_interrupted_backup_leaves_nothing_behind(database_url: str, tmp_path: Path) -> None:
    """Ctrl-C while a backup is written leaves no file; of two backups to one file at the same time one fails."""
    file = tmp_path / "votes.backup"

    def interrupt(stage: str, done: int, total: int) -> None:
        writing.cancel()

    writing = asyncio.create_task(backup(database_url, file, interrupt))
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert list(tmp_path.iterdir()) == []
    results = await asyncio.gather(*(backup(database_url, file, no_progress) for _ in range(2)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["SetupError", "int"]
    assert [path.name for path in tmp_path.iterdir()] == ["votes.backup"]


async def test_an_empty_database_is_not_backed_up(empty_database_url: str, tmp_path: Path) -> None:
    """A backup without our tables is an error at once, not at the restore."""
    with pytest.raises(SetupError, match="has no tables of MySetlist, so there is nothing to back up$"):
        await backup(empty_database_url, tmp_path / "votes.backup", no_progress)


async def test_programs_of_another_version_are_not_used(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the programs of the server's version the error is one line that names them."""
    monkeypatch.setattr("server.cli.backup_file.programs_folder", lambda: DEBIAN_POSTGRES)
    with pytest.raises(SetupError, match="^pg_dump, pg_restore and psql of PostgreSQL 18 are needed, the version of"):
        await backup(database_url, tmp_path / "votes.backup", no_progress)


@pytest.mark.parametrize(
    ("url", "address", "password"),
    [
        ("postgresql://postgres@/fans?host=/run/x", "postgresql://postgres@/fans?host=%2Frun%2Fx", None),
        ("postgres://me:p%40w@db:5433/fans?sslmode=require", "postgresql://me@db:5433/fans?sslmode=require", "p@w"),
        ("postgresql://[::1]:5433/fans?user=me&password=a%26b", "postgresql://[::1]:5433/fans?user=me", "a&b"),
    ],
)
def test_no_command_line_holds_the_password(url: str, address: str, password: str | None) -> None:
    """The password is in the environment, which other users cannot read."""
    found, environ = libpq_address(url)
    assert found == address
    assert environ.get("PGPASSWORD") == password
