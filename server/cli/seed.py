"""`mysetlist seed`: sample data."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from server.cli.terminal import DataDir, progress_bars, run_to_end, settings_from
from server.errors import BadArgument


class Profile(StrEnum):
    """The kind of sample data: a few shows to look at, or a large catalogue to measure with."""

    demo = "demo"
    large = "large"


def seed(
    profile: Annotated[Profile, typer.Option(help="demo: a few shows; large: a large catalogue.")] = Profile.demo,
    random_seed: Annotated[int, typer.Option("--seed", help="The same number gives the same data.")] = 1,
    shows: Annotated[int | None, typer.Option(help="large only: number of shows.", show_default="1000")] = None,
    votes: Annotated[int | None, typer.Option(help="large only: number of votes.", show_default="5000 a show")] = None,
    data_dir: DataDir = None,
) -> None:
    """Add sample data. Data that is there already stays as it is."""
    from server.cli.engines import engines_for
    from server.sample import demo, inserts, large

    if profile is Profile.demo and (shows is not None or votes is not None):
        raise BadArgument("--shows and --votes need --profile large")
    size = large.LargeSize.of(shows, votes, random_seed) if profile is Profile.large else None
    settings = settings_from(data_dir=data_dir)

    async def command() -> inserts.SeedResult:
        with progress_bars() as progress:
            async with engines_for(settings, valkey=False, tables=True) as engines:
                if size is not None:
                    return await large.seed_large(engines.database_url, size, progress=progress)
                return await demo.seed_demo(engines.database_url, seed=random_seed, progress=progress)

    added = run_to_end(command())
    counts = {name: getattr(added, name) for name in added.__struct_fields__}
    summary = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    typer.echo(f"added {summary}" if summary else "everything was there already")
