"""Folders, their owner, and who may pass through them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import structlog

from server.errors import SetupError

log = structlog.get_logger(__name__)

SYSTEM_USER = "mysetlist"
# sockaddr_un holds 108 bytes on Linux and 104 on macOS, the final zero included.
SOCKET_PATH_BYTES_MAX = 100
_LONGEST_SOCKET = ".s.PGSQL.5432"
_TRAVERSE = stat.S_IXOTH
_READ = stat.S_IROTH


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom the engines run as when the node runs as root: PostgreSQL refuses to be root."""

    uid: int
    gid: int


def owner_of(data_dir: Path) -> Owner | None:
    """The user for the engines of a data dir; None when they simply run as we do.

    Raises: SetupError: there is no such user and none can be made
    """
    if os.geteuid() != 0:
        return None
    import pwd

    for folder in (data_dir / "postgres", data_dir / "valkey"):
        # A folder once made by an ordinary user stays that user's, even if root starts the next node.
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
        f"PostgreSQL refuses to run as root and the system user {SYSTEM_USER!r} cannot be made;"
        " start mysetlist as an ordinary user, or set DATABASE_URL and REDIS_URL"
    )


def _make_system_user() -> None:
    if useradd := shutil.which("useradd"):
        command = [useradd, "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
    elif adduser := shutil.which("adduser"):  # BusyBox
        command = [adduser, "-S", "-D", "-H", "-s", "/bin/false", SYSTEM_USER]
    else:
        return
    # Whether it worked is seen by looking the user up again.
    subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)


def make_private(folder: Path, owner: Owner | None) -> None:
    """A folder that only the engines' user (and root) can enter.

    Raises: SetupError: it cannot be made, or it is somebody else's
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        mine = (os.geteuid(), owner.uid if owner else os.geteuid())
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in mine:
            raise SetupError(f"{folder} belongs to somebody else; remove it, or give this node another --data-dir")
        if owner and status.st_uid != owner.uid:
            os.chown(folder, owner.uid, owner.gid)
        if stat.S_IMODE(status.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise SetupError(f"cannot make the folder {folder}: {error.strerror}") from error


def let_through(path: Path, owner: Owner | None) -> None:
    """Lets the engines' user pass through every folder above `path`, and nothing more than pass."""
    if owner is None:
        return
    for folder in path.resolve().parents:
        status = folder.stat()
        if status.st_uid != owner.uid and not status.st_mode & _TRAVERSE:
            folder.chmod(stat.S_IMODE(status.st_mode) | _TRAVERSE)
            log.warning("folder.opened", folder=str(folder), why="the engines' user has to pass through it")


def let_read(tree: Path, owner: Owner | None) -> None:
    """Lets the engines' user read and run what a wheel brought, if it was installed under a strict umask."""
    if owner is None or (tree / "bin" / "postgres").stat().st_mode & _READ:
        return
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | _READ | (_TRAVERSE if mode & stat.S_IXUSR else 0))


def socket_dir(data_dir: Path) -> Path:
    """Where the engines' sockets are: inside the data dir, or in a short private folder when that is too deep."""
    inside = data_dir / "run"
    if len(os.fsencode(inside / _LONGEST_SOCKET)) <= SOCKET_PATH_BYTES_MAX:
        return inside
    name = hashlib.sha256(os.fsencode(data_dir) + b"\0" + str(os.geteuid()).encode()).hexdigest()[:16]
    # Not tempfile.gettempdir(): TMPDIR may be deep too, and may differ between a node and the next command.
    return Path("/tmp") / f"mysetlist-{name}"  # noqa: S108  make_private refuses a folder somebody else made


class DataDirLock:
    """At most one process runs engines in a data dir. The kernel lets go of the lock when that process dies."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """True when the lock is ours now; False when another process has it. Never waits."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor
        return True

    def holder(self) -> str:
        """The process id of whoever has, or last had, the lock: for messages."""
        return self._path.read_text().strip() or "unknown"

    def release(self) -> None:
        """Lets go; the file stays, for a lock file that is removed can be held twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
