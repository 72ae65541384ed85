"""Fixtures for a file whose tests share one node: each test makes its own rows, and reads nothing but these.

Such a file says `pytestmark = pytest.mark.asyncio(loop_scope="module")`, so its tests have one event loop, and names
the fixtures that it takes: `node, factory = one_node.node, one_node.factory`, with those that they need.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from server.embedded import EmbeddedEngines
from server.node.node import Node
from tests.support.engines import OpenDatabase, empty_redis
from tests.support.people import People
from tests.support.row_factory import RowFactory
from tests.support.running_node import running_node


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
    """One whole node, ready."""
    async with running_node(database_url, redis_url) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def factory(database_url: str) -> AsyncIterator[RowFactory]:
    """Inserts rows; the catalogue has one artist and one venue."""
    async with RowFactory.open(database_url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(node: Node, factory: RowFactory) -> AsyncIterator[People]:
    """Fans and staff of the node."""
    async with People.open(node, factory) as opened:
        yield opened
