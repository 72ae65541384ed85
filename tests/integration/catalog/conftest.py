"""A small catalogue for the tests of catalog; those of a file share a database and its connections."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from server.store.database import REQUEST_ROLE, Database
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.small_catalogue import NOW, SmallCatalogue


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def db(database_url: str) -> AsyncIterator[Database]:
    """A pool with the rights of requests."""
    database = await Database.open(database_url, role=REQUEST_ROLE, pool_size=2)
    yield database
    await database.close()


@pytest_asyncio.fixture(loop_scope="module")
async def catalogue(kept_factory: RowFactory) -> SmallCatalogue:
    """A small catalogue in the same database, without the rows of earlier tests."""
    await one_node.empty(kept_factory.sql)
    catalogue = SmallCatalogue(kept_factory.sql, NOW)
    await catalogue.build()
    return catalogue
