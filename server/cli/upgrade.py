"""`mysetlist upgrade`: has a running node hand its sockets to a new process of the version that is installed now."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.terminal import DataDir, run_to_end
from server.errors import SetupError

if TYPE_CHECKING:
    from server.node.upgrades import RunFile


def upgrade(
    port: Annotated[int | None, typer.Option(help="Port of the node, when several share the data dir.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Upgrade a running node in place: a new process takes over its sockets and websockets."""
    from server.node.upgrades import ask_for_upgrade, running_nodes
    from server.settings import found_data_dir

    folder = found_data_dir(os.environ, data_dir)
    nodes = [node for node in running_nodes(folder) if port in (None, node.port)]
    if not nodes:
        on_port = "" if port is None else f" on port {port}"
        raise SetupError(
            f"no node{on_port} runs with the data dir {folder}; name its --data-dir, or ask it with: kill -USR2 PID"
        )
    if len(nodes) > 1:
        ports = ", ".join(str(node.port) for node in nodes)
        raise SetupError(f"--port: several nodes run with {folder}; name one of the ports {ports}")
    [node] = nodes
    _report(node, run_to_end(ask_for_upgrade(folder, node)))


def _report(before: RunFile, after: RunFile) -> None:
    for outcome in after.last:
        if outcome.reason:
            raise SetupError(f"the node on port {before.port} was not upgraded and goes on: {outcome.reason}")
        typer.echo(
            f"upgraded to {outcome.version}: {outcome.moved_count} websockets went on, {outcome.drained_count} connections were"
            f" sent away, in {outcome.took_s:.1f} s"
        )
