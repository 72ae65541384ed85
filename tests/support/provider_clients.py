"""Clients of a stand-in of all providers, without noticeable limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import stamina

from server.cache.cluster import connection_to
from server.cache.gates import Quota
from server.clock import SystemClock
from server.store.database import Database
from server.sync.clients import ticketmaster
from server.sync.providers import Providers, ProviderSettings, open_providers
from server.voting.reconcile import reopen_shards
from server.voting.rule_changes import RuleChanges
from tests.support import providers as stand_in
from tests.support.providers import spotify
from tests.support.providers.service import Rate
from tests.support.providers.world import World

SERVICES = ("musicbrainz", "setlistfm", "ticketmaster", "spotify")


def provider_settings(provider_services: stand_in.Providers, **more: Any) -> ProviderSettings:
    """The settings for a stand-in of all providers, with large quotas."""
    given = provider_services.environ()
    return ProviderSettings(
        musicbrainz_url=provider_services.url,
        setlistfm_url=provider_services.url,
        ticketmaster_url=provider_services.url,
        spotify_url=provider_services.url,
        spotify_accounts_url=provider_services.url,
        **{
            "setlistfm_key": given["SETLISTFM_API_KEY"],
            "ticketmaster_key": given["TICKETMASTER_API_KEY"],
            "spotify_client": spotify.CLIENT,
            "quotas": dict.fromkeys(SERVICES, Quota(100_000, 1.0)),
        }
        | more,
    )


@asynccontextmanager
async def tireless_services() -> AsyncIterator[stand_in.Providers]:
    """All providers of data, of a world of six artists, with all the time in the world."""
    with stamina.set_testing(True, attempts=4):
        async with stand_in.running_providers(World.make(artists=6)) as running:
            for service in running.services():
                service.rate = Rate(1_000_000, 1.0, 1_000_000)
            yield running


@asynccontextmanager
async def open_clients(wanted: ProviderSettings, database: Database, redis_url: str) -> AsyncIterator[Providers]:
    """Opens the clients, as for a waiting person."""
    valkey = connection_to(redis_url)
    try:
        change_rules = RuleChanges(valkey.ask, partial(reopen_shards, database, redis_url), shard_count=16)
        async with open_providers(
            wanted, database, valkey.ask, SystemClock(), change_rules, is_urgent=True
        ) as providers:
            yield providers
    finally:
        await valkey.close()


async def all_events(client: ticketmaster.TicketmasterClient, **wanted: Any) -> list[ticketmaster.Event]:
    """All pages of a search."""
    return [event async for page in client.search_events(**wanted) for event in page]
