"""Headers in which a client says what it takes, and how gladly."""

from __future__ import annotations

import pytest

from server.protocol.http.weights import weights_of


@pytest.mark.parametrize(
    ("header", "weights"),
    [
        ("", {}),
        ("gzip, br;q=0.5", {"gzip": 1.0, "br": 0.5}),
        ("GZIP;Q=0.250 ,\tBr ; q=0", {"gzip": 0.25, "br": 0.0}),
        ("text/html;level=1;q=0.4", {"text/html;level=1": 0.4}),
        ("es;q=0.9, es;q=0.1", {"es": 0.9}),
        ("es;q=nonsense, ja;q=-1, en;q=7", {"es;q=nonsense": 1.0, "ja;q=-1": 1.0, "en;q=7": 1.0}),
        (",;, ;q=0.5", {";": 1.0}),
    ],
)
def test_names_have_weights(header: str, weights: dict[str, float]) -> None:
    """Names and `q` may have upper case; what has no weight has 1; a parameter that is no weight belongs to the name."""
    assert weights_of(header) == weights
