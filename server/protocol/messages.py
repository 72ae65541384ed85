"""The messages of clients, over `/ws` and in HTTP bodies: decoded and checked in one pass.

Unknown fields are ignored. A malformed message raises `BadRequest` with the id of the request if it could be read, so that
the error reply can name the request.
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
Order = Annotated[
    int,
    msgspec.Meta(
        ge=1,
        le=EXACT_MAX,
        description="The place of this cast among the fan's casts in the show: greater than the order of every cast before. A "
        "cast that would change the ballot and is not greater than the ballot's order is refused as `conflict`. Without an "
        "order the last cast that arrives wins.",
    ),
]
Votes = Annotated[list[tuple[Id, Choice]], msgspec.Meta(min_length=1, max_length=VOTES_PER_CAST_MAX)]


class Hello(msgspec.Struct, tag_field="op", tag="hello", frozen=True, gc=False):
    """Signs in with a token; without one it asks for the identity of the connection."""

    id: RequestId
    token: Annotated[str, msgspec.Meta(max_length=TOKEN_CHARS_MAX)] | None = None


class Subscribe(msgspec.Struct, tag_field="op", tag="subscribe", frozen=True):
    """Asks for the present states and for later pushes; `since` has the positions of the states that the client holds."""

    id: RequestId
    channels: Channels
    since: dict[ChannelName, Position] = {}


class Unsubscribe(msgspec.Struct, tag_field="op", tag="unsubscribe", frozen=True):
    """Ends the pushes of these channels."""

    id: RequestId
    channels: Channels


class Cast(msgspec.Struct, tag_field="op", tag="cast", frozen=True):
    """Sets the fan's choices for these songs. All of the list is taken, or none of it."""

    id: RequestId
    show: Id
    votes: Votes
    order: Order | None = None


class Ballot(msgspec.Struct, tag_field="op", tag="ballot", frozen=True, gc=False):
    """Asks for the fan's choices in a show."""

    id: RequestId
    show: Id


class Attend(msgspec.Struct, tag_field="op", tag="attend", frozen=True, gc=False):
    """Says that the fan goes to a show, or not."""

    id: RequestId
    show: Id
    going: bool


class Follow(msgspec.Struct, tag_field="op", tag="follow", frozen=True, gc=False):
    """Says that the fan follows an artist, or not."""

    id: RequestId
    artist: Id
    following: bool


class Ping(msgspec.Struct, tag_field="op", tag="ping", frozen=True, gc=False):
    """Asks for the server's time."""

    id: RequestId


class VotesBody(msgspec.Struct, frozen=True):
    """The body of `POST /api/shows/{id}/votes`."""

    votes: Votes
    order: Order | None = None


Request = Hello | Subscribe | Unsubscribe | Cast | Ballot | Attend | Follow | Ping
OPS = ("hello", "subscribe", "unsubscribe", "cast", "ballot", "attend", "follow", "ping")


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    id: RequestId | None = None
    op: Any = None  # of any type, so that the id can be read even if the op is not a string


_request_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_envelope_decoder = msgspec.json.Decoder(_Envelope)


class BadRequest(Refused):
    """The refusal of a malformed request; `request_id` is None if its id could not be read."""

    def __init__(self, message: str, request_id: int | None) -> None:
        super().__init__(Code.BAD_REQUEST, message)
        self.request_id = request_id


def decode_request(data: str | bytes) -> Request:
    """Decodes one inbound frame.

    Raises: BadRequest: not JSON, not an object, an unknown `op`, or fields out of their bounds
    """
    try:
        return _request_decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _explain(data, error) from None


def request_id_of(data: str | bytes) -> int | None:
    """Reads only the id of an inbound frame; None: it has none."""
    try:
        return _envelope_decoder.decode(data).id
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _explain(data: str | bytes, error: Exception) -> BadRequest:
    try:
        envelope = _envelope_decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return BadRequest(sentence_of(error), None)
    if envelope.id is None:
        return BadRequest("The request has no integer `id`. Give it one.", None)
    if envelope.op not in OPS:
        return BadRequest(f"The `op` is unknown. Known are {', '.join(OPS)}.", envelope.id)
    return BadRequest(sentence_of(error), envelope.id)


def sentence_of(error: Exception) -> str:
    """What is wrong with a JSON text, of the exception that decoding it raised."""
    if isinstance(error, RecursionError):
        return "The JSON is nested too deeply."
    if str(error) == "Input data was truncated":
        return "The JSON is empty or ends too early."
    # msgspec's messages name the place and the rule, and quote only the keys of these types.
    return f"{str(error)[:200]}."
