"""`mysetlist serve`: one node, or several nodes on one port."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from server.cli.terminal import DataDir, raise_file_limit, run_to_end, settings_from


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8080,
    workers: Annotated[int, typer.Option(help="Number of processes that share the port.")] = 1,
    data_dir: DataDir = None,
    demo: Annotated[bool, typer.Option("--demo", help="Add sample data first.")] = False,
    crowd: Annotated[int, typer.Option(help="Number of simulated voters on the sample shows.")] = 0,
    reuse_port: Annotated[bool, typer.Option("--reuse-port", hidden=True)] = False,
    with_parent: Annotated[int | None, typer.Option("--with-parent", hidden=True)] = None,
    control: Annotated[int | None, typer.Option("--control", hidden=True)] = None,
) -> None:
    """Run a node. Without DATABASE_URL and REDIS_URL it also runs its own PostgreSQL and Valkey."""
    settings = settings_from(
        host=host, port=port, workers=workers, data_dir=data_dir, demo=demo, crowd=crowd, reuse_port=reuse_port
    )
    raise_file_limit()
    # It asks for an upgrade, which a node can do from its start to its end; before and after, it would kill the process.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    if with_parent is not None:
        from server.node.workers import end_with_parent

        end_with_parent(with_parent)
    if settings.workers > 1:
        from server.node.workers import serve_with_workers

        run_to_end(serve_with_workers(settings))
    else:
        from server.node.process_limits import check_process_limits

        # Before a node is imported, which takes a second of CPU.
        check_process_limits(settings.limits.connections)
        from server.node.serve import serve as serve_node

        run_to_end(serve_node(settings, control))
