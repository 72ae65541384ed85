"""A database with facts, and a receiver: the tests of a file share a database and its connections."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from server.store.database import Database
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.webhooks import Hooks, Receiver


@pytest_asyncio.fixture(loop_scope="module")
async def hooks(kept_database: Database, kept_factory: RowFactory) -> Hooks:
    """A database with one show, which is open, and nothing else."""
    await one_node.empty(kept_factory.sql)
    hooks = Hooks(kept_database, await one_node.begun_again(kept_factory))
    await hooks.factory.show(1)
    return hooks


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that takes everything until it is told otherwise."""
    async with Receiver.open() as opened:
        yield opened
