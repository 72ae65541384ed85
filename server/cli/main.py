"""The `mysetlist` command: all its subcommands, and the exit code of a failure."""

from __future__ import annotations

import datetime as dt
import gc
import json
import os
import sys
from typing import Annotated

import typer

from server.cli import (
    audit,
    backup,
    crowd,
    doctor,
    drill,
    dump_public,
    export,
    migrate,
    reconcile,
    seed,
    serve,
    sync,
    token,
    upgrade,
    watch,
)
from server.errors import BadArgument, MysetlistError

# The objects of an import stay, and a vote makes no cycles: the collector may run less often. With Python's numbers it takes a tenth of
# the CPU of a node's start, and looks at thousands of sockets while a successor takes them over.
GC_THRESHOLD = (20_000, 20, 50)

app = typer.Typer(
    help="MySetlist: real-time voting for concert setlists.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with every local variable would print secrets.
    pretty_exceptions_enable=False,
)
for command in (
    serve.serve,
    seed.seed,
    crowd.crowd,
    watch.watch,
    reconcile.reconcile,
    audit.audit,
    token.token,
    export.export,
    dump_public.dump_public,
    backup.backup,
    backup.restore,
    drill.drill,
    doctor.doctor,
    upgrade.upgrade,
):
    app.command()(command)
app.add_typer(migrate.app, name="migrate")
app.add_typer(sync.app, name="sync")


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """MySetlist: real-time voting for concert setlists."""
    if version:
        from server import __version__

        typer.echo(f"mysetlist {__version__}")
        raise typer.Exit


def main() -> None:
    """Runs the command line. An error for the user is one line on stderr and exit code 1, or 2 for a wrong argument; a traceback is a bug."""
    gc.set_threshold(*GC_THRESHOLD)
    try:
        _refuse_unreadable(sys.argv[1:])
        app()
    except MysetlistError as error:
        print(_last_line(error), file=sys.stderr)
        sys.exit(2 if isinstance(error, BadArgument) else 1)
    except KeyboardInterrupt:
        sys.exit(130)


def _refuse_unreadable(words: list[str]) -> None:
    # No database, no address and no log takes bytes that are no text.
    for word in words:
        if any("\udc80" <= char <= "\udcff" for char in word):
            raise BadArgument(
                f"{word!r} is not UTF-8; write it in UTF-8, and rename a file or folder that is called so"
            )


def _last_line(error: MysetlistError) -> str:
    """A sentence, or a JSON object where the logs are asked to be JSON: a collector of logs reads all of stderr."""
    if os.environ.get("MYSETLIST_LOG_FORMAT", "").strip() != "json":
        return f"mysetlist: {error}"
    timestamp = dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({"action": "command.failed", "reason": str(error), "level": "error", "timestamp": timestamp})
