"""Sends each line of its standard input to every client: Django Channels on Uvicorn, or python-socketio on aiohttp; both with uvloop.

    .bench/venv/bin/python python_servers.py channels|socketio PORT REDIS_URL

Both run in the virtualenv of `make peers`, so this file imports nothing of the project.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import uvloop

BACKLOG = 4096


async def lines() -> AsyncIterator[str]:
    """The lines of the standard input, without their ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().rstrip()


async def channels(port: int, redis_url: str) -> None:
    """Django Channels with the faster of its two Redis layers; its documentation says that the one in memory is not for use."""
    import django
    import uvicorn
    from django.conf import settings

    layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [redis_url]}}
    settings.configure(SECRET_KEY="only for this run", ALLOWED_HOSTS=["*"], CHANNEL_LAYERS={"default": layer})
    django.setup()
    from channels.generic.websocket import AsyncWebsocketConsumer
    from channels.layers import get_channel_layer
    from channels.routing import ProtocolTypeRouter

    class Watcher(AsyncWebsocketConsumer):  # type: ignore[misc]  # the project's environment has no Channels
        groups = ("show",)

        async def push(self, event: dict[str, str]) -> None:
            await self.send(text_data=event["text"])

    config = uvicorn.Config(
        ProtocolTypeRouter({"websocket": Watcher.as_asgi()}), host="127.0.0.1", port=port, backlog=BACKLOG, http="httptools",
        ws="websockets-sansio", ws_per_message_deflate=False, lifespan="off", log_level="critical", access_log=False,
    )  # fmt: skip
    serving = asyncio.create_task(uvicorn.Server(config).serve())
    async for line in lines():
        await get_channel_layer().group_send("show", {"type": "push", "text": line})
    serving.cancel()


async def socketio(port: int, _: str) -> None:
    """The server of python-socketio; on Uvicorn a connection took 10 KB more."""
    from aiohttp import web
    from socketio import AsyncServer

    server = AsyncServer(async_mode="aiohttp", transports=["websocket"])
    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=BACKLOG).start()
    async for line in lines():
        await server.emit("push", json.loads(line))


if __name__ == "__main__":
    uvloop.run({"channels": channels, "socketio": socketio}[sys.argv[1]](int(sys.argv[2]), sys.argv[3]))
