"""Log positions and stream ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.protocol.positions import EXACT_MAX, SEQ_MAX, from_stream_id, position_of, stream_id

MS = st.integers(0, EXACT_MAX >> 10)
SEQ = st.integers(0, SEQ_MAX)


@given(MS, SEQ)
def test_a_position_and_its_stream_id_are_equivalent(ms: int, seq: int) -> None:
    """From the position to the id of the entry and back."""
    position = position_of(ms, seq)
    assert stream_id(position) == f"{ms}-{seq}"
    assert from_stream_id(stream_id(position).encode()) == position


@given(st.tuples(MS, SEQ), st.tuples(MS, SEQ))
def test_positions_are_ordered_as_their_entries_are(one: tuple[int, int], other: tuple[int, int]) -> None:
    """By milliseconds, and within one by the sequence."""
    assert (position_of(*one) < position_of(*other)) == (one < other)


@given(MS, SEQ)
def test_a_position_is_exact_in_a_double(ms: int, seq: int) -> None:
    """JavaScript and Lua hold it as a number without losing a bit."""
    position = position_of(ms, seq)
    assert int(float(position)) == position


def test_positions_last_until_2248() -> None:
    """The last exact position lies in the year 2248."""
    years = (EXACT_MAX >> 10) / 1000 / 86400 / 365.2425
    assert int(1970 + years) == 2248


@pytest.mark.parametrize("seq", [-1, SEQ_MAX + 1])
def test_a_sequence_out_of_range_is_refused(seq: int) -> None:
    """It would change the milliseconds."""
    with pytest.raises(ValueError, match="outside"):
        position_of(1, seq)
