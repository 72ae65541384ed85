"""Moderation: what waits, what is decided about it, and the log of decisions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from server.errors import Refused
from server.moderation.logs import log_decision
from server.moderation.screening import Priority
from server.moderation.text_review import Status
from server.protocol.codes import Code
from server.protocol.http.cursors import CursorId, IdPlace, Microseconds, Place, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.protocol.identity import Identity
from server.protocol.instants import from_us, iso, us_of
from server.store.database import Database
from server.store.queries import load_queries

if TYPE_CHECKING:
    from server.store.database import Connection

queries = load_queries(Path(__file__).with_name("queries.sql"))

NOTE_CHARS_MAX = 1000

NoteText = Annotated[str, msgspec.Meta(max_length=NOTE_CHARS_MAX)]


class QueuePlace(Place, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place in the moderators' queue; kind 0: a text that was held back, 1: a report."""

    priority: Priority
    created_us: Microseconds
    kind: Literal[0, 1]
    id: CursorId


class HeldBody(msgspec.Struct, frozen=True):
    """Whether a text that was held back is shown."""

    decision: Literal["approve", "reject"]
    note: NoteText = ""


class ReportDecisionBody(msgspec.Struct, frozen=True):
    """Whether a report is right: then what it is about is shown no more."""

    decision: Literal["uphold", "dismiss"]
    note: NoteText = ""


class QueuedReview(msgspec.Struct, frozen=True, kw_only=True):
    """A review that a moderator looks at."""

    id: int
    venue: int
    user: int
    rating: int
    body: str
    status: Status


class QueuedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile that a moderator looks at."""

    user: int
    display_name: str | None
    bio: str
    city: str
    status: Status


class QueueItem(msgspec.Struct, frozen=True, kw_only=True):
    """What waits: a text that is held back, for `reasons`, or a report with its `reason`; of a review or a profile."""

    kind: Literal["held", "report"]
    id: int
    priority: Priority
    created_at: str
    reasons: list[str]
    reason: str | None
    reporter: int | None
    review: QueuedReview | None
    profile: QueuedProfile | None


class QueuePage(msgspec.Struct, frozen=True):
    """A page of what waits."""

    items: list[QueueItem]
    next: str | None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided, and what the review or profile is now."""

    id: int
    decision: Literal["approve", "reject", "uphold", "dismiss"]
    subject: str


class LogItem(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it stands in the log; `moderator` is null when their account was erased."""

    id: int
    moderator: int | None
    action: str
    subject: str
    detail: dict[str, Any]
    at: str


class LogPage(msgspec.Struct, frozen=True):
    """A page of the log."""

    items: list[LogItem]
    next: str | None


@dataclass(frozen=True, slots=True)
class Subject:
    """A review, or a profile by its user; one of the two."""

    review: int | None
    profile: int | None

    def __str__(self) -> str:
        return f"profile:{self.profile}" if self.review is None else f"review:{self.review}"


class ModerationRoutes:
    """Moderation over HTTP, for staff."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def endpoints(self) -> list[Endpoint]:
        """What app serves."""
        refusals = (Code.NOT_FOUND, Code.CONFLICT)
        return [
            Endpoint(
                method="GET", path="/api/admin/moderation", handler=self.get_queue, access="moderator",
                query=PageQuery, answer=QueuePage,
                summary="Texts that are held back and open reports, most urgent first, then oldest first.",
            ),
            Endpoint(
                method="GET", path="/api/admin/moderation/log", handler=self.get_log, access="moderator",
                query=PageQuery, answer=LogPage, summary="Who decided what, latest first.",
            ),
            Endpoint(
                method="POST", path="/api/admin/moderation/{held}", handler=self.post_held, access="moderator",
                body=HeldBody, answer=Decision, codes=refusals,
                summary="Show a text that was held back, or do not. An edit takes it out of the queue: 404.",
            ),
            Endpoint(
                method="POST", path="/api/admin/reports/{report}", handler=self.post_report, access="moderator",
                body=ReportDecisionBody, answer=Decision, codes=refusals,
                summary="Uphold a report, and hide what it is about, or dismiss it.",
            ),
        ]  # fmt: skip

    async def get_queue(self, call: Call) -> Answer:
        """`GET /api/admin/moderation`."""
        limit = call.query.limit
        after = decode_cursor(call.query.cursor, QueuePlace) if call.query.cursor else None
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
            lambda last: QueuePlace(last["priority"], us_of(last["created_at"]), last["kind"], last["id"]),
        )
        return Answer(document=QueuePage([_queue_item(row) for row in page], following))

    async def get_log(self, call: Call) -> Answer:
        """`GET /api/admin/moderation/log`."""
        limit = call.query.limit
        after = decode_cursor(call.query.cursor, IdPlace) if call.query.cursor else None
        async with self._db.acting(call.identity) as connection:
            rows = [
                row
                async for row in queries.list_decisions(
                    connection, after_id=after.id if after else None, count=limit + 1
                )
            ]
        page, following = cut_page(rows, limit, lambda last: IdPlace(last["id"]))
        items = [
            LogItem(
                id=row["id"],
                moderator=row["moderator_id"],
                action=row["action"],
                subject=row["subject"],
                detail=msgspec.json.decode(row["detail"]),
                at=iso(row["at"]),
            )
            for row in page
        ]
        return Answer(document=LogPage(items, following))

    async def post_held(self, call: Call) -> Answer:
        """`POST /api/admin/moderation/{held}`."""
        held_id, moderator, body = call.id("held"), call.user, call.body
        async with self._db.acting(moderator) as connection:
            found = await queries.find_held(connection, id=held_id)
            if found is None:
                raise Refused(Code.NOT_FOUND, "Nothing waits under this id; if something did, it was edited meanwhile.")
            subject = await _lock(connection, found)
            status = "approved" if body.decision == "approve" else "rejected"
            decided = await queries.decide_held(
                connection, id=held_id, status=status, decided_by=moderator.user_id, note=body.note
            )
            if decided is None:
                raise await _decided_or_gone(connection, queries.find_held, held_id)
            if body.decision == "approve":
                await _set_status(connection, subject, "approved")
            else:
                await _hide(connection, subject, moderator, body.note)
            detail = {"moderation": held_id, "reasons": found["reasons"], "note": body.note}
            await log_decision(connection, moderator, f"text.{body.decision}", str(subject), detail)
        return Answer(document=Decision(id=held_id, decision=body.decision, subject=str(subject)))

    async def post_report(self, call: Call) -> Answer:
        """`POST /api/admin/reports/{report}`."""
        report_id, moderator, body = call.id("report"), call.user, call.body
        async with self._db.acting(moderator) as connection:
            found = await queries.find_report(connection, id=report_id)
            if found is None:
                raise Refused(Code.NOT_FOUND, "No such report.")
            subject = await _lock(connection, found)
            status = "upheld" if body.decision == "uphold" else "dismissed"
            decided = await queries.decide_report(connection, id=report_id, status=status, decided_by=moderator.user_id)
            if decided is None:
                raise await _decided_or_gone(connection, queries.find_report, report_id)
            if body.decision == "uphold":
                await _hide(connection, subject, moderator, body.note)
            detail = {"report": report_id, "note": body.note}
            await log_decision(connection, moderator, f"report.{body.decision}", str(subject), detail)
        return Answer(document=Decision(id=report_id, decision=body.decision, subject=str(subject)))


async def _lock(connection: Connection, found: Any) -> Subject:
    """Holds the text against its author until it is decided: the decision is about what stands there now."""
    async for _ in queries.lock_subject(connection, review=found["review_id"], profile=found["profile_id"]):
        pass
    return Subject(found["review_id"], found["profile_id"])


async def _decided_or_gone(connection: Connection, find: Any, wanted: int) -> Refused:
    if await find(connection, id=wanted) is None:
        return Refused(Code.NOT_FOUND, "It was edited or deleted at this moment. Look at the queue again.")
    return Refused(Code.CONFLICT, "This is decided already.")


async def _set_status(connection: Connection, subject: Subject, status: Status) -> None:
    if subject.review is not None:
        await queries.set_review_status(connection, id=subject.review, status=status)
    else:
        await queries.set_profile_status(connection, user_id=subject.profile, status=status)


async def _hide(connection: Connection, subject: Subject, moderator: Identity, note: str) -> None:
    """Shows the subject no more; whatever else waits about it is answered by that."""
    await _set_status(connection, subject, "rejected")
    parameters = {"review": subject.review, "profile": subject.profile, "decided_by": moderator.user_id}
    await queries.reject_held(connection, note=note, **parameters)
    await queries.uphold_reports(connection, **parameters)


def _queue_item(row: Any) -> QueueItem:
    review = profile = None
    if row["review_id"] is not None:
        review = QueuedReview(
            id=row["review_id"],
            venue=row["venue_id"],
            user=row["review_user_id"],
            rating=row["rating"],
            body=row["body"],
            status=row["review_status"],
        )
    else:
        profile = QueuedProfile(
            user=row["profile_id"],
            display_name=row["display_name"],
            bio=row["bio"],
            city=row["city"],
            status=row["profile_status"],
        )
    return QueueItem(
        kind="report" if row["kind"] else "held",
        id=row["id"],
        priority=row["priority"],
        created_at=iso(row["created_at"]),
        reasons=row["reasons"],
        reason=row["reason"],
        reporter=row["reporter_id"],
        review=review,
        profile=profile,
    )
