"""Reports: a reader reports a review or a profile to the moderators."""

from __future__ import annotations

from typing import Annotated

import msgspec

from server.errors import Refused
from server.moderation.bans import refuse_banned
from server.moderation.queries import reports as queries
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.messages import Id
from server.store.database import Database

REASON_CHARS_MAX = 1000

# The pattern refuses a reason of white space only.
ReasonText = Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_CHARS_MAX, pattern=r"\S")]


class ReportBody(msgspec.Struct, frozen=True, kw_only=True):
    """The reason of a report, and its subject: a review by its id, or a profile by the id of its user."""

    reason: ReasonText
    review: Id | None = None
    profile: Id | None = None

    def __post_init__(self) -> None:
        """Checks that exactly one subject is given.

        Raises: Refused: bad_request
        """
        if (self.review is None) == (self.profile is None):
            raise Refused(Code.BAD_REQUEST, "Give exactly one of `review` and `profile`.")


class Report(msgspec.Struct, frozen=True):
    """A report that was filed."""

    id: int


class ReportRoutes:
    """The endpoint that files reports."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="POST", path="/api/reports", handler=self.post_report, access="user", body=ReportBody,
                answer=Report, status=201, codes=(Code.NOT_FOUND, Code.CONFLICT),
                summary="Report a review or a profile to the moderators.",
            ),
        ]  # fmt: skip

    async def post_report(self, call: Call) -> Answer:
        """`POST /api/reports`."""
        user_id, body = call.user.user_id, call.body
        async with self._db.acting(call.identity) as connection:
            await refuse_banned(connection, user_id, "write", "all")
            found = await queries.find_reportable(connection, review=body.review, profile=body.profile)
            if found is None:
                raise Refused(Code.NOT_FOUND, "No such review or profile is public.")
            if found["user_id"] == user_id:
                raise Refused(Code.BAD_REQUEST, "You cannot report your own text. You can edit or delete it.")
            report_id = await queries.insert_report(
                connection, reporter_id=user_id, review=body.review, profile=body.profile, reason=body.reason.strip()
            )
        if report_id is None:
            raise Refused(Code.CONFLICT, "You have already reported this. A moderator will look at it.")
        return Answer(document=Report(report_id))
