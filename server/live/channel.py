"""A channel and its subscribers, as the hub keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

from server.live.io_uring import Sends
from server.live.states import State
from server.protocol.channels import SHOW_KINDS
from server.protocol.embargo import Audience
from server.protocol.frames import text_frame
from server.telemetry import CONFLATED, PUSH_SECONDS

# A cohort closes its gaps when they are a quarter of its rows, and more than these.
GAPS_KEPT = 64

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
    takes_pushes_together: whether pushes of several channels may be one write
    cohort, seat, slot: see seating.py; -1: it has none
    """

    __slots__ = (
        "audience", "behind_count", "channels", "cohort", "descriptor", "seat", "skipped_count", "slot", "transport",
    )  # fmt: skip

    wire_format: WireFormat = _WebSocket()
    takes_pushes_together = True

    def __init__(self, transport: Transport, descriptor: int = -1) -> None:
        self.transport = transport
        self.audience = Audience.EVERYONE  # the smallest to which it belongs by its role
        self.descriptor = descriptor
        self.channels: set[str] = set()
        self.cohort: Cohort | None = None
        self.seat = self.slot = -1
        self.behind_count = 0  # channels in which it has skipped a state
        self.skipped_count = 0  # states that were not sent to it

    def watches(self, show_id: int) -> bool:
        """Whether it watches a channel of a show."""
        return any(f"{kind}:{show_id}" in self.channels for kind in SHOW_KINDS)

    def notify(self, payload: bytes) -> None:
        """Sends a message that is no push; payload is a JSON object."""
        raise NotImplementedError


class Cohort:
    """The subscribers of exactly the same channels. Each has a seat: a row of the prepared sends.

    begun_count: rows of the push under way that are sent or about to be; frame: what it sends, empty between pushes
    missed_count: seats that were given up before their turn in this push
    """

    __slots__ = ("begun_count", "channels", "frame", "gaps", "missed_count", "sends", "subscribers")

    def __init__(self, channels: frozenset[str]) -> None:
        self.channels = channels
        self.sends = Sends()
        self.subscribers: list[Subscriber | None] = []  # by row
        self.gaps: list[int] = []  # rows without a subscriber
        self.frame = b""
        self.begun_count = self.missed_count = 0

    def __len__(self) -> int:
        return len(self.subscribers) - len(self.gaps)

    def seat(self, subscriber: Subscriber) -> None:
        """Gives a row to a subscriber that has a slot."""
        if self.gaps:
            subscriber.seat = self.gaps.pop()
            self.sends.put(subscriber.seat, subscriber.slot)
            self.subscribers[subscriber.seat] = subscriber
        else:
            subscriber.seat = len(self.subscribers)
            self.sends.append(subscriber.slot)
            self.subscribers.append(subscriber)
        subscriber.cohort = self

    def clear(self, subscriber: Subscriber) -> None:
        """Takes the row back."""
        self.sends.clear(subscriber.seat)
        self.subscribers[subscriber.seat] = None
        self.gaps.append(subscriber.seat)
        subscriber.seat, subscriber.cohort = -1, None

    def begin(self, frame: bytes) -> None:
        """Begins a push: every row sends this frame."""
        if len(self.gaps) > max(GAPS_KEPT, len(self.subscribers) // 4):
            self._close_gaps()
        self.missed_count = 0
        self.frame = frame
        self.sends.load(frame)
        for row in self.gaps:
            self.sends.clear(row)

    def end(self) -> None:
        """Ends the push."""
        self.begun_count = 0
        self.frame = b""
        self.sends.unload()

    def _close_gaps(self) -> None:
        seated = [subscriber for subscriber in self.subscribers if subscriber is not None]
        self.sends, self.subscribers, self.gaps = Sends(), [], []
        for subscriber in seated:
            self.seat(subscriber)


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
