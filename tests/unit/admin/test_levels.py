"""Error budgets from counted minutes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from server.admin.levels import facts_of, level_row
from server.admin.verdicts import verdicts_of
from server.protocol.levels import BUDGET_DAYS, WINDOWS_S, BudgetWindow, Level

LEVEL = Level("availability", 0.999)
PLACES = list(WINDOWS_S)


def counted(window: BudgetWindow | None, events: int, missed: int, *, day: int = 0, minutes: int = 5) -> Any:
    """A row of fetch_windows: events in this window and in no shorter one; None: before the longest window. Takes: minutes, of misses."""
    place = len(PLACES) if window is None else PLACES.index(window)
    since = dt.datetime(2026, 11, 29, tzinfo=dt.UTC) - dt.timedelta(days=day)
    return {
        "level": "availability",
        "place": place,
        "day": day,
        "event_count": events,
        "missed_count": missed,
        "missed_minutes": minutes if missed else 0,
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


def test_a_level_is_named_once_by_its_most_urgent_burn() -> None:
    """It matters over the long window and still goes on in the short one. A burn that is less urgent adds nothing."""
    assert named(counted("5m", 1_000, 200)) == ["BudgetBurnsFast"]
    assert named(counted("5m", 1_000, 0), counted("30m", 1_000, 200)) == ["BudgetBurns"]
    assert named(counted("1h", 1_000, 0), counted("6h", 1_000, 200)) == ["BudgetBurnsSlowly"]
    assert named(counted("6h", 1_000, 0), counted("3d", 1_000, 200)) == []
    row = level_row(LEVEL, [counted("5m", 1_000, 200)])
    push = level_row(Level("push", 0.99, 500), [counted("3d", 2_000, 0), counted("6h", 1_000, 200)])
    fast, slow = verdicts_of(facts_of([row, push]))
    assert fast.cause == (
        "The error budget of votes that the service answers burns at 200 times the allowed pace: "
        "200 missed it in the last hour."
    )
    assert slow.verdict.name == "BudgetBurnsSlowly"
    assert slow.cause.startswith("The error budget of pushes within 500 ms of their commit")


def test_few_misses_or_a_short_moment_are_not_urgent() -> None:
    """A node that starts on a busy machine is late for a minute, and a quiet day has large shares: neither says "act now"."""
    assert named(counted("5m", 60, 49)) == ["BudgetBurnsSlowly"]
    assert named(counted("5m", 5_000, 4_000, minutes=2)) == ["BudgetBurnsSlowly"]
    assert named(counted("5m", 5_000, 2_000, minutes=2), counted("30m", 1_000, 1, minutes=1)) == ["BudgetBurnsFast"]
    assert named(counted("5m", 10, 9)) == []
