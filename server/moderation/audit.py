"""The audit log for administrators: every act that needs the rights of staff, with what it changed."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec

from server.errors import Refused
from server.moderation.queries import audit as queries
from server.protocol.codes import Code
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery
from server.protocol.http.spreadsheets import as_csv
from server.protocol.instants import iso
from server.protocol.positions import EXACT_MAX
from server.store.database import Database

EXPORT_ACTS_MAX = 10_000
_COLUMNS = ("id", "at", "actor", "act", "object", "reason", "before", "after", "detail")
_DAY = dt.timedelta(days=1)


class AuditQuery(PageQuery, frozen=True, kw_only=True):
    """The filters of the audit log. As CSV, `limit` does not count: it gives the latest 10,000 acts after the cursor."""

    actor: Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX, description="The account that acted.")] | None = None
    act: (
        Annotated[str, msgspec.Meta(max_length=60, description="An act, `show.lock`; or all of a kind, `show`.")] | None
    ) = None
    object: (
        Annotated[str, msgspec.Meta(max_length=200, description="An object, `show:7`; or all of a kind, `show`.")]
        | None
    ) = None
    first: Annotated[dt.date, msgspec.Meta(description="The first day, UTC.")] | None = msgspec.field(
        name="from", default=None
    )
    last: Annotated[dt.date, msgspec.Meta(description="The last day, UTC.")] | None = msgspec.field(
        name="to", default=None
    )
    format: Literal["json", "csv"] = "json"

    def __post_init__(self) -> None:
        """Checks rules about several fields.

        Raises: Refused: bad_request
        """
        if self.first and self.last and self.first > self.last:
            message = f"`from` {self.first} is after `to` {self.last}. Give the earlier day as `from`."
            raise Refused(Code.BAD_REQUEST, message)


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One act of staff. `before` and `after` have the fields that it changed; `detail` has what else is known.

    `actor` is null when nobody was signed in; then `detail` has `by`, the user of the command line. `object` is `user:0` when
    the account that it was about was erased.
    """

    id: int
    at: str
    actor: int | None
    act: str
    object: str
    reason: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    detail: dict[str, Any]


class ActPage(msgspec.Struct, frozen=True):
    """A page of the audit log."""

    items: list[Act]
    next: str | None


class AuditRoutes:
    """The endpoint that lists the audit log, for administrators."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="GET", path="/api/admin/audit", handler=self.get_acts, access="admin", query=AuditQuery,
                answer=ActPage, other_media_type="text/csv",
                summary="Every act that needed the rights of staff, latest first, with what it changed and why.",
            ),
        ]  # fmt: skip

    async def get_acts(self, call: Call) -> Answer:
        """`GET /api/admin/audit`."""
        query: AuditQuery = call.query
        is_csv = query.format == "csv"
        limit = EXPORT_ACTS_MAX if is_csv else query.limit
        before = decode_cursor(query.cursor, IdCursor) if query.cursor else None
        is_kind = query.object is not None and ":" not in query.object
        async with self._db.acting(call.identity) as connection:
            acts = queries.list_acts(
                connection,
                before_id=before.id if before else None,
                actor_id=query.actor,
                action=query.act,
                subject=None if is_kind else query.object,
                kind=query.object if is_kind else None,
                since=_midnight(query.first) if query.first else None,
                # The day after the last day of the calendar does not exist.
                until=_midnight(query.last) + _DAY if query.last and query.last < dt.date.max else None,
                count=limit + 1,
            )
            rows = [row async for row in acts]
        page, following = cut_page(rows, limit, lambda last: IdCursor(last["id"]))
        items = [_act(row) for row in page]
        if not is_csv:
            return Answer(document=ActPage(items, following))
        headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
        return Answer(document=_csv(items).encode(), media_type="text/csv", headers=headers)


def _act(row: Any) -> Act:
    """Builds an act from its entry. In the entry, a list of two is a field before and after."""
    detail: dict[str, Any] = msgspec.json.decode(row["detail"])
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in detail.items():
        if isinstance(value, list) and len(value) == 2:
            before[name], after[name] = value
        elif name != "reason":
            rest[name] = value
    return Act(
        id=row["id"],
        at=iso(row["at"]),
        actor=row["actor_id"],
        act=row["action"],
        object=row["subject"],
        reason=detail.get("reason"),
        before=before,
        after=after,
        detail=rest,
    )


def _csv(items: list[Act]) -> str:
    def line(item: Act) -> dict[str, Any]:
        values = msgspec.structs.asdict(item)
        return {
            name: msgspec.json.encode(value).decode() if isinstance(value, dict) else value
            for name, value in values.items()
        }

    return as_csv(_COLUMNS, map(line, items))


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
