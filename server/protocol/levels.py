"""Service levels: what the service promises over 30 days, and how fast it uses up the budget of what may go wrong.

Source: https://sre.google/workbook/alerting-on-slos/, for burn, the windows and their thresholds
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

LevelName = Literal["availability", "acknowledgement", "push"]
BudgetWindow = Literal["5m", "30m", "1h", "6h", "3d"]

BUDGET_DAYS = 30
DAY_S = 86_400
# The windows over which burn is measured, the shortest first. `BUDGET_DAYS` is longer than all of them.
WINDOWS_S: dict[BudgetWindow, int] = {"5m": 300, "30m": 1_800, "1h": 3_600, "6h": 21_600, "3d": 3 * DAY_S}


class BurnPair(NamedTuple):
    """Two windows of a verdict: the long one says that it matters, the short one that it still goes on.

    Takes: limit, of the burn in both windows; missed_min, minutes_min: fewer misses in the long window, or misses in fewer of its
           minutes, are too few, whatever their share is
    """

    long: BudgetWindow
    short: BudgetWindow
    limit: float
    missed_min: int
    minutes_min: int


# The most urgent one first. A minute of trouble, such as a start on a busy machine, is over before somebody could act.
BURN_PAIRS = (
    BurnPair("1h", "5m", limit=14.4, missed_min=50, minutes_min=3),
    BurnPair("6h", "30m", limit=6, missed_min=50, minutes_min=3),
    BurnPair("3d", "6h", limit=1, missed_min=10, minutes_min=1),
)


@dataclass(frozen=True, slots=True)
class Level:
    """A level. Takes: objective, the share of events that must be good; limit_ms, the time of a good one, None: any."""

    name: LevelName
    objective: float
    limit_ms: float | None = None

    @property
    def budget(self) -> float:
        """The share of events that may miss the objective."""
        return round(1 - self.objective, 6)

    @property
    def words(self) -> str:
        """What is promised, in words."""
        limit = f"{self.limit_ms:g}" if self.limit_ms is not None else ""
        return {
            "availability": "votes that the service answers",
            "acknowledgement": f"acknowledgements within {limit} ms",
            "push": f"pushes within {limit} ms of their commit",
        }[self.name]
