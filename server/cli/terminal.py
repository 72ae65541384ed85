"""What all commands do at the terminal: settings from flags, progress bars, running a coroutine to its end."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from server.errors import SetupError

if TYPE_CHECKING:
    from server.settings import Settings

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where a node keeps its data [MYSETLIST_DATA_DIR].")]
Url = Annotated[str, typer.Option("--url", help="A running node.")]
URL_DEFAULT = "http://127.0.0.1:8080"
Result = TypeVar("Result")


def settings_from(**flags: Any) -> Settings:
    """Settings of this process, with logs set up the way they say."""
    from server.settings import Settings
    from server.telemetry import configure_logging

    settings = Settings.from_environ(os.environ, **flags)
    configure_logging(settings.log_format)
    return settings


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Bars on stderr, one a stage; gives what to call with stage, done, total."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
        stages: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=None)
            bars.update(stages[stage], completed=done, total=total)

        yield show


def run_to_end(command: Coroutine[Any, Any, Result]) -> Result:
    """Runs a command's coroutine to its end."""
    import uvloop

    return uvloop.run(command)


def duration_s(flag: str, text: str) -> int:
    """Seconds in `90s`, `15m`, `1h` or `7d`."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if not match or int(match[1]) == 0:
        raise SetupError(f"{flag}: {text!r} is no duration; write 90s, 15m, 1h or 7d")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]
