"""How long the writer gathers votes between two transactions."""

from __future__ import annotations

import pytest

from server.voting.writer import COMMIT_INTERVAL_S, interval_s


@pytest.mark.parametrize(("commit_ms", "interval_ms"), [(0, 0), (4, 5), (12, 15), (32, 40), (500, 40)])
def test_the_writer_waits_as_long_as_its_transactions_take(commit_ms: int, interval_ms: int) -> None:
    """A vote on a quiet service is durable soon; a slow PostgreSQL gets few large transactions, and no vote waits longer for that."""
    assert interval_s(commit_ms / 1000) == pytest.approx(interval_ms / 1000)
    assert interval_s(commit_ms / 1000) <= COMMIT_INTERVAL_S
