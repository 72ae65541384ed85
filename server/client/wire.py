"""The messages that a client reads and writes on the websocket: only the fields it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from server.errors import Refused

SUBPROTOCOL = "mysetlist.v1"


class CastOk(msgspec.Struct, gc=False):
    """`ok` of a cast. `Inbound` decodes every `ok` as this. The caller of any other request decodes its reply again."""

    at: int = 0
    durability: str = ""


class ErrorReply(msgspec.Struct, gc=False):
    """`error` of a refused request."""

    code: str
    message: str = ""
    retry_after_ms: int | None = None

    def refused(self) -> Refused:
        """The exception for the caller of the request."""
        return Refused(self.code, self.message, retry_after_ms=self.retry_after_ms)


class Committed(msgspec.Struct, gc=False):
    """An accepted cast or mark of a show or an artist is now committed, at position `at`."""

    at: int
    show: int | None = None
    artist: int | None = None


class Drain(msgspec.Struct, gc=False):
    """The server is about to stop; the client reconnects after min_ms to max_ms."""

    min_ms: int = 500
    max_ms: int = 5000


class Expiring(msgspec.Struct, gc=False):
    """The token expires in in_ms."""

    in_ms: int


class Unsubscribed(msgspec.Struct, gc=False):
    """The server ended these subscriptions."""

    channels: list[str]


class Inbound(msgspec.Struct, gc=False):
    """Any message of the server. The field that is set tells its kind: `re` a reply, `ch` a push, others a notice."""

    re: int | None = None
    ok: CastOk | None = None
    error: ErrorReply | None = None
    ch: str | None = None
    committed: Committed | None = None
    drain: Drain | None = None
    expiring: Expiring | None = None
    unsubscribed: Unsubscribed | None = None


decode_inbound = msgspec.json.Decoder(Inbound).decode


def hello_frame(request_id: int, token: str | None) -> bytes:
    """A hello; without a token the client is a reader."""
    hello: dict[str, Any] = {"id": request_id, "op": "hello"}
    if token is not None:
        hello["token"] = token
    return orjson.dumps(hello)


def subscribe_frame(request_id: int, channels: Sequence[str], since: Mapping[str, int]) -> bytes:
    """A subscribe; `since` holds the positions the client already has."""
    request: dict[str, Any] = {"id": request_id, "op": "subscribe", "channels": list(channels)}
    if since:
        request["since"] = dict(since)
    return orjson.dumps(request)


def request_frame(request_id: int, op: str, fields: Mapping[str, Any]) -> bytes:
    """Any other request."""
    return orjson.dumps({"id": request_id, "op": op, **fields})
