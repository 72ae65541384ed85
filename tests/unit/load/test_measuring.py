"""The measurements of a crowd: histogram, counts, views and report."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.load.counts import SAMPLES_PER_S_MAX, Counts, merged
from server.load.histogram import Histogram
from server.load.report import last_watcher, report
from server.load.view import KNOWN_PUSHES_MAX, Timeline, Views
from server.load.wire import SubscribedChannel, VotesState


@given(st.lists(st.floats(min_value=0, max_value=2000), min_size=1), st.sampled_from([50, 90, 99]))
def test_percentiles_are_within_a_bucket_of_the_exact_ones(durations: list[float], percent: int) -> None:
    """A percentile is never below the exact one and at most 3.3 % (or 2 µs) above it."""
    histogram = Histogram()
    for duration in durations:
        histogram.record(duration)
    rank = max(1, -(-len(durations) * percent // 100))
    exact_ms = int(sorted(durations)[rank - 1] * 1e6) / 1000
    found_ms = histogram.percentile_ms(percent)
    assert found_ms is not None
    assert exact_ms <= found_ms <= exact_ms * 1.033 + 0.002


@given(st.lists(st.floats(min_value=0, max_value=5000)), st.lists(st.floats(min_value=0, max_value=5000)))
def test_merged_histograms_equal_one_of_all_durations(first: list[float], second: list[float]) -> None:
    """The histograms of two processes, added over JSON, equal one histogram of all durations."""
    parts = [Histogram(), Histogram()]
    whole, total = Histogram(), Histogram()
    for part, durations in zip(parts, (first, second), strict=True):
        for duration in durations:
            part.record(duration)
            whole.record(duration)
        total.add(orjson.loads(orjson.dumps(part.packed())))
    assert total.summary() == whole.summary()


def test_an_empty_histogram_has_no_percentiles() -> None:
    """Without durations the percentiles are None, not zero."""
    assert Histogram().summary() == {"count": 0, "p50": None, "p90": None, "p99": None, "max": None}


def test_durations_beyond_the_range_count_at_its_ends() -> None:
    """A negative duration counts as zero, and a very long one as 35 minutes."""
    histogram = Histogram()
    histogram.record(-1.0)
    histogram.record(1e9)
    assert histogram.percentile_ms(1) == 0
    assert histogram.percentile_ms(100) == pytest.approx((1 << 31) / 1000, rel=1e-6)


def test_samples_are_bounded_a_second() -> None:
    """At most SAMPLES_PER_S_MAX casts a second are sampled."""
    counts = Counts()
    for _ in range(SAMPLES_PER_S_MAX * 2):
        counts.sample(7, 1, 10.5)
    counts.sample(7, 1, 11.0)
    assert len(counts.samples) == SAMPLES_PER_S_MAX + 1


def test_a_milestone_is_reached_with_the_last_view() -> None:
    """A milestone is reached when every view has it; a view that skipped it has it with a later one."""
    timeline = Timeline()
    timeline.view_count = 2
    first = timeline.milestone(10)
    timeline.advance(-1, first, 1.0)
    second = timeline.milestone(20)
    timeline.advance(first, second, 2.0)
    assert timeline.reached_s == [None, None]
    timeline.advance(-1, second, 3.0)
    assert timeline.reached_s == [3.0, 3.0]


def test_a_position_that_comes_late_is_not_timed() -> None:
    """A position that comes after a later one gets no milestone."""
    timeline = Timeline()
    timeline.view_count = 2
    timeline.milestone(20)
    assert timeline.milestone(10) == -1
    assert timeline.milestone(20) == 0
    assert timeline.at_or_before(25) == 0
    assert timeline.at_or_before(19) == -1


def _push(at: int, tally: list[list[int]], show: int = 7) -> bytes:
    return orjson.dumps({"ch": f"votes:{show}", "at": at, "tally": tally, "total": 0})


def test_views_share_a_decoded_push() -> None:
    """The same payload is decoded once for all views, and changes only its songs."""
    views = Views()
    one, two = views.open(7, "one"), views.open(7, "two")
    for view in (one, two):
        view.start_at(SubscribedChannel(at=1, state=VotesState(tally=[(101, 0, 0), (102, 5, 1)])), 0.0)
    push = views.decode(_push(2, [[101, 1, 0]]))
    assert push is not None
    assert push is views.decode(_push(2, [[101, 1, 0]]))
    assert one.apply(push, 1.0)
    assert two.apply(push, 1.5)
    assert one.tally == two.tally == {101: (1, 0), 102: (5, 1)}
    assert views.timelines[7].reached_s == [1.5]


def test_an_older_push_is_reported_and_not_applied() -> None:
    """A push with an older position changes nothing, and `apply` says so."""
    views = Views()
    view = views.open(7, "one")
    view.start_at(SubscribedChannel(at=5, state=VotesState(tally=[(101, 3, 0)])), 0.0)
    old = views.decode(_push(4, [[101, 1, 0]]))
    assert old is not None
    assert not view.apply(old, 1.0)
    assert view.tally == {101: (3, 0)}


def test_earlier_milestones_do_not_wait_for_a_later_view() -> None:
    """A milestone does not wait for a view that was opened after it."""
    views = Views()
    early = views.open(7, "early")
    early.start_at(SubscribedChannel(at=1, state=VotesState()), 0.0)
    push = views.decode(_push(2, []))
    assert push is not None
    late = views.open(7, "late")
    late.start_at(SubscribedChannel(at=2, state=VotesState()), 0.5)
    early.apply(push, 1.0)
    assert views.timelines[7].reached_s == [1.0]


def test_known_pushes_are_bounded() -> None:
    """The number of kept decoded pushes has a limit."""
    views = Views()
    views.open(7, "one")
    for at in range(KNOWN_PUSHES_MAX * 2):
        views.decode(_push(at, []))
    assert len(views._known) <= KNOWN_PUSHES_MAX


def test_pushes_a_second_are_counted_for_each_view() -> None:
    """Each view keeps its largest number of pushes within one second of the clock."""
    views = Views()
    view = views.open(7, "one")
    view.start_at(SubscribedChannel(at=0, state=VotesState()), 0.0)
    for at, now_s in enumerate((1.0, 1.5, 1.9, 2.0, 2.1)):
        push = views.decode(_push(at, []))
        assert push is not None
        view.apply(push, now_s)
    assert (view.frames, view.per_s_max) == (5, 3)


def _result(counts: Counts, timelines: dict[str, object], views: int) -> dict[str, Any]:
    return {
        "counts": counts.packed(),
        "per_s_max": 4,
        "view_frames": 8,
        "views": views,
        "timelines": timelines,
        "connected": views,
    }


def test_the_last_watcher_is_the_last_of_all_processes() -> None:
    """The latency of a cast is that of the slowest process with views of its show."""
    counts = Counts()
    counts.sample(7, 15, 100.0)
    counts.sample(7, 25, 100.0)
    results = [
        _result(counts, {}, 0),
        _result(Counts(), {"7": {"positions": [10, 20], "reached_s": [100.0, 100.05]}}, 1),
        _result(Counts(), {"7": {"positions": [16], "reached_s": [100.125]}}, 1),
    ]
    summary = last_watcher(merged([result["counts"] for result in results]), results)
    assert summary is not None
    assert (summary["count"], summary["unreached"]) == (1, 1)
    assert summary["max"] == pytest.approx(125.0)


def test_a_report_is_one_json_object_and_adds_up() -> None:
    """The counts of all processes are added, and rates are over the measured seconds."""
    one, two = Counts(), Counts()
    one.sent = one.committed = one.votes = 30
    two.sent, two.accepted, two.votes = 10, 10, 10
    two.count_error("budget")
    told = report(
        {"seed": 1},
        [_result(one, {}, 2), _result(two, {}, 2)],
        shows=1,
        began_s=5.0,
        ended_s=7.0,
        interrupted=False,
        convergence_ms=None,
        verified=None,
    )
    assert orjson.loads(orjson.dumps(told)) == told
    assert (told["casts"]["sent"], told["votes_per_s"], told["errors"]) == (40, 20.0, {"budget": 1})
    assert told["pushes"]["per_s_mean"] == 2.0
    assert told["ok"] is True
