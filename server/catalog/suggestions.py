"""Fans suggest songs for a show; a moderator decides, and what is approved can be voted on at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from server.catalog.setlist_editing import NewSetSong, Revise, Title, add_song, apply_rules
from server.catalog.show_control import REASON_CHARS_MAX, lock_show, log_act
from server.catalog.shows import find_show
from server.clock import Clock
from server.errors import Refused
from server.moderation.bans import refuse_banned
from server.moderation.screening import screen
from server.protocol.codes import Code
from server.protocol.http.cursors import IdPlace, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery, Reference
from server.protocol.instants import from_ms, iso
from server.protocol.positions import EXACT_MAX
from server.store.database import Database
from server.store.queries import load_queries

queries = load_queries(Path(__file__).with_name("suggestions.sql"))

Status = Literal["pending", "approved", "declined"]


class SuggestionBody(msgspec.Struct, frozen=True):
    """The title of a song that is missing."""

    title: Title


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """One's own suggestion, and what became of it: `reason` is what the moderator says."""

    id: int
    title: str
    status: Status
    reason: str
    created_at: str
    decided_at: str | None


class OwnSuggestions(msgspec.Struct, frozen=True):
    """What one has suggested for a show."""

    items: list[Suggestion]


class WaitingQuery(PageQuery, frozen=True, kw_only=True):
    """Of which show; none: of all."""

    show: Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX, description="Of this show alone.")] | None = None


class WaitingSuggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A song that waits for a decision: how many fans wish it, and what screening found in its title."""

    id: int
    show: int
    show_name: str
    title: str
    fan_count: int
    reasons: list[str]
    created_at: str


class WaitingPage(msgspec.Struct, frozen=True):
    """A page of what waits."""

    items: list[WaitingSuggestion]
    next: str | None


class SuggestionDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the song comes into the show; `setlist` null: into the first predicted set. `reason` is told to the fans."""

    decision: Literal["approve", "decline"]
    reason: Annotated[str, msgspec.Meta(max_length=REASON_CHARS_MAX)] = ""
    setlist: Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX)] | None = None


class DecidedSuggestion(msgspec.Struct, frozen=True, kw_only=True):
    """How many fans' wishes were decided; `song` is what can be voted on now."""

    id: int
    status: Status
    fan_count: int
    song: int | None


class SuggestionRoutes:
    """Takes: requests, the requests' database; owner, its owner's: requests may not write sets; pending_max, how many of a
    fan may wait in one show.
    """

    def __init__(self, requests: Database, owner: Database, clock: Clock, revise: Revise, *, pending_max: int) -> None:
        self._requests = requests
        self._owner = owner
        self._clock = clock
        self._revise = revise
        self._pending_max = pending_max

    def endpoints(self) -> list[Endpoint]:
        """What app serves."""
        path, missing, staff = "/api/shows/{show}/suggestions", (Code.NOT_FOUND,), "/api/admin/suggestions"
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_own, access="user", answer=OwnSuggestions, codes=missing,
                slugs=("show",), summary="What one has suggested for a show, and what became of it.",
            ),
            Endpoint(
                method="POST", path=path, handler=self.post_suggestion, access="user", body=SuggestionBody,
                answer=Suggestion, status=201, other_status=200, slugs=("show",),
                codes=(*missing, Code.CONFLICT, Code.CLOSED, Code.LOCKED),
                summary="Suggest a song for a show; again, it is the same suggestion (200).",
            ),
            Endpoint(
                method="DELETE", path=f"{path}/{{suggestion}}", handler=self.delete_suggestion, access="user", status=204,
                codes=missing, slugs=("show",), summary="Take back a suggestion that waits.",
            ),
            Endpoint(
                method="GET", path=staff, handler=self.get_waiting, access="moderator", query=WaitingQuery,
                answer=WaitingPage, summary="Songs that fans suggest and nobody has decided about, suggested first first.",
            ),
            Endpoint(
                method="POST", path=f"{staff}/{{suggestion}}", handler=self.post_decision, access="moderator",
                body=SuggestionDecision, answer=DecidedSuggestion, codes=(*missing, Code.CONFLICT),
                summary="Decide about a song, for all who suggest it; approved, it can be voted on at once.",
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
                raise Refused(Code.CONFLICT, f"{there['title']} is in this show already: song {there['id']}.")
            if await queries.decision_on_suggestion(connection, show_id=show["id"], title=title) == "declined":
                raise Refused(Code.CONFLICT, "This song was suggested before, and declined.")
            row = await queries.insert_suggestion(
                connection, title=title, reasons=screen(title), pending_max=self._pending_max, **mine
            )
            if row is None:
                message = f"{self._pending_max} of your suggestions for this show wait already. Take one back first."
                raise Refused(Code.CONFLICT, message)
        return Answer(document=_suggestion(row))

    async def delete_suggestion(self, call: Call) -> Answer:
        """`DELETE /api/shows/{show}/suggestions/{suggestion}`."""
        number = call.id("suggestion")
        async with self._requests.acting(call.identity) as connection:
            show = await find_show(connection, call.reference("show"))
            gone = await queries.delete_suggestion(connection, id=number, show_id=show["id"], user_id=call.user.user_id)
        if gone is None:
            raise Refused(Code.NOT_FOUND, "No such suggestion of yours that waits.")
        return Answer()

    async def get_waiting(self, call: Call) -> Answer:
        """`GET /api/admin/suggestions`."""
        query: WaitingQuery = call.query
        after = decode_cursor(query.cursor, IdPlace) if query.cursor else None
        async with self._requests.acting(call.identity) as connection:
            selected = queries.waiting_suggestions(
                connection, show_id=query.show, after_id=after.id if after else 0, count=query.limit + 1
            )
            rows = [row async for row in selected]
        page, following = cut_page(rows, query.limit, lambda last: IdPlace(last["id"]))
        items = [
            WaitingSuggestion(
                id=row["id"], show=row["show_id"], show_name=row["show_name"], title=row["title"],
                fan_count=row["fan_count"], reasons=row["reasons"], created_at=iso(row["created_at"]),
            )
            for row in page
        ]  # fmt: skip
        return Answer(document=WaitingPage(items, following))

    async def post_decision(self, call: Call) -> Answer:
        """`POST /api/admin/suggestions/{suggestion}`."""
        wanted: SuggestionDecision = call.body
        status: Status = "approved" if wanted.decision == "approve" else "declined"
        song = None
        async with self._owner.transaction() as connection:
            found = await queries.suggestion_by_id(connection, id=call.id("suggestion"))
            if found is None:
                raise Refused(Code.NOT_FOUND, "No such suggestion.")
            show = await lock_show(connection, Reference(found["show_id"], None))
            fan_count: int = await queries.decide_suggestions(
                connection, show_id=show["id"], title=found["title"], status=status, reason=wanted.reason
            )
            if not fan_count:
                raise Refused(Code.CONFLICT, "This was decided already, or taken back.")
            if status == "approved":
                new = NewSetSong(title=found["title"], setlist=wanted.setlist)
                song = (await add_song(connection, show, new)).id
            detail = {"title": found["title"], "fans": fan_count, "reason": wanted.reason, "song": song}
            await log_act(connection, call, f"suggestion.{wanted.decision}", show["id"], detail)
        if song is not None:
            await apply_rules(self._revise, show["id"])
        return Answer(document=DecidedSuggestion(id=found["id"], status=status, fan_count=fan_count, song=song))

    def _require_open(self, show: Any) -> None:
        is_over = (
            show["is_final"] or show["status"] == "cancelled" or show["closes_at"] <= from_ms(self._clock.now_ms())
        )
        if is_over:
            raise Refused(Code.CLOSED, "Voting for this show is closed, and so are suggestions.")
        if show["is_locked"]:
            raise Refused(Code.LOCKED, "Voting for this show is locked, and so are suggestions.")


def _suggestion(row: Any) -> Suggestion:
    return Suggestion(
        id=row["id"], title=row["title"], status=row["status"], reason=row["reason"], created_at=iso(row["created_at"]),
        decided_at=iso(row["decided_at"]),
    )  # fmt: skip
