"""The scoreboard of `mysetlist watch`: its state and its drawing."""

from __future__ import annotations

from rich.console import Console

from server.cli.scoreboard import ChannelState, Scoreboard, bar
from server.client.http import Setlist, Show, Song


def _board() -> Scoreboard:
    songs = [Song(101, 3, 1, "Airbag"), Song(102, 5, 0, "Lucky")]
    return Scoreboard(Show(7, voting="open", status="live", name="Radiohead", setlists=[Setlist(songs)]))


def test_a_board_reports_each_change_once() -> None:
    """A state gives a line for each change and none for a repetition; an older state changes nothing."""
    board = _board()
    push = ChannelState(at=9, tally=[(101, 4, 1), (102, 5, 0)], total=10)
    assert board.apply("votes:7", push) == ["Airbag: 4 up, 1 down"]
    assert board.apply("votes:7", push) == []
    assert board.apply("votes:7", ChannelState(at=8, tally=[(101, 0, 0)])) == []
    assert board.apply("status:7", ChannelState(at=1, voting="closed")) == ["Radiohead: live, voting closed"]
    assert (board.tally[101], board.total) == ((4, 1), 10)


def test_a_board_shows_the_favourite_on_top() -> None:
    """Songs are ordered by up minus down, the foot counts the songs that do not fit, the head names the connection."""
    board = _board()
    board.apply("votes:7", ChannelState(at=9, tally=[(101, 9, 8), (102, 5, 0)], total=22))
    assert board.connected("live") == ["connection: live"]
    console = Console(width=120, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(board.draw(1))
    text = capture.get()
    assert "Lucky" in text
    assert "Airbag" not in text
    assert "and 1 more" in text
    assert "● live" in text


def test_bars_are_relative_to_the_longest() -> None:
    """The longest bar fills its cells, one with half the votes fills half of them, one without votes none."""
    assert len(bar(5, 5, 10).plain) == 32
    assert len(bar(5, 0, 10).plain) == 16
    assert bar(0, 0, 0).plain == ""
