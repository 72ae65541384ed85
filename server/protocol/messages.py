"""What clients send over `/ws` and in bodies, decoded and checked in one pass.

Unknown fields are ignored. What does not fit raises `Refused` with `bad_request`, and the id of the request where
one could be read, so that the error reply finds its request.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.positions import EXACT_MAX

SUBPROTOCOL = "mysetlist.v1"
INBOUND_BYTES_MAX = 16 * 1024
VOTES_PER_CAST_MAX = 100
CHANNELS_PER_REQUEST_MAX = 50
CHANNEL_CHARS_MAX = 64
TOKEN_CHARS_MAX = 4096

Id = Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX)]
RequestId = Annotated[int, msgspec.Meta(ge=0, le=EXACT_MAX)]
Position = Annotated[int, msgspec.Meta(ge=0, le=EXACT_MAX)]
ChannelName = Annotated[str, msgspec.Meta(min_length=1, max_length=CHANNEL_CHARS_MAX)]
Channels = Annotated[list[ChannelName], msgspec.Meta(min_length=1, max_length=CHANNELS_PER_REQUEST_MAX)]
Choice = Literal["up", "down", "none"]
Votes = Annotated[list[tuple[Id, Choice]], msgspec.Meta(min_length=1, max_length=VOTES_PER_CAST_MAX)]


class Hello(msgspec.Struct, tag_field="op", tag="hello", frozen=True, gc=False):
    """Who speaks: a token, or whoever the cookie named, or a reader."""

    id: RequestId
    token: Annotated[str, msgspec.Meta(max_length=TOKEN_CHARS_MAX)] | None = None


class Subscribe(msgspec.Struct, tag_field="op", tag="subscribe", frozen=True):
    """State now and pushes from now on; `since` says what the client still holds."""

    id: RequestId
    channels: Channels
    since: dict[ChannelName, Position] = {}


class Unsubscribe(msgspec.Struct, tag_field="op", tag="unsubscribe", frozen=True):
    """No more pushes."""

    id: RequestId
    channels: Channels


class Cast(msgspec.Struct, tag_field="op", tag="cast", frozen=True):
    """My choice for these songs is this. All of the list is taken, or none."""

    id: RequestId
    show: Id
    votes: Votes


class Ballot(msgspec.Struct, tag_field="op", tag="ballot", frozen=True, gc=False):
    """What are my choices in this show?"""

    id: RequestId
    show: Id


class Attend(msgspec.Struct, tag_field="op", tag="attend", frozen=True, gc=False):
    """I go to this show, or not."""

    id: RequestId
    show: Id
    going: bool


class Follow(msgspec.Struct, tag_field="op", tag="follow", frozen=True, gc=False):
    """I follow this artist, or not."""

    id: RequestId
    artist: Id
    following: bool


class Ping(msgspec.Struct, tag_field="op", tag="ping", frozen=True, gc=False):
    """Are you there, and what time is it?"""

    id: RequestId


class VotesBody(msgspec.Struct, frozen=True):
    """The body of `POST /api/shows/{id}/votes`."""

    votes: Votes


Request = Hello | Subscribe | Unsubscribe | Cast | Ballot | Attend | Follow | Ping
OPS = ("hello", "subscribe", "unsubscribe", "cast", "ballot", "attend", "follow", "ping")


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    id: RequestId | None = None
    op: Any = None  # of any type, so that the id is found beside an op that is no text


_request_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_envelope_decoder = msgspec.json.Decoder(_Envelope)


class BadRequest(Refused):
    """A request that could not be understood; `request_id` is None when not even its id could be read."""

    def __init__(self, message: str, request_id: int | None) -> None:
        super().__init__(Code.BAD_REQUEST, message)
        self.request_id = request_id


def decode_request(data: str | bytes) -> Request:
    """One inbound frame.

    Raises: BadRequest: not JSON, not an object, an unknown `op`, or fields out of their bounds
    """
    try:
        return _request_decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _explain(data, error) from None


def request_id_of(data: str | bytes) -> int | None:
    """The id of an inbound frame that is not looked at any further; None: it has none."""
    try:
        return _envelope_decoder.decode(data).id
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _explain(data: str | bytes, error: Exception) -> BadRequest:
    try:
        envelope = _envelope_decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return BadRequest(_sentence(error), None)
    if envelope.id is None:
        return BadRequest("A request needs an integer `id`.", None)
    if envelope.op not in OPS:
        return BadRequest(f"Unknown op; known are {', '.join(OPS)}.", envelope.id)
    return BadRequest(_sentence(error), envelope.id)


def _sentence(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "The JSON is nested too deeply."
    # msgspec's messages name the place and the rule and quote nothing but keys of ours.
    return f"{str(error)[:200]}."
