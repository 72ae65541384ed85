"""What two processes tell each other when one takes over from the other (docs/adr/0039).

The messages up to Listen stay as they are in all versions. FORMAT of live/handed_socket.py says whether the new process can read
the websockets of the old one.
"""

from __future__ import annotations

import msgspec

from server.errors import MysetlistError


class HandOverFailed(MysetlistError):
    """The successor cannot take over; the node that serves goes on."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The new process serves as soon as it gets sockets. format: of the websockets that it can read."""

    version: str
    format: int


class Warm(msgspec.Struct, frozen=True, tag=True):
    """Asks the new process to load these channels, no older than at these positions. opened_count: see Sockets."""

    channels: dict[str, int]
    opened_count: int


class Listen(msgspec.Struct, frozen=True, tag=True):
    """Brings the listening sockets. The old process commits no votes any more, so the new one begins."""


class Take(msgspec.Struct, frozen=True, tag=True):
    """Brings websockets. handed: a packed HandedSocket for each descriptor."""

    handed: list[bytes]


class Finish(msgspec.Struct, frozen=True, tag=True):
    """Nothing more comes: from now on the new process is the node."""


class Done(msgspec.Struct, frozen=True, tag=True):
    """What was asked for is done; what was brought belongs to the new process."""


class Unable(msgspec.Struct, frozen=True, tag=True):
    """It cannot be done; what was brought stays with the old process."""

    reason: str


FROM_OLD: msgspec.msgpack.Decoder[Warm | Listen | Take | Finish] = msgspec.msgpack.Decoder(
    Warm | Listen | Take | Finish
)
FROM_NEW: msgspec.msgpack.Decoder[Ready | Done | Unable] = msgspec.msgpack.Decoder(Ready | Done | Unable)


class HandedOver(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How an upgrade ended. reason: why it failed; empty: the new process is the node.

    moved_count: websockets that went on there; drained_count: websockets and event streams that were sent away
    """

    reason: str = ""
    version: str = ""
    moved_count: int = 0
    drained_count: int = 0
    took_s: float = 0.0


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The first word of a parent to its worker; with a descriptor, the worker takes over from the process at its other end."""

    has_own_database: bool


class HandOver(msgspec.Struct, frozen=True, tag=True):
    """Asks a worker to hand over to the process at the other end of the descriptor."""


TO_WORKER: msgspec.msgpack.Decoder[Begin | HandOver] = msgspec.msgpack.Decoder(Begin | HandOver)
FROM_WORKER: msgspec.msgpack.Decoder[HandedOver] = msgspec.msgpack.Decoder(HandedOver)
