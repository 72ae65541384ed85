"""A database with one show, and a push service."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.row_factory import Show
from tests.support.webpush import Push


@pytest.fixture
async def push(database_url: str) -> AsyncIterator[Push]:
    """A database and a push service."""
    async with Push.open(database_url) as opened:
        yield opened


@pytest.fixture
async def show(push: Push) -> Show:
    """A show that is open and begins tomorrow."""
    return await push.factory.show(7)
