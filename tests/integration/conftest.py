"""A theatre and a whole node for tests of the vote path and the live side."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from server.app import Node
from tests.support.booth import Booth
from tests.support.theatre import Theatre, running_node


@pytest.fixture
async def theatre(database_url: str) -> AsyncIterator[Theatre]:
    """An empty catalogue to put shows in."""
    async with Theatre.open(database_url) as opened:
        yield opened


@pytest.fixture
async def node(database_url: str, redis_url: str) -> AsyncIterator[Node]:
    """One whole node, ready."""
    async with running_node(database_url, redis_url) as running:
        yield running


@pytest.fixture
async def booth(database_url: str, redis_url: str) -> AsyncIterator[Booth]:
    """An intake on empty engines, without a writer."""
    async with Booth.open(database_url, redis_url) as opened:
        yield opened
