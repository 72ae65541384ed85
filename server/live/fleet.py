"""The fleet: what this node tells about its connections, and what it does when an administrator asks.

Each node writes a summary of itself to Valkey every few seconds, good for SUMMARY_TTL_S, so the nodes that live are those
that have one. Questions come as rare notifications through PostgreSQL, which every node hears; answers go back through a
list in Valkey.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

import msgspec
import structlog

from server.cache.connection import Command, Connection
from server.cache.keys import FLEET_KEY, answers_key, node_key
from server.clock import Clock
from server.errors import CacheError
from server.live.channel import Channel, unsubscribed_json
from server.live.connection import ClientConnection
from server.live.fleet_messages import ChannelInfo, ConnectionInfo, ConnectionPage, NodeInfo, Question, Reply
from server.live.hub import Hub
from server.live.sockets import Sockets
from server.protocol.codes import CLOSE_NORMAL
from server.protocol.http.addresses import network_of
from server.protocol.http.cursors import IdPlace, cut_page
from server.protocol.instants import from_ms
from server.telemetry import BUFFER_BYTES, SOCKETS_BEHIND

log = structlog.get_logger()

SUMMARY_INTERVAL_S = 5.0
SUMMARY_TTL_S = 30
# Names of nodes that are gone are looked at in vain for so long.
NAMES_KEPT_MS = 600_000
CHANNELS_TOLD_MAX = 50
ANSWER_TIMEOUT_S = 2.0
ANSWER_TTL_S = 30
QUESTIONS_MAX = 100
CLOSE_SLICE = 500


class Fleet:
    """Takes: node, this one's name; url of Valkey."""

    def __init__(self, node: str, url: str, hub: Hub, sockets: Sockets, clock: Clock) -> None:
        self.node = node
        self._hub = hub
        self._sockets = sockets
        self._clock = clock
        self._line = Connection(url)
        self._waiting_line = Connection(url)  # waits for answers; nothing else shall wait behind it
        self._questions: deque[Question] = deque(maxlen=QUESTIONS_MAX)
        self._has_questions = asyncio.Event()
        self._summary = self._look((0, 0, 0), {}, SUMMARY_INTERVAL_S)

    async def run(self) -> None:
        """Tells and answers until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._tell(), name="fleet-summary")
                tasks.create_task(self._answer(), name="fleet-answers")
        finally:
            with suppress(CacheError):
                await self._line.ask([("DEL", node_key(self.node)), ("ZREM", FLEET_KEY, self.node)])
            await self._line.close()
            await self._waiting_line.close()

    # ── what this node tells

    async def _tell(self) -> None:
        while True:
            now_ms = self._clock.now_ms()
            try:
                await self._line.ask(
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
            await asyncio.sleep(SUMMARY_INTERVAL_S)
            self._summary = self._look(counts, pushes, self._clock.monotonic_s() - since_s)

    def _counts(self) -> tuple[int, int, int]:
        pusher = self._hub.pusher
        return pusher.push_count, pusher.frame_count, pusher.skipped_count

    def _push_counts(self) -> dict[str, int]:
        return {channel.name: channel.push_count for channel in self._hub.channels()}

    def _look(self, counts: tuple[int, int, int], pushes: dict[str, int], took_s: float) -> NodeInfo:
        """Cost: about 0.3 µs a connection."""
        connections = self._sockets.connections()
        channels = self._hub.channels()
        lags = self._hub.pusher.lags
        buffer_bytes = sum([connection.transport.get_write_buffer_size() for connection in connections])
        behind_count = sum([connection.behind_count > 0 for connection in connections])
        BUFFER_BYTES.set(buffer_bytes)
        SOCKETS_BEHIND.set(behind_count)
        told = sorted(channels, key=lambda channel: len(channel.subscribers), reverse=True)[:CHANNELS_TOLD_MAX]
        push_rate, frame_rate, skip_rate = (
            round((now - before) / took_s, 1) for now, before in zip(self._counts(), counts, strict=True)
        )
        return NodeInfo(
            node=self.node,
            seen_at=from_ms(self._clock.now_ms()),
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
            channels=[_channel_info(channel, pushes.get(channel.name, 0), took_s) for channel in told],
        )

    async def nodes(self) -> list[NodeInfo]:
        """Every node that lives, this one first.

        Raises: CacheError
        """
        (names,) = await self._line.ask([("ZRANGE", FLEET_KEY, 0, -1)])
        others = sorted(name.decode() for name in names if name.decode() != self.node)
        documents = (await self._line.ask([("MGET", *map(node_key, others))]))[0] if others else []
        told = [_understood(document) for document in documents if document is not None]
        return [self._summary, *(node for node in told if node is not None)]

    def summary(self) -> NodeInfo:
        """This node, as it last saw itself."""
        return self._summary

    def page(self, after: int, limit: int) -> ConnectionPage:
        """Connections of this node whose number is past `after`."""
        found = sorted([c for c in self._sockets.connections() if c.number > after], key=lambda c: c.number)
        page, cursor = cut_page(found[: limit + 1], limit, lambda connection: IdPlace(connection.number))
        return ConnectionPage(items=[self._connection_info(connection) for connection in page], next=cursor)

    def _connection_info(self, connection: ClientConnection) -> ConnectionInfo:
        who = connection.identity
        return ConnectionInfo(
            id=f"{self.node}-{connection.number}",
            request_id=connection.request_id,
            kind=connection.kind,
            user=None if who is None else who.user_id,
            role="reader" if who is None else who.role,
            address=network_of(connection.address),
            since=from_ms(connection.opened_ms),
            channels=sorted(connection.channels),
            buffer_bytes=connection.transport.get_write_buffer_size(),
            skipped_count=connection.skipped_count,
        )

    # ── questions

    def hear(self, payload: str) -> None:
        """A question of some node's, perhaps this one's; past QUESTIONS_MAX the oldest goes unanswered."""
        question = msgspec.json.decode(payload, type=Question)
        if question.node in (None, self.node):
            self._questions.append(question)
            self._has_questions.set()

    async def _answer(self) -> None:
        while True:
            await self._has_questions.wait()
            self._has_questions.clear()
            while self._questions:
                question = self._questions.popleft()
                reply = Reply(
                    node=self.node,
                    closed_count=await self._close(question),
                    page=self.page(question.after, question.limit) if question.limit else None,
                )
                key = answers_key(question.id)
                commands: list[Command] = [
                    ("RPUSH", key, msgspec.json.encode(reply)), ("EXPIRE", key, ANSWER_TTL_S)
                ]  # fmt: skip
                try:
                    await self._line.ask(commands)
                except CacheError as error:
                    log.warning("fleet.not_answered", error=str(error))

    async def answers(self, question_id: str, nodes: Iterable[str]) -> list[Reply]:
        """What the nodes have to say to a question that was sent; those that say nothing for ANSWER_TIMEOUT_S are left out.

        Raises: CacheError
        """
        replies: list[Reply] = []
        deadline_s = self._clock.monotonic_s() + ANSWER_TIMEOUT_S
        for _ in nodes:
            left_s = max(0.01, deadline_s - self._clock.monotonic_s())
            (said,) = await self._waiting_line.ask([("BLPOP", answers_key(question_id), f"{left_s:.2f}")])
            if said is None:
                break
            replies.append(msgspec.json.decode(said[1], type=Reply))
        return replies

    async def _close(self, question: Question) -> int:
        """Gives: how many connections were closed, or subscribers removed."""
        if question.close_connection is not None:
            for connection in self._sockets.connections():
                if f"{self.node}-{connection.number}" == question.close_connection:
                    log.info("socket.closed_by_staff", close_code=CLOSE_NORMAL, request_id=connection.request_id)
                    connection.hang_up(CLOSE_NORMAL, "closed by an administrator")
                    return 1
        if question.close_channel is not None:
            return await self._close_channel(question.close_channel)
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


def _understood(document: bytes) -> NodeInfo | None:
    try:
        return msgspec.json.decode(document, type=NodeInfo)
    except msgspec.DecodeError as error:
        # Of another version, which is there for as long as a rolling update takes.
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
