"""Fixtures for tests of mail: the tests of a file share a database and its connections."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from server.store.database import Database
from tests.support import one_node
from tests.support.mailing import Mailing
from tests.support.row_factory import RowFactory
from tests.support.smtp_server import SmtpServer


@pytest_asyncio.fixture(loop_scope="module")
async def mailing(kept_database: Database, kept_factory: RowFactory) -> Mailing:
    """Fans with addresses, and shows to tell them about; the rows of earlier tests are gone."""
    await one_node.empty(kept_factory.sql)
    mailing = Mailing(kept_factory.sql, kept_database)
    await mailing.begin()
    return mailing


@pytest_asyncio.fixture(loop_scope="module")
async def smtp_server() -> AsyncIterator[SmtpServer]:
    """A mail server that takes everything until it is told otherwise."""
    async with SmtpServer.open() as opened:
        yield opened
