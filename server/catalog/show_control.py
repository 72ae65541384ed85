"""Staff controls a show: window, lock, status, date, bill, budget, who sees counts, reopening, and the song that is played."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import msgspec

from server.catalog.queries import show_control as queries
from server.catalog.show_changes import (
    Id,
    Reason,
    ShowSettings,
    Status,
    When,
    changing_show,
    effect_of,
    fetch_settings,
    settings_of,
)
from server.catalog.show_times import check_start, check_times, instants_of
from server.clock import Clock, utc_now
from server.errors import Refused, StoreConflict
from server.moderation.logs import refuse_stale, write_audit_log
from server.protocol.codes import Code
from server.protocol.embargo import Results
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PreviewQuery, Revision
from server.protocol.instants import iso
from server.store.database import Database, savepoint
from server.store.rule_changes import ChangeRules

if TYPE_CHECKING:
    from server.store.database import Connection

NAME_CHARS_MAX = 300
VOTES_PER_USER_MAX = 1_000_000
SUPPORT_ACTS_MAX = 50
ShowName = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARS_MAX)]
Budget = Annotated[int, msgspec.Meta(ge=1, le=VOTES_PER_USER_MAX)]
Bill = Annotated[
    list[Id], msgspec.Meta(max_length=SUPPORT_ACTS_MAX, description="The ids of the support acts, in order.")
]


class ShowChange(msgspec.Struct, frozen=True, kw_only=True):
    """The fields to change; a field that is left out stays as it is. `votes_per_user_max` null means no limit. With
    `revision`, the change is refused if somebody else changed the show after that revision. A lower budget removes no vote:
    fans above it may change and withdraw votes, but add none. `results` says who sees counts until they are final; a watcher
    who may no longer see them loses the subscription at once.

    `starts_at` postpones the show, and every vote stays: the end of voting moves along, the opening too when voting has not
    begun, and a show that was cancelled or over is upcoming again. `status` "cancelled" cancels it. Ten minutes later, fans get an email
    about both; a change that was undone by then is told to nobody. `bill` are its support acts.
    """

    name: ShowName | msgspec.UnsetType = msgspec.UNSET
    venue: Id | msgspec.UnsetType = msgspec.UNSET
    starts_at: When | msgspec.UnsetType = msgspec.UNSET
    bill: Bill | msgspec.UnsetType = msgspec.UNSET
    opens_at: When | msgspec.UnsetType = msgspec.UNSET
    closes_at: When | msgspec.UnsetType = msgspec.UNSET
    is_locked: bool | msgspec.UnsetType = msgspec.UNSET
    status: Status | msgspec.UnsetType = msgspec.UNSET
    results: Results | msgspec.UnsetType = msgspec.UNSET
    votes_per_user_max: Budget | msgspec.UnsetType | None = msgspec.UNSET
    revision: Revision | None = None
    reason: Reason | None = None


class LockBody(msgspec.Struct, frozen=True):
    """True refuses votes until the show is unlocked. `reason` is for the audit log."""

    is_locked: bool
    revision: Revision | None = None
    reason: Reason | None = None


class CloseBody(msgspec.Struct, frozen=True):
    """The reason for the audit log, and the revision that the administrator saw."""

    revision: Revision | None = None
    reason: Reason | None = None


class ReopenBody(msgspec.Struct, frozen=True):
    """The new end of voting, and the reason for the audit log."""

    closes_at: When
    reason: Reason
    revision: Revision | None = None


class PlayedBody(msgspec.Struct, frozen=True):
    """Marks a song of the show's sets as played, or takes the mark back; the song marked last is playing now."""

    song: Id
    played: bool


class ShowControlRoutes:
    """HTTP for staff who control a show.

    Takes: db, with its owner's rights, because requests may not write shows; change_rules, on all nodes
    """

    def __init__(self, db: Database, clock: Clock, change_rules: ChangeRules) -> None:
        self._db = db
        self._clock = clock
        self._change_rules = change_rules

    def endpoints(self) -> list[Endpoint]:
        """The routes, for web to serve."""
        path, refusals = "/api/admin/shows/{show}", (Code.NOT_FOUND, Code.CONFLICT)
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_show, access="moderator", answer=ShowSettings,
                codes=(Code.NOT_FOUND,), slugs=("show",), summary="A show's voting window, lock and budget, with its revision.",
            ),
            Endpoint(
                method="PATCH", path=path, handler=self.patch_show, access="admin", query=PreviewQuery, body=ShowChange, answer=ShowSettings,
                codes=refusals, slugs=("show",), summary="Change a show: window, lock, budget, bill, name; cancel or postpone it. After the answer, no node takes a vote by the old rules.",
            ),
            Endpoint(
                method="POST", path=f"{path}/lock", handler=self.post_lock, access="moderator", query=PreviewQuery,
                body=LockBody, answer=ShowSettings, codes=refusals, slugs=("show",),
                summary="Lock voting for a while, or unlock it.",
            ),
            Endpoint(
                method="POST", path=f"{path}/close", handler=self.post_close, access="moderator", query=PreviewQuery,
                body=CloseBody, body_is_optional=True, answer=ShowSettings, codes=refusals, slugs=("show",), summary="Close voting now; the result is final once every vote is counted.",
            ),
            Endpoint(
                method="POST", path=f"{path}/reopen", handler=self.post_reopen, access="admin", query=PreviewQuery, body=ReopenBody,
                answer=ShowSettings, codes=refusals, slugs=("show",),
                summary="Reopen voting, even of a final show; its votes stay.",
            ),
            Endpoint(
                method="POST", path=f"{path}/played", handler=self.post_played, access="moderator", query=PreviewQuery, body=PlayedBody,
                answer=ShowSettings, codes=(Code.NOT_FOUND,), slugs=("show",),
                summary="Mark a song as played, or take the mark back.",
            ),
        ]  # fmt: skip

    async def get_show(self, call: Call) -> Answer:
        """`GET /api/admin/shows/{show}`."""
        async with self._db.connection() as connection:
            show = await fetch_settings(connection, call.reference("show"))
        return Answer(document=settings_of(show, utc_now(self._clock)))

    async def patch_show(self, call: Call) -> Answer:
        """`PATCH /api/admin/shows/{show}`."""
        fields = {
            name: value
            for name, value in msgspec.structs.asdict(call.body).items()
            if name not in ("revision", "reason") and value is not msgspec.UNSET
        }
        return await self._change(call, "show.change", fields)

    async def post_lock(self, call: Call) -> Answer:
        """`POST /api/admin/shows/{show}/lock`."""
        action = "show.lock" if call.body.is_locked else "show.unlock"
        return await self._change(call, action, {"is_locked": call.body.is_locked})

    async def post_close(self, call: Call) -> Answer:
        """`POST /api/admin/shows/{show}/close`."""
        return await self._change(call, "show.close", {}, is_closing=True)

    async def post_reopen(self, call: Call) -> Answer:
        """`POST /api/admin/shows/{show}/reopen`."""
        fields = {"closes_at": call.body.closes_at, "is_locked": False, "is_final": False}
        return await self._change(call, "show.reopen", fields)

    async def post_played(self, call: Call) -> Answer:
        """`POST /api/admin/shows/{show}/played`."""
        reference, is_preview = call.reference("show"), call.query.preview
        async with changing_show(self._change_rules, self._db, reference, is_preview=is_preview) as (
            connection,
            show,
            at,
        ):
            song, is_played = call.body.song, call.body.played
            marked = await queries.mark_played(connection, show_id=show["id"], id=song, is_played=is_played, at=at)
            if marked is None:
                raise Refused(Code.NOT_FOUND, f"Song {song} is not in a set of this show. Read the show for its songs.")
            detail = {"song": song, "played": is_played}
            await write_audit_log(connection, call.user, "show.played", f"show:{show['id']}", detail)
            after = await fetch_settings(connection, reference)
            return Answer(document=settings_of(after, at, effect_of(show, after, is_preview=is_preview)))

    async def _change(self, call: Call, action: str, fields: dict[str, Any], *, is_closing: bool = False) -> Answer:
        """Changes columns of a show, and writes their old and new values to the audit log.

        Takes: is_closing, also ends the voting at this instant
        """
        reference, is_preview = call.reference("show"), call.query.preview
        # A new date counts the songs of the show's sets again.
        has_date = bool(fields.keys() & {"starts_at", "venue"})
        async with changing_show(
            self._change_rules, self._db, reference, is_preview=is_preview, takes_turn=has_date
        ) as (connection, before, at):
            await refuse_stale(connection, f"show:{before['id']}", before["revision"], call.body and call.body.revision)
            bill = fields.pop("bill", None)
            if "venue" in fields:
                fields |= await _venue(connection, fields.pop("venue"))
            fields |= instants_of(fields, fields.get("time_zone", before["time_zone"]))
            if "starts_at" in fields:
                check_start(fields["starts_at"], utc_now(self._clock))
                fields = _postponed(before, fields, at) | fields
            if fields.keys() & {"starts_at", "time_zone"}:
                starts_at, zone = (fields.get(name, before[name]) for name in ("starts_at", "time_zone"))
                fields["local_date"] = starts_at.astimezone(ZoneInfo(zone)).date()
            # Votes that were cast until now count, so voting ends no earlier than now, or than it has ended.
            closed_at = min(before["closes_at"], at)
            if is_closing:
                fields["closes_at"] = closed_at
            elif "closes_at" in fields:
                fields["closes_at"] = max(fields["closes_at"], closed_at)
            if action == "show.reopen" and fields["closes_at"] <= at:
                raise Refused(
                    Code.BAD_REQUEST, f"`closes_at` {iso(fields['closes_at'])} is in the past. Give a later time."
                )
            _check(before, before | fields, utc_now(self._clock))
            detail = await write_settings(connection, before, fields) | await _write_bill(connection, before, bill)
            if detail:
                if call.body and call.body.reason:
                    detail["reason"] = call.body.reason
                await write_audit_log(connection, call.user, action, f"show:{before['id']}", detail)
            after = await fetch_settings(connection, reference)
            mailed = await queries.count_fans_to_tell(connection, show_id=before["id"])
            effect = effect_of(before, after, is_preview=is_preview, fans_mailed=mailed)
            return Answer(document=settings_of(after, at, effect))


def _check(before: dict[str, Any], after: dict[str, Any], now: dt.datetime) -> None:
    check_times(after, now)
    window = ("opens_at", "closes_at")
    if before["is_final"] and after["is_final"] and any(after[name] != before[name] for name in window):
        raise Refused(Code.CONFLICT, "The result is final, so the window is fixed. Reopen the show before you move it.")


async def _venue(connection: Connection, venue_id: int) -> dict[str, Any]:
    """The columns of another venue. The show keeps its instants; its local times are those of the new venue.

    Raises: Refused: not_found
    """
    time_zone = await queries.time_zone_of_venue(connection, id=venue_id)
    if time_zone is None:
        raise Refused(Code.NOT_FOUND, f"No venue has the id {venue_id}. Search for it, or make it first.")
    return {"venue_id": venue_id, "time_zone": time_zone}


def _postponed(before: dict[str, Any], fields: dict[str, Any], at: dt.datetime) -> dict[str, Any]:
    """What moves with a show's start. No opening moves behind votes that were cast."""
    later = fields["starts_at"] - before["starts_at"]
    moved: dict[str, Any] = {}
    if not before["is_final"]:
        moved["closes_at"] = before["closes_at"] + later
        if before["opens_at"] > at:
            moved["opens_at"] = before["opens_at"] + later
    if fields["starts_at"] > at:
        moved["status"] = "upcoming"
    return moved


async def write_settings(connection: Connection, before: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Writes the fields that change. Gives: them, before and after, for the audit log."""
    changed = {name: value for name, value in fields.items() if value != before[name]}
    if changed:
        columns = {
            name: value
            for name, value in (before | fields).items()
            if name
            not in ("slug", "artist_id", "revision", "requires_ticket", "vote_count", "attendance_count", "bill")
        }
        try:
            async with savepoint(connection):
                await queries.update_show(connection, **columns)
        except StoreConflict as error:
            message = f"The database refuses these values: they break its rule {error.constraint}. Check them."
            raise Refused(Code.CONFLICT, message) from error
    return {name: [_as_json(before[name]), _as_json(value)] for name, value in changed.items()}


async def _write_bill(connection: Connection, before: dict[str, Any], bill: list[int] | None) -> dict[str, Any]:
    """Writes the support acts of a show. Gives: them, before and after, for the audit log."""
    standing = [act["id"] for act in msgspec.json.decode(before["bill"]) if act["billing"] == "support"]
    if bill is None or bill == standing:
        return {}
    await put_bill(connection, before["id"], before["artist_id"], bill)
    return {"bill": [standing, bill]}


async def put_bill(connection: Connection, show_id: int, headliner: int, bill: list[int]) -> None:
    """Writes the support acts of a show.

    Raises: Refused: bad_request, an act stands twice; not_found; conflict, an act that is gone still plays a set
    """
    if len({headliner, *bill}) <= len(bill):
        raise Refused(Code.BAD_REQUEST, "`bill` has an artist twice, or the headliner. Name each support act once.")
    try:
        async with savepoint(connection):
            await queries.empty_bill(connection, show_id=show_id)
            await queries.fill_bill(connection, show_id=show_id, artist_ids=bill)
            await queries.check_bill(connection)
    except StoreConflict as error:
        if error.constraint == "setlists_artist_fkey":
            message = "An act that leaves the bill still plays a set of this show. Remove the set first."
            raise Refused(Code.CONFLICT, message) from error
        raise Refused(Code.NOT_FOUND, "`bill` names an artist that does not exist. Search for it.") from error


def _as_json(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return iso(value)
    return value.isoformat() if isinstance(value, dt.date) else value
