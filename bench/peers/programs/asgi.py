"""Sends each line of its standard input to every client: Django Channels or python-socketio, on Uvicorn with uvloop.

    .bench/venv/bin/python asgi.py channels|socketio PORT REDIS_URL

Both run in the virtualenv of `make peers`, so this file imports nothing of the project.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
import uvloop

Publish = Callable[[str], Awaitable[None]]


def channels(redis_url: str) -> tuple[Any, Publish]:
    """Django Channels with the faster of its two Redis layers; its documentation says that the one in memory is not for use."""
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="only for this run",
        ALLOWED_HOSTS=["*"],
        CHANNEL_LAYERS={
            "default": {
                "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
                "CONFIG": {"hosts": [redis_url]},
            },
        },
    )
    django.setup()
    from channels.generic.websocket import AsyncWebsocketConsumer
    from channels.layers import get_channel_layer
    from channels.routing import ProtocolTypeRouter

    class Watcher(AsyncWebsocketConsumer):  # type: ignore[misc]  # the project's environment has no Channels
        groups = ("show",)

        async def push(self, event: dict[str, str]) -> None:
            await self.send(text_data=event["text"])

    layer = get_channel_layer()

    async def publish(line: str) -> None:
        await layer.group_send("show", {"type": "push", "text": line})

    return ProtocolTypeRouter({"websocket": Watcher.as_asgi()}), publish


def socketio(_: str) -> tuple[Any, Publish]:
    """The server of python-socketio."""
    from socketio import ASGIApp, AsyncServer

    server = AsyncServer(async_mode="asgi", transports=["websocket"])

    async def publish(line: str) -> None:
        await server.emit("push", json.loads(line))

    return ASGIApp(server), publish


async def main(name: str, port: int, redis_url: str) -> None:
    """Serves until its standard input ends."""
    app, publish = {"channels": channels, "socketio": socketio}[name](redis_url)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, backlog=4096, loop="uvloop", http="httptools", ws="websockets-sansio",
        ws_per_message_deflate=False, lifespan="off", log_level="critical", access_log=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        await publish(line.decode().rstrip())
    server.should_exit = server.force_exit = True
    await serving


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
