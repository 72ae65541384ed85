"""Opens the clients of all available providers: MusicBrainz always, the others when their keys are set."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from server.cache.connection import Ask
from server.cache.gates import Quota
from server.clock import Clock
from server.store.database import Database
from server.store.rule_changes import ChangeRules
from server.sync.clients.musicbrainz import MusicBrainzClient, open_musicbrainz
from server.sync.clients.provider import Provider, ProviderContext
from server.sync.clients.setlistfm import SetlistFmClient, open_setlistfm
from server.sync.clients.spotify import SpotifyClient, open_spotify
from server.sync.clients.ticketmaster import TicketmasterClient, open_ticketmaster


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Addresses and keys of the providers; without its key a provider is not available.

    Takes: contact, an address for providers that want to write to us; quotas by service, instead of the default ones
    """

    musicbrainz_url: str
    setlistfm_url: str
    ticketmaster_url: str
    spotify_url: str
    spotify_accounts_url: str
    setlistfm_key: str | None = None
    ticketmaster_key: str | None = None
    spotify_client: tuple[str, str] | None = None
    contact: str = ""
    quotas: Mapping[str, Quota] | None = None


@dataclass(frozen=True, slots=True)
class Providers:
    """The clients of all available providers, and the way to change the voting rules of shows by what they answer."""

    musicbrainz: MusicBrainzClient
    change_rules: ChangeRules
    setlistfm: SetlistFmClient | None = None
    ticketmaster: TicketmasterClient | None = None
    spotify: SpotifyClient | None = None

    def by_service(self) -> dict[str, Provider]:
        """The available providers by their name in the database."""
        clients = (self.musicbrainz, self.setlistfm, self.ticketmaster, self.spotify)
        return {client.provider.service: client.provider for client in clients if client is not None}


@asynccontextmanager
async def open_providers(
    settings: ProviderSettings,
    database: Database,
    ask: Ask,
    clock: Clock,
    change_rules: ChangeRules,
    *,
    is_urgent: bool = False,
) -> AsyncIterator[Providers]:
    """Opens clients, and closes them at the end of the block. It sends no request.

    Takes: ask, of a Connection to Valkey; is_urgent: a person waits, so the day's whole quota may be used
    """

    def context(service: str, base_url: str) -> ProviderContext:
        quota = (settings.quotas or {}).get(service)
        return ProviderContext(
            base_url, database, ask, clock, contact=settings.contact, is_urgent=is_urgent, quota=quota
        )

    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        yield Providers(
            change_rules=change_rules,
            musicbrainz=await enter(open_musicbrainz(context("musicbrainz", settings.musicbrainz_url))),
            setlistfm=None
            if settings.setlistfm_key is None
            else await enter(open_setlistfm(context("setlistfm", settings.setlistfm_url), settings.setlistfm_key)),
            ticketmaster=None
            if settings.ticketmaster_key is None
            else await enter(
                open_ticketmaster(context("ticketmaster", settings.ticketmaster_url), settings.ticketmaster_key)
            ),
            spotify=None
            if settings.spotify_client is None
            else await enter(
                open_spotify(
                    context("spotify", settings.spotify_url), settings.spotify_accounts_url, *settings.spotify_client
                )
            ),
        )
