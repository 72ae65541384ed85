"""The synchronisation of the catalogue with providers, for one node: clients, the scheduler, endpoints for staff."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from server.cache.cluster import connection_to
from server.clock import Clock
from server.protocol.http.endpoints import Endpoint
from server.settings import Settings
from server.store.database import Database
from server.store.rule_changes import ChangeRules
from server.sync.identity_reviews import IdentityReviewRoutes
from server.sync.providers import Providers, ProviderSettings, open_providers
from server.sync.routes import SyncRoutes
from server.sync.schedules import build_scheduler


def provider_settings(settings: Settings) -> ProviderSettings:
    """The addresses of the providers and the keys to them."""
    client_id, client_secret = settings.spotify_client_id, settings.spotify_client_secret
    return ProviderSettings(
        musicbrainz_url=settings.musicbrainz_api_url,
        setlistfm_url=settings.setlistfm_api_url,
        ticketmaster_url=settings.ticketmaster_api_url,
        spotify_url=settings.spotify_api_url,
        spotify_accounts_url=settings.spotify_accounts_url,
        setlistfm_key=settings.setlistfm_api_key,
        ticketmaster_key=settings.ticketmaster_api_key,
        spotify_client=(client_id, client_secret) if client_id and client_secret else None,
        contact=settings.public_url or settings.mail_from or socket.gethostname(),
    )


@asynccontextmanager
async def providers_of(
    settings: Settings,
    database: Database,
    redis_url: str,
    clock: Clock,
    change_rules: ChangeRules,
    *,
    is_urgent: bool = False,
) -> AsyncIterator[Providers]:
    """Clients of MusicBrainz and of all providers that the settings have keys for. None is asked yet.

    Takes: is_urgent, as open_providers takes it
    """
    valkey = connection_to(redis_url)
    try:
        async with open_providers(
            provider_settings(settings), database, valkey.ask, clock, change_rules, is_urgent=is_urgent
        ) as providers:
            yield providers
    finally:
        await valkey.close()


class CatalogueSync:
    """Takes: owner, a database with the rights of its owner; providers, opened by `providers_of`."""

    def __init__(self, owner: Database, clock: Clock, providers: Providers) -> None:
        self._owner = owner
        self._clock = clock
        self._providers = providers

    def endpoints(self) -> list[Endpoint]:
        """Endpoints for the web application."""
        return [
            *SyncRoutes(self._owner, self._providers, self._clock).endpoints(),
            *IdentityReviewRoutes(self._owner).endpoints(),
        ]

    def loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Loops of the node. Without any key there is no loop: a developer's own node asks no provider by itself."""
        if len(self._providers.by_service()) == 1:
            return {}
        return {"sync": build_scheduler(self._owner, self._providers).run()}
