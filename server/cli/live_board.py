"""Shows the board of `mysetlist watch`. In a terminal the board is redrawn; other outputs get one line for each change."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.live import Live

from server.cli.scoreboard import ChannelState, Scoreboard
from server.client.client import Client
from server.errors import Refused, SetupError

_REDRAW_S = 0.1  # a channel is pushed at most this often; a faster board would draw the same picture
_HEAD_AND_FOOT_ROWS = 6
LINES_WAITING_MAX = 1000


async def run(url: str, show: int | str, *, stop: asyncio.Event | None = None, console: Console | None = None) -> None:
    """Shows the counts of a show until it is stopped.

    Takes:  show, id or slug; stop, ends the board when set; None: Ctrl-C and SIGTERM end it; console, None: stdout
    Raises: SetupError: the show does not exist, or its counts are hidden; Closed: the server closed for good;
            Unreachable: the server does not answer
    Cancel: the connection is closed and the terminal is restored
    """
    changes: asyncio.Queue[str] = asyncio.Queue(maxsize=LINES_WAITING_MAX)

    def enqueue(lines: list[str]) -> None:
        for line in lines:
            # A slow reader misses lines; each line holds absolute counts, so the next one is right again.
            if not changes.full():
                changes.put_nowait(line)

    def connection_changed(is_connected: bool) -> None:
        enqueue(board.connected("live" if is_connected else "reconnecting"))

    stopped = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    async with Client(url, connected=connection_changed) as client:
        board = Scoreboard(await client.show(show))
        if stop is None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stopped.set)
        console = console or Console()
        show_board = _draw(board, console) if console.is_terminal else _print(changes, console)
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(show_board, name="watch.show"),
            asyncio.create_task(_follow(client, board, enqueue), name="watch.follow"),
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


async def _follow(client: Client, board: Scoreboard, enqueue: Callable[[list[str]], None]) -> None:
    channels = [f"{kind}:{board.show_id}" for kind in ("votes", "status", "setlist")]
    async for update in client.watch(*channels):
        enqueue(board.apply(update.channel, msgspec.convert({**update.state, "at": update.at}, ChannelState)))


async def _draw(board: Scoreboard, console: Console) -> None:
    with Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            live.update(board.draw(max(1, console.height - _HEAD_AND_FOOT_ROWS)), refresh=True)
            await asyncio.sleep(_REDRAW_S)


async def _print(changes: asyncio.Queue[str], console: Console) -> None:
    while True:
        line = await changes.get()
        console.print(f"{datetime.now().astimezone():%H:%M:%S}  {line}", highlight=False, markup=False, soft_wrap=True)


def _raise_first(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error
