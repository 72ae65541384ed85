"""The gate of a provider: turns, a daily limit and the circuit, counted in a real Valkey for all nodes together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from typing import Any

import pytest

from server.cache.cluster import connection_to
from server.cache.connection import Command, Connection
from server.cache.gates import FAILURES_MAX, OPEN_S, OPEN_S_MAX, Gate, GateShut, Quota
from server.errors import CacheUnavailable
from tests.support.clock import FakeClock

MIDNIGHT_MS = 1_799_971_200_000  # 2027-01-15T00:00:00Z
HOUR_S = 3_600.0


@pytest.fixture
async def valkey(redis_url: str) -> AsyncIterator[Connection]:
    """The connection of one node."""
    connection = connection_to(redis_url)
    yield connection
    await connection.close()


@pytest.fixture
async def second(redis_url: str) -> AsyncIterator[Connection]:
    """The connection of another node."""
    connection = connection_to(redis_url)
    yield connection
    await connection.close()


async def past(valkey: Connection, field: str) -> None:
    """Ends the time of a field of the gate's state."""
    await valkey.ask([("HSET", "{gate:setlistfm}:state", field, "1")])


async def test_turns_come_in_order_and_no_window_is_exceeded(valkey: Connection, second: Connection) -> None:
    """Two nodes in a crowd: never more than count_max turns in a period, none closer than the pace, none lost."""
    quota = Quota(count_max=3, period_s=2.0, pace_s=0.1)
    gates = [Gate("setlistfm", quota, node.ask) for node in (valkey, second)]
    (began, micros) = map(int, (await valkey.ask([("TIME",)]))[0])
    waits = await asyncio.gather(*(gates[number % 2].enter() for number in range(12)))
    took_s = (await valkey.ask([("TIME",)]))[0]
    slack_s = int(took_s[0]) - began + (int(took_s[1]) - micros) / 1e6
    turns = sorted(waits)
    assert turns[0] == 0
    for early, late in zip(turns, turns[3:], strict=False):
        assert late - early > 2.0 - slack_s - 0.002
    for early, late in pairwise(turns):
        assert late - early > 0.1 - slack_s - 0.002
    assert 6.0 + 0.2 - slack_s <= turns[-1] <= 6.0 + 0.3


async def test_a_turn_far_away_is_not_taken(valkey: Connection) -> None:
    """A caller that would wait longer than a minute is refused, and takes no turn."""
    gate = Gate("setlistfm", Quota(count_max=1, period_s=50.0), valkey.ask)
    assert await gate.enter() == 0
    assert 49 < await gate.enter() <= 50
    for _ in range(2):
        with pytest.raises(GateShut, match="too many questions are waiting") as shut:
            await gate.enter()
        assert 99 < shut.value.wait_s <= 100
    assert (await gate.fetch_state()).day_count == 2


async def test_a_daily_limit_lasts_all_day(valkey: Connection) -> None:
    """Questions that can wait get the share of the passed hours, urgent ones get the rest; midnight starts a new day."""
    clock = FakeClock(now_ms=MIDNIGHT_MS)

    async def ask(commands: Sequence[Command]) -> list[Any]:
        """A gate at a given time of day, in place of Valkey's."""
        answers = await valkey.ask(commands)
        return [
            [clock.now_ms() // 1000, 0] if sent == ("TIME",) else got
            for sent, got in zip(commands, answers, strict=True)
        ]

    quota = Quota(count_max=1_000, period_s=1.0, day_max=100)
    patient = Gate("setlistfm", quota, ask)
    urgent = Gate("setlistfm", quota, ask, is_urgent=True)

    async def take(gate: Gate) -> int:
        count = (await gate.fetch_state()).day_count

        async def enter_all() -> None:
            for _ in range(101):
                await gate.enter()

        with pytest.raises(GateShut, match="allows no more questions") as shut:
            await enter_all()
        assert 0 < shut.value.wait_s <= 24 * HOUR_S
        return (await gate.fetch_state()).day_count - count

    assert await take(patient) == 8  # a tenth ahead of the clock, of 85
    clock.advance(12 * HOUR_S)
    assert await take(patient) == 51 - 8
    clock.advance(11.5 * HOUR_S)
    assert await take(patient) == 85 - 51
    assert await take(urgent) == 15
    state = await urgent.fetch_state()
    assert (state.day_count, state.day_max, state.day_left) == (100, 100, 0)
    clock.advance(0.5 * HOUR_S)
    assert await take(urgent) == 100


async def test_a_failing_provider_is_left_alone_and_then_tried_once(valkey: Connection, second: Connection) -> None:
    """Failures in a row open the circuit for all nodes; after its time one question tries; the circuit closes, or stays open
    twice as long.
    """
    here, there = (Gate("setlistfm", Quota(1_000, 1.0), node.ask) for node in (valkey, second))
    for _ in range(FAILURES_MAX - 1):
        assert await here.fail("answered 500") == 0
    assert (await here.fetch_state()).circuit == "closed"
    assert await there.fail("answered 502") == OPEN_S
    state = await here.fetch_state()
    assert (state.circuit, state.reason, state.failures) == ("open", "answered 502", FAILURES_MAX)
    for gate in (here, there):
        with pytest.raises(GateShut, match="answered 502") as shut:
            await gate.enter()
        assert OPEN_S - 2 < shut.value.wait_s <= OPEN_S
    await here.succeed()  # the answer to an earlier question
    assert (await here.fetch_state()).circuit == "open"

    await past(valkey, "open_until_ms")
    assert (await here.fetch_state()).circuit == "half-open"
    assert await here.enter() == 0
    with pytest.raises(GateShut, match="being tried again"):
        await there.enter()
    assert await here.fail("answered 503") == 2 * OPEN_S
    for _ in range(20):
        opened_s = await here.fail("answered 503")
    assert opened_s == OPEN_S_MAX

    await past(valkey, "open_until_ms")
    await there.enter()
    await there.succeed()
    state = await here.fetch_state()
    assert (state.circuit, state.reason, state.failures) == ("closed", None, 0)
    await here.enter()


async def test_a_trying_node_that_dies_is_replaced(valkey: Connection, second: Connection) -> None:
    """A node that was to try and died does not block the others for ever."""
    here, there = (Gate("setlistfm", Quota(1_000, 1.0), node.ask) for node in (valkey, second))
    await here.shut("asked us to wait", 60.0)
    await past(valkey, "open_until_ms")
    await here.enter()
    await past(valkey, "trying_until_ms")
    await there.enter()


async def test_without_valkey_no_question_is_asked() -> None:
    """Without Valkey the limits cannot be counted, so no question is allowed."""
    away = connection_to("redis://127.0.0.1:9")
    with pytest.raises(CacheUnavailable):
        await Gate("setlistfm", Quota(1, 1.0), away.ask).enter()
