"""Voting without a websocket: the same rules and the same replies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.messages import INBOUND_BYTES_MAX, VotesBody
from server.voting.ballots import submitted
from server.voting.intake import Intake
from server.voting.rules import ballot_json


class BallotAnswer(msgspec.Struct, frozen=True):
    """A fan's choices in a show, song -> choice, and how many more votes it allows (null: no limit)."""

    ballot: dict[str, Literal["up", "down"]]
    remaining: int | None


class CastAnswer(BallotAnswer, frozen=True):
    """The same after a cast, with its position in the log and how safe it is."""

    at: int
    durability: Literal["committed", "accepted"]


class VotingRoutes:
    """Casts and ballots over HTTP.

    Takes: find_show, the id of a show that a path names by id or slug; raises Refused(not_found)
    """

    def __init__(self, intake: Intake, find_show: Callable[[str], Awaitable[int]]) -> None:
        self._intake = intake
        self._find_show = find_show

    def endpoints(self) -> list[Endpoint]:
        """What app serves."""
        refusals = (Code.NOT_FOUND, Code.OVERLOADED, Code.UNAVAILABLE)
        return [
            Endpoint(
                method="POST", path="/api/shows/{show}/votes", handler=self.post_votes, access="user",
                body=VotesBody, body_bytes_max=INBOUND_BYTES_MAX, answer=CastAnswer,
                codes=(*refusals, Code.CLOSED, Code.LOCKED, Code.BUDGET), slugs=("show",),
                summary="Set choices in a show: all or none of the list is taken; twice is once.",
            ),
            Endpoint(
                method="GET", path="/api/shows/{show}/ballot", handler=self.get_ballot, access="user",
                answer=BallotAnswer, codes=refusals, slugs=("show",), summary="One's own choices in a show.",
            ),
        ]  # fmt: skip

    async def post_votes(self, call: Call) -> Answer:
        """`POST /api/shows/{show}/votes`."""
        at, durability, ballot, left = await self._submit(call, call.body.votes)
        return Answer(
            document=b'{"at":%d,"durability":"%b","ballot":%b,"remaining":%b}' % (at, durability.encode(), ballot, left)
        )

    async def get_ballot(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/ballot`."""
        _, _, ballot, left = await self._submit(call, [])
        return Answer(document=b'{"ballot":%b,"remaining":%b}' % (ballot, left))

    async def _submit(self, call: Call, votes: list[tuple[int, Any]]) -> tuple[int, str, bytes, bytes]:
        show_id = await self._find_show(call.path["show"])
        at, durability, ballot, remaining = await submitted(self._intake, show_id, call.user.user_id, votes)
        return at, durability, ballot_json(ballot), b"null" if remaining is None else b"%d" % remaining
