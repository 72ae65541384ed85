"""What is read from metrics once a second."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from server.node.readings import Quantile, Rise, sum_of, value_of
from server.telemetry import FAILURES_KEPT_MAX, Failures

BUCKETS = (0.01, 0.1, 1.0)


def test_a_rise_forgets_what_is_older() -> None:
    """It counts from the node's start, and only the last seconds."""
    counter = Counter("events", "", ["kind"], registry=CollectorRegistry())
    counter.labels("bad").inc(100)
    rise = Rise(lambda: sum_of(counter, "bad".__eq__), 2)
    counter.labels("bad").inc(3)
    counter.labels("good").inc(50)
    assert rise.take() == 3
    assert rise.take() == 3
    assert rise.take() == 0
    assert (value_of(counter, "bad"), value_of(counter, "none")) == (103, 0)


def test_a_quantile_is_of_the_last_seconds() -> None:
    """It lies within the bucket that holds it; without observations there is none, and past the last bucket only its limit."""
    histogram = Histogram("times", "", ["pool"], buckets=BUCKETS, registry=CollectorRegistry())
    histogram.labels("old").observe(5)
    quantile = Quantile(histogram, 0.5, 1)
    assert quantile.take_ms() is None
    for seconds in (0.005, 0.05, 0.05, 0.05):
        histogram.labels("a").observe(seconds)
    assert quantile.take_ms() == 40.0
    histogram.labels("b").observe(30)
    assert quantile.take_ms() == 1000.0
    assert quantile.take_ms() is None
    demanding = Quantile(histogram, 0.5, 1, count_min=2)
    histogram.labels("b").observe(0.05)
    assert demanding.take_ms() is None


def test_failures_of_one_kind_are_one() -> None:
    """With their count and the newest request. Plain records are none, and only so many kinds are kept."""
    failures = Failures()
    for number in range(3):
        failures.note(
            None,
            "warning",
            {"event": "round.failed", "error": "gone", "request_id": f"r{number}", "trace_id": f"t{number}"},
        )
    failures.note(None, "error", {"event": "request.failed", "exc_info": ValueError("a name")})
    failures.note(None, "warning", {"event": "proxy.not_trusted"})
    failures.note(None, "info", {"event": "operation.ended", "status": "succeeded", "error": ""})
    newest, before = failures.newest(10)
    assert (newest.action, newest.detail, newest.count) == ("request.failed", "ValueError", 1)
    assert (before.action, before.detail, before.count, before.request_id, before.trace_id) == (
        "round.failed",
        "gone",
        3,
        "r2",
        "t2",
    )
    assert (failures.name_trace("t2"), failures.name_trace("t1")) == (True, False)
    assert failures.total == 4
    for number in range(FAILURES_KEPT_MAX):
        failures.note(None, "error", {"event": "other.failed", "error": str(number)})
    assert len(failures.newest(1000)) == FAILURES_KEPT_MAX
    assert failures.newest(1)[0].detail == str(FAILURES_KEPT_MAX - 1)
