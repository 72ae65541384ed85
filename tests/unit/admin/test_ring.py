"""The ring of the last hour, and one history of several nodes."""

from __future__ import annotations

from server.admin.ring import SECONDS, Ring, merge, merged_second
from server.protocol.vitals import Second

NOW_S = 1_800_000_007


def second(votes: int, p99_ms: float | None = None, watchers: int = 0) -> Second:
    return Second(
        committed_votes=votes,
        acknowledgement_p99_ms=p99_ms,
        oldest_uncommitted_ms=0.0,
        push_lag_p99_ms=None,
        watchers=watchers,
        sockets_behind=0,
        errors=0,
    )


def test_a_ring_keeps_an_hour_in_steps() -> None:
    """A step has the mean of its votes and its worst time. A second of an hour before is gone, an unmeasured one is null."""
    ring = Ring()
    ring.add(NOW_S - SECONDS - 20, second(1_000_000))
    ring.add(NOW_S - 27, second(30, 40.0))
    ring.add(NOW_S - 20, second(10, 90.0))
    ring.add(NOW_S, second(7))
    history = ring.history(NOW_S)
    assert history.until.timestamp() == 1_800_000_010
    assert len(history.committed_votes) == 360
    assert history.committed_votes[-3:] == [20.0, None, 7.0]
    assert history.acknowledgement_p99_ms[-3:] == [90.0, None, None]
    assert set(history.committed_votes[:-3]) == {None}


def test_the_histories_of_nodes_become_one() -> None:
    """Votes and watchers are added, of times the worst counts, and a node whose clock is a step behind is moved."""
    here, there = Ring(), Ring()
    here.add(NOW_S, second(5, 40.0, watchers=3))
    there.add(NOW_S, second(7, 60.0, watchers=4))
    merged = merge([here.history(NOW_S), there.history(NOW_S)])
    assert (merged.committed_votes[-1], merged.watchers[-1], merged.acknowledgement_p99_ms[-1]) == (12, 7, 60)
    late = merge([here.history(NOW_S + 10), there.history(NOW_S)])
    assert late.committed_votes[-2:] == [12, None]
    assert len(late.committed_votes) == 360


def test_the_seconds_of_nodes_become_one() -> None:
    """Nothing measured anywhere stays null, also when there is no node."""
    assert merged_second([second(2, 10.0), second(3)]) == second(5, 10.0)
    assert merged_second([]) == second(0)
