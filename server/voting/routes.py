"""Voting without a websocket: the same rules and the same replies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.ids import parse_id
from server.protocol.messages import INBOUND_BYTES_MAX, decode_votes_body
from server.voting.intake import Intake
from server.voting.rules import ballot_json


class VotingRoutes:
    """Takes: user_of, request -> the id of who speaks; raises Refused(unauthenticated)."""

    def __init__(self, intake: Intake, user_of: Callable[[web.Request], int]) -> None:
        self._intake = intake
        self._user_of = user_of

    def routes(self) -> list[web.RouteDef]:
        """What app adds to its router."""
        return [
            web.post("/api/shows/{show}/votes", self.post_votes),
            web.get("/api/shows/{show}/ballot", self.get_ballot),
        ]

    async def post_votes(self, request: web.Request) -> web.Response:
        """`POST /api/shows/{show}/votes`."""
        user_id = self._user_of(request)
        show_id = _show_id(request)
        # The length that is announced is refused before it is read; a chunked body announces none.
        if (request.content_length or 0) > INBOUND_BYTES_MAX or len(data := await request.read()) > INBOUND_BYTES_MAX:
            raise Refused(Code.TOO_LARGE, f"A body has at most {INBOUND_BYTES_MAX} bytes.")
        body = decode_votes_body(data)
        at, durability, ballot, left = await self._submit(show_id, user_id, body.votes)
        return _json(
            b'{"at":%d,"durability":"%b","ballot":%b,"remaining":%b}' % (at, durability.encode(), ballot, left)
        )

    async def get_ballot(self, request: web.Request) -> web.Response:
        """`GET /api/shows/{show}/ballot`."""
        _, _, ballot, left = await self._submit(_show_id(request), self._user_of(request), [])
        return _json(b'{"ballot":%b,"remaining":%b}' % (ballot, left))

    async def _submit(self, show_id: int, user_id: int, votes: list[tuple[int, Any]]) -> tuple[int, str, bytes, bytes]:
        waiter = _Waiter()
        self._intake.submit(show_id, user_id, votes, waiter)
        at, durability, ballot, remaining = await waiter.outcome
        return at, durability, ballot_json(ballot), b"null" if remaining is None else b"%d" % remaining


class _Waiter:
    """Turns the waiter's calls into one future."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[tuple[int, str, str, int | None]] = asyncio.get_running_loop().create_future()

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None) -> None:
        if not self.outcome.done():
            self.outcome.set_result((at, durability, ballot, remaining))

    def refused(self, error: Refused) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def committed(self, show_id: int, at: int) -> None:
        """An HTTP client has its answer and hears no more."""


def _show_id(request: web.Request) -> int:
    show_id = parse_id(request.match_info["show"])
    if show_id is None:
        raise Refused(Code.NOT_FOUND, "No such show.")
    return show_id


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")
