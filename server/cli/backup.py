"""`mysetlist backup` and `mysetlist restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.terminal import DataDir, Yes, confirm, progress_bars, run_to_end, settings_from

if TYPE_CHECKING:
    from server.voting.reconcile import Difference


def backup(
    file: Annotated[Path, typer.Argument(help="File to write; only you may read it.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Write the database to a file, and note it in the database; nodes may keep running."""
    from server.cli.backup_file import backup as write
    from server.cli.backup_file import note
    from server.cli.engines import engines_for

    settings = settings_from(data_dir=data_dir)

    async def command() -> tuple[int, str]:
        with progress_bars() as progress:
            async with engines_for(settings, valkey=False, tables=False) as engines:
                size_bytes = await write(engines.database_url, file.absolute(), progress, force=force)
                return size_bytes, await note(engines.database_url, file.absolute(), size_bytes)

    size_bytes, why_not_noted = run_to_end(command())
    typer.echo(f"{file}: {size_bytes / 1e6:,.1f} MB")
    if why_not_noted:
        typer.echo(f"{file} is complete, but the console will not know of it: {why_not_noted}", err=True)


def restore(
    file: Annotated[Path, typer.Argument(help="File made by `backup`.")],
    yes: Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Replace all data with those of a backup; no node may be running."""
    from server.cli.backup_file import restore as put_back
    from server.cli.engines import engines_for

    settings = settings_from(data_dir=data_dir)
    confirm(f"{file} replaces everything in the database", yes=yes)

    async def command() -> list[Difference]:
        with progress_bars() as progress:
            async with engines_for(settings, valkey=True, tables=False) as engines:
                return await put_back(engines.database_url, engines.redis_url, file.absolute(), progress)

    differences = run_to_end(command())
    for difference in differences:
        typer.echo(str(difference))
    if differences:
        raise typer.Exit(1)
    typer.echo(f"restored {file}; all counts agree with the rows")
