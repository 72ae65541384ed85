"""A theatre and a whole node for tests of the vote path and the live side."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from server.node.node import Node
from server.store.database import Database
from tests.support import one_node
from tests.support import providers as stand_in
from tests.support.api_client import ApiClient
from tests.support.people import People, Person
from tests.support.provider_clients import tireless_services
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node
from tests.support.vote_path import VotePath


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Module | pytest.Class, obj: object) -> None:
    """The tests of a file with one node have one event loop, like its fixtures.

    They are marked before pytest-asyncio sees them: later it would make a loop, a node and a database for each of them.
    """
    module = collector.getparent(pytest.Module)
    if module is not None and getattr(module.obj, "one_node", None) is one_node and inspect.iscoroutinefunction(obj):
        pytest.mark.asyncio(loop_scope="module")(obj)


@pytest.fixture
async def factory(database_url: str) -> AsyncIterator[RowFactory]:
    """An empty catalogue to put shows in."""
    async with RowFactory.open(database_url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept_factory(database_url: str) -> AsyncIterator[RowFactory]:
    """A connection for all tests of a file that share a node; see `one_node.emptied`."""
    async with RowFactory.open(database_url, is_empty=False) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept_database(database_url: str) -> AsyncIterator[Database]:
    """A pool for all tests of a file."""
    opened = await Database.open(database_url, pool_size=6)
    yield opened
    await opened.close()


@pytest.fixture
def has_chores() -> bool:
    """Whether the node does chores. A file whose tests need them has its own."""
    return False


@pytest.fixture
async def node(database_url: str, redis_url: str, has_chores: bool) -> AsyncIterator[Node]:
    """One whole node, ready."""
    async with running_node(database_url, redis_url, has_chores=has_chores) as running:
        yield running


@pytest.fixture
async def other(node: Node, database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """A second node beside the first, without chores."""
    async with running_node(database_url, redis_url) as running:
        yield running


@pytest.fixture
async def people(node: Node, factory: RowFactory) -> AsyncIterator[People]:
    """Fans and staff of the node."""
    async with People.open(node, factory) as opened:
        yield opened


@pytest.fixture
async def moderator(people: People) -> Person:
    """A moderator at the node."""
    return await people.person("moderator")


@pytest.fixture
async def vote_path(database_url: str, redis_url: str) -> AsyncIterator[VotePath]:
    """An intake on empty engines, without a writer."""
    async with VotePath.open(database_url, redis_url) as opened:
        yield opened


@pytest.fixture
async def admin(node: Node, factory: RowFactory) -> AsyncIterator[ApiClient]:
    """An administrator at the node."""
    user_id = await factory.sql.fetchval("insert into users (role) values ('admin') returning id")
    async with ApiClient.open(node.url, user_id=user_id) as api:
        yield api


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An empty catalogue."""
    opened_database = await Database.open(database_url, pool_size=6)
    yield opened_database
    await opened_database.close()


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[Any]:
    """A connection to look with."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def provider_services() -> AsyncIterator[stand_in.Providers]:
    """All providers of data, of a world of six artists, with all the time in the world."""
    async with tireless_services() as running:
        yield running
