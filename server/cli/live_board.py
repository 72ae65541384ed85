"""A show's live board in the terminal; one line a change where there is no terminal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.live import Live

from server.cli.scoreboard import Scoreboard, Update
from server.client.client import Client
from server.errors import Refused, SetupError

_FRAME_S = 0.1  # as often as a channel is pushed; a faster board would draw the same picture
_HEAD_AND_FOOT_ROWS = 6


async def run(url: str, show: int | str, *, stop: asyncio.Event | None = None, console: Console | None = None) -> None:
    """Shows a show until stopped.

    Takes:  show, id or slug; stop, ends it when set; without one, Ctrl-C and SIGTERM do; console, stdout by default
    Raises: SetupError: there is no such show, or its counts are not for us; Closed: the server sent us away for good;
            Unreachable: no server
    Cancel: the connection is closed and the terminal is as it was
    """
    changes: asyncio.Queue[str] = asyncio.Queue(maxsize=1000)

    def tell(lines: list[str]) -> None:
        for line in lines:
            # Whoever reads so slowly that lines pile up misses some; the counts in the next ones are whole.
            if not changes.full():
                changes.put_nowait(line)

    def told(is_connected: bool) -> None:
        tell(board.connected("live" if is_connected else "reconnecting"))

    stopped = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    async with Client(url, connected=told) as client:
        board = Scoreboard(await client.show(show))
        if stop is None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stopped.set)
        console = console or Console()
        show_board = _draw(board, console) if console.is_terminal else _print(changes, console)
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(show_board, name="watch.show"),
            asyncio.create_task(_follow(client, board, tell), name="watch.follow"),
            asyncio.create_task(stopped.wait(), name="watch.stop"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            _raise_first(tasks)
        except Refused as error:
            raise SetupError(error.message) from error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            if stop is None:
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.remove_signal_handler(number)


async def _follow(client: Client, board: Scoreboard, tell: Callable[[list[str]], None]) -> None:
    channels = [f"{kind}:{board.show_id}" for kind in ("votes", "status", "setlist")]
    async for update in client.watch(*channels):
        tell(board.apply(update.channel, msgspec.convert({**update.state, "at": update.at}, Update)))


async def _draw(board: Scoreboard, console: Console) -> None:
    with Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            live.update(board.draw(max(1, console.height - _HEAD_AND_FOOT_ROWS)), refresh=True)
            await asyncio.sleep(_FRAME_S)


async def _print(changes: asyncio.Queue[str], console: Console) -> None:
    while True:
        line = await changes.get()
        console.print(f"{datetime.now().astimezone():%H:%M:%S}  {line}", highlight=False, markup=False, soft_wrap=True)


def _raise_first(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error
