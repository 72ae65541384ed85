"""Too few open files or threads: one line at the start, and probes are answered however many clients come."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from server.errors import SetupError
from server.node.process_limits import FILES_MIN, check_process_limits
from server.web.listening import most_of_address

FILES = FILES_MIN + 20


@asynccontextmanager
async def serving(data_dir: Path, files: int, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`serve` in a process that may open so many files."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "server", "serve", "--port", "0", "--data-dir", str(data_dir),
        env={"PATH": os.environ["PATH"], "MYSETLIST_SECRET": "s" * 32, "MYSETLIST_LOG_FORMAT": "json", **environ},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def test_a_node_with_too_few_files_says_so(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """It ends with one line that names the limit and what to do."""
    async with serving(tmp_path, FILES_MIN - 1, DATABASE_URL=database_url, REDIS_URL=redis_url) as process:
        _, errors = await process.communicate()
    assert process.returncode == 1
    reason = f"this process may open {FILES_MIN - 1} files and needs {FILES_MIN}; raise the limit with: ulimit -n 30000"
    assert json.loads(errors)["reason"] == reason


async def test_probes_are_answered_when_clients_have_all_files(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    """The start warns. Later idle clients take every connection; probes get through, other requests are told to wait."""
    async with serving(tmp_path, FILES, DATABASE_URL=database_url, REDIS_URL=redis_url) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        found = re.match(r"listening on (http://\S+:(\d+))", (await process.stdout.readline()).decode())
        assert found is not None
        assert b'"files.few"' in await process.stderr.readline()
        url, port = found[1], int(found[2])
        with ExitStack() as stack:
            for _ in range(FILES):
                client = stack.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
            statuses = {"/readyz": 0, "/": 0}
            async with asyncio.timeout(20):
                # The idle clients on the spare connections are closed after two seconds.
                while 0 in statuses.values():
                    for path, status in statuses.items():
                        statuses[path] = status or await status_of(f"{url}{path}")
                    await asyncio.sleep(0.1)  # each try costs both processes a connection
    assert statuses == {"/readyz": 200, "/": 503}


async def test_one_address_cannot_take_all_connections(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """An address holds more idle connections than the files allow: the probe and a client from elsewhere get their answers."""
    files = 600
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "MYSETLIST_HANDSHAKE_S": "60"}
    async with serving(tmp_path, files, **environ) as process:
        assert process.stdout is not None
        found = re.match(r"listening on (http://\S+:(\d+))", (await process.stdout.readline()).decode())
        assert found is not None
        url, port = found[1], int(found[2])
        with ExitStack() as stack:
            for _ in range(files):
                client = stack.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
            answers = [await status_of(f"{url}{path}", "127.0.0.2") for path in ("/readyz", "/", "/api/shows")]
            refused = await status_of(f"{url}/", "127.0.0.1")
    assert answers == [200, 200, 200]
    assert refused in (0, 503)


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
