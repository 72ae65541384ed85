"""`mysetlist drill`: proves that a backup can be restored."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.terminal import DataDir, print_table, progress_bars, run_to_end, settings_from

if TYPE_CHECKING:
    from server.cli.backup_file import Drill


def drill(
    file: Annotated[Path, typer.Argument(help="File made by `backup`.")],
    data_dir: DataDir = None,
) -> None:
    """Restore a backup into engines of its own, count everything again, and compare it with the database; nothing is changed."""
    from server.cli.backup_file import drill as try_out

    # It compares with the database of a folder that is named. It signs nothing, and with a key it makes none in a data dir.
    settings = settings_from(data_dir=data_dir, needs_database=data_dir is not None, secret=secrets.token_hex())

    async def command() -> Drill:
        with progress_bars() as progress:
            return await try_out(settings, file.absolute(), progress)

    result = run_to_end(command())
    print_table(_table(result))
    if result.why_no_live:
        typer.echo(f"not compared with the database of now: {result.why_no_live}")
    for difference in result.differences:
        typer.echo(str(difference))
    if result.differences:
        raise typer.Exit(1)
    typer.echo(f"{file} can be restored: it took {result.restore_s:.1f} s, and all counts agree with the rows")


def _table(result: Drill) -> Any:
    import msgspec
    from rich.table import Table

    restored = msgspec.structs.asdict(result.restored)
    live = msgspec.structs.asdict(result.live) if result.live else {}
    table = Table("", "in the file", "in the database now")
    for name, value in restored.items():
        table.add_row(name.replace("_", " "), _shown(value), _shown(live[name]) if live else "")
    return table


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:%Y-%m-%d %H:%M:%S} UTC"
