"""Voting over HTTP: the same rules and the same replies as over a websocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.messages import INBOUND_BYTES_MAX, VotesBody
from server.protocol.outcomes import FutureWaiter, Outcome
from server.voting.intake import Intake
from server.voting.rules import ballot_json


class BallotAnswer(msgspec.Struct, frozen=True):
    """A fan's choices in a show, song -> choice, and how many more votes the show allows (null: no limit)."""

    ballot: dict[str, Literal["up", "down"]]
    remaining: int | None


class CastAnswer(BallotAnswer, frozen=True):
    """The ballot after a cast, with the cast's position in the log and its durability."""

    at: int
    durability: Literal["committed", "accepted"]


class VotingRoutes:
    """Casts and ballots over HTTP.

    Takes: find_show, show id or slug -> show id; raises Refused(not_found)
    """

    def __init__(self, intake: Intake, find_show: Callable[[str], Awaitable[int]]) -> None:
        self._intake = intake
        self._find_show = find_show

    def endpoints(self) -> list[Endpoint]:
        """The endpoints of this room."""
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
        outcome = await self._submit(call, call.body.votes)
        position = b'{"at":%d,"durability":"%b",' % (outcome.at, outcome.durability.encode())
        return Answer(document=position + _ballot_members(outcome))

    async def get_ballot(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/ballot`."""
        return Answer(document=b"{" + _ballot_members(await self._submit(call, [])))

    async def _submit(self, call: Call, votes: list[tuple[int, str]]) -> Outcome:
        show_id = await self._find_show(call.path["show"])
        waiter = FutureWaiter()
        self._intake.submit(show_id, call.user.user_id, votes, waiter)
        return await waiter.outcome


def _ballot_members(outcome: Outcome) -> bytes:
    """The last members of an answer, and its closing brace."""
    remaining = b"null" if outcome.remaining is None else b"%d" % outcome.remaining
    return b'"ballot":%b,"remaining":%b}' % (ballot_json(outcome.ballot), remaining)
