"""The `mysetlist` command: parses flags, builds Settings, and hands over to a room.

Everything heavy is imported inside the command that needs it, so that `mysetlist --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server import sync_commands
from server.errors import MysetlistError, SetupError
from server.terminal import DataDir, duration_s, progress_bars, run_to_end, settings_from

if TYPE_CHECKING:
    pass

app = typer.Typer(
    help="MySetlist: real-time voting for concert setlists.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback with every local variable would print secrets.
    pretty_exceptions_enable=False,
)
migrate_app = typer.Typer(help="The database's schema: plain SQL, forward and back.", no_args_is_help=True)
app.add_typer(migrate_app, name="migrate")
app.add_typer(sync_commands.app, name="sync")

Url = Annotated[str, typer.Option("--url", help="A running node.")]
URL_DEFAULT = "http://127.0.0.1:8080"


class Profile(StrEnum):
    """How much sample data."""

    demo = "demo"
    large = "large"


class Role(StrEnum):
    """What a token's user may do."""

    user = "user"
    moderator = "moderator"
    admin = "admin"


class ExportFormat(StrEnum):
    """What an export is written as."""

    csv = "csv"
    json = "json"


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """MySetlist: real-time voting for concert setlists."""
    if version:
        from server import __version__

        typer.echo(f"mysetlist {__version__}")
        raise typer.Exit


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8080,
    workers: Annotated[int, typer.Option(help="Processes sharing the port.")] = 1,
    data_dir: DataDir = None,
    demo: Annotated[bool, typer.Option("--demo", help="Seed sample data first.")] = False,
    crowd: Annotated[int, typer.Option(help="Simulated voters on the sample shows.")] = 0,
    reuse_port: Annotated[bool, typer.Option("--reuse-port", hidden=True)] = False,
) -> None:
    """Run one node. Without DATABASE_URL and REDIS_URL it runs its own PostgreSQL and Valkey too."""
    settings = settings_from(
        host=host, port=port, workers=workers, data_dir=data_dir, demo=demo, crowd=crowd, reuse_port=reuse_port
    )
    if reuse_port:
        from server.workers import end_with_parent

        end_with_parent()
    if settings.workers > 1:
        from server.workers import serve_with_workers

        run_to_end(serve_with_workers(settings))
    else:
        from server.serving import serve as serve_node

        run_to_end(serve_node(settings))


@migrate_app.command("up")
def migrate_up(data_dir: DataDir = None) -> None:
    """Apply what is missing."""
    from server.commands import engines_for
    from server.settings import data_folder
    from server.store import migrations

    settings = settings_from(data_dir=data_dir)

    async def command() -> None:
        async with engines_for(settings, valkey=False, tables=False) as engines:
            for migration in await migrations.migrate_up(engines.database_url, data_folder("migrations")):
                typer.echo(f"applied {migration.name}")
            typer.echo("the database is up to date")

    run_to_end(command())


@migrate_app.command("status")
def migrate_status(data_dir: DataDir = None) -> None:
    """List the migrations; exit 1 when one is not applied."""
    from server.commands import engines_for
    from server.settings import data_folder
    from server.store import migrations

    settings = settings_from(data_dir=data_dir)

    async def command() -> int:
        async with engines_for(settings, valkey=False, tables=False) as engines:
            found = await migrations.migrate_status(engines.database_url, data_folder("migrations"))
        for migration in found:
            typer.echo(f"{'applied' if migration.is_applied else 'pending'}  {migration.name}")
        return sum(not migration.is_applied for migration in found)

    if run_to_end(command()):
        raise typer.Exit(1)


@migrate_app.command("down")
def migrate_down(
    data_dir: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take the newest migration back, with the data only it knew."""
    from server.commands import engines_for
    from server.settings import data_folder
    from server.store import migrations

    settings = settings_from(data_dir=data_dir)
    if not yes and sys.stdin.isatty():
        typer.confirm("This removes the newest migration's tables and their data. Go on?", abort=True)

    async def command() -> None:
        async with engines_for(settings, valkey=False, tables=False) as engines:
            migration = await migrations.migrate_down(engines.database_url, data_folder("migrations"))
        typer.echo(f"took back {migration.name}" if migration else "nothing to take back")

    run_to_end(command())


@app.command()
def seed(
    profile: Annotated[Profile, typer.Option(help="How much.")] = Profile.demo,
    random_seed: Annotated[int, typer.Option("--seed", help="The same number gives the same data.")] = 1,
    shows: Annotated[int | None, typer.Option(help="large only: how many shows; 1000.")] = None,
    votes: Annotated[int | None, typer.Option(help="large only: how many votes; 5000 a show.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Add sample data; a second time changes nothing."""
    from server.catalog import large, seeding, staging
    from server.commands import engines_for

    if profile is Profile.demo and (shows is not None or votes is not None):
        raise SetupError("--shows and --votes need --profile large")
    size = large.LargeSize.of(shows, votes, random_seed) if profile is Profile.large else None
    settings = settings_from(data_dir=data_dir)

    async def command() -> staging.SeedResult:
        with progress_bars() as show:
            async with engines_for(settings, valkey=False, tables=True) as engines:
                if size is not None:
                    return await large.seed_large(engines.database_url, size, progress=show)
                return await seeding.seed(engines.database_url, seed=random_seed, progress=show)

    added = run_to_end(command())
    counts = {name: getattr(added, name) for name in added.__struct_fields__}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    typer.echo(f"added {told}" if told else "everything was there already")


@app.command()
def crowd(
    url: Url = URL_DEFAULT,
    show: Annotated[int | None, typer.Option(help="Its id; without it, every show whose voting is open.")] = None,
    voters: Annotated[int, typer.Option(help="Connections that vote.")] = 50,
    watchers: Annotated[int, typer.Option(help="Connections that only watch.")] = 0,
    rate: Annotated[float, typer.Option(help="Casts a second in all; 0 for as fast as they are answered.")] = 20.0,
    duration: Annotated[float, typer.Option(help="Seconds; 0 to go on until stopped.")] = 10.0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare every count at the end; exit 1 if one is off.")
    ] = False,
    random_seed: Annotated[int, typer.Option("--seed", help="The same number casts the same votes.")] = 1,
    natural: Annotated[bool, typer.Option("--natural", help="In bursts and lulls, as people do.")] = False,
    subscribe: Annotated[bool, typer.Option("--subscribe", help="Voters watch their shows too.")] = False,
    shared: Annotated[bool, typer.Option("--shared", help="Others vote on these shows meanwhile.")] = False,
    votes_per_cast: Annotated[int, typer.Option(min=1, max=100, help="Songs in one cast.")] = 1,
    in_flight: Annotated[int, typer.Option(min=1, max=100, help="Unanswered casts a voter may have.")] = 1,
    processes: Annotated[int, typer.Option(min=0, max=16, help="0: as many as the load needs.")] = 0,
    settle: Annotated[float, typer.Option(min=0, help="Seconds of patience with the last answers.")] = 10.0,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Vote and watch like a crowd; print what came of it as one JSON object."""
    import orjson

    from server.client.crowd import CrowdOptions, run

    if with_parent:
        from server.workers import end_with_parent

        end_with_parent()
    options = CrowdOptions(
        url=url,
        show=show,
        voters=voters,
        watchers=watchers,
        rate_per_s=rate,
        duration_s=duration,
        verify=verify,
        seed=random_seed,
        natural=natural,
        subscribe=subscribe,
        shared=shared,
        votes_per_cast=votes_per_cast,
        in_flight=in_flight,
        processes=processes,
        settle_s=settle,
    )
    report = run_to_end(run(options))
    typer.echo(orjson.dumps(report).decode())
    if not report["ok"]:
        raise typer.Exit(1)


@app.command()
def watch(show: Annotated[str, typer.Argument(help="Its id or slug.")], url: Url = URL_DEFAULT) -> None:
    """Follow a show's counts in the terminal."""
    from server.client import watch as board

    run_to_end(board.run(url, show))


@app.command()
def reconcile(
    repair: Annotated[bool, typer.Option("--repair", help="Make tallies and Valkey equal to the rows.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Compare rows, tallies and Valkey; exit 1 on any difference."""
    from server.commands import engines_for
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


@app.command()
def token(
    role: Annotated[Role, typer.Option(help="What its user may do.")] = Role.user,
    ttl: Annotated[str, typer.Option(help="How long it is good for: 90s, 15m, 1h, 7d.")] = "1h",
    data_dir: DataDir = None,
) -> None:
    """Print a signed token of a new user."""
    from server.commands import new_token

    ttl_s = duration_s("--ttl", ttl)
    typer.echo(run_to_end(new_token(settings_from(data_dir=data_dir), role.value, ttl_s)))


@app.command()
def export(
    show: Annotated[str, typer.Argument(help="Its id or slug.")],
    export_format: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.csv,
    data_dir: DataDir = None,
) -> None:
    """Print a show's result."""
    import orjson

    from server.catalog.results import as_csv, fetch_results
    from server.commands import database_for
    from server.protocol.parameters import parse_reference

    settings = settings_from(data_dir=data_dir)

    async def command() -> str:
        async with database_for(settings) as database:
            _, results = await fetch_results(database, parse_reference(show))
        if export_format is ExportFormat.csv:
            return as_csv(results)
        return orjson.dumps(results, option=orjson.OPT_INDENT_2).decode() + "\n"

    sys.stdout.write(run_to_end(command()))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to; only you may read it.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Write the database to a file; nodes may go on running."""
    from server.backup import backup as write
    from server.commands import engines_for

    settings = settings_from(data_dir=data_dir)

    async def command() -> int:
        with progress_bars() as progress:
            async with engines_for(settings, valkey=False, tables=False) as engines:
                return await write(engines.database_url, file.absolute(), progress, force=force)

    size_bytes = run_to_end(command())
    typer.echo(f"{file}: {size_bytes / 1e6:,.1f} MB")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="Made by `backup`.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Put a backup in the place of all that is there; no node may be running."""
    from server.backup import restore as put_back
    from server.commands import engines_for

    settings = settings_from(data_dir=data_dir)
    if not yes and not sys.stdin.isatty():
        raise SetupError("restore replaces everything in the database; say --yes")
    if not yes:
        typer.confirm(f"{file} replaces everything in the database. Go on?", abort=True)

    async def command() -> list[Any]:
        with progress_bars() as progress:
            async with engines_for(settings, valkey=True, tables=False) as engines:
                return list(await put_back(engines.database_url, engines.redis_url, file.absolute(), progress))

    differences = run_to_end(command())
    for difference in differences:
        typer.echo(str(difference))
    if differences:
        raise typer.Exit(1)
    typer.echo(f"restored {file}; all counts agree with the rows")


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Check settings, engines, versions, clocks and providers; exit 1 with the reason."""
    from rich.console import Console

    from server import doctor as examination

    checks = run_to_end(examination.examine(os.environ, data_dir))
    # Narrow pipes must not cut the reasons off.
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(examination.as_table(checks))
    failed = [check for check in checks if check.verdict == "fail"]
    if failed:
        raise SetupError(failed[0].found)


def main() -> None:
    """The console script. What cannot go on is one line on stderr and exit 1; a traceback is a bug."""
    try:
        app()
    except MysetlistError as error:
        print(f"mysetlist: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
