"""The history of a show's votes, hour by hour, for the chart on its page."""

from __future__ import annotations

import datetime as dt

import msgspec

from server.errors import Refused
from server.insight.queries import statistics as queries
from server.protocol.codes import Code
from server.protocol.http.parameters import Reference
from server.store.reads import Readable

# Voting is open for some weeks; of a longer time the newest hours are told.
HOURS_MAX = 2_400


class VoteHour(msgspec.Struct, frozen=True):
    """The votes cast in the hour that begins at `hour`. A changed vote counts again."""

    hour: dt.datetime
    votes: int


class VoteHistory(msgspec.Struct, frozen=True):
    """The hours in which votes were cast in a show, oldest first. Hours without votes are left out."""

    show: int
    hours: list[VoteHour]


async def fetch_history(db: Readable, reference: Reference) -> VoteHistory:
    """The history of a show's votes. It tells no song and no direction, so it is for everyone.

    Raises: Refused: not_found; StoreUnavailable
    """
    async with db.snapshot() as connection:
        show = await queries.show_of_reference(connection, id=reference.id, slug=reference.slug)
        if show is None:
            raise Refused(Code.NOT_FOUND, "No such show. Check its id or slug.")
        rows = [row async for row in queries.hours_of_show(connection, show_id=show["id"], count=HOURS_MAX)]
    return VoteHistory(show["id"], [VoteHour(row["hour"], row["votes"]) for row in reversed(rows)])
