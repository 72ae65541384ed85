"""The weight of casts, by which limits of the intake count."""

from __future__ import annotations

import pytest

from server.protocol.outcomes import Picked
from server.voting.casts import Cast
from server.voting.rules import pack_cast, pack_decision, pack_mark, pack_pick
from tests.support.vote_path import Outcome

TWO = [(101, "up"), (102, "none")]


@pytest.mark.parametrize(
    ("packed", "weight"),
    [
        (pack_cast(7, 9, []), 1),
        (pack_cast(7, 9, TWO[:1]), 1),
        (pack_cast(7, 9, TWO[:1], order=1764), 1),
        (pack_cast(7, 9, TWO), 2),
        (pack_cast(7, 9, TWO, order=1764), 2),
        (pack_mark("show", 7, 9, wanted=True), 1),
        (pack_decision(5, 7), 1),
        (pack_pick(7, 9, Picked([])), 2),
    ],
)
def test_a_cast_weighs_its_votes(packed: list[int], weight: int) -> None:
    """Its order, which nearly all casts have, is no vote: 1,000 votes in a round are 1,000 casts of one vote."""
    assert Cast(1, 7, packed, Outcome()).weight == weight
