"""A server under measurement: a program on the first core that takes what it publishes as lines on its standard input, or MySetlist."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from measure import Node, cpu_s

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
_POLL_S = 0.02


class ServerFailed(Exception):
    """A server did not start or does not answer. The message is one line."""


def two_cores() -> tuple[int, int]:
    """The core of the servers and that of the clients.

    Raises: SystemExit: there is one core
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("this comparison needs two cores: one for the servers, one for the clients")
    return cores[0], cores[1]


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Processes that start here stay on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class MeasuredServer:
    """The processes of a server, and of the engines it uses.

    Takes:  url, `http://host:port`; roots, its processes, children are counted too; engines, processes that are counted apart
    """

    def __init__(self, url: str, root: psutil.Process, engines: Sequence[psutil.Process] = ()) -> None:
        self.url = url
        self._root = root
        self._engines = engines

    def cpu_s(self) -> dict[str, float]:
        """The CPU seconds so far of `server`, `postgres` and `valkey`."""
        return cpu_s([self._root, *self._engines])

    def memory_bytes(self) -> int:
        """The resident memory of the server's processes, without engines."""
        children = (one for one in self._root.children() if not one.name().startswith(("postgres", "valkey")))
        return sum(int(one.memory_info().rss) for one in (self._root, *children))

    async def publish(self, payload: bytes) -> None:
        """Sends a payload to every client.

        Raises: NotImplementedError: this server pushes what its own clients cause
        """
        raise NotImplementedError

    def stop(self) -> None:
        """Stops all its processes."""
        raise NotImplementedError


class MeasuredNode(MeasuredServer):
    """MySetlist as it runs for users: a node with its engines. It pushes the votes of its clients."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.url, node.process)
        self._node = node

    def stop(self) -> None:
        """Stops the node, which stops its engines."""
        self._node.stop()


class Program(MeasuredServer):
    """A program that publishes each line of its standard input, and ends when that ends."""

    def __init__(
        self, command: Sequence[str], port: int, environment: Mapping[str, str], engines: Sequence[psutil.Process]
    ) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, **environment})
        self._port = port
        super().__init__(f"http://127.0.0.1:{port}", psutil.Process(self._process.pid), engines)

    async def wait_ready(self) -> None:
        """Returns when it takes connections.

        Raises: ServerFailed: it ended, or did not come up; it is stopped
        """
        until_s = time.monotonic() + START_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < until_s:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(_POLL_S)
            else:
                writer.close()
                return
        self.stop()
        raise ServerFailed(f"{self._process.args!r} did not start; its output above says why")

    async def publish(self, payload: bytes) -> None:
        """Writes one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(payload + b"\n")
        self._process.stdin.flush()

    def stop(self) -> None:
        """Ends the program."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class PostedTo(Program):
    """A program that publishes what is posted to `/pub`: nchan."""

    async def publish(self, payload: bytes) -> None:
        """Posts the payload, and waits for the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(
            b"POST /pub HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nContent-Type: text/plain\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(payload), payload)
        )
        await reader.read()
        writer.close()


def filled(template: Path, target: Path, values: Mapping[str, object]) -> None:
    """Writes a template with its `@NAME@`s replaced."""
    text = template.read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    target.write_text(text, "utf-8")
