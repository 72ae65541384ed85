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
from server.sync.clients.responses import Failure, Response
from server.sync.clients.spotify_auth import SpotifyAuth

SERVICE = "spotify"
PAGE_URL = "https://open.spotify.com/artist/"
# Spotify does not publish its limit; it counts over 30 s.
QUOTA = Quota(count_max=60, period_s=30.0, pace_s=0.1)
TTL_S = 86_400.0
ARTIST_TTL_S = 7 * 86_400.0
MARKET_DEFAULT = "US"
# The page sizes. In development mode larger pages are refused.
SEARCH_ITEMS = 10
ALBUM_ITEMS = 10
ALBUM_TRACK_ITEMS = 50
SEEDS_MAX = 5
ALBUM_PAGES_MAX = 20
QUOTA_WAIT_S = 3_600.0

_WITHDRAWABLE = re.compile(
    r"/v1/(artists|tracks|albums|audio-features|recommendations|artists/[^/]+/top-tracks|audio-features/[^/]+)$"
)


class ExternalUrls(msgspec.Struct, frozen=True):
    """The page at Spotify, to which we must link."""

    spotify: str = ""


class ExternalIds(msgspec.Struct, frozen=True):
    """Ids of other registries. The ISRC is the same for every copy of a recording."""

    isrc: str = ""


class Artist(msgspec.Struct, frozen=True, rename={"urls": "external_urls"}):
    """An artist; apps in development mode get no genres and no popularity."""

    id: str
    name: str = ""
    urls: ExternalUrls = ExternalUrls()
    genres: Sequence[str] = ()
    popularity: int | None = None


class Album(
    msgspec.Struct, frozen=True, rename={"urls": "external_urls", "type": "album_type", "released": "release_date"}
):
    """A release; `released` is a day, a month or a year."""

    id: str = ""
    name: str = ""
    type: str = ""
    released: str = ""
    urls: ExternalUrls = ExternalUrls()
    artists: Sequence[Artist] = ()


class Track(msgspec.Struct, frozen=True, rename={"urls": "external_urls"}):
    """A track; tracks of an album come without their album and without their ISRC."""

    id: str
    name: str = ""
    artists: Sequence[Artist] = ()
    album: Album | None = None
    duration_ms: int = 0
    explicit: bool = False
    urls: ExternalUrls = ExternalUrls()
    external_ids: ExternalIds = ExternalIds()
    popularity: int | None = None


class AudioFeatures(msgspec.Struct, frozen=True):
    """The audio features of a track; key -1: unknown."""

    id: str = ""
    tempo: float | None = None
    energy: float | None = None
    danceability: float | None = None
    valence: float | None = None
    key: int | None = None
    duration_ms: int | None = None


class _Artists(msgspec.Struct, frozen=True):
    items: Sequence[Artist | None] = ()


class _Tracks(msgspec.Struct, frozen=True):
    items: Sequence[Track | None] = ()
    next: str | None = None


class _Albums(msgspec.Struct, frozen=True):
    items: Sequence[Album | None] = ()
    next: str | None = None


class _Search(msgspec.Struct, frozen=True):
    artists: _Artists = _Artists()
    tracks: _Tracks = _Tracks()


class _TrackList(msgspec.Struct, frozen=True):
    tracks: Sequence[Track | None] = ()


class _ArtistList(msgspec.Struct, frozen=True):
    artists: Sequence[Artist | None] = ()


class _FeatureList(msgspec.Struct, frozen=True):
    audio_features: Sequence[AudioFeatures | None] = ()


class SpotifyClient:
    """Reads artists and tracks from Spotify. All methods raise ProviderError and StoreUnavailable.

    Takes: provider, set up for Spotify; market, a country (ISO 3166): without one, Spotify calls everything unavailable
    """

    def __init__(self, provider: Provider, market: str = MARKET_DEFAULT) -> None:
        self.provider = provider
        self._market = market

    async def search_artists(self, name: str) -> list[Artist]:
        """Searches artists by name, the most relevant first."""
        found = await self._search(f'artist:"{_plain(name)}"', "artist")
        return [artist for artist in found.artists.items if artist]

    async def search_tracks(self, title: str, artist: str) -> list[Track]:
        """Searches tracks by title and artist."""
        found = await self._search(f'track:"{_plain(title)}" artist:"{_plain(artist)}"', "track")
        return [track for track in found.tracks.items if track]

    async def fetch_artist(self, artist_id: str) -> Artist | None:
        """Fetches an artist; None: unknown id."""
        return await self.provider.get(f"/v1/artists/{artist_id}", {}, Artist, kind="artist", ttl_s=ARTIST_TTL_S)

    async def fetch_artists(self, artist_ids: Sequence[str]) -> list[Artist | None]:
        """Fetches several artists in order, None for unknown ids; one by one when the endpoint was withdrawn."""
        try:
            found = await self.provider.get(
                "/v1/artists", {"ids": ",".join(artist_ids)}, _ArtistList, kind="artists", ttl_s=ARTIST_TTL_S,
                endpoint="artists",
            )  # fmt: skip
        except EndpointWithdrawn:
            return [await self.fetch_artist(one) for one in artist_ids]
        return list(found.artists) if found else []

    async def fetch_top_tracks(self, artist: Artist) -> list[Track]:
        """Fetches an artist's most heard tracks, at most ten; when the endpoint was withdrawn, tracks found by name."""
        try:
            found = await self.provider.get(
                f"/v1/artists/{artist.id}/top-tracks", {"market": self._market}, _TrackList, kind="top-tracks",
                ttl_s=TTL_S, endpoint="top-tracks",
            )  # fmt: skip
        except EndpointWithdrawn:
            searched = await self._search(f'artist:"{_plain(artist.name)}"', "track")
            return [
                track for track in searched.tracks.items if track and any(by.id == artist.id for by in track.artists)
            ]
        return [track for track in found.tracks if track] if found else []

    async def fetch_albums(self, artist_id: str) -> AsyncIterator[list[Album]]:
        """Fetches an artist's albums and singles, a page at a time."""
        for page in range(ALBUM_PAGES_MAX):
            params = {
                "include_groups": "album,single",
                "limit": str(ALBUM_ITEMS),
                "offset": str(page * ALBUM_ITEMS),
                "market": self._market,
            }
            found = await self.provider.get(
                f"/v1/artists/{artist_id}/albums", params, _Albums, kind="albums", ttl_s=TTL_S
            )
            yield [album for album in found.items if album] if found else []
            if found is None or found.next is None:
                return

    async def fetch_album_tracks(self, album_id: str) -> list[Track]:
        """Fetches the tracks of an album, the first ALBUM_TRACK_ITEMS."""
        params = {"limit": str(ALBUM_TRACK_ITEMS), "market": self._market}
        found = await self.provider.get(f"/v1/albums/{album_id}/tracks", params, _Tracks, kind="album", ttl_s=TTL_S)
        return [track for track in found.items if track] if found else []

    async def fetch_track(self, track_id: str) -> Track | None:
        """Fetches a track with its ISRC, perhaps under another id that this market has; None: unknown id."""
        return await self.provider.get(
            f"/v1/tracks/{track_id}", {"market": self._market}, Track, kind="track", ttl_s=TTL_S
        )

    async def fetch_tracks(self, track_ids: Sequence[str]) -> list[Track | None]:
        """Fetches several tracks in order, None for unknown ids; one by one when the endpoint was withdrawn."""
        params = {"ids": ",".join(track_ids), "market": self._market}
        try:
            found = await self.provider.get(
                "/v1/tracks", params, _TrackList, kind="tracks", ttl_s=TTL_S, endpoint="tracks"
            )
        except EndpointWithdrawn:
            return [await self.fetch_track(one) for one in track_ids]
        return list(found.tracks) if found else []

    async def fetch_recommendations(
        self, *, artist_ids: Sequence[str] = (), track_ids: Sequence[str] = ()
    ) -> list[Track]:
        """Fetches tracks similar to at most SEEDS_MAX artists and tracks; none when the endpoint was withdrawn."""
        params = {
            "seed_artists": ",".join(artist_ids[:SEEDS_MAX]),
            "seed_tracks": ",".join(track_ids[: max(0, SEEDS_MAX - len(artist_ids))]),
            "market": self._market,
        }
        try:
            found = await self.provider.get(
                "/v1/recommendations", {name: value for name, value in params.items() if value}, _TrackList,
                kind="recommendations", ttl_s=TTL_S, endpoint="recommendations",
            )  # fmt: skip
        except EndpointWithdrawn:
            return []
        return [track for track in found.tracks if track] if found else []

    async def fetch_audio_features(self, track_ids: Sequence[str]) -> dict[str, AudioFeatures]:
        """Fetches audio features by id; none when the endpoint was withdrawn."""
        try:
            found = await self.provider.get(
                "/v1/audio-features", {"ids": ",".join(track_ids)}, _FeatureList, kind="audio-features", ttl_s=TTL_S,
                endpoint="audio-features",
            )  # fmt: skip
        except EndpointWithdrawn:
            return {}
        return {features.id: features for features in found.audio_features if features} if found else {}

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
        error = msgspec.json.decode(answer.body, type=_ErrorDocument).error
    except msgspec.DecodeError:
        error = None
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
