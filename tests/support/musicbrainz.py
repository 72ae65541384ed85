"""A small MusicBrainz for tests: real HTTP, chosen artists, ordered faults."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

ETAG = '"as it was"'


@dataclass
class MusicBrainz:
    """Answers from `artists` (mbid -> JSON) and `merged` (old mbid -> new one), after all `faults`."""

    url: str = ""
    artists: dict[str, dict[str, Any]] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    faults: deque[web.Response] = field(default_factory=deque)
    asked: list[str] = field(default_factory=list)  # paths with their queries
    agents: list[str] = field(default_factory=list)
    revalidated_count: int = 0

    def add(self, mbid: str, name: str, **fields: Any) -> None:
        """Adds an artist that a search by name finds with the given score, 100 by default."""
        self.artists[mbid] = {"id": mbid, "name": name, "sort-name": name, "score": 100, **fields}

    async def search(self, request: web.Request) -> web.StreamResponse:
        """`GET /ws/2/artist?query=artist:"NAME"`: artists that share a word with the name, without genres and links."""
        if (fault := self._note(request)) is not None:
            return fault
        words = set(re.findall(r"\w+", request.query["query"].partition(":")[2].lower()))
        found = [
            {key: value for key, value in artist.items() if key not in ("relations", "genres")}
            for artist in self.artists.values()
            if words & set(re.findall(r"\w+", artist["name"].lower()))
        ]
        return web.json_response(
            {"created": "2026-11-25T00:00:00Z", "count": len(found), "offset": 0, "artists": found}
        )

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """`GET /ws/2/artist/MBID`; a merged id redirects, an unknown one gives 404."""
        if (fault := self._note(request)) is not None:
            return fault
        mbid = request.match_info["mbid"]
        if mbid in self.merged:
            raise web.HTTPMovedPermanently(f"/ws/2/artist/{self.merged[mbid]}?{request.query_string}")
        if mbid not in self.artists:
            return web.json_response({"error": "Not Found"}, status=404)
        if request.headers.get("If-None-Match") == ETAG:
            self.revalidated_count += 1
            return web.Response(status=304)
        return web.json_response(self.artists[mbid], headers={"ETag": ETAG})

    def _note(self, request: web.Request) -> web.Response | None:
        self.asked.append(request.path_qs)
        self.agents.append(request.headers.get("User-Agent", ""))
        return self.faults.popleft() if self.faults else None


@asynccontextmanager
async def running_musicbrainz() -> AsyncIterator[MusicBrainz]:
    """Runs one on a free local port."""
    service = MusicBrainz()
    app = web.Application()
    app.add_routes([web.get("/ws/2/artist", service.search), web.get("/ws/2/artist/{mbid}", service.fetch)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield service
    finally:
        await runner.cleanup()
