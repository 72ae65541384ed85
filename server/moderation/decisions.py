"""Decisions of moderators on held texts and reports, and the log of these decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from server.errors import Refused
from server.moderation.logs import write_audit_log, write_moderation_log
from server.moderation.queries import decisions as queries
from server.moderation.text_review import Status
from server.protocol.codes import Code
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery, PreviewQuery
from server.protocol.identity import Identity
from server.protocol.instants import iso
from server.store.database import Database

if TYPE_CHECKING:
    from server.store.database import Connection

NOTE_CHARS_MAX = 1000

NoteText = Annotated[str, msgspec.Meta(max_length=NOTE_CHARS_MAX)]


class HeldBody(msgspec.Struct, frozen=True):
    """The decision on a held text: approve shows it, reject hides it."""

    decision: Literal["approve", "reject"]
    note: NoteText = ""


class ReportDecisionBody(msgspec.Struct, frozen=True):
    """The decision on a report: uphold hides the reported text, dismiss leaves it."""

    decision: Literal["uphold", "dismiss"]
    note: NoteText = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision; `subject` is the review or profile it is about, and `also_answered` counts the other texts and reports about it that
    it answers too.
    """

    id: int
    decision: Literal["approve", "reject", "uphold", "dismiss"]
    subject: str
    also_answered: int
    is_preview: bool


class LogItem(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the log; `moderator` is null when the account of the moderator was erased."""

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
    """A review by its id, or a profile by the id of its user. Exactly one is given. author, status: None: it is gone."""

    review: int | None
    profile: int | None
    author: int | None
    status: str | None

    def __str__(self) -> str:
        return f"profile:{self.profile}" if self.review is None else f"review:{self.review}"


class DecisionRoutes:
    """The endpoints that decide and that list past decisions, for staff."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        refusals = (Code.NOT_FOUND, Code.CONFLICT)
        return [
            Endpoint(
                method="GET", path="/api/admin/moderation/log", handler=self.get_log, access="moderator",
                query=PageQuery, answer=LogPage, summary="List the decisions of moderators, latest first.",
            ),
            Endpoint(
                method="POST", path="/api/admin/moderation/{held}", handler=self.post_held, access="moderator",
                query=PreviewQuery, body=HeldBody, answer=Decision, codes=refusals,
                summary="Approve or reject a held text. An edit by its author removes it from the queue: 404.",
            ),
            Endpoint(
                method="POST", path="/api/admin/reports/{report}", handler=self.post_report, access="moderator",
                query=PreviewQuery, body=ReportDecisionBody, answer=Decision, codes=refusals,
                summary="Uphold a report, which hides the reported text, or dismiss it.",
            ),
        ]  # fmt: skip

    async def get_log(self, call: Call) -> Answer:
        """`GET /api/admin/moderation/log`."""
        limit = call.query.limit
        after = decode_cursor(call.query.cursor, IdCursor) if call.query.cursor else None
        async with self._db.acting(call.identity) as connection:
            rows = [
                row
                async for row in queries.list_decisions(
                    connection, after_id=after.id if after else None, count=limit + 1
                )
            ]
        page, following = cut_page(rows, limit, lambda last: IdCursor(last["id"]))
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
        held_id, moderator, body, is_preview = call.id("held"), call.user, call.body, call.query.preview
        also_answered = 0
        async with self._db.acting(moderator, is_preview=is_preview) as connection:
            found = await queries.find_held(connection, id=held_id)
            if found is None:
                raise Refused(
                    Code.NOT_FOUND, "No held text has this id. The author may have edited it: load the queue again."
                )
            subject = await _lock(connection, found)
            status = "approved" if body.decision == "approve" else "rejected"
            decided = await queries.decide_held(
                connection, id=held_id, status=status, decided_by=moderator.user_id, note=body.note
            )
            if decided is None:
                raise _nothing_to_decide(await queries.find_held(connection, id=held_id))
            if body.decision == "approve":
                await _set_status(connection, subject, "approved")
            else:
                also_answered = await _hide(connection, subject, moderator, body.note)
            detail = {"moderation": held_id, "reasons": found["reasons"], "note": body.note}
            await write_moderation_log(connection, moderator, f"text.{body.decision}", str(subject), detail)
            await _audit(connection, call, f"text.{body.decision}", subject, {"held": held_id})
        return Answer(document=_decision(held_id, body.decision, subject, also_answered, is_preview=is_preview))

    async def post_report(self, call: Call) -> Answer:
        """`POST /api/admin/reports/{report}`."""
        report_id, moderator, body, is_preview = call.id("report"), call.user, call.body, call.query.preview
        also_answered = 0
        async with self._db.acting(moderator, is_preview=is_preview) as connection:
            found = await queries.find_report(connection, id=report_id)
            if found is None:
                raise Refused(Code.NOT_FOUND, "No such report. Load the queue again.")
            subject = await _lock(connection, found)
            status = "upheld" if body.decision == "uphold" else "dismissed"
            decided = await queries.decide_report(connection, id=report_id, status=status, decided_by=moderator.user_id)
            if decided is None:
                raise _nothing_to_decide(await queries.find_report(connection, id=report_id))
            if body.decision == "uphold":
                also_answered = await _hide(connection, subject, moderator, body.note)
            detail = {"report": report_id, "note": body.note}
            await write_moderation_log(connection, moderator, f"report.{body.decision}", str(subject), detail)
            await _audit(connection, call, f"report.{body.decision}", subject, {"report": report_id})
        return Answer(document=_decision(report_id, body.decision, subject, also_answered, is_preview=is_preview))


def _decision(number: int, decision: Any, subject: Subject, also_answered: int, *, is_preview: bool) -> Decision:
    return Decision(
        id=number, decision=decision, subject=str(subject), also_answered=also_answered, is_preview=is_preview
    )


async def _lock(connection: Connection, found: Any) -> Subject:
    """Locks the review or profile, so that its author cannot change it before the decision is stored."""
    review, profile = found["review_id"], found["profile_id"]
    row = await queries.lock_subject(connection, review=review, profile=profile)
    return Subject(review, profile, row["user_id"] if row else None, row["status"] if row else None)


async def _audit(connection: Connection, call: Call, action: str, subject: Subject, detail: dict[str, Any]) -> None:
    """Adds the decision to the audit log, under the author, so that an erasure of the author finds it."""
    if subject.review is not None:
        detail["review"] = subject.review
    hides = action in ("text.reject", "report.uphold")
    if hides or action == "text.approve":
        detail["status"] = [subject.status, "rejected" if hides else "approved"]
    if call.body.note:
        detail["reason"] = call.body.note
    await write_audit_log(connection, call.user, action, f"user:{subject.author or 0}", detail)


def _nothing_to_decide(found: object | None) -> Refused:
    """Explains why no row was updated: the row is gone, or it was decided before."""
    if found is None:
        return Refused(Code.NOT_FOUND, "The text was edited or deleted a moment ago. Load the queue again.")
    return Refused(Code.CONFLICT, "This was decided already. Load the queue again.")


async def _set_status(connection: Connection, subject: Subject, status: Status) -> None:
    if subject.review is not None:
        await queries.set_review_status(connection, id=subject.review, status=status)
    else:
        await queries.set_profile_status(connection, user_id=subject.profile, status=status)


async def _hide(connection: Connection, subject: Subject, moderator: Identity, note: str) -> int:
    """Hides the subject. That also answers its other held texts and reports; gives their number."""
    await _set_status(connection, subject, "rejected")
    parameters = {"review": subject.review, "profile": subject.profile, "decided_by": moderator.user_id}
    held: int = await queries.reject_held(connection, note=note, **parameters)
    reports: int = await queries.uphold_reports(connection, **parameters)
    return held + reports
