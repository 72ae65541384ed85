"""Fixtures for a file whose tests share one node, or a database alone.

Such a file imports this module, by which `tests/integration/conftest.py` knows that its tests have one event loop, and
names the fixtures that it takes, with those that they need: `node, factory = one_node.node, one_node.factory`.

With `factory`, each test makes rows of its own, and reads nothing but these. With `emptied` in its place the rows of
earlier tests are gone, and so are their channels. Without a node, with `emptied_database`, the ids and logs begin again too.

A test that ends with a task under way ends it itself: the event loop goes on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
import redis

from server.embedded import EmbeddedEngines
from server.node.node import Node
from server.store.database import Database
from tests.support.api_client import ApiClient
from tests.support.engines import OpenDatabase, empty_redis
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node, until
from tests.support.vote_path import VotePath

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

# A node has rows of these from its start.
KEPT = ("schema_migrations", "installation", "log_positions", "log_commits", "activity_clock")
# A node remembers by these ids who was banned or signed out, and songs that it counted, so they go on.
REMEMBERED = ("users", "sessions", "api_keys", "shows", "songs", "setlist_songs")
# Sequences that have given a number.
USED_SEQUENCES = """
    select s.oid::regclass::text from pg_class s
      join pg_depend d on d.objid = s.oid and d.deptype = 'i' join pg_class t on t.oid = d.refobjid
     where s.relkind = 'S' and s.relnamespace = 'public'::regnamespace and t.relname::text <> all ($1::text[])
       and case s.relkind when 'S' then pg_sequence_last_value(s.oid) end is not null
"""
# A table with pages had rows. To look for rows in each of a hundred tables is slower than to delete none from thirty.
USED_TABLES = """
    select oid::regclass::text from pg_class
     where relnamespace = 'public'::regnamespace and not relispartition and relname::text <> all ($1::text[])
       and (relkind = 'p' or relkind = 'r' and pg_relation_size(oid) > 0)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database_url(new_database: OpenDatabase) -> AsyncIterator[str]:
    """The database of the shared node."""
    async with new_database() as url:
        yield url


@pytest.fixture(scope="module")
def redis_url(engines: EmbeddedEngines) -> str:
    """The logical database of the shared node."""
    return empty_redis(engines, 0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """One whole node, ready. Its login owns nothing, as with PostgreSQL of its own."""
    async with running_node(database_url, redis_url, has_own_database=True, has_chores=True) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def other(node: Node, database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """A second node beside the first, for one test."""
    async with running_node(database_url, redis_url) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def factory(database_url: str) -> AsyncIterator[RowFactory]:
    """Inserts rows; the catalogue has one artist and one venue."""
    async with RowFactory.open(database_url) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def emptied(node: Node, kept_factory: RowFactory, redis_url: str) -> RowFactory:
    """Inserts rows; the catalogue has one artist and one venue, and nothing else.

    All tests of the file share its connection: a new one would plan the triggers of every table once more.
    """
    # A channel that is still open would show its old state: positions only grow, but those of a new show begin again.
    await until(lambda: has_no_channels(node))
    await empty(kept_factory.sql, KEPT + REMEMBERED)
    cool_all(redis_url)
    return await begun_again(kept_factory)


@pytest_asyncio.fixture(loop_scope="module")
async def emptied_database(engines: EmbeddedEngines, kept_factory: RowFactory, redis_url: str) -> RowFactory:
    """As `emptied`, for a file whose tests share a database and no node."""
    await empty_engines(engines, kept_factory.sql)
    return await begun_again(kept_factory)


@pytest_asyncio.fixture(loop_scope="module")
async def node_of_test(factory: RowFactory, database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """A node for one test of a file whose tests share a database. Takes: factory, which has emptied it."""
    async with running_node(database_url, redis_url) as running:
        yield running


async def begun_again(kept: RowFactory) -> RowFactory:
    """A factory on the same connection, with the first artist and venue."""
    factory = RowFactory(kept.sql)
    await factory.begin()
    return factory


@pytest_asyncio.fixture(loop_scope="module")
async def vote_path(factory: RowFactory, database_url: str, redis_url: str) -> AsyncIterator[VotePath]:
    """An intake on empty engines, without a writer. Takes: factory, which has emptied the database."""
    async with VotePath.open(database_url, redis_url) as opened:
        yield opened


async def empty_engines(engines: EmbeddedEngines, connection: Connection) -> None:
    """Empties a database that no node uses, and its Valkey: ids and logs begin again."""
    await empty(connection)
    await connection.execute("delete from log_commits; update log_positions set position = 0, reset_position = 0")
    empty_redis(engines, 0)


async def has_no_channels(node: Node) -> bool:
    """Whether the node has noticed that the sockets of the last test are closed."""
    return not node.rooms.hub.channels()


async def empty(connection: Connection, going_on: tuple[str, ...] = KEPT) -> None:
    """Deletes what tests insert, and lets the ids begin again. Takes: going_on, tables whose ids go on."""
    await connection.reset()
    tables = await connection.fetch(USED_TABLES, KEPT)
    sequences = await connection.fetch(USED_SEQUENCES, going_on)
    await connection.execute("set session_replication_role = replica")  # no trigger, and no order between the tables
    # Each in a transaction of its own: a chore of the node that has rows of two tables would wait for this, and this for it.
    for row in tables:
        await connection.execute(f"delete from {row[0]}")
    await connection.execute(
        "; ".join(["reset session_replication_role", *(f"alter sequence {row[0]} restart" for row in sequences)])
    )


def cool_all(redis_url: str) -> None:
    """Takes the shows, ballots and tickets of earlier tests out of Valkey, as a node does with a show that is not used."""
    with redis.Redis.from_url(redis_url) as valkey:
        of_shows = [key for key in valkey.scan_iter("{*}:*", count=1_000) if not key.endswith((b":log", b":meta"))]
        if of_shows:
            valkey.delete(*of_shows)


@pytest_asyncio.fixture(loop_scope="module")
async def people(node: Node, factory: RowFactory) -> AsyncIterator[People]:
    """Fans and staff of the node."""
    async with People.open(node, factory) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def moderator(people: People) -> Person:
    """A moderator at the node."""
    return await people.person("moderator")


@pytest_asyncio.fixture(loop_scope="module")
async def admin(node: Node, factory: RowFactory) -> AsyncIterator[ApiClient]:
    """An administrator at the node."""
    user_id = await factory.sql.fetchval("insert into users (role) values ('admin') returning id")
    async with ApiClient.open(node.url, user_id=user_id) as api:
        yield api


@pytest_asyncio.fixture(loop_scope="module")
async def database(database_url: str, factory: RowFactory) -> AsyncIterator[Database]:
    """The database of the shared node, past the node."""
    opened = await Database.open(database_url, pool_size=6)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="module")
async def sql(database_url: str, factory: RowFactory) -> AsyncIterator[Connection]:
    """A connection to look with."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
