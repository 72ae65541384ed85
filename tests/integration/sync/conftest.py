"""Fixtures for tests of syncs: the tests of a file share a database and its connections, and each has providers of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from server.embedded import EmbeddedEngines
from server.store.database import Database
from server.sync.providers import Providers
from tests.support import one_node
from tests.support import providers as stand_in
from tests.support.provider_clients import open_clients, provider_settings, tireless_services
from tests.support.row_factory import RowFactory


@pytest_asyncio.fixture(loop_scope="module")
async def sql(engines: EmbeddedEngines, kept_factory: RowFactory) -> Any:
    """A connection to look with; the rows of earlier tests are gone."""
    await one_node.empty_engines(engines, kept_factory.sql)
    return kept_factory.sql


@pytest_asyncio.fixture(loop_scope="module")
async def database(kept_database: Database, sql: Any) -> Database:
    """An empty catalogue. Takes: sql, which has emptied it."""
    return kept_database


@pytest_asyncio.fixture(loop_scope="module")
async def provider_services() -> AsyncIterator[stand_in.Providers]:
    """All providers of data, of a world of six artists, with all the time in the world."""
    async with tireless_services() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def providers(
    provider_services: stand_in.Providers, database: Database, redis_url: str
) -> AsyncIterator[Providers]:
    """Clients of all of them."""
    async with open_clients(provider_settings(provider_services), database, redis_url) as clients:
        yield clients
