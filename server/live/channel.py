"""A channel, and the sockets that watch it: what the hub keeps of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from server.live.states import State
from server.protocol.frames import text_frame
from server.telemetry import CONFLATED, PUSH_SECONDS


class Transport(Protocol):
    """The part of asyncio.Transport that a push needs."""

    def write(self, data: bytes) -> None:
        """Never blocks."""

    def is_closing(self) -> bool:
        """Writing to a closing transport is an error in uvloop."""

    def get_write_buffer_size(self) -> int:
        """Bytes that the peer has not taken yet."""

    def get_extra_info(self, name: str) -> Any:
        """Information about the connection, its socket above all; None where it has none."""

    def close(self) -> None:
        """Closes once everything is sent."""

    def abort(self) -> None:
        """Closes at once."""


class WireFormat(Protocol):
    """How a push is written down for one kind of client; once for all of them."""

    def frame(self, name: str, at: int, fields: bytes) -> bytes:
        """A push of a channel. Takes: fields of a JSON object, without its braces."""


def push_json(name: str, at: int, fields: bytes) -> bytes:
    """What a push says, whatever carries it."""
    return b'{"ch":"%b","at":%d,%b}' % (name.encode(), at, fields)


def unsubscribed_json(names: Iterable[str]) -> bytes:
    """What a subscriber is told that was taken off channels."""
    return b'{"unsubscribed":{"channels":[%b]}}' % b",".join([b'"%b"' % name.encode() for name in names])


class _WebSocket:
    def frame(self, name: str, at: int, fields: bytes) -> bytes:
        return text_frame(push_json(name, at, fields))


class Subscriber:
    """A socket that watches channels.

    Takes: transport; descriptor of its plain socket, or -1 when bytes may only go through the transport
    """

    __slots__ = ("behind_count", "channels", "descriptor", "sees_all", "skipped_count", "transport")

    wire_format: WireFormat = _WebSocket()

    def __init__(self, transport: Transport, descriptor: int = -1) -> None:
        self.transport = transport
        self.sees_all = False  # staff, from whom no counts are hidden
        self.descriptor = descriptor
        self.channels: set[str] = set()
        self.behind_count = 0  # channels of which it has skipped a state
        self.skipped_count = 0  # states it was not sent

    def notify(self, payload: bytes) -> None:
        """Says something that is no push; payload is a JSON object."""
        raise NotImplementedError


class Channel:
    """One channel with at least one subscriber, or one that is being joined."""

    __slots__ = (
        "backlog",
        "behind",
        "committed_ms",
        "conflated",
        "due_s",
        "is_changed",
        "is_closed",
        "is_waiting",
        "kind",
        "lag_ms",
        "loading",
        "moved",
        "name",
        "push_count",
        "push_seconds",
        "state",
        "subject",
        "subscribers",
    )

    def __init__(self, name: str, kind: str, subject: int) -> None:
        self.name = name
        self.kind = kind
        self.subject = subject  # the id of what it is about
        self.state: State | None = None  # None: still being read
        self.loading: asyncio.Future[State | None] | None = None
        self.backlog: list[Callable[[State], object]] = []  # changes that came while the state was being read
        self.subscribers: set[Subscriber] = set()
        self.behind: set[Subscriber] = set()  # have skipped a push: get the whole state next
        # Joined or left during the present push: have a newer state than its frame, or want none.
        self.moved: set[Subscriber] | None = None  # None: nothing is being pushed
        self.is_changed = False  # since the last push
        self.is_closed = False  # nobody watches it any more, and another may have its name
        self.is_waiting = False  # for its next push
        self.due_s = 0.0  # not to be pushed before
        self.push_count = 0
        self.push_seconds = PUSH_SECONDS.labels(kind)
        self.conflated = CONFLATED.labels(kind)
        self.committed_ms = 0  # when the oldest change since the last push was committed; 0: not said
        self.lag_ms: int | None = None  # from there to the end of the last push that tells

    def put_behind(self, subscriber: Subscriber) -> None:
        """Has a subscriber get the whole state next, in place of what changed."""
        if subscriber not in self.behind:
            self.behind.add(subscriber)
            subscriber.behind_count += 1
