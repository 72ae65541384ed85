"""A stand-in of setlist.fm, Ticketmaster, Spotify and MusicBrainz: one server, real HTTP, real limits.

`python -m tests.support.providers` runs it for a local node; tests use `running_providers`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from tests.support.providers import setlistfm, spotify, ticketmaster
from tests.support.providers.musicbrainz import MusicBrainz
from tests.support.providers.service import Service
from tests.support.providers.setlistfm import SetlistFm
from tests.support.providers.spotify import Spotify
from tests.support.providers.ticketmaster import Ticketmaster
from tests.support.providers.world import World


@dataclass
class Providers:
    """All four providers, of one world."""

    world: World
    setlistfm: SetlistFm
    ticketmaster: Ticketmaster
    spotify: Spotify
    musicbrainz: MusicBrainz
    url: str = ""

    @classmethod
    def of(cls, world: World) -> Providers:
        """Makes all four providers."""
        return cls(world, SetlistFm(world), Ticketmaster(world), Spotify(world), MusicBrainz(world))

    def services(self) -> list[Service]:
        """All four providers."""
        return [self.setlistfm, self.ticketmaster, self.spotify, self.musicbrainz]

    @property
    def violations(self) -> list[str]:
        """Violations of the providers' rules."""
        return [one for service in self.services() for one in service.violations]

    @property
    def asked_count(self) -> int:
        """The number of requests."""
        return sum(len(service.asked) for service in self.services())

    def environ(self) -> dict[str, str]:
        """The settings with which a node or a command uses the stand-in."""
        names = (
            "SETLISTFM_API_URL",
            "TICKETMASTER_API_URL",
            "SPOTIFY_API_URL",
            "SPOTIFY_ACCOUNTS_URL",
            "MUSICBRAINZ_API_URL",
        )
        return dict.fromkeys(names, self.url) | {
            "SETLISTFM_API_KEY": setlistfm.KEY,
            "TICKETMASTER_API_KEY": ticketmaster.KEY,
            "SPOTIFY_CLIENT_ID": spotify.CLIENT[0],
            "SPOTIFY_CLIENT_SECRET": spotify.CLIENT[1],
        }

    def application(self) -> web.Application:
        """The application that serves them."""
        app = web.Application()
        for one in (self.setlistfm, self.ticketmaster, self.spotify, self.musicbrainz):
            app.add_routes(one.routes())
        return app


@asynccontextmanager
async def running_providers(world: World | None = None, *, port: int = 0) -> AsyncIterator[Providers]:
    """Runs all four on one local port, by default a free one."""
    providers = Providers.of(world or World.make())
    runner = web.AppRunner(providers.application(), handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        providers.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield providers
    finally:
        await runner.cleanup()
