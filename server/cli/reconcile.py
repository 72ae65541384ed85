"""`mysetlist reconcile`: compares the votes with all counts of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.terminal import DataDir, run_to_end, settings_from

if TYPE_CHECKING:
    from server.voting.reconcile import Difference


def reconcile(
    repair: Annotated[bool, typer.Option("--repair", help="Correct tallies and Valkey to match the rows.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Compare rows, tallies and Valkey; exit 1 if they differ."""
    from server.cli.engines import engines_for
    from server.voting.reconcile import run as compare

    settings = settings_from(data_dir=data_dir)

    async def command() -> list[Difference]:
        async with engines_for(settings, valkey=True, tables=True) as engines:
            return await compare(engines.database_url, engines.redis_url, repair=repair)

    differences = run_to_end(command())
    for difference in differences:
        typer.echo(str(difference))
    if not differences:
        typer.echo("rows, tallies and Valkey agree")
    elif repair:
        typer.echo(f"repaired {len(differences)}")
    else:
        raise typer.Exit(1)
