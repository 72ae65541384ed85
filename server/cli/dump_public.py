"""`mysetlist dump-public`: the public data of this service as files that anyone may use."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from server.cli.terminal import DataDir, progress_bars, run_to_end, settings_from


class DumpFormat(StrEnum):
    """The formats of the files."""

    csv = "csv"
    json = "json"
    parquet = "parquet"


def dump_public(
    folder: Annotated[Path, typer.Argument(help="Folder for the files. It is made when it is not there.")],
    dump_format: Annotated[
        DumpFormat,
        typer.Option(
            "--format", help="csv; json: one object in a line; parquet: needs the extra `parquet` of the package."
        ),
    ] = DumpFormat.csv,
    data_dir: DataDir = None,
) -> None:
    """Write the public data into files: shows, songs and counts, under CC0. No votes of persons, no hidden counts."""
    from server.cli.dump_files import dump

    settings = settings_from(data_dir=data_dir, needs_database=True)
    with progress_bars() as progress:
        counts = run_to_end(dump(settings, folder, dump_format.value, progress))
    for name, count in counts.items():
        typer.echo(f"{name}: {count} rows")
