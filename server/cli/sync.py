"""`mysetlist sync …`: the catalogue from files and from other services."""

from __future__ import annotations

import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.terminal import DataDir, progress_bars, run_to_end, settings_from
from server.errors import SetupError

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(help="The catalogue from elsewhere.", no_args_is_help=True)


@app.command("import")
def sync_import(
    file: Annotated[Path, typer.Argument(help="A .csv or .json file; its columns: docs/import.md.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try everything, keep nothing.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Bring artists, venues, songs, shows and setlists in from a file; exit 1 when a record was refused."""
    from server.cli.engines import database_for
    from server.sync.file_import import ImportResult, import_file
    from server.sync.terminal_tables import as_lines, as_table

    settings = settings_from(data_dir=data_dir)

    async def command() -> ImportResult:
        with progress_bars() as show:
            async with database_for(settings) as database:
                return await import_file(database, file, dry_run=dry_run, report_progress=show)

    result = run_to_end(command())
    for line in as_lines(result, file.name, everything=dry_run):
        typer.echo(line)
    _print(as_table(result, dry_run=dry_run))
    if any("refused" in counts for counts in result.counts.values()):
        raise typer.Exit(1)


@app.command("status")
def sync_status(
    run: Annotated[int | None, typer.Argument(min=1, help="Which; without it, the latest ones.")] = None,
    data_dir: DataDir = None,
) -> None:
    """List the latest runs, or what became of the records of one."""
    from server.cli.engines import database_for
    from server.sync.terminal_tables import fetch_jobs, fetch_outcomes, jobs_as_table, outcomes_as_table

    settings = settings_from(data_dir=data_dir)

    async def command() -> Any:
        async with database_for(settings) as database:
            if run is None:
                return jobs_as_table(await fetch_jobs(database))
            return outcomes_as_table(await fetch_outcomes(database, run))

    _print(run_to_end(command()))


@app.command("artist")
def sync_artist(
    name: Annotated[str, typer.Argument(help="As they are called, or their MusicBrainz id.")],
    data_dir: DataDir = None,
) -> None:
    """Bring an artist in: who they are at every provider, their shows, and what they will probably play."""
    from server.cli.engines import providers_for
    from server.sync.artists import ArtistSyncService, SyncedArtist
    from server.sync.immediate_sync import sync_artist_now
    from server.sync.terminal_tables import artist_as_table, fetch_job_results, job_results_as_table

    settings = settings_from(data_dir=data_dir)

    async def command() -> tuple[SyncedArtist, list[Any]]:
        with progress_bars() as show:
            async with providers_for(settings) as (database, providers):
                artist = await ArtistSyncService(database, providers).sync(name, report_progress=show)
                runs = await sync_artist_now(database, providers, artist.id, report_progress=show)
                return artist, await fetch_job_results(database, runs)

    artist, runs = run_to_end(command())
    _print(artist_as_table(artist))
    if runs:
        _print(job_results_as_table(runs))
    if any(run["status"] == "failed" for run in runs):
        raise typer.Exit(1)


@app.command("show")
def sync_show(
    show: Annotated[int, typer.Argument(min=1, help="The show's id.")],
    data_dir: DataDir = None,
) -> None:
    """Bring a show up to date: its day and place, what it will probably bring, and what it brought."""
    from server.cli.engines import providers_for
    from server.sync.immediate_sync import sync_show_now
    from server.sync.terminal_tables import fetch_job_results, job_results_as_table

    settings = settings_from(data_dir=data_dir)

    async def command() -> list[Any]:
        with progress_bars() as tell:
            async with providers_for(settings) as (database, providers):
                return await fetch_job_results(
                    database, await sync_show_now(database, providers, show, report_progress=tell)
                )

    runs = run_to_end(command())
    _print(job_results_as_table(runs))
    if any(run["status"] == "failed" for run in runs):
        raise typer.Exit(1)


class Provider(StrEnum):
    """Whose data goes."""

    TICKETMASTER = "ticketmaster"
    SPOTIFY = "spotify"
    SETLISTFM = "setlistfm"
    MUSICBRAINZ = "musicbrainz"


@app.command("forget")
def sync_forget(
    provider: Annotated[Provider, typer.Argument(help="Who told it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Take out everything a provider told, but what fans voted on or staff changed; its jobs are paused."""
    from server.cli.engines import database_for
    from server.sync.forgetting import forget
    from server.sync.terminal_tables import forgotten_as_table

    settings = settings_from(data_dir=data_dir)
    if not yes and not sys.stdin.isatty():
        raise SetupError(f"forget takes out everything that came from {provider}; say --yes")
    if not yes:
        typer.confirm(f"Everything that came from {provider} goes, but what has votes. Go on?", abort=True)

    async def command() -> Counter[str]:
        with progress_bars() as show:
            async with database_for(settings) as database:
                return await forget(database, provider.value, report_progress=show)

    _print(forgotten_as_table(provider, run_to_end(command())))
    typer.echo(f"Jobs of {provider} are paused until an administrator resumes them; take its key away to be sure.")


def _print(table: Table) -> None:
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 120).print(table)
