"""Fans suggest songs for a show; a moderator decides, and fans can vote on an approved song at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from server.catalog.queries import suggestions as queries
from server.catalog.setlist_editing import NewSetSong, Title, add_song
from server.catalog.show_changes import REASON_CHARS_MAX, lock_show
from server.catalog.shows import find_show
from server.clock import Clock, utc_now
from server.errors import Refused
from server.moderation.bans import refuse_banned
from server.moderation.logs import write_audit_log
from server.moderation.screening import screen
from server.protocol.codes import Code
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery, PreviewQuery, Reference
from server.protocol.instants import iso
from server.protocol.positions import EXACT_MAX
from server.store.database import Database
from server.store.rule_changes import ChangeRules, rehearsed

Status = Literal["pending", "approved", "declined"]


class SuggestionBody(msgspec.Struct, frozen=True):
    """The title of a song that the show lacks."""

    title: Title


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """One's own suggestion with its decision; `reason` is the moderator's text."""

    id: int
    title: str
    status: Status
    reason: str
    created_at: str
    decided_at: str | None


class OwnSuggestions(msgspec.Struct, frozen=True):
    """One's own suggestions for a show."""

    items: list[Suggestion]


class PendingQuery(PageQuery, frozen=True, kw_only=True):
    """The show whose suggestions are listed; without one, those of all shows."""

    show: Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX, description="Only suggestions for this show.")] | None = None


class PendingSuggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A song that waits for a decision: how many fans suggest it, and what the text screening found in its title."""

    id: int
    show: int
    show_name: str
    title: str
    fan_count: int
    reasons: list[str]
    created_at: str


class PendingPage(msgspec.Struct, frozen=True):
    """A page of pending suggestions."""

    items: list[PendingSuggestion]
    next: str | None


class SuggestionDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Approve adds the song to the show; `setlist` null means the first predicted set. Fans see the `reason`."""

    decision: Literal["approve", "decline"]
    reason: Annotated[str, msgspec.Meta(max_length=REASON_CHARS_MAX)] = ""
    setlist: Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX)] | None = None


class DecidedSuggestion(msgspec.Struct, frozen=True, kw_only=True):
    """The decision and how many fans' suggestions it settles; fans vote on `song`, which is at the `position` in its set."""

    id: int
    status: Status
    fan_count: int
    song: int | None
    position: int | None
    is_preview: bool


class SuggestionRoutes:
    """HTTP for suggested songs, for fans and for moderators.

    Takes: requests, the database with the rights of requests; owner, the database with its owner's rights, because requests
           may not write sets; pending_max, how many suggestions of one fan may wait in one show
    """

    def __init__(
        self, requests: Database, owner: Database, clock: Clock, change_rules: ChangeRules, *, pending_max: int
    ) -> None:
        self._requests = requests
        self._owner = owner
        self._clock = clock
        self._change_rules = change_rules
        self._pending_max = pending_max

    def endpoints(self) -> list[Endpoint]:
        """The routes, for web to serve."""
        path, missing, staff = "/api/shows/{show}/suggestions", (Code.NOT_FOUND,), "/api/admin/suggestions"
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_own, access="user", answer=OwnSuggestions, codes=missing,
                slugs=("show",), summary="One's own suggestions for a show, with their decisions.",
            ),
            Endpoint(
                method="POST", path=path, handler=self.post_suggestion, access="user", body=SuggestionBody,
                answer=Suggestion, status=201, other_status=200, slugs=("show",),
                codes=(*missing, Code.CONFLICT, Code.CLOSED, Code.LOCKED),
                summary="Suggest a song for a show; a repeated title gives the same suggestion (200).",
            ),
            Endpoint(
                method="DELETE", path=f"{path}/{{suggestion}}", handler=self.delete_suggestion, access="user", status=204,
                codes=missing, slugs=("show",), summary="Withdraw a pending suggestion.",
            ),
            Endpoint(
                method="GET", path=staff, handler=self.get_pending, access="moderator", query=PendingQuery,
                answer=PendingPage, summary="Songs that wait for a moderator's decision, the oldest suggestion first.",
            ),
            Endpoint(
                method="POST", path=f"{staff}/{{suggestion}}", handler=self.post_decision, access="moderator",
                query=PreviewQuery, body=SuggestionDecision, answer=DecidedSuggestion, codes=(*missing, Code.CONFLICT),
                summary="Decide about a song, for all fans who suggest it; fans can vote on an approved song at once.",
            ),
        ]  # fmt: skip

    async def get_own(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/suggestions`."""
        async with self._requests.acting(call.identity) as connection:
            show = await find_show(connection, call.reference("show"))
            rows = queries.own_suggestions(connection, show_id=show["id"], user_id=call.user.user_id)
            return Answer(document=OwnSuggestions([_suggestion(row) async for row in rows]))

    async def post_suggestion(self, call: Call) -> Answer:
        """`POST /api/shows/{show}/suggestions`."""
        title, user_id = call.body.title.strip(), call.user.user_id
        async with self._requests.acting(call.identity) as connection:
            await refuse_banned(connection, user_id, "write", "all")
            show = await find_show(connection, call.reference("show"))
            self._require_open(show)
            mine = {"show_id": show["id"], "user_id": user_id}
            before = await queries.own_suggestion_of_title(connection, title=title, **mine)
            if before is not None:
                return Answer(document=_suggestion(before), status=200)
            there = await queries.song_in_show(connection, show_id=show["id"], title=title)
            if there is not None:
                raise Refused(
                    Code.CONFLICT, f"{there['title']} is in this show already, as song {there['id']}. Vote on it there."
                )
            if await queries.decision_on_suggestion(connection, show_id=show["id"], title=title) == "declined":
                raise Refused(Code.CONFLICT, "A moderator has declined this song for this show. Suggest another song.")
            row = await queries.insert_suggestion(
                connection, title=title, reasons=screen(title), pending_max=self._pending_max, **mine
            )
            if row is None:
                message = f"{self._pending_max} of your suggestions for this show are pending. Withdraw one first."
                raise Refused(Code.CONFLICT, message)
        return Answer(document=_suggestion(row))

    async def delete_suggestion(self, call: Call) -> Answer:
        """`DELETE /api/shows/{show}/suggestions/{suggestion}`."""
        number = call.id("suggestion")
        async with self._requests.acting(call.identity) as connection:
            show = await find_show(connection, call.reference("show"))
            gone = await queries.delete_suggestion(connection, id=number, show_id=show["id"], user_id=call.user.user_id)
        if gone is None:
            raise Refused(
                Code.NOT_FOUND, f"You have no pending suggestion {number} here. Read your suggestions for this show."
            )
        return Answer()

    async def get_pending(self, call: Call) -> Answer:
        """`GET /api/admin/suggestions`."""
        query: PendingQuery = call.query
        after = decode_cursor(query.cursor, IdCursor) if query.cursor else None
        async with self._requests.acting(call.identity) as connection:
            selected = queries.pending_suggestions(
                connection, show_id=query.show, after_id=after.id if after else 0, count=query.limit + 1
            )
            rows = [row async for row in selected]
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last["id"]))
        items = [
            PendingSuggestion(
                id=row["id"], show=row["show_id"], show_name=row["show_name"], title=row["title"],
                fan_count=row["fan_count"], reasons=row["reasons"], created_at=iso(row["created_at"]),
            )
            for row in page
        ]  # fmt: skip
        return Answer(document=PendingPage(items, following))

    async def post_decision(self, call: Call) -> Answer:
        """`POST /api/admin/suggestions/{suggestion}`."""
        body: SuggestionDecision = call.body
        status: Status = "approved" if body.decision == "approve" else "declined"
        added, is_preview = None, call.query.preview
        opened = rehearsed(self._owner.rehearsal()) if is_preview else self._change_rules(self._owner.transaction())
        async with opened as change:
            connection = change.connection
            found = await queries.suggestion_by_id(connection, id=call.id("suggestion"))
            if found is None:
                raise Refused(Code.NOT_FOUND, f"No suggestion has the id {call.id('suggestion')}. Read the list again.")
            if status == "approved":
                await change.hold([found["show_id"]])
            show = await lock_show(connection, Reference(found["show_id"], None))
            fan_count: int = await queries.decide_suggestions(
                connection, show_id=show["id"], title=found["title"], status=status, reason=body.reason
            )
            if not fan_count:
                raise Refused(
                    Code.CONFLICT, f"{found['title']} is decided already, or all fans withdrew it. Read the list again."
                )
            if status == "approved":
                new = NewSetSong(title=found["title"], setlist=body.setlist)
                added = await add_song(connection, show, new)
            song, position = (added.id, added.position) if added else (None, None)
            detail = {"title": found["title"], "fans": fan_count, "reason": body.reason, "song": song}
            await write_audit_log(connection, call.user, f"suggestion.{body.decision}", f"show:{show['id']}", detail)
        return Answer(
            document=DecidedSuggestion(
                id=found["id"], status=status, fan_count=fan_count, song=song, position=position, is_preview=is_preview
            )
        )

    def _require_open(self, show: Any) -> None:
        is_over = show["is_final"] or show["status"] == "cancelled" or show["closes_at"] <= utc_now(self._clock)
        if is_over:
            raise Refused(Code.CLOSED, "Voting for this show is over, and so are suggestions. Choose another show.")
        if show["is_locked"]:
            raise Refused(
                Code.LOCKED, "Voting for this show is locked for now, and so are suggestions. Try again when it opens."
            )


def _suggestion(row: Any) -> Suggestion:
    return Suggestion(
        id=row["id"], title=row["title"], status=row["status"], reason=row["reason"], created_at=iso(row["created_at"]),
        decided_at=iso(row["decided_at"]),
    )  # fmt: skip
