"""A small catalogue for the tests of catalog."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from server.store.database import REQUEST_ROLE, Database
from tests.support.small_catalogue import NOW, SmallCatalogue


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """A pool with the rights of requests."""
    database = await Database.open(database_url, role=REQUEST_ROLE, pool_size=2)
    yield database
    await database.close()


@pytest.fixture
async def catalogue(database_url: str) -> AsyncIterator[SmallCatalogue]:
    """A small catalogue in the same database."""
    connection = await asyncpg.connect(database_url)
    catalogue = SmallCatalogue(connection, NOW)
    await catalogue.build()
    yield catalogue
    await connection.close()
