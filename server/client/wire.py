"""What a client reads and writes: decoders that take only what is needed, frames formatted by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from server.errors import Refused

SUBPROTOCOL = "mysetlist.v1"


class Ok(msgspec.Struct, gc=False):
    """What a cast's acknowledgement says; the other requests' replies are read elsewhere, or not at all."""

    at: int = 0
    durability: str = ""


class Fault(msgspec.Struct, gc=False):
    """Why a request was refused."""

    code: str
    message: str = ""
    retry_after_ms: int | None = None

    def refused(self) -> Refused:
        """As the exception it is for whoever asked."""
        return Refused(self.code, self.message, retry_after_ms=self.retry_after_ms)


class Durable(msgspec.Struct, gc=False):
    """What was accepted has become durable: a cast or going in a show, or following an artist."""

    at: int
    show: int | None = None
    artist: int | None = None


class Drain(msgspec.Struct, gc=False):
    """The server is about to leave; when to come back [ms]."""

    min_ms: int = 500
    max_ms: int = 5000


class Expiring(msgspec.Struct, gc=False):
    """The token ends soon [ms]."""

    in_ms: int


class Unsubscribed(msgspec.Struct, gc=False):
    """We were taken off channels."""

    channels: list[str]


class Inbound(msgspec.Struct, gc=False):
    """Any message of the server; which one it is shows in what is set."""

    re: int | None = None
    ok: Ok | None = None
    error: Fault | None = None
    ch: str | None = None
    committed: Durable | None = None
    drain: Drain | None = None
    expiring: Expiring | None = None
    unsubscribed: Unsubscribed | None = None


class VotesPush(msgspec.Struct, gc=False):
    """A push on `votes:<show>`: changed songs only, absolute counts."""

    ch: str
    at: int
    tally: list[tuple[int, int, int]] = []


class VotesState(msgspec.Struct, gc=False):
    """The whole of `votes:<show>`."""

    tally: list[tuple[int, int, int]] = []


class Joined(msgspec.Struct, gc=False):
    """One channel in the reply to a subscribe."""

    at: int = 0
    state: VotesState | None = None
    error: Fault | None = None


class JoinedChannels(msgspec.Struct, gc=False):
    """`ok` of a subscribe."""

    channels: dict[str, Joined] = {}


class SubscribeReply(msgspec.Struct, gc=False):
    """The reply to a subscribe to votes channels."""

    ok: JoinedChannels


class BallotState(msgspec.Struct, gc=False):
    """`ok` of a ballot."""

    ballot: dict[int, str] = {}


class BallotReply(msgspec.Struct, gc=False):
    """The reply to `ballot`."""

    ok: BallotState


decode_inbound = msgspec.json.Decoder(Inbound).decode
decode_votes_push = msgspec.json.Decoder(VotesPush).decode
decode_subscribe_reply = msgspec.json.Decoder(SubscribeReply).decode
decode_ballot_reply = msgspec.json.Decoder(BallotReply).decode


def cast_frame(request_id: int, show_id: int, votes: Iterable[tuple[int, str]]) -> bytes:
    """A cast, as text."""
    choices = ",".join([f'[{song},"{choice}"]' for song, choice in votes])
    return f'{{"id":{request_id},"op":"cast","show":{show_id},"votes":[{choices}]}}'.encode()


def hello_frame(request_id: int, token: str | None) -> bytes:
    """Who speaks; without a token, a reader."""
    hello: dict[str, Any] = {"id": request_id, "op": "hello"}
    if token is not None:
        hello["token"] = token
    return orjson.dumps(hello)


def subscribe_frame(request_id: int, channels: Sequence[str], since: Mapping[str, int]) -> bytes:
    """State and pushes, please; `since` holds the positions already known."""
    request: dict[str, Any] = {"id": request_id, "op": "subscribe", "channels": list(channels)}
    if since:
        request["since"] = dict(since)
    return orjson.dumps(request)


def ballot_frame(request_id: int, show_id: int) -> bytes:
    """What are my choices?"""
    return b'{"id":%d,"op":"ballot","show":%d}' % (request_id, show_id)


def request_frame(request_id: int, op: str, fields: Mapping[str, Any]) -> bytes:
    """Any request."""
    return orjson.dumps({"id": request_id, "op": op, **fields})
