"""How staff changes a show: one way to lock it, to hold its votes, to preview, and to learn of somebody else's change."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from server.catalog.queries import show_control as queries
from server.catalog.voting_window import VotingState, voting_state
from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.embargo import Results
from server.protocol.http.parameters import Reference
from server.protocol.instants import iso
from server.protocol.positions import EXACT_MAX
from server.store.database import Database
from server.store.rule_changes import ChangeRules

if TYPE_CHECKING:
    from server.store.database import Connection

REASON_CHARS_MAX = 500

Status = Literal["upcoming", "live", "finished", "cancelled"]
When = Annotated[
    dt.datetime,
    msgspec.Meta(
        description="With an offset; or without one, as the local time at the show: `2026-11-25T20:00:00`.",
        extra_json_schema={"format": "date-time"},
    ),
]
Id = Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_CHARS_MAX)]


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What an act does for fans. `votes_kept` and `votes_lost`: votes of the show that still count after it, and that count
    no longer. `fans_going`: the fans who said that they go. `fans_mailed`: the fans who get an email about it.
    """

    is_preview: bool
    votes_kept: int
    votes_lost: int
    fans_going: int
    fans_mailed: int


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One act on a show's bill."""

    id: int
    slug: str
    name: str
    billing: Literal["headliner", "support"]


class ShowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a show; `starts_local`, `opens_local` and `closes_local` are local times at the show. `effect` is what
    the act that was asked for does, or would do; null: nothing was asked for.
    """

    id: int
    slug: str
    name: str
    artist: int
    venue: int
    local_date: str
    starts_at: str
    starts_local: str
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
    requires_ticket: bool
    bill: list[Act]
    effect: Effect | None = None


@asynccontextmanager
async def changing_show(
    change_rules: ChangeRules,
    db: Database,
    reference: Reference,
    *,
    is_preview: bool = False,
    takes_turn: bool = False,
) -> AsyncIterator[tuple[Connection, dict[str, Any], dt.datetime]]:
    """Opens a change of one show's rules.

    Takes:  is_preview, undo everything at the end; then no vote waits for the change; takes_turn, wait for imports and syncs,
            which count the songs of many sets too
    Gives:  the transaction, the locked show, and the instant from which the new rules apply
    Raises: Refused: not_found; unavailable, Valkey does not answer
    """
    if is_preview:
        async with db.rehearsal() as connection:
            if takes_turn:
                await queries.take_turn(connection)
            show = await lock_show(connection, reference)
            yield connection, show, await queries.this_instant(connection)
        return
    async with change_rules(db.transaction()) as change:
        found = await fetch_settings(change.connection, reference)
        at = await change.hold([found["id"]])
        if takes_turn:
            await queries.take_turn(change.connection)
        yield change.connection, await lock_show(change.connection, reference), at


async def lock_show(connection: Connection, reference: Reference) -> dict[str, Any]:
    """Locks a show until the transaction ends, and gives its columns; until then none of its votes is written.

    Raises: Refused: not_found
    Locks:  its shard's row of log_positions, then its own
    """
    await queries.lock_shard(connection, id=reference.id, slug=reference.slug)
    await queries.lock_show_row(connection, id=reference.id, slug=reference.slug)
    return await fetch_settings(connection, reference)


async def fetch_settings(connection: Connection, reference: Reference) -> dict[str, Any]:
    """The columns of a show that its settings show.

    Raises: Refused: not_found
    """
    row = await queries.show_settings(connection, id=reference.id, slug=reference.slug)
    if row is None:
        raise Refused(Code.NOT_FOUND, "No such show. Check its id or slug.")
    return dict(row)


def settings_of(show: dict[str, Any], now: dt.datetime, effect: Effect | None = None) -> ShowSettings:
    """The settings of a show, out of its columns."""
    zone = ZoneInfo(show["time_zone"])
    instants = {name: show[name] for name in ("starts_at", "opens_at", "closes_at")}
    names = ("id", "slug", "name", "revision", "status", "time_zone", "is_locked", "is_final", "results",
             "votes_per_user_max", "requires_ticket")  # fmt: skip
    return ShowSettings(
        **{name: show[name] for name in names},
        **{name: iso(value) for name, value in instants.items()},
        **{
            name.replace("_at", "_local"): value.astimezone(zone).isoformat()
            for name, value in instants.items()
        },
        artist=show["artist_id"],
        venue=show["venue_id"],
        local_date=show["local_date"].isoformat(),
        voting=voting_state(
            status=show["status"], opens_at=show["opens_at"], closes_at=show["closes_at"],
            is_locked=show["is_locked"], is_final=show["is_final"], now=now,
        ),
        bill=msgspec.json.decode(show["bill"], type=list[Act]),
        effect=effect,
    )  # fmt: skip


def effect_of(before: dict[str, Any], after: dict[str, Any], *, is_preview: bool, fans_mailed: int = 0) -> Effect:
    """What a change of a show does for fans, out of its columns before and after."""
    return Effect(
        is_preview=is_preview,
        votes_kept=after["vote_count"],
        votes_lost=before["vote_count"] - after["vote_count"],
        fans_going=after["attendance_count"],
        fans_mailed=fans_mailed,
    )
