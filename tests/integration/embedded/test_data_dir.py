"""A data dir that cannot be used is one line, which says what was found and what to do; a look at its lock disturbs nobody."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import psutil
import pytest

from server.embedded import EmbeddedEngines, open_engines
from server.embedded.engines import _running_addresses
from server.embedded.folders import DataDirLock, data_dir_failures
from server.errors import SetupError
from server.node.upgrades import running_nodes
from server.settings import Settings
from tests.support.running_node import SECRET

NOBODY = 65_534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


@contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


async def use(data_dir: Path) -> None:
    async with open_engines(data_dir, database_url=None, redis_url=None, postgres=False):
        pass


@needs_root
@pytest.mark.parametrize("name", ["lock", "engines.json", "engines.json.draft", "valkey.log", "valkey/valkey.conf"])
async def test_a_file_of_another_user_is_one_line(engine_dir: Path, name: str) -> None:
    """It names the file, both users, and what to do."""
    os.chown(engine_dir, NOBODY, NOBODY)
    file = engine_dir / name
    if file.parent != engine_dir:
        file.parent.mkdir(mode=0o700)
        os.chown(file.parent, NOBODY, NOBODY)
    file.touch(0o600)
    holder = DataDirLock(engine_dir)
    if name == "engines.json":
        holder.acquire()
        (engine_dir / "lock").chmod(0o644)
    with as_nobody(), pytest.raises(SetupError) as caught:
        await use(engine_dir)
    assert str(caught.value) == (
        f"MYSETLIST_DATA_DIR: cannot keep data in {engine_dir}: {file} belongs to root, and this is nobody;"
        " run mysetlist as root, or name another folder with --data-dir"
    )
    holder.release()


@needs_root
async def test_a_folder_of_another_user_is_one_line(engine_dir: Path) -> None:
    """One that may not be entered, one that may not be listed, and one above that the data dir cannot be made in."""
    found = f"{engine_dir} belongs to root, and this is nobody"
    for mode in (0o700, 0o711):
        engine_dir.chmod(mode)
        with as_nobody(), pytest.raises(SetupError, match=f"{found}; run mysetlist as root"):
            await use(engine_dir)
        with as_nobody(), pytest.raises(SetupError, match=f"{found}; run mysetlist as root"):
            running_nodes(engine_dir)
    with as_nobody(), pytest.raises(SetupError, match=f"{found}; make the folder and give it to nobody"):
        await use(engine_dir / "deeper")
    engine_dir.chmod(0o700)
    given = {"MYSETLIST_DATA_DIR": str(engine_dir), "MYSETLIST_SECRET": SECRET}
    with as_nobody(), pytest.raises(SetupError, match=f"{found}; run mysetlist as root"):
        Settings.from_environ(given, needs_database=True)


@needs_root
def test_a_key_of_another_user_is_one_line(engine_dir: Path) -> None:
    """The key that this user may not read is not replaced."""
    (engine_dir / "secret").touch(0o600)
    with (
        as_nobody(),
        pytest.raises(SetupError, match="/secret belongs to root, and this is nobody; run mysetlist as root"),
    ):
        Settings.from_environ({"MYSETLIST_DATA_DIR": str(engine_dir)})


async def test_a_file_that_its_owner_may_not_use_is_one_line(engine_dir: Path) -> None:
    """Then it is the mode that has to change."""
    lock = engine_dir / "lock"
    lock.touch(0o000)
    if os.geteuid() == 0:  # who may use everything
        for path in (engine_dir, lock):
            os.chown(path, NOBODY, NOBODY)
    line = f"its owner, read and write it; change its mode with: chmod u.rwX {lock}"
    with as_nobody() if os.geteuid() == 0 else nullcontext(), pytest.raises(SetupError, match=line):
        await use(engine_dir)


async def test_a_file_where_a_folder_is_wanted_is_one_line(engine_dir: Path) -> None:
    """And a folder where a file is wanted."""
    file = engine_dir / "file"
    file.touch()
    for data_dir in (file, file / "deeper"):
        with pytest.raises(SetupError, match=f"{file} is no folder; name another folder with --data-dir"):
            await use(data_dir)
        with pytest.raises(SetupError, match=f"{file} is no folder; name another folder with --data-dir"):
            Settings.from_environ({"MYSETLIST_DATA_DIR": str(data_dir)})
    for name in ("lock", "engines.json", "valkey.log"):
        (engine_dir / name).mkdir()
        with pytest.raises(SetupError, match=f"{engine_dir}/{name} is a folder and has to be a file; move it away"):
            await use(engine_dir)
        assert name == "lock" or not DataDirLock(engine_dir).is_held()
        (engine_dir / name).rmdir()
    (engine_dir / "secret").mkdir()
    with pytest.raises(SetupError, match=f"{engine_dir}/secret is a folder and has to be a file; move it away"):
        Settings.from_environ({"MYSETLIST_DATA_DIR": str(engine_dir)})


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (
            errno.EROFS,
            "the file system of {} is read-only; mount it for writing, or name another folder with --data-dir",
        ),
        (errno.ENOSPC, "No space left on device; make room, or name another folder with --data-dir"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_file_system_that_fails_is_one_line(tmp_path: Path, number: int, line: str) -> None:
    """Read-only, full, broken."""
    with pytest.raises(SetupError) as caught, data_dir_failures(tmp_path):
        raise OSError(number, os.strerror(number), str(tmp_path / "lock"))
    assert str(caught.value) == f"MYSETLIST_DATA_DIR: cannot keep data in {tmp_path}: {line.format(tmp_path)}"


def test_a_key_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    """Another file was put in its place."""
    (tmp_path / "secret").write_bytes(b"\xff" * 64)
    with pytest.raises(SetupError, match=f"the signing key in {tmp_path}/secret .*; remove the file to get a new one"):
        Settings.from_environ({"MYSETLIST_DATA_DIR": str(tmp_path)})


async def test_engines_stop_also_when_the_data_dir_cannot_be_written_any_more(engine_dir: Path) -> None:
    """A file that cannot be removed leaves no engine and no lock behind."""
    engines = await EmbeddedEngines.start(engine_dir, postgres=False)
    pid = engines.valkey_pid
    assert pid is not None
    (engine_dir / "engines.json").unlink()
    (engine_dir / "engines.json").mkdir()
    await engines.stop()
    assert not psutil.pid_exists(pid)
    assert not DataDirLock(engine_dir).is_held()


def test_commands_that_look_at_the_lock_keep_no_node_from_starting(tmp_path: Path) -> None:
    """They may look at any moment, and as many as they want."""
    (tmp_path / "engines.json").write_text('{"database_url": null, "redis_url": null}')
    is_done = threading.Event()

    async def look() -> None:
        while not is_done.is_set():
            await _running_addresses(tmp_path)

    lookers = [threading.Thread(target=lambda: asyncio.run(look())) for _ in range(3)]
    for looker in lookers:
        looker.start()
    lock = DataDirLock(tmp_path)
    try:
        for _ in range(300):
            assert lock.acquire()
            lock.release()
    finally:
        is_done.set()
        for looker in lookers:
            looker.join()
