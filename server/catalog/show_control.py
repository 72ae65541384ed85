"""What staff decides about a show: its window, its lock, its budget, that it opens again, what is being played."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from server.catalog.voting_window import VotingState, instant_of, voting_state
from server.clock import Clock
from server.errors import Refused, StoreConflict
from server.protocol.codes import Code
from server.protocol.embargo import Results
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import Reference
from server.protocol.instants import from_ms, iso
from server.protocol.positions import EXACT_MAX
from server.store.database import Database
from server.store.queries import load_queries

if TYPE_CHECKING:
    from server.store.database import Connection

queries = load_queries(Path(__file__).with_name("show_control.sql"))

REASON_CHARS_MAX = 500
VOTES_PER_USER_MAX = 1_000_000
# A window ends within so long, so that a slip of the keyboard does not leave a show open for ever.
WINDOW_YEARS_MAX = 10

Status = Literal["upcoming", "live", "finished", "cancelled"]
When = Annotated[
    dt.datetime,
    msgspec.Meta(
        description="With an offset, or without one as the clocks at the show read: `2026-11-25T20:00:00`.",
        extra_json_schema={"format": "date-time"},
    ),
]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_CHARS_MAX)]
Revision = Annotated[int, msgspec.Meta(ge=0, le=EXACT_MAX)]


class ShowChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be another way; what is left out stays. `votes_per_user_max` null: no limit. With `revision`, the change
    is refused when somebody else has changed the show since. A budget that is lowered takes no vote away: who is over it
    may change and withdraw votes, but add none. `results`: whom counts are shown to until they are final; who watches them and
    may not any more is taken off at once.
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
    """Whether votes are to be refused for a while."""

    is_locked: bool


class ReopenBody(msgspec.Struct, frozen=True):
    """Until when voting is to go on, and why it was opened again."""

    closes_at: When
    reason: Reason


class PlayedBody(msgspec.Struct, frozen=True):
    """Whether a song of the show's sets was played; the one marked last is playing now."""

    song: Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX)]
    played: bool


class ShowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A show as staff have set it; `opens_local` and `closes_local` are what the clocks at the show read then."""

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
    """Takes: db, with its owner's rights: requests may not write shows."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """What app serves."""
        path, refusals = "/api/admin/shows/{show}", (Code.NOT_FOUND, Code.CONFLICT)
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_show, access="moderator", answer=ShowSettings,
                codes=(Code.NOT_FOUND,), slugs=("show",), summary="A show's window, lock and budget, with its revision.",
            ),
            Endpoint(
                method="PATCH", path=path, handler=self.patch_show, access="admin", body=ShowChange, answer=ShowSettings,
                codes=refusals, slugs=("show",), summary="Change a show's window, lock, status or budget, on all nodes at once.",
            ),
            Endpoint(
                method="POST", path=f"{path}/lock", handler=self.post_lock, access="moderator", body=LockBody,
                answer=ShowSettings, codes=(Code.NOT_FOUND,), slugs=("show",),
                summary="Refuse votes for a while, or take them again.",
            ),
            Endpoint(
                method="POST", path=f"{path}/close", handler=self.post_close, access="moderator", answer=ShowSettings,
                codes=refusals, slugs=("show",), summary="End voting now; the result is final once every vote is in.",
            ),
            Endpoint(
                method="POST", path=f"{path}/reopen", handler=self.post_reopen, access="admin", body=ReopenBody,
                answer=ShowSettings, codes=refusals, slugs=("show",),
                summary="Open voting again, also of a final show; votes that are in stay.",
            ),
            Endpoint(
                method="POST", path=f"{path}/played", handler=self.post_played, access="moderator", body=PlayedBody,
                answer=ShowSettings, codes=(Code.NOT_FOUND,), slugs=("show",),
                summary="Mark a song as played, or take that back.",
            ),
        ]  # fmt: skip

    async def get_show(self, call: Call) -> Answer:
        """`GET /api/admin/shows/{show}`."""
        async with self._db.connection() as connection:
            return self._answer(await _fetch_show(connection, call.reference("show")))

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
        return await self._change(call, "show.close", {"closes_at": self._now()})

    async def post_reopen(self, call: Call) -> Answer:
        """`POST /api/admin/shows/{show}/reopen`."""
        fields = {"closes_at": call.body.closes_at, "is_locked": False, "is_final": False}
        return await self._change(call, "show.reopen", fields, reason=call.body.reason)

    async def post_played(self, call: Call) -> Answer:
        """`POST /api/admin/shows/{show}/played`."""
        wanted = call.reference("show")
        async with self._db.transaction() as connection:
            show = await lock_show(connection, wanted)
            song: int = call.body.song
            if await queries.mark_played(connection, show_id=show["id"], id=song, is_played=call.body.played) is None:
                raise Refused(Code.NOT_FOUND, f"Song {song} is not in a setlist of this show.")
            await log_act(connection, call, "show.played", show["id"], {"song": song, "played": call.body.played})
            return self._answer(await _fetch_show(connection, wanted))

    async def _change(
        self, call: Call, action: str, fields: dict[str, Any], *, revision: int | None = None, reason: str | None = None
    ) -> Answer:
        """Changes columns of a show, and leaves an entry in the audit log of what they were."""
        wanted = call.reference("show")
        async with self._db.transaction() as connection:
            before = await lock_show(connection, wanted)
            if revision is not None and revision != before["revision"]:
                raise Refused(Code.CONFLICT, "Somebody else has changed this show. Look at it again.")
            fields |= _instants(fields, before["time_zone"])
            after = {**before, **fields}
            if action == "show.reopen" and after["closes_at"] <= self._now():
                raise Refused(Code.BAD_REQUEST, "`closes_at` has passed already.")
            self._check(before, after)
            changed = {name: value for name, value in fields.items() if value != before[name]}
            if changed:
                columns = {name: value for name, value in after.items() if name not in ("revision", "time_zone")}
                try:
                    await queries.update_show(connection, **columns)
                except StoreConflict as error:
                    raise Refused(Code.CONFLICT, f"This breaks the rule {error.constraint}.") from error
                detail = {name: [_told(before[name]), _told(value)] for name, value in changed.items()}
                await log_act(connection, call, action, before["id"], detail | ({"reason": reason} if reason else {}))
            return self._answer(await _fetch_show(connection, wanted))

    def _check(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        if after["opens_at"] >= after["closes_at"]:
            raise Refused(Code.BAD_REQUEST, "Voting would close before it opens.")
        if after["closes_at"] > self._now() + dt.timedelta(days=366 * WINDOW_YEARS_MAX):
            raise Refused(Code.BAD_REQUEST, f"Voting may not go on for more than {WINDOW_YEARS_MAX} years.")
        window = ("opens_at", "closes_at")
        if before["is_final"] and after["is_final"] and any(after[name] != before[name] for name in window):
            raise Refused(Code.CONFLICT, "The result is final. Reopen the show to move its window.")

    def _answer(self, show: dict[str, Any]) -> Answer:
        voting = voting_state(
            status=show["status"], opens_at=show["opens_at"], closes_at=show["closes_at"], is_locked=show["is_locked"],
            is_final=show["is_final"], now=self._now(),
        )  # fmt: skip
        zone = ZoneInfo(show["time_zone"])
        instants = {name: iso(show[name]) for name in ("opens_at", "closes_at")}
        local = {name: show[f"{name[:-6]}_at"].astimezone(zone).isoformat() for name in ("opens_local", "closes_local")}
        return Answer(document=ShowSettings(voting=voting, **{**show, **instants, **local}))

    def _now(self) -> dt.datetime:
        return from_ms(self._clock.now_ms())


async def lock_show(connection: Connection, wanted: Reference) -> dict[str, Any]:
    """A show's columns, held until the transaction ends; until then none of its votes is written.

    Raises: Refused: not_found
    Locks:  its shard's row of log_positions, then its own
    """
    await queries.lock_shard(connection, id=wanted.id, slug=wanted.slug)
    await queries.lock_show_row(connection, id=wanted.id, slug=wanted.slug)
    return await _fetch_show(connection, wanted)


async def _fetch_show(connection: Connection, wanted: Reference) -> dict[str, Any]:
    row = await queries.show_settings(connection, id=wanted.id, slug=wanted.slug)
    if row is None:
        raise Refused(Code.NOT_FOUND, "No such show.")
    return dict(row)


async def log_act(connection: Connection, call: Call, action: str, show_id: int, detail: dict[str, Any]) -> None:
    """Leaves an entry in the audit log."""
    await queries.log_act(
        connection,
        actor_id=call.user.user_id,
        action=action,
        subject=f"show:{show_id}",
        detail=msgspec.json.encode(detail).decode(),
    )


def _instants(fields: dict[str, Any], time_zone: str) -> dict[str, dt.datetime]:
    """The fields that are times, as instants."""
    try:
        return {name: instant_of(said, time_zone) for name, said in fields.items() if isinstance(said, dt.datetime)}
    except (ValueError, OverflowError) as error:
        raise Refused(Code.BAD_REQUEST, f"{str(error)[:1].upper()}{str(error)[1:]}.") from error


def _told(value: Any) -> Any:
    return iso(value) if isinstance(value, dt.datetime) else value
