"""`mysetlist export`: the result of a show as CSV or JSON."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from server.cli.terminal import DataDir, run_to_end, settings_from


class ExportFormat(StrEnum):
    """The formats of an export."""

    csv = "csv"
    json = "json"


def export(
    show: Annotated[str, typer.Argument(help="Id or slug of the show.")],
    export_format: Annotated[ExportFormat, typer.Option("--format", help="Format to print.")] = ExportFormat.csv,
    data_dir: DataDir = None,
) -> None:
    """Print the result of a show."""
    import orjson

    from server.catalog.results import as_csv, fetch_results
    from server.cli.engines import database_for
    from server.protocol.http.parameters import parse_reference

    settings = settings_from(data_dir=data_dir, needs_database=True)

    async def command() -> str:
        async with database_for(settings) as database:
            _, results = await fetch_results(database, parse_reference(show))
        if export_format is ExportFormat.csv:
            return as_csv(results)
        return orjson.dumps(results, option=orjson.OPT_INDENT_2).decode() + "\n"

    sys.stdout.write(run_to_end(command()))
