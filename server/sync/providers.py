"""The providers a node or a command may ask: MusicBrainz always, the others when it has their keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from server.cache.gates import Ask, Quota
from server.clock import Clock
from server.store.database import Database
from server.sync.clients.musicbrainz import MusicBrainzClient, open_musicbrainz
from server.sync.clients.provider import Provider, ProviderContext
from server.sync.clients.setlistfm import SetlistFmClient, open_setlistfm
from server.sync.clients.spotify import SpotifyClient, open_spotify
from server.sync.clients.ticketmaster import TicketmasterClient, open_ticketmaster


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Where the providers are, and the keys to them; a key that is None: that one is not asked.

    Takes: contact, whom they may write to about our questions; quotas, by service, instead of what they allow everybody
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
    """Clients of all that may be asked."""

    musicbrainz: MusicBrainzClient
    setlistfm: SetlistFmClient | None = None
    ticketmaster: TicketmasterClient | None = None
    spotify: SpotifyClient | None = None

    def by_service(self) -> dict[str, Provider]:
        """Those that may be asked, by the name the database has for them."""
        clients = (self.musicbrainz, self.setlistfm, self.ticketmaster, self.spotify)
        return {client.provider.service: client.provider for client in clients if client is not None}


@asynccontextmanager
async def open_providers(
    access: ProviderSettings, database: Database, ask: Ask, clock: Clock, *, is_urgent: bool = False
) -> AsyncIterator[Providers]:
    """Clients for as long as they are needed.

    Takes: ask, a Connection to Valkey's; is_urgent: a person is waiting, so the whole day's budget may be used
    """

    def link(service: str, base_url: str) -> ProviderContext:
        quota = (access.quotas or {}).get(service)
        return ProviderContext(base_url, database, ask, clock, contact=access.contact, is_urgent=is_urgent, quota=quota)

    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        yield Providers(
            musicbrainz=await enter(open_musicbrainz(link("musicbrainz", access.musicbrainz_url))),
            setlistfm=None
            if access.setlistfm_key is None
            else await enter(open_setlistfm(link("setlistfm", access.setlistfm_url), access.setlistfm_key)),
            ticketmaster=None
            if access.ticketmaster_key is None
            else await enter(open_ticketmaster(link("ticketmaster", access.ticketmaster_url), access.ticketmaster_key)),
            spotify=None
            if access.spotify_client is None
            else await enter(
                open_spotify(link("spotify", access.spotify_url), access.spotify_accounts_url, *access.spotify_client)
            ),
        )
