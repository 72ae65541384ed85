"""nginx or haproxy in front of several nodes, with the lines of `deploy/proxy`."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.engines import unused_port
from tests.support.node_process import until

FOLDER = Path(__file__).parents[2] / "deploy" / "proxy"
_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/included.conf;
}}
"""


class Balancer:
    """One of the programs, in front of four nodes. It runs after `start` until `stop`, on the same port each time."""

    def __init__(self, name: str, folder: Path, ports: Sequence[int]) -> None:
        """Takes: name, nginx or haproxy; folder, for its files; ports, of the nodes."""
        program = installed(name)
        assert program is not None
        self.name = name
        self._port = unused_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._log_path = folder / "balancer.log"
        self._process: asyncio.subprocess.Process | None = None
        (path,) = FOLDER.glob(f"{name}.*")
        text = (
            path.read_text()
            .replace("127.0.0.1:8080", f"127.0.0.1:{self._port}")
            .replace("listen 8080;", f"listen 127.0.0.1:{self._port};")
        )
        for place, node_port in enumerate(ports):
            text = text.replace(f"127.0.0.1:{8081 + place}", f"127.0.0.1:{node_port}")
        config = folder / "included.conf"
        config.write_text(text)
        if name == "nginx":
            config = folder / "nginx.conf"
            config.write_text(_NGINX.format(folder=folder))
            self._command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
        else:
            self._command = [program, "-db", "-f", str(config)]

    async def start(self) -> None:
        """Returns when it takes connections."""
        with self._log_path.open("wb") as log:
            process = self._process = await asyncio.create_subprocess_exec(*self._command, stdout=log, stderr=log)
        await until(lambda: process.returncode is not None or _answers(self._port), f"{self.name} listens")
        assert process.returncode is None, self._log_path.read_text()

    async def stop(self) -> None:
        """Ends it at once, and all its connections with it."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.terminate()
            await self._process.wait()

    async def restart(self) -> None:
        """Ends it, and starts it again."""
        await self.stop()
        await self.start()


def installed(name: str) -> str | None:
    """The path of a program; None: it is missing."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


@asynccontextmanager
async def balancer(folder: Path, ports: Sequence[int]) -> AsyncIterator[Balancer]:
    """Runs nginx before four nodes, or haproxy where nginx is missing. Skips the test when both are."""
    name = next(filter(installed, ("nginx", "haproxy")), None)
    if name is None:
        pytest.skip("no nginx and no haproxy (Debian: the package nginx)")
    running = Balancer(name, folder, ports)
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
