"""Plans of statements, as PostgreSQL explains them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

# Many rows are read where a few are wanted: what a plan must not do to a large table.
ROWS_LARGE = 2_000


@dataclass
class Plan:
    """What a plan does to the tables: those it reads from end to end, and the indexes it uses."""

    read_whole: set[str] = field(default_factory=set)
    indexes: set[str] = field(default_factory=set)

    def add(self, other: Plan) -> None:
        """Takes in another plan."""
        self.read_whole |= other.read_whole
        self.indexes |= other.indexes


@dataclass(frozen=True)
class Explainer:
    """Explains statements on one connection, to a database whose tables it knows."""

    connection: Any
    large: frozenset[str]
    partial: frozenset[str]  # indexes of some rows: reading all of one is what it is for
    parents: dict[str, str]  # partition -> table, index of a partition -> index of the table

    @classmethod
    async def of(cls, connection: Any) -> Explainer:
        """Looks at what there is, and has every statement tell its plan; the database has been analysed."""
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
        """The plan of one statement with these parameters; it is not run."""
        rows = await self.connection.fetch(f"explain (format json) {sql}", *parameters)
        return self.read(json.loads(rows[0][0])[0])

    async def explain_generic(self, sql: str, parameter_count: int) -> Plan:
        """The plan of one statement for whatever parameters."""
        await self.connection.execute(f"set plan_cache_mode = force_generic_plan; prepare explained as {sql}")
        values = f"({', '.join(['null'] * parameter_count)})" if parameter_count else ""
        rows = await self.connection.fetch(f"explain (format json) execute explained{values}")
        await self.connection.execute("deallocate explained; reset plan_cache_mode")
        return self.read(json.loads(rows[0][0])[0])

    @asynccontextmanager
    async def running(self) -> Any:
        """Collects the plans of everything that is run inside, what functions and triggers do included.

        Gives: the list that fills, whole when the block has ended
        """
        plans: list[Plan] = []

        def listen(_connection: Any, message: Any) -> None:
            _, found, plan = message.message.partition("plan:\n")
            if found:
                plans.append(self.read(json.loads(plan)))

        self.connection.add_log_listener(listen)
        try:
            yield plans
            await self.connection.execute("select")  # a plan is told when the next statement begins
            await asyncio.sleep(0)  # and handed over in the loop's next round
        finally:
            self.connection.remove_log_listener(listen)

    def read(self, document: dict[str, Any]) -> Plan:
        """A plan out of PostgreSQL's JSON."""
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
    """Every node of a plan, and whether a limit ends it early: one above it, with nothing between that reads all."""
    if not node:
        return
    yield node, is_limited
    kind = node["Node Type"]
    reads_all = kind in ("Sort", "Hash", "Aggregate", "WindowAgg", "Incremental Sort", "Materialize", "CTE Scan")
    below = kind == "Limit" or (is_limited and not reads_all)
    for child in node.get("Plans", []):
        is_apart = child.get("Parent Relationship") in ("InitPlan", "SubPlan")
        yield from _nodes(child, is_limited=False if is_apart and kind != "Limit" else below)
