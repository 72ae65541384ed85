"""`mysetlist watch`, `export` and `reconcile`: a show's counts, live, in a file, and checked."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from server.cli.terminal import URL_DEFAULT, DataDir, Url, run_to_end, settings_from


class ExportFormat(StrEnum):
    """What an export is written as."""

    csv = "csv"
    json = "json"


def watch(show: Annotated[str, typer.Argument(help="Its id or slug.")], url: Url = URL_DEFAULT) -> None:
    """Follow a show's counts in the terminal."""
    from server.cli.live_board import run

    run_to_end(run(url, show))


def export(
    show: Annotated[str, typer.Argument(help="Its id or slug.")],
    export_format: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.csv,
    data_dir: DataDir = None,
) -> None:
    """Print a show's result."""
    import orjson

    from server.catalog.results import as_csv, fetch_results
    from server.cli.engines import database_for
    from server.protocol.http.parameters import parse_reference

    settings = settings_from(data_dir=data_dir)

    async def command() -> str:
        async with database_for(settings) as database:
            _, results = await fetch_results(database, parse_reference(show))
        if export_format is ExportFormat.csv:
            return as_csv(results)
        return orjson.dumps(results, option=orjson.OPT_INDENT_2).decode() + "\n"

    sys.stdout.write(run_to_end(command()))


def reconcile(
    repair: Annotated[bool, typer.Option("--repair", help="Make tallies and Valkey equal to the rows.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Compare rows, tallies and Valkey; exit 1 on any difference."""
    from server.cli.engines import engines_for
    from server.voting.reconcile import run as compare

    settings = settings_from(data_dir=data_dir)

    async def command() -> list[Any]:
        async with engines_for(settings, valkey=True, tables=True) as engines:
            return list(await compare(engines.database_url, engines.redis_url, repair=repair))

    differences = run_to_end(command())
    for difference in differences:
        typer.echo(str(difference))
    if not differences:
        typer.echo("rows, tallies and Valkey agree")
    elif repair:
        typer.echo(f"repaired {len(differences)}")
    else:
        raise typer.Exit(1)
