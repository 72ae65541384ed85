"""Reads headers in which a client says what it takes: Accept, Accept-Encoding, Accept-Language (RFC 9110, section 12.4.2)."""

from __future__ import annotations

import re

_WEIGHT = re.compile(r"q=([01](?:\.[0-9]{0,3})?)")


def weights_of(header: str) -> dict[str, float]:
    """The names in a header with their weights, in its order and in lower case. A weight of 0 refuses the name."""
    weights: dict[str, float] = {}
    for item in filter(None, map(str.strip, header.lower().split(","))):
        name, _, last = item.rpartition(";")
        weight = _WEIGHT.fullmatch(last.strip())
        if weight is None:
            weights.setdefault(item, 1.0)
        elif name := name.strip():
            weights.setdefault(name, float(weight[1]))
    return weights
