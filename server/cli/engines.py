"""What the commands share: the engines they work on, and a schema that is ready for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.embedded import open_engines
from server.errors import SetupError
from server.settings import Settings, data_folder
from server.store.database import Database
from server.store.migrations import migrate_status, migrate_up

if TYPE_CHECKING:
    from server.sync.providers import Providers

# A run works on several artists at once.
POOL_SIZE = 4


@dataclass(frozen=True, slots=True)
class Engines:
    """Addresses a command may use; `redis_url` is empty for one that said it needs no Valkey."""

    database_url: str
    redis_url: str


@asynccontextmanager
async def engines_for(settings: Settings, *, valkey: bool, tables: bool) -> AsyncIterator[Engines]:
    """The engines for one command: by address, else of the node running on the data dir, else started for it.

    Takes:  valkey, whether it is needed; tables, whether the schema must be there
    Raises: SetupError
    """
    addresses = open_engines(
        settings.data_dir, database_url=settings.database_url, redis_url=settings.redis_url, valkey=valkey
    )
    async with addresses as found:
        assert found.database_url is not None
        if tables:
            await _ensure_tables(found.database_url, is_ours=settings.database_url is None)
        yield Engines(found.database_url, found.redis_url or "")


async def _ensure_tables(database_url: str, *, is_ours: bool) -> None:
    """A database of our own is migrated without asking; anybody else's is not touched in passing.

    Raises: SetupError
    """
    folder = data_folder("migrations")
    if is_ours:
        await migrate_up(database_url, folder)
    elif any(not migration.is_applied for migration in await migrate_status(database_url, folder)):
        raise SetupError("DATABASE_URL: the database is not up to date; run: mysetlist migrate up")


@asynccontextmanager
async def database_for(settings: Settings) -> AsyncIterator[Database]:
    """The database for one command, with its owner's rights.

    Raises: SetupError
    """
    async with engines_for(settings, valkey=False, tables=True) as engines:
        database = await Database.open(engines.database_url, pool_size=1)
        try:
            yield database
        finally:
            await database.close()


@asynccontextmanager
async def providers_for(settings: Settings) -> AsyncIterator[tuple[Database, Providers]]:
    """The database and the providers for one command, somebody waiting for it.

    Raises: SetupError
    """
    from server.clock import SystemClock
    from server.node.catalogue_sync import providers_of

    async with engines_for(settings, valkey=True, tables=True) as engines:
        database = await Database.open(engines.database_url, pool_size=POOL_SIZE)
        try:
            async with providers_of(settings, database, engines.redis_url, SystemClock(), is_urgent=True) as providers:
                yield database, providers
        finally:
            await database.close()


async def new_token(settings: Settings, role: str, ttl_s: int) -> str:
    """A signed token of a user made for it.

    Raises: SetupError
    """
    from server.people.sessions import create_user, mint_token

    async with database_for(settings) as database:
        user_id = await create_user(database, role, ttl_s)
    return mint_token(settings.secret, user_id, role, ttl_s)
