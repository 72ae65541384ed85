"""Who waits for the outcome of a request, and what is then written to its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.errors import Refused
from server.protocol.frames import text_frame
from server.protocol.outcomes import Marked

if TYPE_CHECKING:
    from server.live.connection import Connection


class VoteReply:
    """Waits for the outcome of one cast, or for one ballot (protocol.outcomes.Waiter)."""

    __slots__ = ("_connection", "_is_cast", "_request_id")

    def __init__(self, connection: Connection, request_id: int, *, is_cast: bool) -> None:
        self._connection = connection
        self._request_id = request_id
        self._is_cast = is_cast

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None) -> None:
        """Tells the ballot, and of a cast where it is in the log and how safe."""
        connection = self._connection
        connection.pending_count -= 1
        left = b"null" if remaining is None else b"%d" % remaining
        ballot_json = connection.services.ballot_json(ballot)
        if not self._is_cast:
            connection.reply(self._request_id, b'{"ballot":%b,"remaining":%b}' % (ballot_json, left))
            return
        connection.reply(
            self._request_id,
            b'{"at":%d,"durability":"%b","ballot":%b,"remaining":%b}' % (at, durability.encode(), ballot_json, left),
        )

    def refused(self, error: Refused) -> None:
        """Tells why not."""
        self._connection.pending_count -= 1
        self._connection.reply_error(self._request_id, error)

    def committed(self, show_id: int, at: int) -> None:
        """Tells that what was accepted is durable now."""
        self._connection.write(text_frame(b'{"committed":{"show":%d,"at":%d}}' % (show_id, at)))


class MarkReply:
    """Waits for the outcome of one `attend` or `follow`."""

    __slots__ = ("_connection", "_marked", "_request_id")

    def __init__(self, connection: Connection, request_id: int, marked: Marked) -> None:
        self._connection = connection
        self._request_id = request_id
        self._marked = marked

    def answered(self, at: int, durability: str, _ballot: str, _remaining: int | None) -> None:
        """Tells where it is in the log and how safe."""
        self._connection.pending_count -= 1
        self._connection.reply(self._request_id, b'{"at":%d,"durability":"%b"}' % (at, durability.encode()))

    def refused(self, error: Refused) -> None:
        """Tells why not."""
        self._connection.pending_count -= 1
        self._connection.reply_error(self._request_id, error)

    def committed(self, subject_id: int, at: int) -> None:
        """Tells that what was accepted is durable now."""
        marked = self._marked.encode()
        self._connection.write(text_frame(b'{"committed":{"%b":%d,"at":%d}}' % (marked, subject_id, at)))


def error_object(error: Refused) -> dict[str, Any]:
    """An error as clients get it."""
    return {"code": error.code, "message": error.message, "retry_after_ms": error.retry_after_ms}
