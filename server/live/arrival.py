"""A websocket goes on at this node: it watches its channels again, from the positions that its client holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from server.errors import Refused
from server.live.admission import prepare
from server.live.channel import unsubscribed_json
from server.live.connection import ClientConnection
from server.live.handed_socket import HandedChannel
from server.live.services import Services

log = structlog.get_logger()

# This process may know a state a moment later than the process before it. It never shows a client an older state.
TRIES_MAX = 20
RETRY_S = 0.05


async def resume(services: Services, connection: ClientConnection, channels: Sequence[HandedChannel]) -> None:
    """Subscribes to channels anew.

    A client that lacks a state gets the whole state. It is told which channels it can no longer watch.
    """
    wanted = list(channels)
    for _ in range(TRIES_MAX):
        wanted = await _join(services, connection, wanted)
        if not wanted:
            return
        await asyncio.sleep(RETRY_S)
    log.info("socket.unsubscribed", channels=[channel.name for channel in wanted], request_id=connection.request_id)
    connection.notify(unsubscribed_json([channel.name for channel in wanted]))


async def _join(
    services: Services, connection: ClientConnection, channels: Sequence[HandedChannel]
) -> list[HandedChannel]:
    """Joins channels. Gives: the channels to try again, because this process is not at the client's position yet."""
    hub = services.hub
    names, since = [channel.name for channel in channels], {channel.name: channel.at for channel in channels}
    try:
        prepared = await prepare(services, connection.identity, connection.address, names, since)
    except Refused:
        return list(channels)
    failed = []
    for held in channels:
        found = prepared[held.name]
        if isinstance(found, Refused) and found.retry_after_ms is None:
            connection.notify(unsubscribed_json([held.name]))
            continue
        state = None if isinstance(found, Refused) else hub.join(connection, held.name, found, is_visit=False)
        if state is None or state.at < held.at:
            hub.leave(connection, held.name)
            failed.append(held)
        elif held.is_behind or state.at > held.at:
            channel = hub.channel(held.name)
            assert channel is not None
            channel.put_behind(connection)
            hub.pusher.schedule(channel)
    return failed
