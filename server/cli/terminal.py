"""The parts that all commands share: common flags, settings, progress bars, questions, tables, the event loop."""

from __future__ import annotations

import os
import re
import resource
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from server.errors import BadArgument, SetupError

if TYPE_CHECKING:
    from rich.table import Table

    from server.settings import Settings


def _folder(text: str) -> Path:
    # An unset variable of a shell would otherwise mean the working directory.
    if not text.strip():
        raise BadArgument("--data-dir: is empty; name a folder, or leave the flag out")
    return Path(text)


def _address(text: str) -> str:
    # A client would ask a wrong one again and again before it gives up.
    if not re.match(r"https?://[^/?#]+|file:///", text):
        raise BadArgument(f"--url: {text!r} is no address; write http://host:8080 or https://host")
    return text


DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="FOLDER", parser=_folder, help="Folder for the node's data [MYSETLIST_DATA_DIR]."
    ),
]
Url = Annotated[str, typer.Option("--url", metavar="URL", parser=_address, help="Address of a running node.")]
URL_DEFAULT = "http://127.0.0.1:8080"
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
# A pipe has no width. In a narrow table, reasons would be cut off.
PIPE_COLUMNS = 160
Result = TypeVar("Result")


def settings_from(**flags: Any) -> Settings:
    """Reads the settings from the environment and the flags, and configures logging accordingly.

    Raises: SetupError: a setting does not parse
    """
    import structlog

    from server.settings import Settings, unknown_settings
    from server.telemetry import configure_logging

    settings = Settings.from_environ(os.environ, **flags)
    configure_logging(settings.log_format, settings.log_level)
    for line in unknown_settings(os.environ):
        structlog.get_logger().warning("setting.unknown", reason=line)
    return settings


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Shows one progress bar for each stage on stderr, when stderr is a terminal.

    Gives:  a function that moves the bars: (stage, done, total)
    """
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
        stages: dict[str, Any] = {}

        def move(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=None)
            bars.update(stages[stage], completed=done, total=total)

        yield move


def confirm(warning: str, *, yes: bool) -> None:
    """Asks for confirmation before data is removed.

    Takes:  warning, a sentence without a full stop; yes, the flag --yes
    Raises: SetupError: stdin is no terminal and --yes is missing; typer.Abort: the answer is no
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise SetupError(f"{warning}; no terminal to ask for confirmation: add --yes")
    typer.confirm(f"{warning}. Continue?", abort=True)


def print_table(table: Table) -> None:
    """Prints a table on stdout, as wide as the terminal or PIPE_COLUMNS in a pipe."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS).print(table)


def run_to_end(command: Coroutine[Any, Any, Result]) -> Result:
    """Runs the coroutine of a command on an event loop of its own.

    SIGTERM, SIGINT and SIGHUP cancel it, so it stops what it has started; the exit code is then 128 and the signal's number.
    """
    import uvloop

    from server.node.signals import stop_signals

    results: list[Result] = []

    async def run() -> int:
        with stop_signals() as signals:
            results.append(await command)
        return signals.number

    number = uvloop.run(run())
    if not results:
        raise typer.Exit(128 + number)
    return results[0]


def raise_file_limit(count: int = 0) -> None:
    """Raises the number of files that this process may open to the system's limit. Every socket counts as a file.

    Child processes inherit the limit, so only the start of a program calls this.

    Takes:  count, the number of files needed, 0: the system's limit is enough; only root may get more than that limit
    Raises: SetupError: the system allows fewer than `count`
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(count, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    except (ValueError, OSError):
        # macOS and some containers refuse a limit that they name themselves; what is allowed now may be enough.
        if count <= resource.getrlimit(resource.RLIMIT_NOFILE)[0]:
            return
        raise SetupError(f"{count} open files are needed and the limit is {hard}; raise it with: ulimit -n") from None


def duration_s(flag: str, text: str) -> int:
    """Parses a duration such as `90s`, `15m`, `1h` or `7d` into seconds.

    Raises: BadArgument: `text` is no duration; the message names the flag
    """
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if not match or int(match[1]) == 0:
        raise BadArgument(f"{flag}: {text!r} is no duration; write 90s, 15m, 1h or 7d")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]
