"""The fleet: this node's summary of its connections, and the requests of administrators.

Each node writes a summary of itself to Valkey every few seconds. A summary lasts SUMMARY_TTL_S, so the nodes that live are
those that have one. Requests come as rare notifications through PostgreSQL, which reach every node; replies go through a list
in Valkey.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

import msgspec
import structlog

from server.cache.cluster import connection_to
from server.cache.connection import Ask, Command
from server.cache.keys import FLEET_KEY, answers_key, node_key
from server.clock import Clock, utc_now
from server.errors import CacheError
from server.live.channel import Channel, unsubscribed_json
from server.live.connection import ClientConnection
from server.live.fleet_messages import (
    ChannelInfo,
    ConnectionInfo,
    ConnectionPage,
    FleetReply,
    FleetRequest,
    NodeInfo,
)
from server.live.hub import Hub
from server.live.sockets import Sockets
from server.protocol.codes import CLOSE_NORMAL
from server.protocol.http.addresses import network_of
from server.protocol.http.cursors import IdCursor, cut_page
from server.protocol.instants import from_ms
from server.protocol.vitals import History
from server.telemetry import BUFFER_BYTES, SOCKETS_BEHIND

log = structlog.get_logger()

SUMMARY_INTERVAL_S = 5.0
SUMMARY_TTL_S = 30
# The names of dead nodes are kept, and looked up in vain, for this time.
NAMES_KEPT_MS = 600_000
SUMMARY_CHANNELS_MAX = 50
REPLY_TIMEOUT_S = 2.0
REPLY_TTL_S = 30
REQUESTS_MAX = 100
CLOSE_SLICE = 500
UNTRUSTED_PROXY_TODO = "if this is your proxy, name it in MYSETLIST_TRUSTED_PROXIES; until then all clients behind it share the limits of one"


async def fetch_nodes(ask: Ask) -> list[NodeInfo]:
    """Summaries of all nodes that live, by name.

    Raises: CacheError
    """
    (names,) = await ask([("ZRANGE", FLEET_KEY, 0, -1)])
    keys = [node_key(name.decode()) for name in sorted(names)]
    documents = (await ask([("MGET", *keys)]))[0] if keys else []
    found = [_decode_summary(document) for document in documents if document is not None]
    return [node for node in found if node is not None]


class Fleet:
    """Takes: node, the name of this node; url of Valkey; history, gives this node's last hour; reply_timeout_s, the wait for
    the replies of other nodes.
    """

    def __init__(
        self,
        node: str,
        url: str,
        hub: Hub,
        sockets: Sockets,
        clock: Clock,
        *,
        history: Callable[[], History],
        summary_interval_s: float = SUMMARY_INTERVAL_S,
        reply_timeout_s: float = REPLY_TIMEOUT_S,
    ) -> None:
        self.node = node
        self._summary_interval_s = summary_interval_s
        self._reply_timeout_s = reply_timeout_s
        self._hub = hub
        self._sockets = sockets
        self._clock = clock
        self._history = history
        self._valkey = connection_to(url)
        self._reply_valkey = connection_to(url)  # waits for replies, so that nothing else waits behind it
        self._requests: deque[FleetRequest] = deque(maxlen=REQUESTS_MAX)
        self._has_requests = asyncio.Event()
        self._untrusted_proxy = ""
        self._summary = self._summarise((0, 0, 0), {}, summary_interval_s)

    async def run(self) -> None:
        """Writes summaries and serves requests until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write_summaries(), name="fleet-summary")
                tasks.create_task(self._serve_requests(), name="fleet-requests")
        finally:
            with suppress(CacheError):
                await self._valkey.ask([("DEL", node_key(self.node)), ("ZREM", FLEET_KEY, self.node)])
            await self._valkey.close()
            await self._reply_valkey.close()

    # ── the summary

    async def _write_summaries(self) -> None:
        while True:
            now_ms = self._clock.now_ms()
            try:
                await self._valkey.ask(
                    [
                        ("SET", node_key(self.node), msgspec.json.encode(self._summary), "EX", SUMMARY_TTL_S),
                        ("ZADD", FLEET_KEY, now_ms, self.node),
                        ("ZREMRANGEBYSCORE", FLEET_KEY, "-inf", now_ms - NAMES_KEPT_MS),
                    ]
                )
            except CacheError as error:
                log.warning("fleet.not_told", error=str(error))
            counts, pushes, since_s = self._counts(), self._push_counts(), self._clock.monotonic_s()
            self._hub.pusher.lags.clear()
            await asyncio.sleep(self._summary_interval_s)
            self._summary = self._summarise(counts, pushes, self._clock.monotonic_s() - since_s)

    def _counts(self) -> tuple[int, int, int]:
        pusher = self._hub.pusher
        return pusher.push_count, pusher.frame_count, pusher.skipped_count

    def _push_counts(self) -> dict[str, int]:
        return {channel.name: channel.push_count for channel in self._hub.channels()}

    def _summarise(self, counts: tuple[int, int, int], pushes: dict[str, int], took_s: float) -> NodeInfo:
        """Cost: about 0.3 µs a connection."""
        connections = self._sockets.connections()
        channels = self._hub.channels()
        lags = self._hub.pusher.lags
        buffer_bytes = sum([connection.transport.get_write_buffer_size() for connection in connections])
        behind_count = sum([connection.behind_count > 0 for connection in connections])
        BUFFER_BYTES.set(buffer_bytes)
        SOCKETS_BEHIND.set(behind_count)
        largest = sorted(channels, key=lambda channel: len(channel.subscribers), reverse=True)[:SUMMARY_CHANNELS_MAX]
        push_rate, frame_rate, skip_rate = (
            round((now - before) / took_s, 1) for now, before in zip(self._counts(), counts, strict=True)
        )
        return NodeInfo(
            node=self.node,
            seen_at=utc_now(self._clock),
            connection_count=len(connections),
            user_count=len({c.identity.user_id for c in connections if c.identity is not None}),
            subscription_count=sum([len(channel.subscribers) for channel in channels]),
            channel_count=len(channels),
            buffer_bytes=buffer_bytes,
            behind_count=behind_count,
            pushes_per_s=push_rate,
            frames_per_s=frame_rate,
            skipped_per_s=skip_rate,
            lag_mean_ms=round(sum(lags) / len(lags), 1) if lags else None,
            lag_max_ms=max(lags, default=None),
            channels=[_channel_info(channel, pushes.get(channel.name, 0), took_s) for channel in largest],
            untrusted_proxy=self._untrusted_proxy,
        )

    def note_untrusted_proxy(self, place: str) -> None:
        """Tells the log, `mysetlist doctor` and administrators that a peer names its clients and is not believed."""
        self._untrusted_proxy = place
        log.warning("proxy.not_trusted", place=place, todo=UNTRUSTED_PROXY_TODO)

    async def nodes(self) -> list[NodeInfo]:
        """Summaries of all nodes that live, this one first.

        Raises: CacheError
        """
        found = await fetch_nodes(self._valkey.ask)
        return [self._summary, *(node for node in found if node.node != self.node)]

    def summary(self) -> NodeInfo:
        """The last summary of this node."""
        return self._summary

    def page(self, after: int, limit: int) -> ConnectionPage:
        """A page of this node's connections, those with a number past `after`."""
        found = sorted([c for c in self._sockets.connections() if c.number > after], key=lambda c: c.number)
        page, cursor = cut_page(found[: limit + 1], limit, lambda connection: IdCursor(connection.number))
        return ConnectionPage(items=[self._connection_info(connection) for connection in page], next=cursor)

    def _connection_info(self, connection: ClientConnection) -> ConnectionInfo:
        identity = connection.identity
        return ConnectionInfo(
            id=f"{self.node}-{connection.number}",
            request_id=connection.request_id,
            kind=connection.kind,
            user=None if identity is None else identity.user_id,
            role="reader" if identity is None else identity.role,
            address=network_of(connection.address),
            since=from_ms(connection.opened_ms),
            channels=sorted(connection.channels),
            buffer_bytes=connection.transport.get_write_buffer_size(),
            skipped_count=connection.skipped_count,
        )

    # ── requests

    def receive(self, payload: str) -> None:
        """Queues a request of any node, this one too; past REQUESTS_MAX the oldest gets no reply."""
        request = msgspec.json.decode(payload, type=FleetRequest)
        if request.node in (None, self.node):
            self._requests.append(request)
            self._has_requests.set()

    async def _serve_requests(self) -> None:
        while True:
            await self._has_requests.wait()
            self._has_requests.clear()
            while self._requests:
                request = self._requests.popleft()
                reply = FleetReply(
                    node=self.node,
                    closed_count=await self._close(request),
                    page=self.page(request.after, request.limit) if request.limit else None,
                    history=self._history() if request.history else None,
                )
                key = answers_key(request.id)
                commands: list[Command] = [
                    ("RPUSH", key, msgspec.json.encode(reply)), ("EXPIRE", key, REPLY_TTL_S)
                ]  # fmt: skip
                try:
                    await self._valkey.ask(commands)
                except CacheError as error:
                    log.warning("fleet.not_answered", error=str(error))

    async def replies(self, request_id: str, nodes: Iterable[str]) -> list[FleetReply]:
        """The replies of nodes to a request that was sent; a node that does not reply in time is left out.

        Raises: CacheError
        """
        replies: list[FleetReply] = []
        deadline_s = self._clock.monotonic_s() + self._reply_timeout_s
        for _ in nodes:
            left_s = max(0.01, deadline_s - self._clock.monotonic_s())
            (popped,) = await self._reply_valkey.ask([("BLPOP", answers_key(request_id), f"{left_s:.2f}")])
            if popped is None:
                break
            replies.append(msgspec.json.decode(popped[1], type=FleetReply))
        return replies

    async def _close(self, request: FleetRequest) -> int:
        """Gives: the number of closed connections or removed subscribers."""
        if request.close_connection is not None:
            for connection in self._sockets.connections():
                if f"{self.node}-{connection.number}" == request.close_connection:
                    log.info("socket.closed_by_staff", close_code=CLOSE_NORMAL, request_id=connection.request_id)
                    connection.hang_up(CLOSE_NORMAL, "closed by an administrator")
                    return 1
        if request.close_channel is not None:
            return await self._close_channel(request.close_channel)
        return 0

    async def _close_channel(self, name: str) -> int:
        notice = unsubscribed_json([name])
        watchers = [c for c in self._sockets.connections() if name in c.channels]
        for number, connection in enumerate(watchers):
            if number % CLOSE_SLICE == CLOSE_SLICE - 1:
                await asyncio.sleep(0)
            self._hub.leave(connection, name)
            connection.notify(notice)
        log.info("channel.closed_by_staff", channel=name, subscribers=len(watchers))
        return len(watchers)


def _decode_summary(document: bytes) -> NodeInfo | None:
    try:
        return msgspec.json.decode(document, type=NodeInfo)
    except msgspec.DecodeError as error:
        # Of another version: a rolling update is under way.
        log.info("fleet.not_understood", error=str(error))
        return None


def _channel_info(channel: Channel, push_count_before: int, took_s: float) -> ChannelInfo:
    return ChannelInfo(
        name=channel.name,
        subscriber_count=len(channel.subscribers),
        at=0 if channel.state is None else channel.state.at,
        pushes_per_s=round(max(0, channel.push_count - push_count_before) / took_s, 1),
        lag_ms=channel.lag_ms,
    )
