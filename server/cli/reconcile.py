"""`mysetlist reconcile`: compares the votes with all counts of them, and the leaderboards with the picks."""

from __future__ import annotations

from typing import Annotated

import typer

from server.cli.terminal import DataDir, run_to_end, settings_from


def reconcile(
    repair: Annotated[
        bool, typer.Option("--repair", help="Correct tallies, leaderboards and Valkey to match the rows.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Compare rows, tallies, leaderboards and Valkey; exit 1 if they differ."""
    from server.cli.engines import engines_for
    from server.game.reconcile import run as compare_boards
    from server.voting.reconcile import run as compare

    settings = settings_from(data_dir=data_dir, needs_database=True)

    async def command() -> list[str]:
        async with engines_for(settings, valkey=True, tables=True) as engines:
            votes = await compare(engines.database_url, engines.redis_url, repair=repair)
            return [*map(str, votes), *await compare_boards(engines.database_url, repair=repair)]

    differences = run_to_end(command())
    for difference in differences:
        typer.echo(difference)
    if not differences:
        typer.echo("rows, tallies, leaderboards and Valkey agree")
    elif repair:
        typer.echo(f"repaired {len(differences)}")
    else:
        raise typer.Exit(1)
