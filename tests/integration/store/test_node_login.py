"""The login of a node in a PostgreSQL of its own: it owns nothing, cannot change the schema, and does all the work of a node."""

from __future__ import annotations

from typing import Any

import asyncpg

from server.store.database import Database
from server.store.node_login import NODE_LOGIN
from tests.support.api_client import ApiClient
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node

TABLES = """
    select c.oid::regclass::text from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
       and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
"""


async def _is_refused(connection: Any, statement: str) -> bool:
    """Whether the rights do not suffice."""
    try:
        async with connection.transaction():
            await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    return False


async def _check(database: Database, tables: list[str]) -> None:
    async with database.connection() as connection:
        assert await connection.fetchval("select session_user") == NODE_LOGIN
        owned = "select count(*) from pg_shdepend where refobjid = to_regrole($1) and deptype = 'o'"
        assert await connection.fetchval(owned, NODE_LOGIN) == 0
        forbidden = [
            "create table mine ()", "create schema mine", "create role mine", "set role postgres", "alter role mysetlist_node superuser",
            "set session_replication_role = replica", "drop function commit_votes", "select pg_read_file('PG_VERSION')",
        ]  # fmt: skip
        for table in tables:
            forbidden += [
                f"drop table {table} cascade", f"truncate {table} cascade", f"alter table {table} add column mine integer",
                f"alter table {table} disable trigger all", f"alter table {table} disable row level security",
            ]  # fmt: skip
        assert [statement for statement in forbidden if not await _is_refused(connection, statement)] == []


async def test_the_login_of_a_node_owns_nothing(database_url: str, redis_url: str) -> None:
    """Each pool of the node is refused whatever changes a table, and every operation on the database works."""
    async with (
        RowFactory.open(database_url) as factory,
        running_node(database_url, redis_url, has_own_database=True) as node,
    ):
        tables = [row[0] for row in await factory.sql.fetch(TABLES)]
        assert len(tables) > 50
        databases = node.rooms.databases
        for database in (databases.requests, databases.channels, databases.writer, databases.owner):
            await _check(database, tables if database is databases.owner else ["votes", "audit_log"])
        await factory.sql.execute("create index artists_slug_ccnew on artists (slug)")
        await factory.sql.execute(
            "update pg_index set indisvalid = false where indexrelid = 'artists_slug_ccnew'::regclass"
        )
        user_id: int = await factory.sql.fetchval("insert into users (role) values ('admin') returning id")
        async with ApiClient.open(node.url, user_id=user_id) as admin:
            assert (await admin.done(operation="reindex", table="artists"))["result"]["leftovers_dropped"] == 1
            for body in (
                {"operation": "vacuum", "table": "artists"},
                {"operation": "cleanup"},
                {"operation": "integrity-check", "repair": True},
            ):
                await admin.done(**body)
