"""Channel states: the whole, and the changes since the last push."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.live.states import AttendanceState, DocumentState, TallyState
from server.protocol.positions import SEQ_MAX


def fields(data: bytes) -> Any:
    return json.loads(b"{%b}" % data)


def test_the_whole_state_and_its_change() -> None:
    """Whole: every song, in order. Change: only new counts, once, always with the total."""
    state = TallyState(10, 3, [(101, 1, 0), (102, 2, 0)])
    assert json.loads(state.whole()) == {"tally": [[101, 1, 0], [102, 2, 0]], "total": 3}
    assert state.apply(10, 11, 4, [(102, 2, 1), (101, 1, 0)])
    assert fields(state.change()) == {"tally": [[102, 2, 1]], "total": 4}
    assert fields(state.change()) == {"tally": [], "total": 4}
    assert json.loads(state.whole()) == {"tally": [[101, 1, 0], [102, 2, 1]], "total": 4}
    assert fields(state.whole_fields()) == json.loads(state.whole())


def test_a_position_has_one_state() -> None:
    """A change at a position that is known is dropped, an older one too. One that follows an unknown position leaves the
    state as it is, until the state is replaced.
    """
    state = TallyState(10, 1, [(101, 1, 0), (102, 0, 0)])
    assert not state.apply(0, 9, 9, [(101, 9, 9)])
    assert not state.apply(0, 10, 9, [(101, 9, 9)])
    assert not state.apply(11, 12, 3, [(101, 2, 0)])
    assert state.missed_at == 12
    assert (state.at, json.loads(state.whole())) == (10, {"tally": [[101, 1, 0], [102, 0, 0]], "total": 1})
    assert state.replace(12, 3, [(101, 2, 0), (102, 0, 1)])
    assert not state.is_behind
    assert (state.at, json.loads(state.whole())) == (12, {"tally": [[101, 2, 0], [102, 0, 1]], "total": 3})


def test_an_unchanged_count_moves_only_the_position() -> None:
    """A vote that is cast again changes no count, so nothing is pushed."""
    state = TallyState(10, 1, [(101, 1, 0)])
    assert not state.apply(10, 11, 1, [(101, 1, 0)])
    assert state.at == 11


def test_replacing_takes_songs_away() -> None:
    """A song that left the setlist leaves the tally, and its pending change with it; not at the same position."""
    state = TallyState(10, 3, [(101, 1, 0), (102, 2, 0)])
    state.apply(10, 11, 4, [(102, 3, 0)])
    assert not state.replace(11, 1, [(101, 1, 0)])
    assert state.missed_at == 12
    assert state.replace(12, 1, [(101, 1, 0)])
    assert json.loads(state.whole()) == {"tally": [[101, 1, 0]], "total": 1}
    assert fields(state.change()) == {"tally": [], "total": 1}
    assert not state.replace(10, 5, [])
    assert not state.replace(12, 1, [(101, 1, 0)])
    assert not state.is_behind


@given(st.integers(0, 100), st.integers(0, 100), st.integers(-16, 16), st.integers(-16, 16))
def test_nodes_with_different_attendance_have_different_positions(
    going: int, watching: int, more_going: int, more_watching: int
) -> None:
    """Otherwise a client that moves between nodes at an equal position would get nothing, and keep wrong counts."""
    one = AttendanceState(3 << 10, going, 4 << 10, watching)
    other = AttendanceState(3 << 10, going + more_going, 4 << 10, 0)
    other.apply_watching(4 << 10, watching + more_watching)
    assert (one.at & SEQ_MAX == other.at & SEQ_MAX) == (one.whole() == other.whole())


def test_attendance_moves_on_with_every_new_count() -> None:
    """Past the position shown before and past its source's position; an unchanged count moves nothing."""
    state = AttendanceState(3 << 10, 0, 4 << 10, 0)
    positions = [state.at]
    for change, at, count in (
        (state.apply_going, 9 << 10 | 700, 1),
        (state.apply_watching, 6 << 10, 1),
        (state.apply_watching, 6 << 10, 2),
    ):
        assert change(at, count)
        positions.append(state.at)
        assert state.at >= at
    assert positions == sorted(set(positions))
    assert not state.apply_watching(20 << 10, 2)
    assert not state.apply_going(9 << 10, 5)
    assert state.at == positions[-1]


def test_a_document_is_always_whole() -> None:
    """Change and whole are equal, and an older document is dropped."""
    state = DocumentState(10, b'{"a":1}')
    assert not state.replace(9, b'{"a":0}')
    assert not state.replace(11, b'{"a":1}')
    assert state.replace(11, b'{"a":2,"b":3}')
    assert (state.at, state.whole(), state.change(), state.whole_fields()) == (
        11, b'{"a":2,"b":3}', b'"a":2,"b":3', b'"a":2,"b":3',
    )  # fmt: skip


COUNTS = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 9), st.integers(0, 9)), max_size=4)


@given(st.lists(st.tuples(st.integers(0, 20), COUNTS, st.booleans()), max_size=20))
def test_changes_add_up_to_the_whole(steps: list[tuple[int, list[tuple[int, int, int]], bool]]) -> None:
    """The first whole state with every change applied is the last whole state."""
    state = TallyState(0, 0, [(song, 0, 0) for song in range(1, 7)])
    held = {song: (up, down) for song, up, down in json.loads(state.whole())["tally"]}
    for at, counts, is_pushed in steps:
        state.apply(0, at, sum(up + down for _, up, down in counts), counts)
        if is_pushed:
            held.update({song: (up, down) for song, up, down in fields(state.change())["tally"]})
    held.update({song: (up, down) for song, up, down in fields(state.change())["tally"]})
    assert held == {song: (up, down) for song, up, down in json.loads(state.whole())["tally"]}
