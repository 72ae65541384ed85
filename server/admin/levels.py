"""The service levels: each node counts its events by the minute, and the sums of all nodes give the budgets.

While PostgreSQL does not answer, a node keeps its counts and writes them later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from server.admin.queries import levels as queries
from server.clock import Clock, utc_now
from server.errors import StoreError
from server.protocol.levels import BUDGET_DAYS, BURN_PAIRS, WINDOWS_S, BudgetWindow, Level, LevelName
from server.protocol.overview import Burn, LevelRow
from server.protocol.vitals import Fact
from server.store.database import Database
from server.store.finishing import to_its_end
from server.telemetry import LEVEL_BUDGET, LEVEL_EVENTS, LEVEL_MISSED, LEVEL_MISSED_MINUTES

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

WRITE_EVERY_S = 5.0
# While PostgreSQL is down, a node keeps a day of minutes for each level, and drops older ones.
MINUTES_KEPT_MAX = 1_440
# Reading a month of minutes takes about 30 ms.
READ_EVERY_S = 10.0

_WORDS = {"1h": "hour", "6h": "6 hours", "3d": "3 days"}

# Level -> its events so far, and those that missed the objective; both only grow.
ReadCounts = Callable[[], dict[LevelName, tuple[int, int]]]


class LevelCounts:
    """Counts the events of this node. Takes: database, of the owner; read, of this node's metrics."""

    def __init__(self, database: Database, clock: Clock, levels: Sequence[Level], read: ReadCounts) -> None:
        self._database = database
        self._clock = clock
        self._read = read
        self._before = read()
        self._unwritten: dict[tuple[datetime, LevelName], tuple[int, int]] = {}  # the oldest first
        self._level_count = len(levels)
        self._missed_in: dict[LevelName, datetime] = {}  # the last minute with misses
        for level in levels:
            LEVEL_BUDGET.labels(level.name).set(level.budget)

    async def run(self) -> None:
        """Counts until cancelled, and once more at the end."""
        try:
            while True:
                await asyncio.sleep(WRITE_EVERY_S)
                await to_its_end(self.write())
        finally:
            await to_its_end(self.write())

    async def write(self) -> None:
        """Counts the events since the last time, and writes all counts that wait."""
        self._count()
        if not self._unwritten:
            return
        while len(self._unwritten) > MINUTES_KEPT_MAX * self._level_count:
            del self._unwritten[next(iter(self._unwritten))]
        writing, self._unwritten = self._unwritten, {}
        try:
            async with self._database.connection() as connection:
                await queries.add_minutes(
                    connection,
                    minutes=[minute for minute, _ in writing],
                    levels=[level for _, level in writing],
                    event_counts=[events for events, _ in writing.values()],
                    missed_counts=[missed for _, missed in writing.values()],
                )
        except StoreError as error:
            # If PostgreSQL committed the rows before the connection broke, these counts count twice.
            self._unwritten = writing
            log.info("levels.not_written", reason=str(error))

    def _count(self) -> None:
        minute = utc_now(self._clock).replace(second=0, microsecond=0)
        now = self._read()
        for level, (events, missed) in now.items():
            events_before, missed_before = self._before[level]
            if events == events_before:
                continue
            more, more_missed = events - events_before, missed - missed_before
            LEVEL_EVENTS.labels(level).inc(more)
            LEVEL_MISSED.labels(level).inc(more_missed)
            if more_missed and self._missed_in.get(level) != minute:
                self._missed_in[level] = minute
                LEVEL_MISSED_MINUTES.labels(level).inc()
            known, known_missed = self._unwritten.get((minute, level), (0, 0))
            self._unwritten[minute, level] = known + more, known_missed + more_missed
        self._before = now


class Budgets:
    """The budgets of all nodes together, read every few seconds at most."""

    def __init__(self, clock: Clock, levels: Sequence[Level]) -> None:
        self._clock = clock
        self._levels = levels
        self._rows: list[LevelRow] = []
        self._read_s = -READ_EVERY_S

    async def fetch(self, connection: Connection) -> list[LevelRow]:
        """One row for each level. Raises: StoreUnavailable."""
        now_s = self._clock.monotonic_s()
        if now_s - self._read_s >= READ_EVERY_S:
            found = queries.fetch_windows(
                connection, instant=utc_now(self._clock), days=BUDGET_DAYS, ends_s=list(WINDOWS_S.values())
            )
            rows = [row async for row in found]
            self._rows = [
                level_row(level, [row for row in rows if row["level"] == level.name]) for level in self._levels
            ]
            self._read_s = now_s
        return self._rows


def level_row(level: Level, rows: Sequence[Any]) -> LevelRow:
    """The budget of a level. Takes: rows, of the query fetch_windows."""
    days: list[float | None] = [
        _burn(level, [row for row in rows if row["day"] == day]) for day in reversed(range(BUDGET_DAYS))
    ]
    burns = []
    for place, window in enumerate(WINDOWS_S):
        within = [row for row in rows if row["place"] <= place]
        burns.append(
            Burn(
                window=window,
                burn=_burn(level, within),
                missed_count=sum(row["missed_count"] for row in within),
                missed_minutes=sum(row["missed_minutes"] for row in within),
            )
        )
    used = _burn(level, rows)
    return LevelRow(
        name=level.name,
        words=level.words,
        objective=level.objective,
        days_counted=BUDGET_DAYS,
        since=min((row["since"] for row in rows), default=None),
        event_count=sum(row["event_count"] for row in rows),
        missed_count=sum(row["missed_count"] for row in rows),
        budget_left=None if used is None else round(1 - used, 4),
        burns=burns,
        burn_by_day=days,
    )


def facts_of(rows: Sequence[LevelRow]) -> list[Fact]:
    """The facts by which budgets are judged: of each level that burns, its most urgent pair of windows, and the lesser burn of both."""
    facts = []
    for row in rows:
        by_window: dict[BudgetWindow, Burn] = {burn.window: burn for burn in row.burns}
        for pair in BURN_PAIRS:
            long, short = by_window[pair.long], by_window[pair.short]
            burn = min(long.burn or 0.0, short.burn or 0.0)
            is_enough = long.missed_count >= pair.missed_min and long.missed_minutes >= pair.minutes_min
            if burn > pair.limit and is_enough:
                detail = f"{long.missed_count:,} missed it in the last {_WORDS[pair.long]}"
                facts.append(Fact(f"budget_burn_{pair.long}", burn, row.words, detail))
                break
    return facts


def _burn(level: Level, rows: Sequence[Any]) -> float | None:
    """How many times as fast as allowed the budget is used; None: there were no events."""
    events = sum(row["event_count"] for row in rows)
    missed = sum(row["missed_count"] for row in rows)
    return round(missed / events / level.budget, 3) if events else None
