"""A database with one show, and a push service; the tests of a file share a database and its connections."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from server.store.database import Database
from tests.support import one_node
from tests.support.row_factory import RowFactory, Show
from tests.support.webpush import Push, PushService


@pytest_asyncio.fixture(loop_scope="module")
async def push(kept_database: Database, kept_factory: RowFactory) -> AsyncIterator[Push]:
    """A database without a show, and a push service."""
    await one_node.empty(kept_factory.sql)
    async with PushService.open() as service:
        push = Push(kept_database, await one_node.begun_again(kept_factory), service)
        yield push
        await push.poster.close()


@pytest_asyncio.fixture(loop_scope="module")
async def show(push: Push) -> Show:
    """A show that is open and begins tomorrow."""
    return await push.factory.show(7)
