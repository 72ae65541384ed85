"""How well a show was foreseen, as it is shown wherever the show is (docs/accuracy.md)."""

from __future__ import annotations

from typing import TypedDict

import msgspec


class Accuracy(TypedDict):
    """How well the crowd foresaw what was played. Of `predicted` songs `hits` were among the `played` ones. precision and
    recall: 0 to 1, rank_correlation: -1 to 1; null: there was nothing to divide by.
    """

    precision: float | None
    recall: float
    rank_correlation: float | None
    hits: int
    played: int
    predicted: int


def read_accuracy(found: str | None) -> Accuracy | None:
    """Of what accuracy_of() in the database gives."""
    return None if found is None else msgspec.json.decode(found, type=Accuracy)
