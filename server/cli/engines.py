"""The engines and the database that a command works on, with an up-to-date schema."""

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
    from server.voting.rule_changes import RuleChanges

# A sync run works on several artists at the same time.
SYNC_POOL_SIZE = 4


@dataclass(frozen=True, slots=True)
class Engines:
    """Addresses of the engines; `redis_url` is empty for a command that needs no Valkey."""

    database_url: str
    redis_url: str


@asynccontextmanager
async def engines_for(settings: Settings, *, valkey: bool, tables: bool) -> AsyncIterator[Engines]:
    """Opens the engines: by address, else those of the node running on the data dir, else new ones.

    Takes:  valkey, whether the command needs it; tables, whether it needs an up-to-date schema
    Raises: SetupError: an engine cannot be reached or started, or the schema is not up to date
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
    """Migrates a database of our own. A database given by address is only checked: its owner migrates it.

    Raises: SetupError: a database given by address is not up to date
    """
    folder = data_folder("migrations")
    if is_ours:
        await migrate_up(database_url, folder)
    elif any(not migration.is_applied for migration in await migrate_status(database_url, folder)):
        raise SetupError("DATABASE_URL: the database is not up to date; run: mysetlist migrate up")


@asynccontextmanager
async def database_for(settings: Settings) -> AsyncIterator[Database]:
    """Opens the database with the rights of its owner.

    Raises: SetupError: as engines_for
    """
    async with engines_for(settings, valkey=False, tables=True) as engines:
        database = await Database.open(engines.database_url, pool_size=1)
        try:
            yield database
        finally:
            await database.close()


@asynccontextmanager
async def catalogue_for(settings: Settings) -> AsyncIterator[tuple[Database, RuleChanges]]:
    """Opens the database with the rights of its owner, and Valkey, to change shows whose votes are open.

    Raises: SetupError: as engines_for
    """
    from server.voting.rule_changes import open_rule_changes

    async with engines_for(settings, valkey=True, tables=True) as engines:
        database = await Database.open(engines.database_url, pool_size=1)
        try:
            async with open_rule_changes(database, engines.redis_url) as change_rules:
                yield database, change_rules
        finally:
            await database.close()


@asynccontextmanager
async def providers_for(settings: Settings) -> AsyncIterator[tuple[Database, Providers]]:
    """Opens the database and the providers. Requests to providers are urgent: a person waits for them.

    Raises: SetupError: as engines_for
    """
    from server.clock import SystemClock
    from server.node.catalogue_sync import providers_of
    from server.voting.rule_changes import open_rule_changes

    async with engines_for(settings, valkey=True, tables=True) as engines:
        database = await Database.open(engines.database_url, pool_size=SYNC_POOL_SIZE)
        try:
            async with (
                open_rule_changes(database, engines.redis_url) as change_rules,
                providers_of(
                    settings, database, engines.redis_url, SystemClock(), change_rules, is_urgent=True
                ) as providers,
            ):
                yield database, providers
        finally:
            await database.close()
