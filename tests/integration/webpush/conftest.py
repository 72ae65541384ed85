"""A database with one show, and a push service; the tests of a file share a database and its connections."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support import one_node
from tests.support.row_factory import RowFactory, Show
from tests.support.webpush import Push, PushService


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept_push(database_url: str) -> AsyncIterator[Push]:
    """The connections for all tests of a file."""
    async with Push.open(database_url) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def push(kept_push: Push) -> AsyncIterator[Push]:
    """A database without a show, and a push service."""
    await one_node.empty(kept_push.sql)
    async with PushService.open() as service:
        push = Push(kept_push.sql, kept_push.owner, RowFactory(kept_push.factory.sql), service)
        await push.factory.begin()
        yield push
        await push.poster.close()


@pytest_asyncio.fixture(loop_scope="module")
async def show(push: Push) -> Show:
    """A show that is open and begins tomorrow."""
    return await push.factory.show(7)
