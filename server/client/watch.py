"""A show's live board in the terminal; one line a change where there is no terminal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from datetime import datetime
from random import Random
from typing import Any

import msgspec
from rich.console import Console
from rich.live import Live

from server.client.line import Line, websocket_url
from server.client.scoreboard import Scoreboard, Update
from server.client.web import Web
from server.errors import SetupError

_FRAME_S = 0.1  # as often as a channel is pushed; a faster board would draw the same picture
_HEAD_AND_FOOT_ROWS = 6


class _Joined(msgspec.Struct):
    at: int = 0
    state: Update | None = None


class _Channels(msgspec.Struct):
    channels: dict[str, _Joined] = {}


class _Reply(msgspec.Struct):
    ok: _Channels


_decode_reply = msgspec.json.Decoder(_Reply).decode
_decode_push = msgspec.json.Decoder(Update).decode


class _Counts:
    """A board shows its losses; it does not count them."""

    reconnects = 0

    def __init__(self) -> None:
        self.last_fault: str | None = None

    def fault(self, code: str) -> None:
        self.last_fault = code


class _BoardLine(Line):
    """The connection behind a board."""

    def __init__(self, url: str, board: Scoreboard, changed: asyncio.Queue[str], counts: _Counts) -> None:
        super().__init__(url, None, Random(), counts)  # noqa: S311  # delays, not secrets
        self._board = board
        self._changed = changed

    def channels(self) -> Sequence[str]:
        return [f"{kind}:{self._board.show_id}" for kind in ("votes", "status", "setlist")]

    def since(self) -> dict[str, int]:
        return self._board.since()

    def joined(self, reply: bytes) -> None:
        for channel, joined in _decode_reply(reply).ok.channels.items():
            if joined.state is not None:
                joined.state.at = joined.at
                self._tell(self._board.apply(channel, joined.state))

    def pushed(self, payload: bytes) -> None:
        update = _decode_push(payload)
        self._tell(self._board.apply(update.ch, update))

    def entered(self) -> None:
        self._tell(self._board.connected("live"))

    def dropped(self) -> None:
        self._tell(self._board.connected("reconnecting"))

    def _tell(self, lines: list[str]) -> None:
        for line in lines:
            # Whoever reads so slowly that lines pile up misses some; the counts in the next ones are whole.
            if not self._changed.full():
                self._changed.put_nowait(line)


async def run(url: str, show: int | str, *, stop: asyncio.Event | None = None, console: Console | None = None) -> None:
    """Shows a show until stopped.

    Takes:  show, id or slug; stop, ends it when set; without one, Ctrl-C and SIGTERM do; console, stdout by default
    Raises: SetupError: there is no such show, or the server sent us away for good; Unreachable: no server
    Cancel: the connection is closed and the terminal is as it was
    """
    web = Web(url)
    try:
        board = Scoreboard(await web.show(show))
    finally:
        await web.close()
    stopped = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    if stop is None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
    changes: asyncio.Queue[str] = asyncio.Queue(maxsize=1000)
    counts = _Counts()
    line = _BoardLine(websocket_url(url), board, changes, counts)
    console = console or Console()
    show_board = _draw(board, console) if console.is_terminal else _print(changes, console)
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(show_board, name="watch.show"),
        asyncio.create_task(_finished(line), name="watch.line"),
        asyncio.create_task(stopped.wait(), name="watch.stop"),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        _raise_first(tasks)
    finally:
        line.close()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if stop is None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
    if line.is_finished and not stopped.is_set():
        raise SetupError(f"The server closed the connection for good ({counts.last_fault}).")


async def _finished(line: Line) -> None:
    """Opens the line and returns when it will not come back."""
    await line.keep_open()
    # Seen a tenth of a second late, which nobody notices; a line has no event for it because thousands do without.
    while not line.is_finished:  # noqa: ASYNC110
        await asyncio.sleep(_FRAME_S)


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
