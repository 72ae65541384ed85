"""The scoreboard of a show: keeps its state and draws it for a terminal. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from server.client.http import Setlist, Show, Tally

_BAR_CELLS = 32
_PARTS = " ▏▎▍▌▋▊▉█"
_VOTING_STYLE = {"open": "bold green", "locked": "bold yellow", "closed": "bold red", "final": "bold cyan"}


class ChannelState(msgspec.Struct):
    """A state of one of the channels votes, status and setlist. Fields of the other channels are None."""

    at: int = 0
    tally: list[tuple[int, int, int]] | None = None
    total: int | None = None
    status: str | None = None
    voting: str | None = None
    setlists: list[Setlist] | None = None


class Scoreboard:
    """The state of a show that the scoreboard draws.

    Takes:  show, fetched before the connection; its counts may be older than those of the channels
    """

    def __init__(self, show: Show) -> None:
        self.show_id = show.id
        self.name = show.name or f"Show {show.id}"
        self.titles: dict[int, str] = show.titles()
        self.tally: Tally = show.tally()
        self.total = sum(up + down for up, down in self.tally.values())
        self.status = show.status
        self.voting = show.voting
        self.connection = "connecting"
        self._at: dict[str, int] = {}

    def apply(self, channel: str, state: ChannelState) -> list[str]:
        """Applies a channel's state. A state older than the present one changes nothing.

        Gives:  one line for each change
        """
        if state.at < self._at.get(channel, 0):
            return []
        self._at[channel] = state.at
        lines: list[str] = []
        if state.setlists is not None:
            self.titles = {song.id: song.title for setlist in state.setlists for song in setlist.songs}
        for song, up, down in state.tally or ():
            if self.tally.get(song) != (up, down):
                self.tally[song] = (up, down)
                lines.append(f"{self.title(song)}: {up} up, {down} down")
        if state.total is not None:
            self.total = state.total
        newest = (state.status or self.status, state.voting or self.voting)
        if newest != (self.status, self.voting):
            self.status, self.voting = newest
            lines.append(f"{self.name}: {self.status}, voting {self.voting}")
        return lines

    def connected(self, state: str) -> list[str]:
        """Applies the state of the connection.

        Gives:  one line if the state changed
        """
        if state == self.connection:
            return []
        self.connection = state
        return [f"connection: {state}"]

    def title(self, song: int) -> str:
        """The title of a song, or its id as long as no setlist has named it."""
        return self.titles.get(song) or f"song {song}"

    def draw(self, row_count_max: int) -> Group:
        """Draws the scoreboard: songs ordered by votes up minus votes down, then by their place in the setlists.

        Takes:  row_count_max, at least 1; the last line says how many more songs there are
        """
        songs = sorted({**self.tally, **dict.fromkeys(self.titles, (0, 0))}, key=lambda song: -self._score(song))
        most = max((up + down for up, down in self.tally.values()), default=0)
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(max_width=40, no_wrap=True)
        table.add_column(width=_BAR_CELLS, no_wrap=True)
        table.add_column(justify="right", style="green")
        table.add_column(justify="right", style="red")
        for song in songs[:row_count_max]:
            up, down = self.tally.get(song, (0, 0))
            table.add_row(self.title(song), bar(up, down, most), f"▲ {up:,}", f"▼ {down:,}")
        head = Text.assemble(
            (self.name, "bold"),
            f"   {self.status}   ",
            (f"voting {self.voting}", _VOTING_STYLE.get(self.voting, "")),
            f"   {self.total:,} votes   ",
            (f"● {self.connection}", "green" if self.connection == "live" else "yellow"),
        )
        hidden = len(songs) - row_count_max
        foot = Text(f"… and {hidden} more" if hidden > 0 else "Ctrl-C ends", style="dim")
        return Group(head, Text(), table, Text(), foot)

    def _score(self, song: int) -> int:
        up, down = self.tally.get(song, (0, 0))
        return up - down


def bar(up: int, down: int, most: int) -> Text:
    """Draws up votes in green, then down votes in red. `most` votes fill the bar; the smallest step is 1/8 cell."""
    if not most:
        return Text()
    return Text.assemble(*_cells([(up, "green"), (down, "red")], most))


def _cells(parts: Iterable[tuple[int, str]], most: int) -> list[tuple[str, str]]:
    drawn: list[tuple[str, str]] = []
    for count, style in parts:
        eighths = round(count / most * _BAR_CELLS * 8)
        drawn.append((_PARTS[8] * (eighths // 8) + (_PARTS[eighths % 8] if eighths % 8 else ""), style))
    return drawn
