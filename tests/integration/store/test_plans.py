"""Plans on a large catalogue: no query reads a large table from end to end, and every index is used.

The parameters of the queries stand in tests/support/plan_parameters.py. Their roles, and the reasons for reading a whole
table, stand in tests/support/plan_cases.py.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosql
import pytest

import server
from server.embedded import EmbeddedEngines
from server.store.database import REQUEST_ROLE, WRITER_ROLE, Database
from tests.support.engines import LoopThread, execute
from tests.support.plan_cases import (
    CALLS,
    OWNER,
    READS_ALL,
    READS_ALL_INSIDE,
    ROLES,
    SHAPES,
    STAFF,
)
from tests.support.plan_parameters import EXAMPLES, PARAMETERS
from tests.support.plans import Explainer, Plan

pytestmark = pytest.mark.timeout(240)

FOLDER = Path(server.__file__).parent
CROWDED = Path(__file__).parents[2] / "support" / "crowded.sql"
# Statements without a plan.
_UTILITIES = ("set ", "analyze ")


def queries() -> Iterator[tuple[str, str, list[str]]]:
    """Name, text and parameters of every named query: `catalog/queries.list_shows`."""
    for path in sorted(FOLDER.rglob("*.sql")):
        loaded: Any = aiosql.from_path(path, "asyncpg", mandatory_parameters=False)
        for name in loaded.available_queries:
            sql = getattr(loaded, name).sql
            if not name.endswith("_cursor") and not sql.lstrip().startswith(_UTILITIES):
                parameters = loaded.driver_adapter.var_sorted.get(name, [])
                yield f"{path.relative_to(FOLDER).with_suffix('')}.{name}", sql, parameters


def role_of(query: str) -> str | None:
    """The role that runs a query."""
    fitting = [known for known in ROLES if query.startswith(known)]
    assert fitting, f"{query}: ROLES does not name its role"
    return ROLES[max(fitting, key=len)]


async def parameters_of(connection: Any, query: str, sql: str, names: list[str], given: dict[str, Any]) -> list[Any]:
    """The parameters to explain a query with.

    Raises: LookupError: no value is known
    """
    prepared = await connection.prepare(sql)
    values = []
    for name, kind in zip(names, prepared.get_parameters(), strict=True):
        typed = f"{name}:{kind.name}"
        if name in given:
            values.append(given[name])
        elif typed in EXAMPLES or name in EXAMPLES:
            values.append(EXAMPLES.get(typed, EXAMPLES.get(name)))
        else:
            raise LookupError(f"{query}: EXAMPLES knows no parameter {name} ({kind.name}), and PARAMETERS gives none")
    return values


@pytest.fixture(scope="module")
def crowded_url(engines: EmbeddedEngines, template_database: str) -> Iterator[str]:
    """A database with 14,000 shows and a large audience, analysed."""
    thread = LoopThread()
    url = engines.database_url.replace("/mysetlist?", "/test_plans?")
    try:
        thread.run(execute(engines.database_url, f"create database test_plans template {template_database}"))
        thread.run(execute(url, CROWDED.read_text()))
        thread.run(execute(url, "vacuum analyze"))
        yield url
        thread.run(execute(engines.database_url, "drop database test_plans with (force)"))
    finally:
        thread.close()


@pytest.fixture(scope="module")
def query_plans(crowded_url: str) -> dict[str, Plan]:
    """The plans of all named queries."""
    return _in_thread(explain_queries(crowded_url))


@pytest.fixture(scope="module")
def call_plans(crowded_url: str) -> dict[str, Plan]:
    """The plans of statements inside functions, triggers and foreign keys."""
    return _in_thread(explain_calls(crowded_url))


def _in_thread(coroutine: Coroutine[Any, Any, dict[str, Plan]]) -> dict[str, Plan]:
    thread = LoopThread()
    try:
        return thread.run(coroutine)
    finally:
        thread.close()


@asynccontextmanager
async def acting(url: str, role: str | None) -> AsyncIterator[Explainer]:
    """A connection from a pool of the server; everything is rolled back at the end."""
    database = await Database.open(url, role=REQUEST_ROLE if role == STAFF else role, pool_size=1)
    try:
        async with database.connection() as connection:
            explainer = await Explainer.of(connection)
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("set constraints all immediate")
            if role in (REQUEST_ROLE, STAFF):
                identity = ("1", "admin") if role == STAFF else ("101", "user")
                await connection.execute(
                    "select set_config('app.user_id', $1, true), set_config('app.role', $2, true)", *identity
                )
            try:
                yield explainer
            finally:
                await transaction.rollback()
    finally:
        await database.close()


async def explain_queries(url: str) -> dict[str, Plan]:
    """The plans of all named queries, each as the role that runs it.

    The writer runs the same few queries again and again, so PostgreSQL may use one generic plan: that is checked too.
    """
    plans: dict[str, Plan] = {}
    unknown: list[str] = []
    everything = sorted(queries(), key=lambda query: str(role_of(query[0])))
    for role, group in itertools.groupby(everything, key=lambda query: role_of(query[0])):
        async with acting(url, role) as explainer:
            for name, sql, names in group:
                plan = plans[name] = Plan()
                for given in PARAMETERS.get(name, [{}]):
                    try:
                        values = await parameters_of(explainer.connection, name, sql, names, given)
                    except LookupError as error:
                        unknown.append(str(error))
                    else:
                        plan.add(await explainer.explain(sql, values))
                if role == WRITER_ROLE:
                    plan.add(await explainer.explain_generic(sql, len(names)))
    assert not unknown, "\n".join(unknown)
    return plans


async def explain_calls(url: str) -> dict[str, Plan]:
    """The plans of all statements inside functions and triggers, each run as its role and rolled back."""
    plans: dict[str, Plan] = {}
    for name, (role, sql) in CALLS.items():
        async with acting(url, role) as explainer, explainer.running() as inside:
            await explainer.connection.execute(sql)
        assert inside, name
        plans[name] = Plan()
        for plan in inside:
            plans[name].add(plan)
    return plans


def check(plans: dict[str, Plan], reads_all: dict[str, dict[str, str]]) -> None:
    """Fails on a large table that is read from end to end without a listed reason, and on a reason that is not needed."""
    unreasoned = {name: plan.read_whole - set(reads_all.get(name, {})) for name, plan in plans.items()}
    offenders = [f"{name} reads all of {', '.join(sorted(tables))}" for name, tables in unreasoned.items() if tables]
    assert not offenders, "\n".join(offenders)
    unneeded = [name for name in reads_all if name not in plans or not plans[name].read_whole]
    assert not unneeded, f"no exception is needed for {', '.join(unneeded)}"


def test_no_query_reads_a_large_table_whole(query_plans: dict[str, Plan]) -> None:
    """Every named query finds its rows by an index, except those that have to read everything."""
    check(query_plans, READS_ALL)


def test_no_function_reads_a_large_table_whole(call_plans: dict[str, Plan]) -> None:
    """Functions, triggers and foreign keys use an index too, except those that have to read everything."""
    check(call_plans, READS_ALL_INSIDE)


async def test_every_filter_has_its_index(crowded_url: str) -> None:
    """The rarest filter of a list decides its plan; without one, the list is read in its order."""
    texts = {name: (sql, names) for name, sql, names in queries()}
    no_filter = dict.fromkeys(("artist_id", "first", "last"))
    async with acting(crowded_url, REQUEST_ROLE) as explainer:
        for query, given, index in SHAPES:
            name = f"catalog/catalogue.{query}"
            sql, names = texts[name]
            values = await parameters_of(explainer.connection, name, sql, names, no_filter | given)
            # Run instead of explained, so that the settings of the pool apply to the plan.
            async with explainer.running() as plans:
                await explainer.connection.fetch(sql, *values)
            found = {
                used
                for plan in plans
                for used in plan.indexes
                if not used.startswith("pg_") and not used.endswith("_pkey")
            }
            assert found == {index}, (query, given)
            assert not any(plan.read_whole for plan in plans), (query, given)


async def test_every_index_is_used(crowded_url: str, query_plans: dict[str, Plan], call_plans: dict[str, Plan]) -> None:
    """Each index is used by a plan above, or enforces a constraint or uniqueness."""
    used = set().union(*(plan.indexes for plan in (*query_plans.values(), *call_plans.values())))
    async with acting(crowded_url, OWNER) as explainer:
        rows = await explainer.connection.fetch(
            "select indexrelid::regclass::text as name from pg_index i join pg_class c on c.oid = i.indrelid"
            " where c.relnamespace = 'public'::regnamespace and not i.indisunique"
            " and not exists (select from pg_inherits h where h.inhrelid = i.indexrelid)"
        )
    assert {row["name"] for row in rows} - used == set()


async def test_every_foreign_key_has_an_index(crowded_url: str) -> None:
    """Otherwise a deletion of the referenced row would read the whole referencing table."""
    async with acting(crowded_url, OWNER) as explainer:
        rows = await explainer.connection.fetch(
            "select conname from pg_constraint c where contype = 'f' and connamespace = 'public'::regnamespace"
            " and not exists (select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = any(c.conkey))"
        )
    assert [row["conname"] for row in rows] == []
