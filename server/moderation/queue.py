"""The queue of the moderators: held texts, open reports and suggested songs, most urgent first."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from server.moderation.queries import queue as queries
from server.moderation.screening import Priority
from server.moderation.text_review import Status
from server.protocol.http.cursors import Cursor, CursorId, Microseconds, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.protocol.instants import from_us, iso, us_of
from server.store.database import Database

_KINDS: tuple[Literal["held", "report", "suggestion"], ...] = ("held", "report", "suggestion")


class QueueCursor(Cursor, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place in the queue. Kind 0 is a held text, kind 1 a report, kind 2 a suggestion."""

    priority: Priority
    created_us: Microseconds
    kind: Literal[0, 1, 2]
    id: CursorId


class QueuedReview(msgspec.Struct, frozen=True, kw_only=True):
    """A review in the queue."""

    id: int
    venue: int
    user: int
    rating: int
    body: str
    status: Status


class QueuedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile in the queue."""

    user: int
    display_name: str | None
    bio: str
    city: str
    status: Status


class QueuedSuggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A song that `fan_count` fans suggest for a show; one decision settles it for all of them."""

    show: int
    show_name: str
    title: str
    fan_count: int


class QueueItem(msgspec.Struct, frozen=True, kw_only=True):
    """A held text with the `reasons` of the screening, a report with the `reason` of its reporter, or a suggested song.

    Exactly one of `review`, `profile` and `suggestion` is given. The `id` goes to `/api/admin/moderation/{id}`,
    `/api/admin/reports/{id}` or `/api/admin/suggestions/{id}`, by `kind`.
    """

    kind: Literal["held", "report", "suggestion"]
    id: int
    priority: Priority
    created_at: str
    reasons: list[str]
    reason: str | None
    reporter: int | None
    review: QueuedReview | None
    profile: QueuedProfile | None
    suggestion: QueuedSuggestion | None


class QueuePage(msgspec.Struct, frozen=True):
    """A page of the queue."""

    items: list[QueueItem]
    next: str | None


class QueueRoutes:
    """The endpoint that lists the queue, for staff."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="GET", path="/api/admin/moderation", handler=self.get_queue, access="moderator",
                query=PageQuery, answer=QueuePage,
                summary="List held texts, open reports and suggested songs, most urgent first, then oldest first.",
            ),
        ]  # fmt: skip

    async def get_queue(self, call: Call) -> Answer:
        """`GET /api/admin/moderation`."""
        limit = call.query.limit
        after = decode_cursor(call.query.cursor, QueueCursor) if call.query.cursor else None
        async with self._db.acting(call.identity) as connection:
            rows = [
                row
                async for row in queries.list_queue(
                    connection,
                    after_priority=after.priority if after else None,
                    after_at=from_us(after.created_us) if after else None,
                    after_kind=after.kind if after else None,
                    after_id=after.id if after else None,
                    count=limit + 1,
                )
            ]
        page, following = cut_page(
            rows,
            limit,
            lambda last: QueueCursor(last["priority"], us_of(last["created_at"]), last["kind"], last["id"]),
        )
        return Answer(document=QueuePage([_queue_item(row) for row in page], following))


def _queue_item(row: Any) -> QueueItem:
    review = profile = suggestion = None
    if row["review_id"] is not None:
        review = QueuedReview(
            id=row["review_id"],
            venue=row["venue_id"],
            user=row["review_user_id"],
            rating=row["rating"],
            body=row["body"],
            status=row["review_status"],
        )
    elif row["profile_id"] is not None:
        profile = QueuedProfile(
            user=row["profile_id"],
            display_name=row["display_name"],
            bio=row["bio"],
            city=row["city"],
            status=row["profile_status"],
        )
    else:
        suggestion = QueuedSuggestion(
            show=row["show_id"], show_name=row["show_name"], title=row["title"], fan_count=row["fan_count"]
        )
    return QueueItem(
        kind=_KINDS[row["kind"]],
        id=row["id"],
        priority=row["priority"],
        created_at=iso(row["created_at"]),
        reasons=row["reasons"],
        reason=row["reason"],
        reporter=row["reporter_id"],
        review=review,
        profile=profile,
        suggestion=suggestion,
    )
