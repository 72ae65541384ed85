"""`mysetlist sync …`: the catalogue from files and from other services."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.terminal import DataDir, Yes, confirm, print_table, progress_bars, run_to_end, settings_from
from server.errors import BadArgument

app = typer.Typer(help="Import the catalogue from files and other services.", no_args_is_help=True)


@app.command("import")
def sync_import(
    file: Annotated[Path, typer.Argument(help="A .csv or .json file; docs/import.md lists its columns.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every record and save nothing.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Import artists, venues, songs, shows and setlists from a file; exit 1 if a record was refused."""
    from server.cli.engines import catalogue_for
    from server.sync.file_import import ImportResult, import_file
    from server.sync.terminal_tables import as_lines, as_table

    settings = settings_from(data_dir=data_dir)

    async def command() -> ImportResult:
        with progress_bars() as progress:
            async with catalogue_for(settings) as (database, change_rules):
                return await import_file(database, file, change_rules, dry_run=dry_run, report_progress=progress)

    result = run_to_end(command())
    for line in as_lines(result, file.name, everything=dry_run):
        typer.echo(line)
    print_table(as_table(result, dry_run=dry_run))
    if any("refused" in counts for counts in result.counts.values()):
        raise typer.Exit(1)


@app.command("status")
def sync_status(
    run: Annotated[int | None, typer.Argument(min=1, help="Number of a run.", show_default="the latest runs")] = None,
    data_dir: DataDir = None,
) -> None:
    """List the latest runs, or the outcome of each record of one run."""
    from server.cli.engines import database_for
    from server.sync.terminal_tables import fetch_jobs, fetch_outcomes, jobs_as_table, outcomes_as_table

    settings = settings_from(data_dir=data_dir, needs_database=True)

    async def command() -> Any:
        async with database_for(settings) as database:
            if run is None:
                return jobs_as_table(await fetch_jobs(database))
            return outcomes_as_table(await fetch_outcomes(database, run))

    print_table(run_to_end(command()))


@app.command("artist")
def sync_artist(
    name: Annotated[str, typer.Argument(help="Name of the artist, or their MusicBrainz id.")],
    data_dir: DataDir = None,
) -> None:
    """Fetch an artist: their ids at every provider, their shows, and the setlists they will probably play."""
    from server.cli.engines import providers_for
    from server.sync.artists import ArtistSyncService, SyncedArtist
    from server.sync.immediate_sync import sync_artist_now
    from server.sync.terminal_tables import artist_as_table, fetch_job_results

    if not name.strip():
        raise BadArgument("the name of the artist is empty; give a name or a MusicBrainz id")
    settings = settings_from(data_dir=data_dir)

    async def command() -> tuple[SyncedArtist, list[Any]]:
        with progress_bars() as progress:
            async with providers_for(settings) as (database, providers):
                artist = await ArtistSyncService(database, providers).sync(name, report_progress=progress)
                runs = await sync_artist_now(database, providers, artist.id, report_progress=progress)
                return artist, await fetch_job_results(database, runs)

    artist, runs = run_to_end(command())
    print_table(artist_as_table(artist))
    _report_runs(runs)


@app.command("show")
def sync_show(
    show: Annotated[int, typer.Argument(min=1, help="Id of the show.")],
    data_dir: DataDir = None,
) -> None:
    """Update a show: its date and venue, its predicted setlist, and the setlist that was played."""
    from server.cli.engines import providers_for
    from server.sync.immediate_sync import sync_show_now
    from server.sync.terminal_tables import fetch_job_results

    settings = settings_from(data_dir=data_dir)

    async def command() -> list[Any]:
        with progress_bars() as progress:
            async with providers_for(settings) as (database, providers):
                return await fetch_job_results(
                    database, await sync_show_now(database, providers, show, report_progress=progress)
                )

    _report_runs(run_to_end(command()))


def _report_runs(runs: list[Any]) -> None:
    """Prints the runs of one command.

    Raises: typer.Exit: a run failed
    """
    from server.sync.terminal_tables import job_results_as_table

    if runs:
        print_table(job_results_as_table(runs))
    if any(run["status"] == "failed" for run in runs):
        raise typer.Exit(1)


class Provider(StrEnum):
    """The services whose data can be removed."""

    TICKETMASTER = "ticketmaster"
    SPOTIFY = "spotify"
    SETLISTFM = "setlistfm"
    MUSICBRAINZ = "musicbrainz"


@app.command("forget")
def sync_forget(
    provider: Annotated[Provider, typer.Argument(help="Service whose data is removed.")],
    yes: Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Remove all data of a provider, except what fans voted on or staff changed; its jobs are paused."""
    from server.cli.engines import catalogue_for
    from server.sync.forgetting import forget
    from server.sync.terminal_tables import forgotten_as_table

    settings = settings_from(data_dir=data_dir, needs_database=True)
    confirm(f"forget removes all data that came from {provider}, except data with votes", yes=yes)

    async def command() -> Counter[str]:
        with progress_bars() as progress:
            async with catalogue_for(settings) as (database, change_rules):
                return await forget(database, provider.value, change_rules, report_progress=progress)

    print_table(forgotten_as_table(provider, run_to_end(command())))
    typer.echo(f"Jobs of {provider} are paused until an administrator resumes them. Unset its key to be safe.")
