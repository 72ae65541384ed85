"""MusicBrainz ws/2."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from tests.support.providers.service import Rate, Service
from tests.support.providers.world import Artist, World

ETAG = '"as it was"'
SEARCH_ITEMS_MAX = 100
GENRES = ("indie rock", "pop", "rock")
TAGS = ({"name": "seen live", "count": 9}, {"name": "indie rock", "count": 3}, {"name": "pop", "count": 1})


class MusicBrainz(Service):
    """MusicBrainz of a world."""

    def __init__(self, world: World) -> None:
        super().__init__("musicbrainz", Rate(1, 1.0, 1_000_000), lambda _: web.Response(status=503, text="slow down"))
        self.world = world
        self.revalidated_count = 0

    def routes(self) -> list[web.RouteDef]:
        """The endpoints under /ws/2."""
        return [
            web.get("/ws/2/artist", self.wrapped(self._search)),
            web.get("/ws/2/genre/all", self.wrapped(self._list_genres)),
            web.get("/ws/2/artist/{mbid}", self.wrapped(self._fetch)),
        ]

    def _note(self, request: web.Request) -> None:
        if not request.headers.get("User-Agent", "").startswith("mysetlist/"):
            self.violations.append("musicbrainz: nobody said who asks")

    async def _search(self, request: web.Request) -> web.StreamResponse:
        """`artist:"NAME"`, or `arid:(ID OR ID …)`; tags of all kinds, no genres, no links, nothing under a merged id."""
        self._note(request)
        query = request.query["query"]
        if query.startswith("arid:"):
            mbids = query.removeprefix("arid:(").removesuffix(")").split(" OR ")
            found = [
                _found(one, 100)
                for one in self.world.artists
                if one.mbid in mbids and one.mbid not in self.world.merged
            ]
        else:
            wanted = re.sub(r"\\(.)", r"\1", query.partition('"')[2].rstrip('"')).lower()
            words = set(wanted.split())
            found = [
                _found(one, 100 if one.name.lower() == wanted else 60)
                for one in self.world.artists
                if words & set(one.name.lower().split())
            ]
        found.sort(key=lambda one: -one["score"])
        shown = found[: min(int(request.query.get("limit", "25")), SEARCH_ITEMS_MAX)]
        return web.json_response(
            {"created": "2026-11-25T00:00:00Z", "count": len(found), "offset": 0, "artists": shown}
        )

    async def _list_genres(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        if request.query.get("fmt") != "txt":
            return web.json_response({"genre-count": len(GENRES), "genre-offset": 0, "genres": []})
        return web.Response(text="\n".join(GENRES) + "\n")

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        mbid = request.match_info["mbid"]
        if mbid in self.world.merged:
            raise web.HTTPMovedPermanently(f"/ws/2/artist/{self.world.merged[mbid]}?{request.query_string}")
        found = [one for one in self.world.artists if one.mbid == mbid]
        if mbid == "a74b1b7f-71a5-4011-9441-d0b5e4122711":
            return web.json_response({"id": mbid, "name": "Radiohead"})
        if not found:
            return web.json_response({"error": "Not Found"}, status=404)
        if request.headers.get("If-None-Match") == ETAG:
            self.revalidated_count += 1
            return web.Response(status=304)
        return web.json_response(artist_json(found[0]), headers={"ETag": ETAG})


def _found(artist: Artist, score: int) -> dict[str, Any]:
    return {
        "id": artist.mbid, "name": artist.name_at_musicbrainz or artist.name, "sort-name": artist.name, "country": artist.country,
        "score": score, "tags": TAGS,
    }  # fmt: skip


def artist_json(artist: Artist) -> dict[str, Any]:
    """An artist with links; some have ended, some lead to other services."""
    relations: list[dict[str, Any]] = [
        {"type": "official homepage", "url": {"resource": f"https://band{artist.number}.example"}}
    ]
    if artist.is_linked_at_musicbrainz:
        relations += [
            {"type": "free streaming", "ended": False, "url": {"resource": f"https://open.spotify.com/artist/{one}"}}
            for one in artist.spotify_ids
        ]
    relations.append(
        {
            "type": "streaming",
            "ended": True,
            "url": {"resource": "https://open.spotify.com/artist/0000000000000000000000"},
        }
    )
    return {
        "id": artist.mbid, "name": artist.name_at_musicbrainz or artist.name, "sort-name": artist.name, "country": artist.country, "disambiguation": "",
        "genres": [tag for tag in TAGS if tag["name"] in GENRES], "relations": relations,
    }  # fmt: skip
