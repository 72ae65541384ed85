"""Service levels: what the service promises over 30 days, and how fast it uses up the budget of what may go wrong.

Source: https://sre.google/workbook/alerting-on-slos/, for burn, the windows and their thresholds
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LevelName = Literal["availability", "acknowledgement", "push"]
BudgetWindow = Literal["5m", "30m", "1h", "6h", "3d"]

BUDGET_DAYS = 30
DAY_S = 86_400
# The windows over which burn is measured, the shortest first. `BUDGET_DAYS` is longer than all of them.
WINDOWS_S: dict[BudgetWindow, int] = {"5m": 300, "30m": 1_800, "1h": 3_600, "6h": 21_600, "3d": 3 * DAY_S}
# A long window says that it matters, a short one that it still goes on.
BURN_PAIRS: tuple[tuple[BudgetWindow, BudgetWindow], ...] = (("1h", "5m"), ("6h", "30m"), ("3d", "6h"))
# Fewer misses in the long window are no incident, whatever their share is.
MISSED_MIN = 10


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
