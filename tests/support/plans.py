"""Reads the plans of statements from PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

# A table of so many rows is large: no plan may read it whole to find a few rows.
ROWS_LARGE = 2_000


@dataclass
class Plan:
    """The tables that a plan reads whole, and the indexes that it uses."""

    read_whole: set[str] = field(default_factory=set)
    indexes: set[str] = field(default_factory=set)

    def add(self, other: Plan) -> None:
        """Adds the tables and indexes of another plan."""
        self.read_whole |= other.read_whole
        self.indexes |= other.indexes


@dataclass(frozen=True)
class Explainer:
    """Explains statements on one connection."""

    connection: Any
    large: frozenset[str]
    partial: frozenset[str]  # partial indexes, which may be read whole: they hold the few rows that a query needs
    parents: dict[str, str]  # partition -> table, index of a partition -> index of the table

    @classmethod
    async def of(cls, connection: Any) -> Explainer:
        """Reads the tables and indexes of an analysed database, and makes every statement log its plan."""
        role = await connection.fetchval("show role")
        await connection.execute(
            "set role none; load 'auto_explain'; set auto_explain.log_min_duration = 0;"
            " set auto_explain.log_nested_statements = on; set auto_explain.log_format = json;"
            f" set auto_explain.log_level = notice; set role {role}"
        )
        parents = dict(
            await connection.fetch("select inhrelid::regclass::text, inhparent::regclass::text from pg_inherits")
        )
        large = await connection.fetch(
            "select oid::regclass::text as name from pg_class where relkind = 'r'"
            " and relnamespace = 'public'::regnamespace and reltuples >= $1",
            ROWS_LARGE,
        )
        partial = await connection.fetch(
            "select indexrelid::regclass::text as name from pg_index where indpred is not null"
        )
        return cls(
            connection,
            frozenset(row["name"] for row in large),
            frozenset(row["name"] for row in partial),
            parents,
        )

    async def explain(self, sql: str, parameters: list[Any]) -> Plan:
        """The plan of one statement with these parameters; the statement does not run."""
        rows = await self.connection.fetch(f"explain (format json) {sql}", *parameters)
        return self.read(json.loads(rows[0][0])[0])

    async def explain_generic(self, sql: str, parameter_count: int) -> Plan:
        """The generic plan of one statement, for any parameters."""
        await self.connection.execute(f"set plan_cache_mode = force_generic_plan; prepare explained as {sql}")
        values = f"({', '.join(['null'] * parameter_count)})" if parameter_count else ""
        rows = await self.connection.fetch(f"explain (format json) execute explained{values}")
        await self.connection.execute("deallocate explained; reset plan_cache_mode")
        return self.read(json.loads(rows[0][0])[0])

    @asynccontextmanager
    async def running(self) -> Any:
        """Collects the plans of all statements that run inside the block, those of functions and triggers included.

        Gives: the list of plans, complete when the block has ended
        """
        plans: list[Plan] = []

        def listen(_connection: Any, message: Any) -> None:
            _, found, plan = message.message.partition("plan:\n")
            if found:
                plans.append(self.read(json.loads(plan)))

        self.connection.add_log_listener(listen)
        try:
            yield plans
            await self.connection.execute("select")  # PostgreSQL logs a plan when the next statement begins
            await asyncio.sleep(0)  # and the driver delivers it in the next round of the loop
        finally:
            self.connection.remove_log_listener(listen)

    def read(self, document: dict[str, Any]) -> Plan:
        """The plan in PostgreSQL's JSON."""
        plan = Plan()
        for node, is_limited in _nodes(document.get("Plan", {}), is_limited=False):
            table, index = node.get("Relation Name"), node.get("Index Name")
            if index is not None:
                plan.indexes.add(self.parents.get(index, index))
            is_whole = node["Node Type"] == "Seq Scan" or (
                node["Node Type"] in ("Index Scan", "Index Only Scan")
                and "Index Cond" not in node
                and not is_limited
                and index not in self.partial
            )
            if is_whole and table in self.large:
                plan.read_whole.add(self.parents.get(table, table))
        return plan


def _nodes(node: dict[str, Any], *, is_limited: bool) -> Iterator[tuple[dict[str, Any], bool]]:
    """Every node of a plan, and whether a limit above it ends it early, with no node between them that reads all rows."""
    if not node:
        return
    yield node, is_limited
    kind = node["Node Type"]
    reads_all = kind in ("Sort", "Hash", "Aggregate", "WindowAgg", "Incremental Sort", "Materialize", "CTE Scan")
    below = kind == "Limit" or (is_limited and not reads_all)
    for child in node.get("Plans", []):
        is_apart = child.get("Parent Relationship") in ("InitPlan", "SubPlan")
        yield from _nodes(child, is_limited=False if is_apart and kind != "Limit" else below)
