"""`mysetlist token`, `backup`, `restore` and `doctor`: what an administrator of a service needs."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.terminal import DataDir, duration_s, progress_bars, run_to_end, settings_from
from server.errors import SetupError


class Role(StrEnum):
    """What a token's user may do."""

    user = "user"
    moderator = "moderator"
    admin = "admin"


def token(
    role: Annotated[Role, typer.Option(help="What its user may do.")] = Role.user,
    ttl: Annotated[str, typer.Option(help="How long it is good for: 90s, 15m, 1h, 7d.")] = "1h",
    data_dir: DataDir = None,
) -> None:
    """Print a signed token of a new user."""
    from server.cli.engines import new_token

    ttl_s = duration_s("--ttl", ttl)
    typer.echo(run_to_end(new_token(settings_from(data_dir=data_dir), role.value, ttl_s)))


def backup(
    file: Annotated[Path, typer.Argument(help="Where to; only you may read it.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Write the database to a file; nodes may go on running."""
    from server.cli.backup import backup as write
    from server.cli.engines import engines_for

    settings = settings_from(data_dir=data_dir)

    async def command() -> int:
        with progress_bars() as progress:
            async with engines_for(settings, valkey=False, tables=False) as engines:
                return await write(engines.database_url, file.absolute(), progress, force=force)

    size_bytes = run_to_end(command())
    typer.echo(f"{file}: {size_bytes / 1e6:,.1f} MB")


def restore(
    file: Annotated[Path, typer.Argument(help="Made by `backup`.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Put a backup in the place of all that is there; no node may be running."""
    from server.cli.backup import restore as put_back
    from server.cli.engines import engines_for

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


def doctor(data_dir: DataDir = None) -> None:
    """Check settings, engines, versions, clocks and providers; exit 1 with the reason."""
    from rich.console import Console

    from server.cli import doctor as examination

    checks = run_to_end(examination.examine(os.environ, data_dir))
    # Narrow pipes must not cut the reasons off.
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(examination.as_table(checks))
    failed = [check for check in checks if check.verdict == "fail"]
    if failed:
        raise SetupError(failed[0].found)
