"""Fixtures for the tests of people."""

from __future__ import annotations

import pytest_asyncio

from server.people.sessions import mint_token
from tests.support.people import People, Person
from tests.support.personal_data import LEAVER
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET


@pytest_asyncio.fixture(loop_scope="module")
async def leaver(people: People, factory: RowFactory) -> Person:
    """A user whose id appears nowhere else."""
    await factory.sql.execute("insert into users (id) overriding system value values ($1)", LEAVER)
    other = await people.person()
    return Person(LEAVER, "user", other.http, other.url, mint_token(SECRET, LEAVER, "user"))
