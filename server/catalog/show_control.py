"""Staff controls a show: voting window, lock, status, budget, who sees counts, reopening, and the song that is played."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from server.catalog.queries import show_control as queries
from server.catalog.voting_window import VotingState, voting_state
from server.clock import Clock, utc_now
from server.errors import Refused, StoreConflict
from server.moderation.logs import write_audit_log
from server.protocol.codes import Code
from server.protocol.embargo import Results
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import Reference
from server.protocol.instants import instant_of, iso
from server.protocol.positions import EXACT_MAX
from server.store.database import Database
from server.store.rule_changes import ChangeRules

if TYPE_CHECKING:
    from server.store.database import Connection

REASON_CHARS_MAX = 500
VOTES_PER_USER_MAX = 1_000_000
# A window ends within this time, so that a typing error does not leave a show open for ever.
WINDOW_YEARS_MAX = 10

Status = Literal["upcoming", "live", "finished", "cancelled"]
When = Annotated[
    dt.datetime,
    msgspec.Meta(
        description="With an offset; or without one, as the local time at the show: `2026-11-25T20:00:00`.",
        extra_json_schema={"format": "date-time"},
    ),
]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_CHARS_MAX)]
Revision = Annotated[int, msgspec.Meta(ge=0, le=EXACT_MAX)]


class ShowChange(msgspec.Struct, frozen=True, kw_only=True):
    """The fields to change; a field that is left out stays as it is. `votes_per_user_max` null means no limit. With
    `revision`, the change is refused if somebody else changed the show after that revision. A lower budget removes no vote:
    fans above it may change and withdraw votes, but add none. `results` says who sees counts until they are final; a watcher
    who may no longer see them loses the subscription at once.
    """

    opens_at: When | msgspec.UnsetType = msgspec.UNSET
    closes_at: When | msgspec.UnsetType = msgspec.UNSET
    is_locked: bool | msgspec.UnsetType = msgspec.UNSET
    status: Status | msgspec.UnsetType = msgspec.UNSET
    results: Results | msgspec.UnsetType = msgspec.UNSET
    votes_per_user_max: Annotated[int, msgspec.Meta(ge=1, le=VOTES_PER_USER_MAX)] | msgspec.UnsetType | None = (
        msgspec.UNSET
    )
    revision: Revision | None = None


class LockBody(msgspec.Struct, frozen=True):
    """True refuses votes until the show is unlocked."""

    is_locked: bool


class ReopenBody(msgspec.Struct, frozen=True):
    """The new end of voting, and the reason for the audit log."""

    closes_at: When
    reason: Reason


class PlayedBody(msgspec.Struct, frozen=True):
    """Marks a song of the show's sets as played, or takes the mark back; the song marked last is playing now."""

    song: Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX)]
    played: bool


class ShowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a show; `opens_local` and `closes_local` are the window in local time at the show."""

    id: int
    revision: int
    status: Status
    voting: VotingState
    opens_at: str
    closes_at: str
    time_zone: str
    opens_local: str
    closes_local: str
    is_locked: bool
    is_final: bool
    results: Results
    votes_per_user_max: int | None


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
                method="PATCH", path=path, handler=self.patch_show, access="admin", body=ShowChange, answer=ShowSettings,
                codes=refusals, slugs=("show",), summary="Change a show's window, lock, status or budget. After the answer, no node takes a vote by the old rules.",
            ),
            Endpoint(
                method="POST", path=f"{path}/lock", handler=self.post_lock, access="moderator", body=LockBody,
                answer=ShowSettings, codes=(Code.NOT_FOUND,), slugs=("show",),
                summary="Lock voting for a while, or unlock it.",
            ),
            Endpoint(
                method="POST", path=f"{path}/close", handler=self.post_close, access="moderator", answer=ShowSettings,
                codes=refusals, slugs=("show",), summary="Close voting now; the result is final once every vote is counted.",
            ),
            Endpoint(
                method="POST", path=f"{path}/reopen", handler=self.post_reopen, access="admin", body=ReopenBody,
                answer=ShowSettings, codes=refusals, slugs=("show",),
                summary="Reopen voting, even of a final show; its votes stay.",
            ),
            Endpoint(
                method="POST", path=f"{path}/played", handler=self.post_played, access="moderator", body=PlayedBody,
                answer=ShowSettings, codes=(Code.NOT_FOUND,), slugs=("show",),
                summary="Mark a song as played, or take the mark back.",
            ),
        ]  # fmt: skip

    async def get_show(self, call: Call) -> Answer:
        """`GET /api/admin/shows/{show}`."""
        async with self._db.connection() as connection:
            return self._answer(await _fetch_show(connection, call.reference("show")), utc_now(self._clock))

    async def patch_show(self, call: Call) -> Answer:
        """`PATCH /api/admin/shows/{show}`."""
        change: ShowChange = call.body
        fields = {
            name: value
            for name, value in msgspec.structs.asdict(change).items()
            if name != "revision" and value is not msgspec.UNSET
        }
        return await self._change(call, "show.change", fields, revision=change.revision)

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
        return await self._change(call, "show.reopen", fields, reason=call.body.reason)

    async def post_played(self, call: Call) -> Answer:
        """`POST /api/admin/shows/{show}/played`."""
        reference = call.reference("show")
        async with changing_show(self._change_rules, self._db, reference) as (connection, show, at):
            song: int = call.body.song
            if (
                await queries.mark_played(connection, show_id=show["id"], id=song, is_played=call.body.played, at=at)
                is None
            ):
                raise Refused(Code.NOT_FOUND, f"Song {song} is not in a set of this show. Read the show for its songs.")
            detail = {"song": song, "played": call.body.played}
            await write_audit_log(connection, call.user, "show.played", f"show:{show['id']}", detail)
            return self._answer(await _fetch_show(connection, reference), at)

    async def _change(
        self, call: Call, action: str, fields: dict[str, Any], *,
        is_closing: bool = False, revision: int | None = None, reason: str | None = None,
    ) -> Answer:  # fmt: skip
        """Changes columns of a show, and writes their old and new values to the audit log.

        Takes: is_closing, also ends the voting at this instant
        """
        reference = call.reference("show")
        async with changing_show(self._change_rules, self._db, reference) as (connection, before, at):
            if revision is not None and revision != before["revision"]:
                raise Refused(
                    Code.CONFLICT,
                    f"Somebody else changed this show: its revision is {before['revision']}, not {revision}. Read it again, "
                    "then repeat your change.",
                )
            fields |= _instants(fields, before["time_zone"])
            # Votes that were cast until now count, so voting ends no earlier than now, or than it has ended.
            closed_at = min(before["closes_at"], at)
            if is_closing:
                fields["closes_at"] = closed_at
            elif "closes_at" in fields:
                fields["closes_at"] = max(fields["closes_at"], closed_at)
            after = {**before, **fields}
            if action == "show.reopen" and after["closes_at"] <= at:
                raise Refused(
                    Code.BAD_REQUEST, f"`closes_at` {iso(after['closes_at'])} is in the past. Give a later time."
                )
            self._check(before, after)
            changed = {name: value for name, value in fields.items() if value != before[name]}
            if changed:
                columns = {name: value for name, value in after.items() if name not in ("revision", "time_zone")}
                try:
                    await queries.update_show(connection, **columns)
                except StoreConflict as error:
                    message = f"The database refuses these values: they break its rule {error.constraint}. Check them."
                    raise Refused(Code.CONFLICT, message) from error
                detail: dict[str, Any] = {
                    name: [_as_json(before[name]), _as_json(value)] for name, value in changed.items()
                }
                if reason:
                    detail["reason"] = reason
                await write_audit_log(connection, call.user, action, f"show:{before['id']}", detail)
            return self._answer(await _fetch_show(connection, reference), at)

    def _check(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        if after["opens_at"] >= after["closes_at"]:
            raise Refused(
                Code.BAD_REQUEST,
                f"`closes_at` {iso(after['closes_at'])} is not after `opens_at` {iso(after['opens_at'])}. Move one of them.",
            )
        if after["closes_at"] > utc_now(self._clock) + dt.timedelta(days=366 * WINDOW_YEARS_MAX):
            raise Refused(
                Code.BAD_REQUEST,
                f"`closes_at` {iso(after['closes_at'])} is more than {WINDOW_YEARS_MAX} years away. Give an earlier time.",
            )
        window = ("opens_at", "closes_at")
        if before["is_final"] and after["is_final"] and any(after[name] != before[name] for name in window):
            raise Refused(
                Code.CONFLICT, "The result is final, so the window is fixed. Reopen the show before you move it."
            )

    @staticmethod
    def _answer(show: dict[str, Any], now: dt.datetime) -> Answer:
        voting = voting_state(
            status=show["status"], opens_at=show["opens_at"], closes_at=show["closes_at"], is_locked=show["is_locked"],
            is_final=show["is_final"], now=now,
        )  # fmt: skip
        zone = ZoneInfo(show["time_zone"])
        derived = {
            "voting": voting,
            "opens_at": iso(show["opens_at"]),
            "closes_at": iso(show["closes_at"]),
            "opens_local": show["opens_at"].astimezone(zone).isoformat(),
            "closes_local": show["closes_at"].astimezone(zone).isoformat(),
        }
        return Answer(document=ShowSettings(**(show | derived)))


@asynccontextmanager
async def changing_show(
    change_rules: ChangeRules, db: Database, reference: Reference
) -> AsyncIterator[tuple[Connection, dict[str, Any], dt.datetime]]:
    """Opens a change of one show's rules.

    Gives:  the transaction, the locked show, and the instant from which the new rules apply
    Raises: Refused: not_found; unavailable, Valkey does not answer
    """
    async with change_rules(db.transaction()) as change:
        found = await _fetch_show(change.connection, reference)
        at = await change.hold([found["id"]])
        yield change.connection, await lock_show(change.connection, reference), at


async def lock_show(connection: Connection, reference: Reference) -> dict[str, Any]:
    """Locks a show until the transaction ends, and gives its columns; until then none of its votes is written.

    Raises: Refused: not_found
    Locks:  its shard's row of log_positions, then its own
    """
    await queries.lock_shard(connection, id=reference.id, slug=reference.slug)
    await queries.lock_show_row(connection, id=reference.id, slug=reference.slug)
    return await _fetch_show(connection, reference)


async def _fetch_show(connection: Connection, reference: Reference) -> dict[str, Any]:
    row = await queries.show_settings(connection, id=reference.id, slug=reference.slug)
    if row is None:
        raise Refused(Code.NOT_FOUND, "No such show. Check its id or slug.")
    return dict(row)


def _instants(fields: dict[str, Any], time_zone: str) -> dict[str, dt.datetime]:
    """The fields that hold a time, as instants.

    Raises: Refused: bad_request, a local time that does not exist, occurs twice, or is out of range
    """
    try:
        return {name: instant_of(given, time_zone) for name, given in fields.items() if isinstance(given, dt.datetime)}
    except ValueError as error:
        raise Refused(Code.BAD_REQUEST, str(error)) from error
    except OverflowError as error:
        raise Refused(Code.BAD_REQUEST, "A time lies outside the years 1 to 9999. Give another time.") from error


def _as_json(value: Any) -> Any:
    return iso(value) if isinstance(value, dt.datetime) else value
