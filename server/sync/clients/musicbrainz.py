"""MusicBrainz: artists and their ids at other services. Core data is CC0; it needs no key."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from server.cache.gates import Quota
from server.sync.clients.provider import Provider, ProviderContext, open_provider
from server.sync.clients.responses import ItemByItem

SERVICE = "musicbrainz"
PAGE_URL = "https://musicbrainz.org/artist/"
# Their rule: one request a second (https://musicbrainz.org/doc/MusicBrainz_API/Rate_Limiting).
QUOTA = Quota(count_max=1, period_s=1.1)
SEARCH_TTL_S = 7 * 86_400.0
ARTIST_TTL_S = 30 * 86_400.0
GENRES_TTL_S = 30 * 86_400.0
SEARCH_ITEMS = 10
# Ids in one request; more would make it longer than ASKED_CHARS_MAX.
IDS_MAX = 20

_SPOTIFY_ARTIST = re.compile(r"https?://open\.spotify\.com/artist/([A-Za-z0-9]{22})(?:[/?#]|$)")
_LUCENE_SPECIAL = re.compile(r'([+\-&|!(){}\[\]^"~*?:\\/])')


class Alias(msgspec.Struct, frozen=True):
    """Another name."""

    name: str


class Genre(msgspec.Struct, frozen=True):
    """A genre or another tag of an artist, with the number of people who chose it."""

    name: str
    count: int = 0


class Url(msgspec.Struct, frozen=True):
    """The target of a relation."""

    resource: str


class Relation(msgspec.Struct, frozen=True):
    """A link to the artist's page at another service."""

    url: Url | None = None
    ended: bool = False


class Artist(ItemByItem, frozen=True):
    """An artist; a search gives a score (0 to 100) and tags of all kinds, but no genres and no relations."""

    id: str
    name: str
    country: str | None = None
    disambiguation: str = ""
    score: int = 0
    aliases: Sequence[Alias] = ()
    genres: Sequence[Genre] = ()
    tags: Sequence[Genre] = ()
    relations: Sequence[Relation] = ()

    @property
    def genre(self) -> str | None:
        """The genre that most people chose; among equals the first by the alphabet."""
        return min(self.genres, key=lambda genre: (-genre.count, genre.name)).name if self.genres else None

    @property
    def spotify_ids(self) -> list[str]:
        """Ids of the artist at Spotify, without ended links."""
        found = [
            match[1]
            for relation in self.relations
            if relation.url and not relation.ended and (match := _SPOTIFY_ARTIST.match(relation.url.resource))
        ]
        return list(dict.fromkeys(found))


class _Found(ItemByItem, frozen=True):
    artists: Sequence[Artist] = ()


class MusicBrainzClient:
    """Reads artists from MusicBrainz.

    Takes: provider, set up for MusicBrainz
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    async def search_artists(self, name: str) -> Sequence[Artist]:
        """Searches artists by name; gives the best matches first, at most SEARCH_ITEMS.

        Raises: ProviderError, StoreUnavailable
        """
        params = {"query": _artist_query(name), "fmt": "json", "limit": str(SEARCH_ITEMS)}
        found = await self.provider.get("/ws/2/artist", params, _Found, kind="artist-search", ttl_s=SEARCH_TTL_S)
        return () if found is None else found.artists

    async def fetch_artist(self, mbid: str) -> Artist | None:
        """Fetches an artist with genres and links. A merged entry gives the artist it was merged into; None: unknown id.

        Raises: ProviderError, StoreUnavailable
        """
        params = {"inc": "genres+url-rels", "fmt": "json"}
        return await self.provider.get(f"/ws/2/artist/{mbid}", params, Artist, kind="artist", ttl_s=ARTIST_TTL_S)

    async def fetch_artists(self, mbids: Sequence[str]) -> list[Artist]:
        """Fetches artists with genres, without links: at most IDS_MAX in one request, which is a search.

        Genres are the tags that stand in MusicBrainz' list of genres, so they equal the genres of `fetch_artist`.

        Gives:  artists that have exactly these ids; merged entries are missing
        Raises: ProviderError, StoreUnavailable
        """
        listed = await self.provider.get("/ws/2/genre/all", {"fmt": "txt"}, str, kind="genres", ttl_s=GENRES_TTL_S)
        genres = frozenset((listed or "").splitlines())
        params = {"query": f"arid:({' OR '.join(sorted(mbids))})", "fmt": "json", "limit": str(IDS_MAX)}
        found = await self.provider.get("/ws/2/artist", params, _Found, kind="artist-search", ttl_s=SEARCH_TTL_S)
        return [
            msgspec.structs.replace(artist, genres=[tag for tag in artist.tags if tag.name in genres])
            for artist in (found.artists if found is not None else [])
        ]


@asynccontextmanager
async def open_musicbrainz(context: ProviderContext) -> AsyncIterator[MusicBrainzClient]:
    """Opens a client; MusicBrainz asks for a contact (https://musicbrainz.org/doc/MusicBrainz_API)."""
    async with open_provider(
        SERVICE, QUOTA, context, headers={"Accept": "application/json"}, follows_redirects=True
    ) as provider:
        yield MusicBrainzClient(provider)


def _artist_query(name: str) -> str:
    """A Lucene query in which no character of the name is an operator."""
    return 'artist:"' + _LUCENE_SPECIAL.sub(r"\\\1", name) + '"'
