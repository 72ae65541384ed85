"""Error budgets from counted minutes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from server.admin.levels import facts_of, level_row
from server.admin.verdicts import verdicts_of
from server.protocol.levels import BUDGET_DAYS, WINDOWS_S, BudgetWindow, Level

LEVEL = Level("availability", 0.999)
PLACES = list(WINDOWS_S)


def counted(window: BudgetWindow | None, events: int, missed: int, *, day: int = 0) -> Any:
    """A row of fetch_windows: events in this window and in no shorter one; None: before the longest window."""
    place = len(PLACES) if window is None else PLACES.index(window)
    since = dt.datetime(2026, 11, 29, tzinfo=dt.UTC) - dt.timedelta(days=day)
    return {
        "level": "availability",
        "place": place,
        "day": day,
        "event_count": events,
        "missed_count": missed,
        "since": since,
    }


def test_a_budget_is_what_may_be_missed() -> None:
    """One in a thousand may be missed: 1 of 2,000 uses half of it, 3 of 2,000 overdraw it. Without events nothing is known."""
    half = level_row(LEVEL, [counted(None, 2_000, 1, day=20)])
    assert (half.budget_left, half.event_count, half.missed_count) == (0.5, 2_000, 1)
    assert {burn.burn for burn in half.burns} == {None}
    assert half.burn_by_day == [None] * 9 + [0.5] + [None] * (BUDGET_DAYS - 10)
    assert level_row(LEVEL, [counted("5m", 2_000, 3)]).budget_left == -0.5
    nothing = level_row(LEVEL, [])
    assert (nothing.budget_left, nothing.since, facts_of([nothing])) == (None, None, [])


def test_burn_is_of_all_shorter_windows_too() -> None:
    """What happened in the last five minutes happened in the last hour too; two hours ago is in 6 h and 3 days."""
    row = level_row(LEVEL, [counted("5m", 100, 2), counted("1h", 900, 0), counted("6h", 1_000, 10)])
    assert {burn.window: burn.burn for burn in row.burns} == {"5m": 20.0, "30m": 20.0, "1h": 2.0, "6h": 6.0, "3d": 6.0}
    assert {burn.window: burn.missed_count for burn in row.burns}["6h"] == 12


def named(*rows: Any) -> list[str]:
    return [found.verdict.name for found in verdicts_of(facts_of([level_row(LEVEL, list(rows))]))]


def test_a_verdict_needs_both_windows() -> None:
    """It matters over the long window and still goes on in the short one. Fewer than ten misses are no incident."""
    assert named(counted("5m", 1_000, 20)) == ["BudgetBurnsFast", "BudgetBurns", "BudgetBurnsSlowly"]
    assert named(counted("5m", 1_000, 0), counted("30m", 1_000, 40)) == ["BudgetBurns", "BudgetBurnsSlowly"]
    assert named(counted("1h", 1_000, 0), counted("6h", 1_000, 40)) == ["BudgetBurnsSlowly"]
    assert named(counted("6h", 1_000, 0), counted("3d", 1_000, 40)) == []
    assert named(counted("5m", 10, 9)) == []
    (fact, *_) = facts_of([level_row(LEVEL, [counted("5m", 1_000, 20)])])
    assert verdicts_of([fact])[0].cause == (
        "The error budget of votes that the service answers burns at 20 times the allowed pace: "
        "20 missed it in the last hour."
    )
