"""A connection of the server learns types with a cheap query."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.store import type_lookup
from server.store.database import connect


@pytest.fixture
async def learning(database_url: str) -> AsyncIterator[tuple[Any, list[str]]]:
    """A new connection, and all statements that it sends."""
    connection = await connect(database_url)
    statements: list[str] = []
    connection.add_query_logger(lambda record: statements.append(record.query))
    yield connection, statements
    await connection.close()


@pytest.mark.parametrize(
    ("kind", "value", "is_own"),
    [
        ("int8[]", [1, None, 1 << 40], True),
        ("date[]", [dt.date(2026, 11, 30), None], True),
        ("bool[][]", [[True], [False]], True),
        ("sync_service", "spotify", False),
        ("sync_service[]", ["spotify", None], False),
    ],
)
async def test_types_without_parts_are_asked_for_once(
    learning: Any, database_url: str, monkeypatch: pytest.MonkeyPatch, *, kind: str, value: Any, is_own: bool
) -> None:
    """They go there and back, and the driver's own query is not sent. Arrays of PostgreSQL's own types are known to all connections."""
    monkeypatch.setattr(type_lookup, "_OWN_ARRAYS", {})
    connection, statements = learning
    for _ in range(2):
        assert await connection.fetchval(f"select $1::{kind}", value) == value
    assert not any("RECURSIVE" in statement for statement in statements)
    assert sum("pg_type" in statement for statement in statements) == 1
    other = await connect(database_url)
    other.add_query_logger(lambda record: statements.append(record.query))
    assert await other.fetchval(f"select $1::{kind}", value) == value
    assert sum("pg_type" in statement for statement in statements) == (1 if is_own else 2)
    await other.close()


async def test_types_with_parts_are_those_of_the_driver(learning: Any) -> None:
    """A composite type, a domain, a range, and an array of the first."""
    connection, _ = learning
    await connection.execute("create type pg_temp.pair as (a int8[], b sync_service)")
    await connection.execute("create domain pg_temp.small as int2 check (value < 9)")
    query = (
        "select row(array[1, 2], 'spotify')::pg_temp.pair as pair, $1::pg_temp.small as small, int4range(1, 3) as range,"
        " array[row(array[3], null)::pg_temp.pair] as pairs"
    )
    row = await connection.fetchrow(query, 7)
    assert (tuple(row["pair"]), row["small"], row["range"].lower) == (([1, 2], "spotify"), 7, 1)
    assert [tuple(pair) for pair in row["pairs"]] == [([3], None)]
