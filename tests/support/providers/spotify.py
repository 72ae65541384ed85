"""Spotify Web API and its token endpoint, in development mode unless told otherwise."""

from __future__ import annotations

import base64
import secrets
from typing import Any

from aiohttp import web

from tests.support.providers.service import Handler, Rate, Service
from tests.support.providers.world import Artist, Song, World

CLIENT = ("spotify-id", "spotify-secret")


class Spotify(Service):
    """Spotify of a world. `is_extended`: the app has full access."""

    def __init__(self, world: World) -> None:
        super().__init__("spotify", Rate(90, 30.0, 1_000_000), lambda _: _too_many())
        self.world = world
        self.is_extended = False
        self.tokens: set[str] = set()
        self.token_count = 0
        self.expires_in = 3600

    def routes(self) -> list[web.RouteDef]:
        """The endpoints: /api/token, and those under /v1."""
        handlers: dict[str, Handler] = {
            "/v1/search": self._search,
            "/v1/artists": self._artists,
            "/v1/artists/{id}": self._artist,
            "/v1/artists/{id}/top-tracks": self._top_tracks,
            "/v1/artists/{id}/albums": self._albums,
            "/v1/albums/{id}/tracks": self._album_tracks,
            "/v1/tracks": self._tracks,
            "/v1/tracks/{id}": self._track,
            "/v1/recommendations": self._recommendations,
            "/v1/audio-features": self._audio_features,
        }
        return [
            web.post("/api/token", self._token),
            *(web.get(path, self.wrapped(handler)) for path, handler in handlers.items()),
        ]

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        given = request.headers.get("Authorization", "").removeprefix("Basic ")
        wanted = base64.b64encode(":".join(CLIENT).encode()).decode()
        if self.is_revoked or given != wanted or form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "invalid_client", "error_description": "Invalid client"}, status=400)
        token = secrets.token_urlsafe(16)
        self.tokens.add(token)
        self.token_count += 1
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in})

    def _refused(
        self, request: web.Request, *, is_withdrawn: bool = False, limit_max: int | None = None
    ) -> web.Response | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return _error(401, "The access token expired")
        if is_withdrawn and not self.is_extended:
            return _error(403, "Forbidden")
        most = 50 if self.is_extended else limit_max
        if most is not None and int(request.query.get("limit", "5")) > most:
            self.violations.append(f"spotify: limit {request.query['limit']} at {request.path}")
            return _error(400, "Invalid limit")
        return None

    async def _search(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request, limit_max=10)) is not None:
            return refused
        limit = int(request.query.get("limit", "5"))
        words = set(request.query["q"].lower().replace('"', " ").replace(":", " ").split()) - {"artist", "track"}
        artists = [one for one in self.world.artists if one.spotify_ids and words & set(one.name.lower().split())]
        artists.sort(key=lambda one: one.name.lower() not in request.query["q"].lower())
        if request.query["type"] == "artist":
            found = [self._artist_json(one) for one in artists[:limit]]
            return web.json_response(
                {"artists": {"items": found, "limit": limit, "offset": 0, "total": len(found), "next": None}}
            )
        tracks = []
        for one in artists:
            for song in one.songs:
                tracks.append(self._track_json(one, song))
                # Live albums flood searches.
                if len(tracks) % 3 == 0:
                    tracks.append(
                        self._track_json(one, song)
                        | {"name": f"{song.title} - Live At Wembley", "id": song.track_id[::-1]}
                    )
        found = tracks[:limit]
        return web.json_response(
            {"tracks": {"items": found, "limit": limit, "offset": 0, "total": len(tracks), "next": None}}
        )

    async def _artists(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request, is_withdrawn=True)) is not None:
            return refused
        found = {id_: one for one in self.world.artists for id_ in one.spotify_ids}
        wanted = request.query["ids"].split(",")
        return web.json_response(
            {"artists": [self._artist_json(found[one]) if one in found else None for one in wanted]}
        )

    async def _artist(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        artist = self._find(request)
        return _error(404, "Resource not found") if artist is None else web.json_response(self._artist_json(artist))

    async def _top_tracks(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request, is_withdrawn=True)) is not None:
            return refused
        artist = self._find(request)
        if artist is None:
            return _error(404, "Resource not found")
        return web.json_response({"tracks": [self._track_json(artist, song) for song in artist.songs[:10]]})

    async def _albums(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request, limit_max=10)) is not None:
            return refused
        artist = self._find(request)
        if artist is None:
            return _error(404, "Resource not found")
        limit, offset = int(request.query.get("limit", "5")), int(request.query.get("offset", "0"))
        albums = [_album(artist, number) for number in range(12)]
        more = f"https://api.spotify.com/v1/next?offset={offset + limit}" if offset + limit < len(albums) else None
        page = {"items": albums[offset : offset + limit], "limit": limit, "offset": offset, "total": 12, "next": more}
        return web.json_response(page)

    async def _album_tracks(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request, limit_max=50)) is not None:
            return refused
        number = int(request.match_info["id"][-4:])
        artist = self.world.artists[number % len(self.world.artists)]
        simple = [
            {
                key: value
                for key, value in self._track_json(artist, song).items()
                if key not in ("album", "external_ids")
            }
            for song in artist.songs
        ]
        return web.json_response({"items": simple, "limit": 50, "offset": 0, "total": len(simple), "next": None})

    async def _tracks(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request, is_withdrawn=True)) is not None:
            return refused
        tracks = [self._track_by_id(one) for one in request.query["ids"].split(",")]
        return web.json_response({"tracks": tracks})

    async def _track(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        track = self._track_by_id(request.match_info["id"])
        return _error(404, "Resource not found") if track is None else web.json_response(track)

    async def _recommendations(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request, is_withdrawn=True)) is not None:
            return refused
        artist = self.world.artists[0]
        seeds = [{"id": "x", "type": "ARTIST", "href": None, "initialPoolSize": 500}]
        return web.json_response(
            {"seeds": seeds, "tracks": [self._track_json(artist, song) for song in artist.songs[:5]]}
        )

    async def _audio_features(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request, is_withdrawn=True)) is not None:
            return refused
        ids = request.query["ids"].split(",")
        found = [{"id": one, "tempo": 120.5, "key": -1, "mode": 1} if self._track_by_id(one) else None for one in ids]
        return web.json_response({"audio_features": found})

    def _find(self, request: web.Request) -> Artist | None:
        return next((one for one in self.world.artists if request.match_info["id"] in one.spotify_ids), None)

    def _track_by_id(self, track_id: str) -> dict[str, Any] | None:
        for artist in self.world.artists:
            for song in artist.songs:
                if song.track_id == track_id:
                    return self._track_json(artist, song)
        return None

    def _artist_json(self, artist: Artist) -> dict[str, Any]:
        known = artist.spotify_ids[0]
        found = {
            "id": known, "name": artist.name, "type": "artist", "uri": f"spotify:artist:{known}", "images": [],
            "external_urls": {"spotify": f"https://open.spotify.com/artist/{known}"}, "href": f"https://api.spotify.com/v1/artists/{known}",
        }  # fmt: skip
        return found | (
            {"genres": [], "popularity": 60, "followers": {"href": None, "total": 5}} if self.is_extended else {}
        )

    def _track_json(self, artist: Artist, song: Song) -> dict[str, Any]:
        found = {
            "id": song.track_id, "name": song.spotify_title, "type": "track", "duration_ms": 215_000, "explicit": False,
            "disc_number": 1, "track_number": 1, "is_local": False, "preview_url": None,
            "external_ids": {"isrc": song.isrc}, "external_urls": {"spotify": f"https://open.spotify.com/track/{song.track_id}"},
            "artists": [self._artist_json(artist)], "album": _album(artist, 0),
        }  # fmt: skip
        return found | ({"popularity": 50} if self.is_extended else {})


def _album(artist: Artist, number: int) -> dict[str, Any]:
    return {
        "id": f"album{number:02d}x{artist.number:04d}", "name": f"Album {number}", "album_type": "album" if number % 3 else "single",
        "release_date": "1999" if number % 2 else "1999-05", "release_date_precision": "year" if number % 2 else "month",
        "total_tracks": 12, "images": [], "external_urls": {"spotify": "https://open.spotify.com/album/x"}, "artists": [],
    }  # fmt: skip


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"status": status, "message": message}}, status=status)


def _too_many() -> web.Response:
    said = {"error": {"status": 429, "message": "API rate limit exceeded"}}
    return web.json_response(said, status=429, headers={"Retry-After": "5"})
