"""The shows of the signed-in user: those that concern them now, for the first page, and their ballots."""

from __future__ import annotations

from typing import Any

import msgspec

from server.people.queries import own_shows as queries
from server.protocol.http.cursors import InstantCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.protocol.instants import from_us, us_of
from server.protocol.listed_shows import ListedShow, fields_of_show
from server.store.database import Database

OWN_SHOWS_MAX = 50


class UserShow(ListedShow, frozen=True, kw_only=True):
    """A show in a list of the user. `vote_count`: of everyone."""

    name: str
    time_zone: str
    vote_count: int


class OwnShow(UserShow, frozen=True, kw_only=True):
    """A live or upcoming show that concerns the user, and why: they attend it, follow its artist, or have voted on it."""

    is_going: bool
    is_following: bool
    own_vote_count: int


class OwnShows(msgspec.Struct, frozen=True):
    """The shows that concern the user: live ones first, then the soonest."""

    items: list[OwnShow]


class Score(msgspec.Struct, frozen=True):
    """How well the user foresaw a show: of `predicted` songs, `hits` were among the `played` ones (docs/accuracy.md)."""

    hits: int
    predicted: int
    played: int


class OwnBallot(UserShow, frozen=True, kw_only=True):
    """The ballot of the user in a show. `score`: null until the played songs are known."""

    up: int
    down: int
    score: Score | None


class BallotPage(msgspec.Struct, frozen=True):
    """A page of ballots."""

    items: list[OwnBallot]
    next: str | None


class OwnShowRoutes:
    """The endpoints of a user's shows and ballots."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="GET", path="/api/me/shows", handler=self.get_shows, access="user", answer=OwnShows,
                summary="List the live and upcoming shows that you attend, have voted on, or whose artist you follow.",
            ),
            Endpoint(
                method="GET", path="/api/me/ballots", handler=self.get_ballots, access="user", query=PageQuery,
                answer=BallotPage, summary="List your ballots, latest show first, with how well you foresaw the show.",
            ),
        ]  # fmt: skip

    async def get_shows(self, call: Call) -> Answer:
        """`GET /api/me/shows`."""
        async with self._db.acting(call.identity) as connection:
            rows = queries.list_own_shows(connection, user_id=call.user.user_id, count=OWN_SHOWS_MAX)
            items = [
                OwnShow(
                    is_going=row["is_going"],
                    is_following=row["is_following"],
                    own_vote_count=row["own_vote_count"],
                    **_show_fields(row),
                )
                async for row in rows
            ]
        return Answer(document=OwnShows(items))

    async def get_ballots(self, call: Call) -> Answer:
        """`GET /api/me/ballots`."""
        limit = call.query.limit
        after = decode_cursor(call.query.cursor, InstantCursor) if call.query.cursor else None
        async with self._db.acting(call.identity) as connection:
            found = queries.list_ballots(
                connection,
                user_id=call.user.user_id,
                after_at=from_us(after.at_us) if after else None,
                after_id=after.id if after else None,
                count=limit + 1,
            )
            rows = [row async for row in found]
        page, following = cut_page(rows, limit, lambda last: InstantCursor(us_of(last["starts_at"]), last["id"]))
        items = [
            OwnBallot(
                up=row["up"],
                down=row["down"],
                score=None if row["played"] is None else Score(row["hits"], row["predicted"], row["played"]),
                **_show_fields(row),
            )
            for row in page
        ]
        return Answer(document=BallotPage(items, following))


def _show_fields(row: Any) -> dict[str, Any]:
    own = {"name": row["name"], "time_zone": row["time_zone"], "vote_count": row["vote_count"]}
    return fields_of_show(row) | own
