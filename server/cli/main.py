"""The `mysetlist` command: one file here a group of commands.

Everything heavy is imported inside the command that needs it, so that `mysetlist --help` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from server.cli import administration, crowd, migrate, seed, serve, shows, sync
from server.errors import MysetlistError

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
    shows.watch,
    shows.reconcile,
    administration.token,
    shows.export,
    administration.backup,
    administration.restore,
    administration.doctor,
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
    """The console script. What cannot go on is one line on stderr and exit 1; a traceback is a bug."""
    try:
        app()
    except MysetlistError as error:
        print(f"mysetlist: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
