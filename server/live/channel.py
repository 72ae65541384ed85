"""A channel and its subscribers, as the hub keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

from server.live.states import State
from server.protocol.channels import SHOW_KINDS
from server.protocol.embargo import Audience
from server.protocol.frames import text_frame
from server.telemetry import CONFLATED, PUSH_SECONDS

# How the loading of a channel ended. A value, no exception: that would be one instance, raised for each client that waits.
# None: there is no such channel.
Loaded = State | Literal["unreadable"] | None


class Transport(Protocol):
    """The part of asyncio.Transport that the live side needs."""

    def write(self, data: bytes) -> None:
        """Sends or buffers; never blocks."""

    def is_closing(self) -> bool:
        """Whether it closes; uvloop raises when a closing transport is written to."""

    def get_write_buffer_size(self) -> int:
        """Bytes that the peer has not taken yet."""

    def get_extra_info(self, name: str) -> Any:
        """Information about the connection, its socket above all; None where it has none."""

    def close(self) -> None:
        """Closes once everything is sent."""

    def abort(self) -> None:
        """Closes at once."""


class WireFormat(Protocol):
    """Encodes a push for one kind of client, once for all of them."""

    def frame(self, name: str, at: int, fields: bytes) -> bytes:
        """A push of a channel. Takes: fields of a JSON object, without its braces."""


def push_json(name: str, at: int, fields: bytes) -> bytes:
    """The JSON of a push, the same for every wire format."""
    return b'{"ch":"%b","at":%d,%b}' % (name.encode(), at, fields)


def unsubscribed_json(names: Iterable[str]) -> bytes:
    """The JSON of the notice to a subscriber that was taken off channels."""
    return b'{"unsubscribed":{"channels":[%b]}}' % b",".join([b'"%b"' % name.encode() for name in names])


class _WebSocket:
    def frame(self, name: str, at: int, fields: bytes) -> bytes:
        return text_frame(push_json(name, at, fields))


class Subscriber:
    """A connection that watches channels.

    Takes: descriptor of its plain socket, or -1 when bytes may only go through the transport
    """

    __slots__ = ("audience", "behind_count", "channels", "descriptor", "skipped_count", "transport")

    wire_format: WireFormat = _WebSocket()

    def __init__(self, transport: Transport, descriptor: int = -1) -> None:
        self.transport = transport
        self.audience = Audience.EVERYONE  # the smallest to which it belongs by its role
        self.descriptor = descriptor
        self.channels: set[str] = set()
        self.behind_count = 0  # channels in which it has skipped a state
        self.skipped_count = 0  # states that were not sent to it

    def watches(self, show_id: int) -> bool:
        """Whether it watches a channel of a show."""
        return any(f"{kind}:{show_id}" in self.channels for kind in SHOW_KINDS)

    def notify(self, payload: bytes) -> None:
        """Sends a message that is no push; payload is a JSON object."""
        raise NotImplementedError


class Channel:
    """One channel that has a subscriber or will have one soon."""

    __slots__ = (
        "backlog",
        "behind",
        "committed_ms",
        "conflated",
        "due_s",
        "is_changed",
        "is_closed",
        "is_waiting",
        "joined",
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
        self.subject = subject  # the id of its show, song or artist; 0: it has none
        self.state: State | None = None  # None: it is being loaded
        self.loading: asyncio.Future[Loaded] | None = None
        self.backlog: list[Callable[[State], object]] = []  # changes that came while the state was being loaded
        self.subscribers: set[Subscriber] = set()
        self.behind: set[Subscriber] = set()  # have skipped a push and get the whole state next
        # Joined since the state changed, and the position they joined at: the next push may have what they hold already.
        self.joined: dict[Subscriber, int] = {}
        # Not for the current push: joined or left meanwhile, or hold its state already.
        self.moved: set[Subscriber] | None = None  # None: nothing is being pushed
        self.is_changed = False  # since the last push
        self.is_closed = False  # without subscribers; another channel may have its name by now
        self.is_waiting = False  # its next push is scheduled
        self.due_s = 0.0  # the earliest time of its next push
        self.push_count = 0
        self.push_seconds = PUSH_SECONDS.labels(kind)
        self.conflated = CONFLATED.labels(kind)
        self.committed_ms = 0  # commit of the oldest change since the last push; 0: unknown
        self.lag_ms: int | None = None  # from that commit to the end of the push, of the last push that has one

    def position_of(self, subscriber: Subscriber) -> tuple[int, bool] | None:
        """The position of its state, and whether a subscriber has to get this state yet; None: a push is under way."""
        if self.moved is not None or self.state is None:
            return None
        at = self.state.at
        is_pending = self.is_changed and self.joined.get(subscriber) != at
        return at, is_pending or subscriber in self.behind

    def put_behind(self, subscriber: Subscriber) -> None:
        """Marks a subscriber to get the whole state next instead of the changes."""
        if subscriber not in self.behind:
            self.behind.add(subscriber)
            subscriber.behind_count += 1

    def take_back(self, subscriber: Subscriber) -> None:
        """Marks a subscriber to get the changes again: it holds the whole state, or wants none."""
        if subscriber in self.behind:
            self.behind.discard(subscriber)
            subscriber.behind_count -= 1
