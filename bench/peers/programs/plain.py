"""A plain voting server: aiohttp, uvloop, asyncpg. Each vote is one transaction, and its reply goes out after the commit.

    python plain.py PORT DATABASE_URL

It speaks as much of MySetlist's protocol as voters need, so the same crowd votes on both. It checks no rules, keeps no history
and pushes nothing: less work than MySetlist does. Its tables start empty, and a song's row is made with its first vote.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import uvloop
from aiohttp import WSMsgType, web

CONNECTIONS = 16  # to PostgreSQL; with 8 and 32, a vote took more CPU
_SONG = "insert into songs (id) values ($1) on conflict do nothing"
_VOTE = (
    "insert into votes (user_id, song_id, choice) values ($1, $2, $3)"
    " on conflict (user_id, song_id) do update set choice = excluded.choice"
)
_WITHDRAW = "delete from votes where user_id = $1 and song_id = $2"


class VotingServer:
    """Signs users in, and counts their votes."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._users = itertools.count(1)
        self._songs: set[int] = set()

    async def sign_in(self, _: web.Request) -> web.Response:
        """Makes a user; its token is its number."""
        user = next(self._users)
        return web.json_response({"token": str(user), "user": {"id": user}})

    async def talk(self, request: web.Request) -> web.WebSocketResponse:
        """Answers the hello and the casts of one websocket."""
        socket = web.WebSocketResponse(protocols=("mysetlist.v1",), compress=False)
        await socket.prepare(request)
        user = 0
        async for message in socket:
            if message.type != WSMsgType.TEXT:
                break
            asked = orjson.loads(message.data)
            if asked["op"] == "hello":
                user = int(asked["token"])
                reply: dict[str, Any] = {"user": user, "role": "fan"}
            else:
                for song, choice in asked["votes"]:
                    await self._count(user, song, choice)
                reply = {"at": 0, "durability": "committed"}
            await socket.send_str(orjson.dumps({"re": asked["id"], "ok": reply}).decode())
        return socket

    async def _count(self, user: int, song: int, choice: str) -> None:
        if song not in self._songs:
            await self._pool.execute(_SONG, song)
            self._songs.add(song)
        if choice == "none":
            await self._pool.execute(_WITHDRAW, user, song)
        else:
            await self._pool.execute(_VOTE, user, song, choice)


async def main(port: int, database_url: str) -> None:
    """Serves until it is stopped."""
    schema = Path(__file__).with_name("plain.sql").read_text("utf-8")
    pool = await asyncpg.create_pool(database_url, min_size=CONNECTIONS, max_size=CONNECTIONS)
    await pool.execute("drop table if exists votes, songs; drop function if exists count_vote;" + schema)
    server = VotingServer(pool)
    app = web.Application()
    app.add_routes([web.post("/api/session", server.sign_in), web.get("/ws", server.talk)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))
