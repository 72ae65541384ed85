"""The messages that only a crowd reads and writes: decoders of the few fields it counts, and the frame of a cast."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import orjson

from server.client.wire import ErrorReply


class VotesPush(msgspec.Struct, gc=False):
    """A push on `votes:<show>`: absolute counts of the changed songs."""

    ch: str
    at: int
    tally: list[tuple[int, int, int]] = []


class VotesState(msgspec.Struct, gc=False):
    """The whole state of `votes:<show>`."""

    tally: list[tuple[int, int, int]] = []


class SubscribedChannel(msgspec.Struct, gc=False):
    """One votes channel in the reply to a subscribe; without a state, the client's own state is still the newest."""

    at: int = 0
    state: VotesState | None = None
    error: ErrorReply | None = None


class SubscribeOk(msgspec.Struct, gc=False):
    """`ok` of a subscribe."""

    channels: dict[str, SubscribedChannel] = {}


class SubscribeReply(msgspec.Struct, gc=False):
    """The reply to a subscribe to votes channels."""

    ok: SubscribeOk


class BallotOk(msgspec.Struct, gc=False):
    """`ok` of a ballot."""

    ballot: dict[int, str] = {}


class BallotReply(msgspec.Struct, gc=False):
    """The reply to a ballot."""

    ok: BallotOk


decode_votes_push = msgspec.json.Decoder(VotesPush).decode
decode_subscribe_reply = msgspec.json.Decoder(SubscribeReply).decode
decode_ballot_reply = msgspec.json.Decoder(BallotReply).decode


def cast_frame(request_id: int, show_id: int, votes: Sequence[tuple[int, str]], order: int) -> bytes:
    """A cast."""
    return orjson.dumps({"id": request_id, "op": "cast", "show": show_id, "votes": votes, "order": order})
