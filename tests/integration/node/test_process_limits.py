"""Too few open files or threads: one line at the start, and probes are answered however many clients come."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest

from server.errors import SetupError
from server.node.process_limits import FILES_MIN, check_process_limits
from server.web.listening import most_of_address
from tests.support.node_process import NodeProcess

FILES = FILES_MIN + 20


@asynccontextmanager
async def with_files(count: int, folder: Path, **environ: str) -> AsyncIterator[NodeProcess]:
    """A node, not started, whose process may open so many files."""
    node = NodeProcess(folder, **environ)
    node.file_limit = count
    try:
        yield node
    finally:
        await node.end()


async def test_a_node_with_too_few_files_says_so(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """It ends with one line that names the limit and what to do."""
    async with with_files(FILES_MIN - 1, tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_url) as node:
        process = await node.launch()
        async with asyncio.timeout(20):
            assert await process.wait() == 1
    reason = f"this process may open {FILES_MIN - 1} files and needs {FILES_MIN}; raise the limit with: ulimit -n 30000"
    assert json.loads(node.log_path.read_text())["reason"] == reason


async def test_probes_are_answered_when_clients_have_all_files(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    """The start warns. Later idle clients take every connection; probes get through, other requests are told to wait."""
    async with with_files(FILES, tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_url) as node:
        await node.start()
        assert len(node.records("files.few")) == 1
        with idle_clients(FILES, node.port):
            statuses = {"/readyz": 0, "/": 0}
            async with asyncio.timeout(20):
                # The idle clients on the spare connections are closed after two seconds.
                while 0 in statuses.values():
                    for path, status in statuses.items():
                        statuses[path] = status or await status_of(f"{node.url}{path}")
                    await asyncio.sleep(0.1)  # each try costs both processes a connection
    assert statuses == {"/readyz": 200, "/": 503}


async def test_one_address_cannot_take_all_connections(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """An address holds more idle connections than the files allow: the probe and a client from elsewhere get their answers."""
    files = 600
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_HANDSHAKE_S": "60"}
    async with with_files(files, tmp_path, **environ) as node:
        await node.start()
        with idle_clients(files, node.port):
            answers = [await status_of(f"{node.url}{path}", "127.0.0.2") for path in ("/readyz", "/", "/api/shows")]
            refused = await status_of(f"{node.url}/", "127.0.0.1")
    assert answers == [200, 200, 200]
    assert refused in (0, 503)


@contextmanager
def idle_clients(count: int, port: int) -> Iterator[None]:
    """So many connections that say nothing."""
    with ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield


def test_an_address_has_its_share_of_few_files() -> None:
    """Also the websockets of clients behind a proxy: two thirds of the files that are for clients, never more than the limit."""
    assert most_of_address(20_000, 1_000_000) == 20_000
    assert most_of_address(20_000, 1_024) == 618


async def status_of(url: str, local: str = "127.0.0.1") -> int:
    """The status of an answer; 0: the connection was closed, because no spare one was left. Takes: local, the client's address."""
    try:
        connector = aiohttp.TCPConnector(local_addr=(local, 0))
        async with aiohttp.ClientSession(connector=connector) as http, http.get(url) as response:
            return response.status
    except aiohttp.ClientConnectionError:
        return 0


def test_too_few_threads_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system refuses the third thread."""
    started: list[threading.Thread] = []

    def start(thread: threading.Thread, started: list[threading.Thread] = started) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        real(thread)

    real = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(SetupError, match="no more processes and threads; raise the limit with: ulimit -u"):
        check_process_limits(100)
    assert not any(thread.is_alive() for thread in started)
