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
    """A fan's choices in a show, song -> choice, how many more votes the show allows (null: no limit), and the greatest
    order of its casts (left out if none had one).
    """

    ballot: dict[str, Literal["up", "down"]]
    remaining: int | None
    order: int = 0


class CastAnswer(msgspec.Struct, frozen=True):
    """The ballot after a cast, with the cast's position in the log and its durability."""

    ballot: dict[str, Literal["up", "down"]]
    remaining: int | None
    at: int
    durability: Literal["committed", "accepted"]


class VotingRoutes:
    """Casts and ballots over HTTP.

    Takes: find_show, show id or slug -> show id; raises Refused(not_found); count_requests, counts requests of a user; raises
           Refused(rate_limited)
    """

    def __init__(
        self,
        intake: Intake,
        find_show: Callable[[str], Awaitable[int]],
        count_requests: Callable[[int, int], Awaitable[None]],
    ) -> None:
        self._intake = intake
        self._find_show = find_show
        self._count_requests = count_requests

    def endpoints(self) -> list[Endpoint]:
        """The endpoints of this room."""
        refusals = (Code.NOT_FOUND, Code.OVERLOADED, Code.UNAVAILABLE)
        return [
            Endpoint(
                method="POST", path="/api/shows/{show}/votes", handler=self.post_votes, access="user",
                body=VotesBody, body_bytes_max=INBOUND_BYTES_MAX, answer=CastAnswer,
                codes=(*refusals, Code.CLOSED, Code.LOCKED, Code.BUDGET, Code.CONFLICT), slugs=("show",),
                summary="Set choices in a show: all or none of the list is taken; twice is once.",
            ),
            Endpoint(
                method="GET", path="/api/shows/{show}/ballot", handler=self.get_ballot, access="user", read="free",
                answer=BallotAnswer, codes=refusals, slugs=("show",), summary="One's own choices in a show.",
            ),
        ]  # fmt: skip

    async def post_votes(self, call: Call) -> Answer:
        """`POST /api/shows/{show}/votes`."""
        # The request itself is counted already. A cast costs as much as its songs would cost one by one.
        if more := len(call.body.votes) - 1:
            await self._count_requests(call.user.user_id, more)
        outcome = await self._submit(call, call.body.votes, call.body.order)
        position = b'{"at":%d,"durability":"%b",%b}'
        return Answer(document=position % (outcome.at, outcome.durability.encode(), _ballot_members(outcome)))

    async def get_ballot(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/ballot`."""
        outcome = await self._submit(call, [])
        order = b',"order":%d' % outcome.order if outcome.order else b""
        return Answer(document=b"{%b%b}" % (_ballot_members(outcome), order))

    async def _submit(self, call: Call, votes: list[tuple[int, str]], order: int | None = None) -> Outcome:
        show_id = await self._find_show(call.path["show"])
        waiter = FutureWaiter(call.is_gone)
        self._intake.submit(show_id, call.user.user_id, votes, waiter, order)
        return await waiter.outcome


def _ballot_members(outcome: Outcome) -> bytes:
    """The members that both answers have."""
    remaining = b"null" if outcome.remaining is None else b"%d" % outcome.remaining
    return b'"ballot":%b,"remaining":%b' % (ballot_json(outcome.ballot), remaining)
