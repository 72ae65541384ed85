"""`mysetlist backup` and `mysetlist restore`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.terminal import DataDir, Yes, confirm, duration_s, progress_bars, run_to_end, settings_from
from server.errors import BadArgument

if TYPE_CHECKING:
    from server.voting.reconcile import Difference

KEEP_COUNT = 14


def backup(
    file: Annotated[Path, typer.Argument(help="File to write, or with --every a folder; only you may read the file.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    every: Annotated[
        str | None, typer.Option("--every", metavar="DURATION", help="Write a file into the folder every 1d, 6h, 30m …")
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            metavar="COUNT",
            min=1,
            help="With --every: how many files stay, the newest.",
            show_default=str(KEEP_COUNT),
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Write the database to a file, and note it in the database; nodes may keep running."""
    if every is not None:
        if force:
            raise BadArgument("--force: replaces a file, and --every writes new ones; leave one of them out")
        _backup_every(file, dt.timedelta(seconds=duration_s("--every", every)), keep or KEEP_COUNT, data_dir)
        return
    if keep is not None:
        raise BadArgument("--keep: needs --every, which writes many files; add --every, or leave --keep out")
    from server.cli.backup_file import backup_and_note

    settings = settings_from(data_dir=data_dir, needs_database=True)

    async def command() -> tuple[int, str]:
        with progress_bars() as progress:
            return await backup_and_note(settings, file.absolute(), progress, force=force)

    size_bytes, why_not_noted = run_to_end(command())
    typer.echo(f"{file}: {size_bytes / 1e6:,.1f} MB")
    if why_not_noted:
        typer.echo(f"{file} is complete, but the console will not know of it: {why_not_noted}", err=True)


def _backup_every(folder: Path, every: dt.timedelta, keep_count: int, data_dir: Path | None) -> None:
    from server.cli.backup_schedule import backup_every
    from server.clock import SystemClock

    settings = settings_from(data_dir=data_dir, needs_database=True)
    with progress_bars() as progress:
        run_to_end(backup_every(settings, folder.absolute(), every, keep_count, SystemClock(), progress))


def restore(
    file: Annotated[Path, typer.Argument(help="File made by `backup`.")],
    yes: Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Replace all data with those of a backup; no node may be running."""
    from server.cli.backup_file import refuse_unreadable
    from server.cli.backup_file import restore as put_back
    from server.cli.engines import engines_for

    # Before anything is made in the data dir, and before the question whether all data may go.
    refuse_unreadable(file)
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
