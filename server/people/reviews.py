"""Reviews of venues: one review for each user and venue. It is shown at once, or held for a moderator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from server.errors import Refused
from server.moderation.bans import refuse_banned
from server.moderation.screening import Reason
from server.moderation.text_review import Assessment, Status, assess, update_queue
from server.people.queries import reviews as queries
from server.protocol.codes import Code
from server.protocol.http.cursors import InstantCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.protocol.instants import from_us, iso, us_of
from server.store.database import Database

if TYPE_CHECKING:
    from server.store.database import Connection

REVIEW_CHARS_MAX = 2000

Rating = Annotated[int, msgspec.Meta(ge=1, le=5)]


class ReviewBody(msgspec.Struct, frozen=True, kw_only=True):
    """A rating from 1 to 5, and an optional text."""

    rating: Rating
    body: Annotated[str, msgspec.Meta(max_length=REVIEW_CHARS_MAX)] = ""


class Author(msgspec.Struct, frozen=True):
    """The author of a review, with a public profile."""

    id: int
    display_name: str | None


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A public review. `author` is null when the profile of the author is not public."""

    id: int
    rating: int
    body: str
    created_at: str
    updated_at: str
    author: Author | None


class OwnReview(msgspec.Struct, frozen=True, kw_only=True):
    """The review of the signed-in user, whether it is shown or not."""

    id: int
    rating: int
    body: str
    status: Status
    created_at: str
    updated_at: str


class ChangedReview(OwnReview, frozen=True, kw_only=True):
    """The review of the signed-in user after a change, with the reasons for which it is held."""

    reasons: list[Reason]


class VenueRating(msgspec.Struct, frozen=True):
    """The mean rating and the number of the public reviews."""

    average: float | None
    count: int


class ReviewPage(msgspec.Struct, frozen=True):
    """A page of the reviews of a venue, its rating, and the review of the signed-in user."""

    items: list[Review]
    next: str | None
    rating: VenueRating
    own: OwnReview | None


class ReviewRoutes:
    """The endpoints of reviews."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        path, not_found = "/api/venues/{venue}/reviews", (Code.NOT_FOUND,)
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_reviews, query=PageQuery, answer=ReviewPage, codes=not_found,
                slugs=("venue",), summary="List the reviews of a venue, latest change first, with its rating.",
            ),
            Endpoint(
                method="POST", path=path, handler=self.post_review, access="user", body=ReviewBody,
                answer=ChangedReview, status=201, other_status=200, codes=(*not_found, Code.CONFLICT), slugs=("venue",),
                summary="Write your review of a venue (201), or change it (200).",
            ),
            Endpoint(
                method="DELETE", path=path, handler=self.delete_review, access="user", status=204, codes=not_found,
                slugs=("venue",), summary="Delete your review of a venue.",
            ),
        ]  # fmt: skip

    async def get_reviews(self, call: Call) -> Answer:
        """`GET /api/venues/{venue}/reviews`."""
        limit = call.query.limit
        after = decode_cursor(call.query.cursor, InstantCursor) if call.query.cursor else None
        async with self._db.acting(call.identity) as connection:
            venue = await _find_venue(connection, call)
            rows = [
                row
                async for row in queries.list_reviews(
                    connection,
                    venue_id=venue["id"],
                    after_at=from_us(after.at_us) if after else None,
                    after_id=after.id if after else None,
                    count=limit + 1,
                )
            ]
            own = None
            if call.identity is not None:
                own = await queries.own_review(connection, venue_id=venue["id"], user_id=call.identity.user_id)
        page, following = cut_page(rows, limit, lambda last: InstantCursor(us_of(last["updated_at"]), last["id"]))
        count, rating_sum = venue["review_count"], venue["rating_sum"]
        return Answer(
            document=ReviewPage(
                items=[_review(row) for row in page],
                next=following,
                rating=VenueRating(round(rating_sum / count, 2) if count else None, count),
                own=OwnReview(**_own_fields(own)) if own else None,
            )
        )

    async def post_review(self, call: Call) -> Answer:
        """`POST /api/venues/{venue}/reviews`."""
        user_id, rating, body = call.user.user_id, call.body.rating, call.body.body.strip()
        assessment = assess(body)
        async with self._db.acting(call.identity) as connection:
            await refuse_banned(connection, user_id, "write", "all")
            venue_id = (await _find_venue(connection, call))["id"]
            row = await queries.insert_review(
                connection, venue_id=venue_id, user_id=user_id, rating=rating, body=body, status=assessment.status
            )
            if row is not None:
                await update_queue(connection, assessment, review=row["id"])
                return Answer(document=ChangedReview(reasons=assessment.reasons, **_own_fields(row)), status=201)
            row, assessment = await _edit(connection, venue_id, user_id, rating=rating, body=body)
            return Answer(document=ChangedReview(reasons=assessment.reasons, **_own_fields(row)), status=200)

    async def delete_review(self, call: Call) -> Answer:
        """`DELETE /api/venues/{venue}/reviews`."""
        async with self._db.acting(call.identity) as connection:
            venue = await _find_venue(connection, call)
            await queries.delete_own_review(connection, venue_id=venue["id"], user_id=call.user.user_id)
        return Answer()


async def _edit(
    connection: Connection, venue_id: int, user_id: int, *, rating: int, body: str
) -> tuple[Any, Assessment]:
    """Changes the existing review. If only the rating changes, the status stays."""
    before = await queries.lock_own_review(connection, venue_id=venue_id, user_id=user_id)
    if before is None:
        raise Refused(Code.CONFLICT, "Your review was deleted at the same time. Send it again.")
    is_changed = before["body"] != body
    assessment = assess(body, previous=before["status"]) if is_changed else Assessment(before["status"], [])
    row = await queries.update_review(connection, id=before["id"], rating=rating, body=body, status=assessment.status)
    if is_changed:
        await update_queue(connection, assessment, review=before["id"])
    return row, assessment


async def _find_venue(connection: Connection, call: Call) -> Any:
    wanted = call.reference("venue")
    row = await queries.find_venue(connection, id=wanted.id, slug=wanted.slug)
    if row is None:
        raise Refused(Code.NOT_FOUND, "No such venue.")
    return row


def _review(row: Any) -> Review:
    return Review(
        id=row["id"],
        rating=row["rating"],
        body=row["body"],
        created_at=iso(row["created_at"]),
        updated_at=iso(row["updated_at"]),
        author=None if row["author_id"] is None else Author(row["author_id"], row["display_name"]),
    )


def _own_fields(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "rating": row["rating"],
        "body": row["body"],
        "status": row["status"],
        "created_at": iso(row["created_at"]),
        "updated_at": iso(row["updated_at"]),
    }
