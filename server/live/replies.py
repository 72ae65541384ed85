"""Writes the outcomes of casts and marks to the connection that asked (protocol.outcomes.Waiter)."""

from __future__ import annotations

from typing import Any, Protocol

from server.errors import Refused
from server.live.services import BallotJson
from server.protocol.frames import text_frame
from server.protocol.outcomes import Marked


class Requester(Protocol):
    """The part of a connection that an answer needs. pending_count: the connection's requests without an outcome."""

    pending_count: int

    @property
    def is_gone(self) -> bool:
        """Whether the connection is lost or closed."""

    def reply(self, request_id: int, payload: bytes) -> None:
        """Answers a request; payload is a JSON object."""

    def reply_error(self, request_id: int | None, error: Refused) -> None:
        """Refuses a request."""

    def write(self, frame: bytes) -> None:
        """Writes a whole frame."""


class VoteReply:
    """Waits for the outcome of one cast, or for one ballot."""

    __slots__ = ("_ballot_json", "_is_cast", "_request_id", "_requester")

    def __init__(self, requester: Requester, request_id: int, ballot_json: BallotJson, *, is_cast: bool) -> None:
        self._requester = requester
        self._request_id = request_id
        self._ballot_json = ballot_json
        self._is_cast = is_cast

    @property
    def is_gone(self) -> bool:
        """Whether the connection is lost or closed."""
        return self._requester.is_gone

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None, order: int = 0) -> None:
        """Answers with the ballot; the answer to a cast has its log position and its durability too."""
        requester = self._requester
        requester.pending_count -= 1
        left = b"null" if remaining is None else b"%d" % remaining
        ballot_json = self._ballot_json(ballot)
        if not self._is_cast:
            last = b',"order":%d' % order if order else b""
            requester.reply(self._request_id, b'{"ballot":%b,"remaining":%b%b}' % (ballot_json, left, last))
            return
        requester.reply(
            self._request_id,
            b'{"at":%d,"durability":"%b","ballot":%b,"remaining":%b}' % (at, durability.encode(), ballot_json, left),
        )

    def refused(self, error: Refused) -> None:
        """Answers with the refusal."""
        self._requester.pending_count -= 1
        self._requester.reply_error(self._request_id, error)

    def committed(self, show_id: int, at: int) -> None:
        """Notifies the client that an accepted cast is durable now."""
        self._requester.write(text_frame(b'{"committed":{"show":%d,"at":%d}}' % (show_id, at)))


class MarkReply:
    """Waits for the outcome of one `attend` or `follow`."""

    __slots__ = ("_marked", "_request_id", "_requester")

    def __init__(self, requester: Requester, request_id: int, marked: Marked) -> None:
        self._requester = requester
        self._request_id = request_id
        self._marked = marked

    @property
    def is_gone(self) -> bool:
        """Whether the connection is lost or closed."""
        return self._requester.is_gone

    def answered(self, at: int, durability: str, _ballot: str, _remaining: int | None, _order: int = 0) -> None:
        """Answers with the log position and the durability."""
        self._requester.pending_count -= 1
        self._requester.reply(self._request_id, b'{"at":%d,"durability":"%b"}' % (at, durability.encode()))

    def refused(self, error: Refused) -> None:
        """Answers with the refusal."""
        self._requester.pending_count -= 1
        self._requester.reply_error(self._request_id, error)

    def committed(self, subject_id: int, at: int) -> None:
        """Notifies the client that an accepted mark is durable now."""
        marked = self._marked.encode()
        self._requester.write(text_frame(b'{"committed":{"%b":%d,"at":%d}}' % (marked, subject_id, at)))


def error_object(error: Refused) -> dict[str, Any]:
    """An error as clients get it."""
    return {"code": error.code, "message": error.message, "retry_after_ms": error.retry_after_ms}
