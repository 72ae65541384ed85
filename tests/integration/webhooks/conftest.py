"""A database with facts, and a receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.webhooks import Hooks, Receiver


@pytest.fixture
async def hooks(database_url: str) -> AsyncIterator[Hooks]:
    """A database with one show, which is open."""
    async with Hooks.open(database_url) as opened:
        await opened.factory.show(1)
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that takes everything until it is told otherwise."""
    async with Receiver.open() as opened:
        yield opened
