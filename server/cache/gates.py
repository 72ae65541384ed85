"""Gates before providers, shared by all nodes: rate limits, daily limits, and circuits that open after failures.

One script in Valkey does all three, because they are one decision. Two libraries cannot: `limits` polls windows of whole
seconds, and `purgatory` reads and writes a circuit in separate steps, so two nodes could both try (docs/adr/0025).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from server.cache.connection import Ask
from server.cache.keys import gate_keys

# Failures in a row that open a circuit. It stays open for OPEN_S, and twice as long after each further failure.
FAILURES_MAX = 5
OPEN_S = 15.0
OPEN_S_MAX = 900.0
# After the open time, one question tries the provider again. For this long, no other question may.
TRYING_S = 60.0
# A caller does not wait longer than this for its turn.
WAIT_S_MAX = 60.0
# Questions that are not urgent leave URGENT_SHARE of the day's limit to urgent ones. They are spread evenly over the day,
# and may run ahead of that by AHEAD_SHARE of a day.
URGENT_SHARE = 0.15
AHEAD_SHARE = 0.1
DAY_S = 86_400
REASON_CHARS_MAX = 200

_SCRIPT = Path(__file__).with_name("gate.lua").read_text()

Circuit = Literal["closed", "half-open", "open"]


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of a provider.

    Takes: count_max, questions in any period_s; pace_s, the least time between two questions; day_max, questions in a
           UTC day, None: no limit
    """

    count_max: int
    period_s: float
    pace_s: float = 0.0
    day_max: int | None = None


class GateShut(Exception):
    """The provider may not be asked now. Takes: reason, for a person; wait_s, the time until it may be asked again."""

    def __init__(self, reason: str, wait_s: float) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class GateState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a gate. reason, open_for_s: set while the circuit is not closed; day_left: null without a daily limit."""

    circuit: Circuit
    reason: str | None
    open_for_s: float
    failures: int
    day_count: int
    day_max: int | None
    day_left: int | None


class Gate:
    """The gate of one provider. Every time is Valkey's, so that nodes whose clocks differ count the same day.

    Takes: ask, of a Connection; is_urgent: a person is waiting, so all of the day's limit may be used
    """

    def __init__(self, service: str, quota: Quota, ask: Ask, *, is_urgent: bool = False) -> None:
        self.service = service
        self.quota = quota
        self._ask = ask
        self.is_urgent = is_urgent

    async def enter(self) -> float:
        """Takes a turn.

        Gives:  how long to wait until the turn [s]
        Raises: GateShut: the circuit is open, the provider asked us to wait, or a limit is reached; nothing was counted
                CacheUnavailable: without Valkey nothing can be counted, so the provider may not be asked
        """
        quota = self.quota
        now = await self._valkey_now()
        answer, wait_ms, *details = await self._run(
            str(now.date()),
            "enter",
            quota.count_max,
            _ms(quota.period_s),
            _ms(quota.pace_s),
            _ms(WAIT_S_MAX),
            quota.day_max or 0,
            self._allowed_by(now),
            _ms(TRYING_S),
        )
        if answer == b"go":
            return float(wait_ms) / 1000
        if answer == b"shut":
            raise GateShut(details[0].decode(), wait_ms / 1000)
        if answer == b"full":
            raise GateShut("too many questions are waiting for it", wait_ms / 1000)
        raise GateShut("its daily limit allows no more questions for now", self._until_more_s(now))

    async def succeed(self) -> None:
        """Closes the circuit: an answer came.

        Raises: CacheUnavailable
        """
        await self._run("", "leave", "ok", FAILURES_MAX, 0, 0, "")

    async def fail(self, reason: str) -> float:
        """Counts a failure: no usable answer came.

        Gives:  how long the circuit stays open [s]; 0: it is closed
        Raises: CacheUnavailable
        """
        reply = await self._run(
            "", "leave", "failed", FAILURES_MAX, _ms(OPEN_S), _ms(OPEN_S_MAX), reason[:REASON_CHARS_MAX]
        )
        return float(reply[1]) / 1000

    async def shut(self, reason: str, for_s: float) -> None:
        """Opens the circuit: the provider asked us to wait, or will refuse us for a while.

        Raises: CacheUnavailable
        """
        await self._run("", "leave", "shut", FAILURES_MAX, _ms(for_s), 0, reason[:REASON_CHARS_MAX])

    async def reopen(self) -> None:
        """Closes the circuit and forgets the reason.

        Raises: CacheUnavailable
        """
        await self._ask([("DEL", gate_keys(self.service, "")[0])])

    async def fetch_state(self) -> GateState:
        """Reads the state of the gate.

        Raises: CacheUnavailable
        """
        now = await self._valkey_now()
        state_key, _, day_key = gate_keys(self.service, str(now.date()))
        state, day_count = await self._ask([("HGETALL", state_key), ("GET", day_key)])
        fields = dict(zip(state[::2], state[1::2], strict=True))
        now_ms = int(now.timestamp() * 1000)
        open_until_ms = int(fields.get(b"open_until_ms", 0))
        circuit: Circuit = "closed" if not open_until_ms else "open" if open_until_ms > now_ms else "half-open"
        count = int(day_count or 0)
        day_max = self.quota.day_max
        return GateState(
            circuit=circuit,
            reason=fields[b"reason"].decode() if open_until_ms else None,
            open_for_s=max(0, open_until_ms - now_ms) / 1000,
            failures=int(fields.get(b"failures", 0)),
            day_count=count,
            day_max=day_max,
            day_left=None if day_max is None else max(0, day_max - count),
        )

    async def _run(self, day: str, *arguments: str | int) -> list[Any]:
        (reply,) = await self._ask([("EVAL", _SCRIPT, 3, *gate_keys(self.service, day), *arguments)])
        return list(reply)

    async def _valkey_now(self) -> dt.datetime:
        ((seconds, microseconds),) = await self._ask([("TIME",)])
        return dt.datetime.fromtimestamp(int(seconds), dt.UTC).replace(microsecond=int(microseconds))

    def _allowed_by(self, now: dt.datetime) -> int:
        """The number of questions allowed by this time: questions that are not urgent are spread over the day."""
        day_max = self.quota.day_max or 0
        if self.is_urgent:
            return day_max
        share = min(1.0, _day_elapsed_s(now) / DAY_S + AHEAD_SHARE) * (1 - URGENT_SHARE)
        return int(day_max * share)

    def _until_more_s(self, now: dt.datetime) -> float:
        """The time until one more question is allowed: until midnight, or until the day has advanced by its share."""
        until_midnight_s = DAY_S - _day_elapsed_s(now)
        if self.is_urgent or self.quota.day_max is None:
            return until_midnight_s
        return min(until_midnight_s, DAY_S / (self.quota.day_max * (1 - URGENT_SHARE)) + 1)


def _day_elapsed_s(now: dt.datetime) -> float:
    return (now - dt.datetime.combine(now.date(), dt.time(), dt.UTC)).total_seconds()


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
