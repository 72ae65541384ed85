"""nginx or haproxy in front of several nodes, with the lines of `deploy/proxy`."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

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


@asynccontextmanager
async def balancer(name: str, folder: Path, ports: Sequence[int]) -> AsyncIterator[str]:
    """Runs `nginx` or `haproxy` before four nodes; gives its address. Skips the test when the program is missing."""
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip(f"no {name} in PATH (Debian: the package {name})")
    port = _free_port()
    (path,) = FOLDER.glob(f"{name}.*")
    text = (
        path.read_text()
        .replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        .replace("listen 8080;", f"listen 127.0.0.1:{port};")
    )
    for place, node_port in enumerate(ports):
        text = text.replace(f"127.0.0.1:{8081 + place}", f"127.0.0.1:{node_port}")
    config = folder / "included.conf"
    config.write_text(text)
    if name == "nginx":
        config = folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder))
        command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    else:
        command = [program, "-db", "-f", str(config)]
    log = (folder / "balancer.log").open("wb")
    process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        await until(lambda: process.returncode is not None or _answers(port), f"{name} listens")
        assert process.returncode is None, (folder / "balancer.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        log.close()
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
