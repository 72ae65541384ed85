"""The folders of the engines: their owner, their permissions, and the lock of the data dir."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import pwd
import random
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from server.errors import SetupError

log = structlog.get_logger(__name__)

SYSTEM_USER = "mysetlist"
# sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the final zero.
SOCKET_PATH_BYTES_MAX = 100
_LONGEST_SOCKET = ".s.PGSQL.5432"
_TRAVERSE = stat.S_IXOTH
_READ = stat.S_IROTH
# How often a process that wants the lock tries again while others only look at it, and how long it pauses.
LOCK_TRIES_MAX = 1_000
LOCK_PAUSE_S = 0.002


@dataclass(frozen=True, slots=True)
class Owner:
    """The user of the engines when the node runs as root: PostgreSQL refuses to run as root."""

    uid: int
    gid: int


def owner_of(data_dir: Path) -> Owner | None:
    """The user for the engines of a data dir; None: the user of this process.

    Raises: SetupError: the user does not exist and cannot be created
    """
    if os.geteuid() != 0:
        return None
    for folder in (data_dir / "postgres", data_dir / "valkey"):
        # The folder of an ordinary user stays that user's, also when root starts the next node.
        if folder.exists() and (status := folder.stat()).st_uid != 0:
            return Owner(status.st_uid, status.st_gid)
    for attempt in range(2):
        try:
            entry = pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            if attempt == 0:
                _make_system_user()
        else:
            return Owner(entry.pw_uid, entry.pw_gid)
    raise SetupError(
        f"PostgreSQL refuses to run as root and the system user {SYSTEM_USER!r} cannot be created;"
        " start mysetlist as an ordinary user, or set DATABASE_URL and REDIS_URL"
    )


def _make_system_user() -> None:
    if useradd := shutil.which("useradd"):
        command = [useradd, "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
    elif adduser := shutil.which("adduser"):  # BusyBox
        command = [adduser, "-S", "-D", "-H", "-s", "/bin/false", SYSTEM_USER]
    else:
        return
    # The caller looks the user up again, and so sees whether this worked.
    subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)


def make_private(folder: Path, owner: Owner | None) -> None:
    """Creates a folder that only the user of the engines, and root, can enter.

    Raises: SetupError: it cannot be created, or belongs to another user
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        allowed_uids = (os.geteuid(), owner.uid if owner else os.geteuid())
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in allowed_uids:
            raise SetupError(f"{folder} belongs to another user; remove it, or give this node another --data-dir")
        if owner and status.st_uid != owner.uid:
            os.chown(folder, owner.uid, owner.gid)
        if stat.S_IMODE(status.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise SetupError(f"cannot create the folder {folder}: {error.strerror}") from error


def let_through(path: Path, owner: Owner | None) -> None:
    """Lets the user of the engines pass through every folder above `path`, without listing it."""
    if owner is None:
        return
    for folder in path.resolve().parents:
        status = folder.stat()
        if status.st_uid != owner.uid and not status.st_mode & _TRAVERSE:
            folder.chmod(stat.S_IMODE(status.st_mode) | _TRAVERSE)
            log.warning("folder.opened", folder=str(folder), why="the user of the engines must pass through it")


def let_read(tree: Path, owner: Owner | None) -> None:
    """Lets the user of the engines read and run the files of a wheel that was installed with a strict umask."""
    if owner is None or (tree / "bin" / "postgres").stat().st_mode & _READ:
        return
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | _READ | (_TRAVERSE if mode & stat.S_IXUSR else 0))


def socket_dir(data_dir: Path) -> Path:
    """The folder of the sockets: inside the data dir, or a private folder with a short path if that path is too long."""
    inside = data_dir / "run"
    if len(os.fsencode(inside / _LONGEST_SOCKET)) <= SOCKET_PATH_BYTES_MAX:
        return inside
    name = hashlib.sha256(os.fsencode(data_dir) + b"\0" + str(os.geteuid()).encode()).hexdigest()[:16]
    # Not tempfile.gettempdir(): the path of TMPDIR may be long too, and may differ between a node and a later command.
    return Path("/tmp") / f"mysetlist-{name}"  # noqa: S108  make_private refuses the folder of another user


def make_data_dir(data_dir: Path) -> None:
    """Creates the data dir if it is missing. Other users may pass through to the sockets, but not list the folder."""
    data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)


@contextmanager
def data_dir_failures(data_dir: Path) -> Iterator[None]:
    """Raises SetupError when a file or folder of the data dir cannot be used: what was found, and what to do."""
    try:
        yield
    except OSError as error:
        raise SetupError(
            f"MYSETLIST_DATA_DIR: cannot keep data in {data_dir}: {_why_unusable(data_dir, error)}"
        ) from error


def _why_unusable(data_dir: Path, error: OSError) -> str:
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else data_dir
    # What does not exist, or cannot be seen, is refused by a folder above it.
    found = next(one for one in (path, *path.parents) if os.path.lexists(one))
    another = "name another folder with --data-dir"
    match error.errno:
        case errno.EACCES | errno.EPERM:
            owner, me = _user_name(found.lstat().st_uid), _user_name(os.geteuid())
            if owner == me:
                return f"{found} does not let {me}, its owner, read and write it; change its mode with: chmod u+rwX {found}"
            if found.is_relative_to(data_dir):
                return f"{found} belongs to {owner}, and this is {me}; run mysetlist as {owner}, or {another}"
            return f"{found} belongs to {owner}, and this is {me}; make the folder and give it to {me}, or {another}"
        case errno.EROFS:
            return f"the file system of {found} is read-only; mount it for writing, or {another}"
        case errno.EEXIST | errno.ENOTDIR:
            return f"{found} is no folder; {another}"
        case errno.EISDIR:
            return f"{found} is a folder and has to be a file; move it away"
        case errno.ENOSPC | errno.EDQUOT:
            return f"{error.strerror}; make room, or {another}"
    return str(error.strerror or error)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user id {uid}"


class DataDirLock:
    """The lock that lets only one process run engines in a data dir. The kernel releases it when that process dies."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Takes the lock; False: another process holds it.

        Raises: OSError: the file cannot be opened
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _take(descriptor):
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor
        return True

    def is_held(self) -> bool:
        """Whether a process holds the lock. A look keeps no other process from taking it.

        Raises: OSError: the file cannot be opened
        """
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _flock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def holder(self) -> str:
        """The process id of the present or last holder, for messages."""
        return self._path.read_text().strip() or "unknown"

    def release(self) -> None:
        """Releases the lock. The file stays, because a lock file that is removed can be held twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _take(descriptor: int) -> bool:
    for _ in range(LOCK_TRIES_MAX):
        if _flock(descriptor, fcntl.LOCK_EX):
            return True
        # A holder lets nobody share the lock. A process that looks shares it for an instant.
        if not _flock(descriptor, fcntl.LOCK_SH):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        # At random, because another process may want it too.
        time.sleep(random.uniform(0, LOCK_PAUSE_S))  # noqa: S311  no secret
    return False


def _flock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
