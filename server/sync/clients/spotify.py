"""Spotify Web API: recordings (https://developer.spotify.com/documentation/web-api). Needs a client id and secret.

Most apps are in what Spotify calls development mode, which lost half of the endpoints and fields between 2024 and 2026:
what was withdrawn is remembered, and there is another way where there can be one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import msgspec

from server.cache.gates import Quota
from server.clock import Clock
from server.errors import ProviderError
from server.sync.clients.provider import EndpointWithdrawn, Provider, ProviderContext, open_provider
from server.sync.clients.responses import Failure, Response

SERVICE = "spotify"
PAGE_URL = "https://open.spotify.com/artist/"
# Its limit is not told; it counts over 30 s.
QUOTA = Quota(count_max=60, period_s=30.0, pace_s=0.1)
TTL_S = 86_400.0
ARTIST_TTL_S = 7 * 86_400.0
MARKET_DEFAULT = "US"
# The most that development mode allows; more is refused.
SEARCH_ITEMS = 10
ALBUM_ITEMS = 10
ALBUM_TRACK_ITEMS = 50
SEEDS_MAX = 5
ALBUM_PAGES_MAX = 20
# Tokens are for an hour; a new one is asked for a little before that.
TOKEN_EARLY_S = 60.0
QUOTA_WAIT_S = 3_600.0

_WITHDRAWABLE = re.compile(
    r"/v1/(artists|tracks|albums|audio-features|recommendations|artists/[^/]+/top-tracks|audio-features/[^/]+)$"
)


class ExternalUrls(msgspec.Struct, frozen=True):
    """Pages to link back to."""

    spotify: str = ""


class ExternalIds(msgspec.Struct, frozen=True):
    """The ISRC is the same for every copy of a recording."""

    isrc: str = ""


class Artist(msgspec.Struct, frozen=True, rename={"urls": "external_urls"}):
    """An artist; genres and popularity are not for apps in development mode."""

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
    """A track; those of an album come without their album and without their ISRC."""

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
    """How a track sounds; key -1: not found out."""

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
    """Takes: provider, set up for Spotify; market, a country (ISO 3166), without which everything counts as unavailable.

    All methods raise ProviderError and StoreUnavailable.
    """

    def __init__(self, provider: Provider, market: str = MARKET_DEFAULT) -> None:
        self.provider = provider
        self._market = market

    async def search_artists(self, name: str) -> list[Artist]:
        """Artists of about that name, the likeliest first."""
        found = await self._search(f'artist:"{_plain(name)}"', "artist")
        return [artist for artist in found.artists.items if artist]

    async def search_tracks(self, title: str, artist: str) -> list[Track]:
        """Tracks of about that title by somebody of about that name."""
        found = await self._search(f'track:"{_plain(title)}" artist:"{_plain(artist)}"', "track")
        return [track for track in found.tracks.items if track]

    async def fetch_artist(self, artist_id: str) -> Artist | None:
        """An artist; None: there is none."""
        return await self.provider.get(f"/v1/artists/{artist_id}", {}, Artist, kind="artist", ttl_s=ARTIST_TTL_S)

    async def fetch_artists(self, artist_ids: Sequence[str]) -> list[Artist | None]:
        """Several, in order, None for unknown ones; one by one where batches were withdrawn."""
        try:
            found = await self.provider.get(
                "/v1/artists", {"ids": ",".join(artist_ids)}, _ArtistList, kind="artists", ttl_s=ARTIST_TTL_S,
                endpoint="artists",
            )  # fmt: skip
        except EndpointWithdrawn:
            return [await self.fetch_artist(one) for one in artist_ids]
        return list(found.artists) if found else []

    async def fetch_top_tracks(self, artist: Artist) -> list[Track]:
        """What people hear most of an artist, at most ten; where that was withdrawn: what a search by name finds of theirs."""
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
        """An artist's albums and singles, a page at a time."""
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
        """The tracks of an album, the first ALBUM_TRACK_ITEMS."""
        params = {"limit": str(ALBUM_TRACK_ITEMS), "market": self._market}
        found = await self.provider.get(f"/v1/albums/{album_id}/tracks", params, _Tracks, kind="album", ttl_s=TTL_S)
        return [track for track in found.items if track] if found else []

    async def fetch_track(self, track_id: str) -> Track | None:
        """A track with its ISRC, perhaps under another id that is played in this market; None: there is none."""
        return await self.provider.get(
            f"/v1/tracks/{track_id}", {"market": self._market}, Track, kind="track", ttl_s=TTL_S
        )

    async def fetch_tracks(self, track_ids: Sequence[str]) -> list[Track | None]:
        """Several, in order, None for unknown ones; one by one where batches were withdrawn."""
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
        """Tracks like those, SEEDS_MAX together at most; none where it was withdrawn: there is no other way."""
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
        """How tracks sound, by id; none where it was withdrawn: there is no other way."""
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


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float = 3600.0


class TokenAuth(httpx.Auth):
    """A token for what needs no user (RFC 6749, section 4.4), fetched once for everybody who waits for it.

    An answer of 401 means that it is over before its time: a new one is fetched, once.
    """

    def __init__(self, accounts_url: str, client_id: str, client_secret: str, clock: Clock) -> None:
        self._accounts_url = accounts_url
        self._client = (client_id, client_secret)
        self._clock = clock
        self._turn = asyncio.Lock()
        self._token = ""
        self._good_until_s = 0.0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Puts the token on a request.

        Raises: ProviderError: there is no token for us; httpx.HTTPError
        """
        token = await self._fresh("")
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {await self._fresh(token)}"
            yield request

    async def _fresh(self, refused: str) -> str:
        """A token that is good and not the one that was refused."""
        async with self._turn:
            if self._token in ("", refused) or self._clock.monotonic_s() >= self._good_until_s:
                await self._fetch()
            return self._token

    async def _fetch(self) -> None:
        async with httpx.AsyncClient(base_url=self._accounts_url, timeout=10.0) as http:
            answer = await http.post("/api/token", auth=self._client, data={"grant_type": "client_credentials"})
        if (
            answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
            or answer.status_code == httpx.codes.TOO_MANY_REQUESTS
        ):
            raise httpx.RemoteProtocolError(f"the token endpoint answered {answer.status_code}")
        if answer.status_code != httpx.codes.OK:
            raise ProviderError(
                SERVICE, f"gives no token for SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET ({answer.status_code})"
            )
        try:
            token = msgspec.json.decode(answer.content, type=_Token, strict=False)
        except msgspec.DecodeError:
            raise httpx.RemoteProtocolError("the token endpoint makes no sense") from None
        self._token = token.access_token
        self._good_until_s = self._clock.monotonic_s() + max(1.0, token.expires_in - TOKEN_EARLY_S)


@asynccontextmanager
async def open_spotify(
    link: ProviderContext, accounts_url: str, client_id: str, client_secret: str
) -> AsyncIterator[SpotifyClient]:
    """A client for as long as it is needed."""
    auth = TokenAuth(accounts_url, client_id, client_secret, link.clock)
    async with open_provider(
        SERVICE,
        QUOTA,
        link,
        headers={"Accept": "application/json"},
        auth=auth,
        explain=_explain,
        secrets=(client_secret,),
    ) as provider:
        yield SpotifyClient(provider)


class _Error(msgspec.Struct, frozen=True):
    message: str = ""
    reason: str = ""


class _Said(msgspec.Struct, frozen=True):
    error: _Error = _Error()


def _explain(answer: Response) -> Failure | None:
    """403 is said to an endpoint that is not for us, and, as plain text, to an app whose owner does not pay."""
    if answer.status not in (httpx.codes.FORBIDDEN, httpx.codes.TOO_MANY_REQUESTS):
        return None
    try:
        said = msgspec.json.decode(answer.body, type=_Said).error
    except msgspec.DecodeError:
        said = None
    if answer.status == httpx.codes.TOO_MANY_REQUESTS:
        if said is not None and said.reason == "QUOTA_EXCEEDED" and "Retry-After" not in answer.headers:
            return Failure("wait", "says that the quota is used up", QUOTA_WAIT_S)
        return None
    if said is None:
        text = " ".join(answer.body[:100].decode("utf-8", "replace").split())
        return Failure("key", f"lets this app ask nothing: {text}")
    if _WITHDRAWABLE.match(answer.path):
        return Failure("withdrawn", "does not let this app ask this any more")
    return None


def _plain(text: str) -> str:
    """Text within a quoted filter."""
    return " ".join(text.replace('"', " ").replace(":", " ").split())
