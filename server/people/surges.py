"""Surges: many new accounts of one address that vote for little else than one song.

A surge is a sign, not a proof: a stadium may share an address. So it refuses nothing. Staff see it in a list, and a metric
and a log record tell of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import structlog

from server.people.queries import surges as queries
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.protocol.instants import iso
from server.store.chores import Chore
from server.store.database import Database
from server.telemetry import VOTE_SURGES

if TYPE_CHECKING:
    from server.store.database import Connection

log = structlog.get_logger()

EVERY_S = 15.0
WINDOW_S = 600.0
ACCOUNTS_MIN = 100


class Surge(msgspec.Struct, frozen=True, kw_only=True):
    """New accounts of one address that voted for one song. Equal values of `address` are one address."""

    id: int
    show_id: int
    show_name: str
    song_id: int
    song_title: str
    account_count: int
    address: str
    began_at: str
    seen_at: str


class SurgePage(msgspec.Struct, frozen=True):
    """A page of surges."""

    items: list[Surge]
    next: str | None


class SurgeRoutes:
    """The endpoint that lists surges, for staff."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="GET", path="/api/admin/moderation/surges", handler=self.get_surges, access="moderator",
                query=PageQuery, answer=SurgePage,
                summary="List crowds of new accounts of one address that voted for little else than one song, newest first.",
            ),
        ]  # fmt: skip

    async def get_surges(self, call: Call) -> Answer:
        """`GET /api/admin/moderation/surges`."""
        query = call.query
        after = decode_cursor(query.cursor, IdCursor) if query.cursor else None
        async with self._database.acting(call.user) as connection:
            listed = queries.list_surges(connection, after_id=after.id if after else None, count=query.limit + 1)
            rows = [row async for row in listed]
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last["id"]))
        items = [
            Surge(**{name: iso(value) if name.endswith("_at") else value for name, value in row.items()})
            for row in page
        ]
        return Answer(document=SurgePage(items, following))


async def find_surges(connection: Connection, *, accounts_min: int = ACCOUNTS_MIN) -> None:
    """Stores surges of the last minutes, and tells of new ones.

    Raises: StoreUnavailable
    """
    rows = queries.find_surges(connection, window_s=WINDOW_S, count_min=accounts_min)
    for row in [row async for row in rows]:
        if row["is_new"]:
            VOTE_SURGES.inc()
            log.warning("votes.surge", show=row["show_id"], song=row["song_id"], accounts=row["account_count"])


FINDING = Chore("surges", EVERY_S, find_surges)
