"""Service levels: what nodes count by the minute, and the error budgets on the page Now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from server.admin.levels import LevelCounts
from server.clock import SystemClock
from server.errors import StoreUnavailable
from server.node.node import Node
from server.protocol.levels import Level, LevelName
from server.telemetry import ACKNOWLEDGEMENT_SECONDS, CASTS
from tests.support.api_client import ApiClient
from tests.support.engines import is_waited_for
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until

MINUTES = "select level, sum(event_count)::int as events, sum(missed_count)::int as missed from level_minutes group by 1 order by 1"


async def levels_of(admin: ApiClient, node: Node) -> dict[str, Any]:
    """The levels on the page Now, read anew."""
    node.rooms.overviews._budgets._read_s = -1e9
    status, seen = await admin.get("/api/admin/overview?history=false")
    assert status == 200, seen
    return {row["name"]: row for row in seen["levels"]}


@pytest.fixture
async def other(database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """A second node."""
    async with running_node(database_url, redis_url) as running:
        yield running


async def test_both_nodes_count_into_one_budget(
    node: Node, other: Node, admin: ApiClient, factory: RowFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused casts and late acknowledgements are missed; while PostgreSQL is away the counts wait, and no event is lost."""
    levels = await levels_of(admin, node)
    assert [levels[name]["budget_left"] for name in ("availability", "acknowledgement", "push")] == [None] * 3
    assert levels["acknowledgement"]["words"] == "acknowledgements within 500 ms"
    # Both nodes of a test share the metrics of the process: each counts every event once.
    for one in (node, other):
        await one.rooms.level_counts.write()
    await factory.sql.execute("delete from level_minutes")
    CASTS.labels("committed").inc(1_990)
    CASTS.labels("unavailable").inc(7)
    CASTS.labels("budget").inc(3)
    ACKNOWLEDGEMENT_SECONDS.observe(0.4)
    ACKNOWLEDGEMENT_SECONDS.observe(1.0)
    await other.rooms.level_counts.write()

    def refuse() -> Any:
        raise StoreUnavailable("away")

    with monkeypatch.context() as away:
        away.setattr(node.rooms.databases.owner, "connection", refuse)
        await node.rooms.level_counts.write()
    await node.rooms.level_counts.write()
    rows = {row["level"]: (row["events"], row["missed"]) for row in await factory.sql.fetch(MINUTES)}
    assert (rows["availability"], rows["acknowledgement"]) == ((4_000, 14), (4, 2))
    levels = await levels_of(admin, node)
    assert (levels["availability"]["budget_left"], levels["availability"]["missed_count"]) == (-2.5, 14)
    (burn, *_) = levels["availability"]["burns"]
    # Both nodes may count in one minute or in two.
    assert burn.pop("missed_minutes") in (1, 2)
    assert burn == {"window": "5m", "burn": 3.5, "missed_count": 14}
    assert levels["availability"]["burn_by_day"][-1] == 3.5
    assert levels["availability"]["since"] is not None


async def test_counts_that_are_being_written_outlive_a_stop(
    node: Node, factory: RowFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that stops in the middle of a write ends it: what was taken out of the counts comes into the table."""
    monkeypatch.setattr("server.admin.levels.WRITE_EVERY_S", 0.0)
    so_far: dict[LevelName, tuple[int, int]] = {"availability": (0, 0)}
    counts = LevelCounts(
        node.rooms.databases.owner, SystemClock(), [Level("availability", 0.999)], lambda: dict(so_far)
    )
    so_far["availability"] = (1_000_000, 0)
    async with factory.sql.transaction():
        await factory.sql.execute("lock table level_minutes in share mode")
        counting = asyncio.create_task(counts.run())
        await until(partial(is_waited_for, factory.sql))
        counting.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await counting
    rows = {row["level"]: row["events"] for row in await factory.sql.fetch(MINUTES)}
    assert rows["availability"] >= 1_000_000


async def test_a_burning_budget_is_named(node: Node, admin: ApiClient, factory: RowFactory) -> None:
    """A month of good minutes and one bad hour: the month's budget is left, and the page says that it burns."""
    await factory.sql.execute(
        "insert into level_minutes (minute, level, event_count, missed_count)"
        " select date_trunc('minute', now(), 'UTC') - n * interval '1 minute', 'push', 1000, case when n < 50 then 200 else 0 end"
        " from generate_series(1, 20000) n"
    )
    levels = await levels_of(admin, node)
    assert levels["push"]["budget_left"] == pytest.approx(0.951)
    assert {burn["window"]: burn["burn"] for burn in levels["push"]["burns"]}["5m"] == 20
    _, seen = await admin.get("/api/admin/overview?history=false")
    assert [finding["name"] for finding in seen["findings"][:1]] == ["BudgetBurnsFast"]
    assert seen["verdict"]["sentence"].startswith(
        "The error budget of pushes within 500 ms of their commit burns at 16."
    )
