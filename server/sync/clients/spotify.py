"""Spotify Web API: recordings (https://developer.spotify.com/documentation/web-api). Needs a client id and secret.

Most apps run in what Spotify calls development mode, which lost half of the endpoints and fields between 2024 and 2026.
Withdrawn endpoints are remembered, and other endpoints replace them where possible.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import msgspec

from server.cache.gates import Quota
from server.sync.clients.provider import EndpointWithdrawn, Provider, ProviderContext, open_provider
from server.sync.clients.responses import Failure, ItemByItem, Response, decode
from server.sync.clients.spotify_auth import SpotifyAuth

SERVICE = "spotify"
PAGE_URL = "https://open.spotify.com/artist/"
# Spotify does not publish its limit; it counts over 30 s.
QUOTA = Quota(count_max=60, period_s=30.0, pace_s=0.1)
TTL_S = 86_400.0
MARKET_DEFAULT = "US"
# In development mode larger pages are refused.
SEARCH_ITEMS = 10
QUOTA_WAIT_S = 3_600.0

_WITHDRAWABLE = re.compile(r"/v1/artists/[^/]+/top-tracks$")


class ExternalUrls(msgspec.Struct, frozen=True):
    """The page at Spotify, to which we must link."""

    spotify: str = ""


class ExternalIds(msgspec.Struct, frozen=True):
    """Ids of other registries. The ISRC is the same for every copy of a recording."""

    isrc: str = ""


class Artist(msgspec.Struct, frozen=True):
    """An artist."""

    id: str
    name: str = ""


class Track(msgspec.Struct, frozen=True, rename={"urls": "external_urls"}):
    """A track."""

    id: str
    name: str = ""
    artists: Sequence[Artist] = ()
    urls: ExternalUrls = ExternalUrls()
    external_ids: ExternalIds = ExternalIds()


class _Artists(ItemByItem, frozen=True):
    items: Sequence[Artist] = ()


class _Tracks(ItemByItem, frozen=True):
    items: Sequence[Track] = ()


class _Search(ItemByItem, frozen=True):
    artists: _Artists = _Artists()
    tracks: _Tracks = _Tracks()


class _TrackList(ItemByItem, frozen=True):
    tracks: Sequence[Track] = ()


class SpotifyClient:
    """Reads artists and tracks from Spotify. All methods raise ProviderError and StoreUnavailable.

    Takes: provider, set up for Spotify; market, a country (ISO 3166): without one, Spotify calls everything unavailable
    """

    def __init__(self, provider: Provider, market: str = MARKET_DEFAULT) -> None:
        self.provider = provider
        self._market = market

    async def search_artists(self, name: str) -> Sequence[Artist]:
        """Searches artists by name, the most relevant first."""
        return (await self._search(f'artist:"{_plain(name)}"', "artist")).artists.items

    async def fetch_top_tracks(self, artist: Artist) -> Sequence[Track]:
        """Fetches an artist's most heard tracks, at most ten; when the endpoint was withdrawn, tracks found by name."""
        try:
            found = await self.provider.get(
                f"/v1/artists/{artist.id}/top-tracks", {"market": self._market}, _TrackList, kind="top-tracks",
                ttl_s=TTL_S, endpoint="top-tracks",
            )  # fmt: skip
        except EndpointWithdrawn:
            searched = await self._search(f'artist:"{_plain(artist.name)}"', "track")
            return [track for track in searched.tracks.items if any(by.id == artist.id for by in track.artists)]
        return found.tracks if found else ()

    async def _search(self, query: str, kind: str) -> _Search:
        params = {"q": query, "type": kind, "limit": str(SEARCH_ITEMS), "market": self._market}
        return await self.provider.get("/v1/search", params, _Search, kind="search", ttl_s=TTL_S) or _Search()


@asynccontextmanager
async def open_spotify(
    context: ProviderContext, accounts_url: str, client_id: str, client_secret: str
) -> AsyncIterator[SpotifyClient]:
    """Opens a client, and closes it at the end of the block."""
    auth = SpotifyAuth(accounts_url, client_id, client_secret, context.clock)
    async with open_provider(
        SERVICE,
        QUOTA,
        context,
        headers={"Accept": "application/json"},
        auth=auth,
        classify_failure=_classify_failure,
        secrets=(client_secret,),
    ) as provider:
        yield SpotifyClient(provider)


class _Error(msgspec.Struct, frozen=True):
    message: str = ""
    reason: str = ""


class _ErrorDocument(msgspec.Struct, frozen=True):
    error: _Error = _Error()


def _classify_failure(answer: Response) -> Failure | None:
    """Recognises a used up quota (429), a withdrawn endpoint (403), and an app without a paying owner (403 as plain text)."""
    if answer.status not in (httpx.codes.FORBIDDEN, httpx.codes.TOO_MANY_REQUESTS):
        return None
    try:
        document = decode(answer.body, _ErrorDocument, [])
    except (msgspec.DecodeError, UnicodeDecodeError):
        document = None
    error = document.error if document is not None else None
    if answer.status == httpx.codes.TOO_MANY_REQUESTS:
        if error is not None and error.reason == "QUOTA_EXCEEDED" and "Retry-After" not in answer.headers:
            return Failure("wait", "says that the quota is used up", QUOTA_WAIT_S)
        return None
    if error is None:
        text = " ".join(answer.body[:100].decode("utf-8", "replace").split())
        return Failure("key", f"lets this app use no endpoint: {text}")
    if _WITHDRAWABLE.match(answer.path):
        return Failure("withdrawn", "does not let this app use this endpoint any more")
    return None


def _plain(text: str) -> str:
    """A text without the characters that a quoted filter cannot hold."""
    return " ".join(text.replace('"', " ").replace(":", " ").split())
