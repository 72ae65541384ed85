"""A database with facts, and a receiver: the tests of a file share a database and its connections."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.webhooks import Hooks, Receiver


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept_hooks(database_url: str) -> AsyncIterator[Hooks]:
    """The connections for all tests of a file."""
    async with Hooks.open(database_url) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def hooks(kept_hooks: Hooks) -> Hooks:
    """A database with one show, which is open, and nothing else."""
    await one_node.empty(kept_hooks.sql)
    hooks = Hooks(kept_hooks.sql, kept_hooks.owner, RowFactory(kept_hooks.factory.sql))
    await hooks.factory.begin()
    await hooks.factory.show(1)
    return hooks


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that takes everything until it is told otherwise."""
    async with Receiver.open() as opened:
        yield opened
