"""The accuracy of the crowd's prediction of a show, on every page and channel of the show (docs/accuracy.md)."""

from __future__ import annotations

from typing import TypedDict

import msgspec


class Accuracy(TypedDict):
    """How well the votes predicted the played songs. Of `predicted` songs `hits` were among the `played` ones. r_precision,
    precision and recall: 0 to 1, rank_correlation: -1 to 1; null: the divisor is zero. baseline: the R-precision of the
    setlist of the artist's show before; null: it is unknown.
    """

    r_precision: float
    baseline: float | None
    precision: float | None
    recall: float
    rank_correlation: float | None
    hits: int
    played: int
    predicted: int


def read_accuracy(found: str | None) -> Accuracy | None:
    """Decodes the JSON of accuracy_of() in the database; None: there is none."""
    return None if found is None else msgspec.json.decode(found, type=Accuracy)
