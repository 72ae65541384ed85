"""`mysetlist migrate …`: the schema of the database."""

from __future__ import annotations

import typer

from server.cli.terminal import DataDir, Yes, confirm, run_to_end, settings_from

app = typer.Typer(help="Migrate the schema of the database: plain SQL, forward and back.", no_args_is_help=True)


@app.command("up")
def migrate_up(data_dir: DataDir = None) -> None:
    """Apply the migrations that are missing, and give the login of nodes its rights."""
    from server.cli.engines import engines_for
    from server.settings import data_folder
    from server.store import migrations
    from server.store.node_login import allow_node_login

    settings = settings_from(data_dir=data_dir)

    async def command() -> None:
        async with engines_for(settings, valkey=False, tables=False) as engines:
            for migration in await migrations.migrate_up(engines.database_url, data_folder("migrations")):
                typer.echo(f"applied {migration.name}")
            # Again without a migration: the login may be newer than they are.
            await allow_node_login(engines.database_url)
            typer.echo("the database is up to date")

    run_to_end(command())


@app.command("status")
def migrate_status(data_dir: DataDir = None) -> None:
    """List the migrations; exit 1 if one is not applied."""
    from server.cli.engines import engines_for
    from server.settings import data_folder
    from server.store import migrations

    settings = settings_from(data_dir=data_dir, needs_database=True)

    async def command() -> int:
        async with engines_for(settings, valkey=False, tables=False) as engines:
            found = await migrations.migrate_status(engines.database_url, data_folder("migrations"))
        for migration in found:
            typer.echo(f"{'applied' if migration.is_applied else 'pending'}  {migration.name}")
        return sum(not migration.is_applied for migration in found)

    if run_to_end(command()):
        raise typer.Exit(1)


@app.command("down")
def migrate_down(data_dir: DataDir = None, yes: Yes = False) -> None:
    """Take the newest migration back, and remove the data of its tables."""
    from server.cli.engines import engines_for
    from server.errors import SetupError
    from server.settings import data_folder
    from server.store import migrations
    from server.voting.leases import live_nodes

    settings = settings_from(data_dir=data_dir, needs_database=True)
    confirm("This removes the tables of the newest migration and their data", yes=yes)

    async def command() -> None:
        async with engines_for(settings, valkey=False, tables=False) as engines:
            if running := await live_nodes(engines.database_url):
                nodes, them = (
                    ("1 running node uses", "it")
                    if len(running) == 1
                    else (f"{len(running)} running nodes use", "them")
                )
                raise SetupError(f"{nodes} this database; stop {them}, then take the migration back")
            migration = await migrations.migrate_down(engines.database_url, data_folder("migrations"))
        typer.echo(f"took back {migration.name}" if migration else "nothing to take back")

    run_to_end(command())
