"""The login of a node: it owns nothing, cannot change the schema, and does all the work of a node."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from server.cli.doctor_checks import run_checks
from server.embedded import EmbeddedEngines
from server.errors import SetupError
from server.node.node import Node
from server.settings import data_folder
from server.store.database import Database
from server.store.migrations import migrate_up
from server.store.node_login import NODE_LOGIN, allow_node_login
from tests.support.api_client import ApiClient
from tests.support.commands import run_command
from tests.support.engines import FAST_SETTINGS
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node

TABLES = """
    select c.oid::regclass::text from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
       and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
"""

# An owner that may create what migrations need, and is no superuser.
PREPARATION = """
    create role fan_club login createrole;
    grant create on schema public to fan_club;
    grant create on database mysetlist to fan_club;
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


async def _check_node(node: Node, owner_url: str) -> None:
    """Each pool of the node is refused whatever changes a table, and every operation on the database works."""
    async with RowFactory.open(owner_url) as factory:
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


async def test_the_login_of_a_node_owns_nothing(database_url: str, redis_url: str) -> None:
    """A node makes it in a PostgreSQL of its own."""
    async with running_node(database_url, redis_url, has_own_database=True) as node:
        await _check_node(node, database_url)


def recipe() -> str:
    """The SQL of docs/security.md."""
    text = (Path(__file__).parents[3] / "docs" / "security.md").read_text()
    _, _, text = text.partition("## A login that owns nothing")
    return text.partition("```sql\n")[2].partition("```")[0]


async def found_by_doctor(url: str, redis_url: str, data_dir: Path) -> dict[str, tuple[str, str]]:
    checks = await run_checks({"DATABASE_URL": url, "REDIS_URL": redis_url}, data_dir)
    return {
        check.name: (check.verdict, check.found) for check in checks if check.name in ("login", "migrations", "rights")
    }


async def test_the_login_of_an_administrator(engine_dir: Path, redis_url: str, tmp_path: Path) -> None:
    """The SQL of docs/security.md makes the same login in a PostgreSQL that is given by address. Its owner is no superuser."""
    engines = await EmbeddedEngines.start(engine_dir, valkey=False, postgres_settings=FAST_SETTINGS)
    administrator = await asyncpg.connect(engines.database_url)
    owner, login = (engines.database_url.replace("//postgres@", f"//{name}@") for name in ("fan_club", NODE_LOGIN))
    folder, later = tmp_path / "migrations", tmp_path / "later.sql"
    shutil.copytree(data_folder("migrations"), folder)
    newest = max(folder.glob("[0-9]*.sql"))
    newest.rename(later)
    try:
        await administrator.execute(PREPARATION)
        await migrate_up(owner, folder)
        await administrator.execute(recipe())
        with pytest.raises(SetupError, match=f"{newest.stem} is missing, and mysetlist_node does not own the tables"):
            await migrate_up(login, data_folder("migrations"))
        assert (await found_by_doctor(login, redis_url, tmp_path))["migrations"] == (
            "fail", f"{newest.stem} is not applied yet; as the owner of the tables: mysetlist migrate up",
        )  # fmt: skip
        later.rename(newest)
        await migrate_up(owner, folder)
        await allow_node_login(owner)
        assert await migrate_up(login, folder) == []
        assert (await found_by_doctor(login, redis_url, tmp_path))["login"] == ("ok", "mysetlist_node owns nothing")
        verdict, found = (await found_by_doctor(owner, redis_url, tmp_path))["login"]
        assert (verdict, found.partition(",")[0]) == ("ok", "fan_club may change the tables")
        async with running_node(login, redis_url) as node:
            await _check_node(node, engines.database_url)
    finally:
        await administrator.close()
        await engines.stop()


async def test_a_login_without_its_rights(engine_dir: Path, redis_url: str, tmp_path: Path) -> None:
    """Doctor says what a login lacks, and the command that it names gives the functions."""
    engines = await EmbeddedEngines.start(engine_dir, valkey=False, postgres_settings=FAST_SETTINGS)
    administrator = await asyncpg.connect(engines.database_url)
    owner, login = (engines.database_url.replace("//postgres@", f"//{name}@") for name in ("fan_club", NODE_LOGIN))
    try:
        await administrator.execute(PREPARATION)
        await migrate_up(owner, data_folder("migrations"))
        await administrator.execute(recipe())
        verdict, found = (await found_by_doctor(login, redis_url, tmp_path))["login"]
        assert verdict == "fail"
        assert "functions; as the owner of the tables: mysetlist migrate up" in found
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATABASE_URL": owner}
        code, out, err = await run_command("migrate", "up", "--data-dir", str(tmp_path), environ=environ)
        assert (code, out, err) == (0, "the database is up to date\n", "")
        assert (await found_by_doctor(login, redis_url, tmp_path))["login"] == ("ok", "mysetlist_node owns nothing")
        await administrator.execute(f"alter role {NODE_LOGIN} nobypassrls")
        verdict, found = (await found_by_doctor(login, redis_url, tmp_path))["login"]
        assert (verdict, found.partition(";")[0]) == ("fail", "mysetlist_node does not pass row security")
    finally:
        await administrator.close()
        await engines.stop()
