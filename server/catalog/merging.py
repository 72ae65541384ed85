"""Merges duplicates of artists, venues and songs: everything of the duplicate goes to the survivor, and back for a day.

Where a show has both songs in its sets, they become one, and a fan's votes on both become the last of them. Votes wait
meanwhile (docs/adr/0036-merges.md).
"""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from server.catalog.entry_editing import Kind, find_entry, no_such
from server.catalog.queries import merging as queries
from server.catalog.show_changes import Id, Reason
from server.errors import Refused, StoreConflict
from server.moderation.logs import write_audit_log
from server.protocol.codes import Code
from server.protocol.http.cursors import IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery, PreviewQuery
from server.protocol.instants import iso
from server.store.database import Database, savepoint
from server.store.rule_changes import ChangeRules, RuleChange

if TYPE_CHECKING:
    from server.store.database import Connection

# Votes of so many shows wait at once while a merge makes two of their songs one.
FOLD_SHOWS_MAX = 1_000


class MergeBody(msgspec.Struct, frozen=True, kw_only=True):
    """The entry that is the same as the one in the path. It goes, and its id and slug lead to the one that stays."""

    duplicate: Id
    reason: Reason | None = None


class UndoBody(msgspec.Struct, frozen=True, kw_only=True):
    """The reason, for the audit log."""

    reason: Reason | None = None


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """A merge. `name` is that of the duplicate. While it `can_undo`, the counts say what it moved: `changed_shows` have the
    survivor now; in their sets, `folded_songs` became one with another; `moved_votes` were on them, `folded_votes` of these met
    a vote of the same fan. `id`: 0 in a preview of a merge.
    """

    id: int
    kind: Literal["artist", "venue", "song"]
    survivor: int
    duplicate: int
    name: str
    made_by: int
    made_at: str
    undone_at: str | None
    can_undo: bool
    changed_shows: int
    folded_songs: int
    moved_votes: int
    folded_votes: int
    moved_follows: int
    is_preview: bool


class MergePage(msgspec.Struct, frozen=True):
    """A page of merges."""

    items: list[Merge]
    next: str | None


class MergingRoutes:
    """HTTP for administrators who merge. Takes: db, with its owner's rights; change_rules, on all nodes."""

    def __init__(self, db: Database, change_rules: ChangeRules) -> None:
        self._db = db
        self._change_rules = change_rules

    def endpoints(self) -> list[Endpoint]:
        """The routes, for web to serve."""
        kinds: tuple[Kind, ...] = ("artist", "venue", "song")
        path, refusals = "/api/admin/merges", (Code.NOT_FOUND, Code.CONFLICT)
        merging = [
            Endpoint(
                method="POST", path=f"/api/admin/{kind}s/{{{kind}}}/merge", handler=partial(self._post, kind),
                access="admin", query=PreviewQuery, body=MergeBody, answer=Merge, codes=refusals,
                slugs=() if kind == "song" else (kind,), summary=f"Merge a duplicate into this {kind}.",
                description="A fan's votes on two songs that become one become the last of them.",
            )
            for kind in kinds
        ]  # fmt: skip
        return [
            *merging,
            Endpoint(
                method="GET", path=path, handler=self.get_merges, access="admin", query=PageQuery, answer=MergePage,
                summary="List the merges of duplicates, latest first.",
            ),
            Endpoint(
                method="POST", path=path + "/{merge}/undo", handler=self.post_undo, access="admin", query=PreviewQuery,
                body=UndoBody, body_is_optional=True, answer=Merge, codes=refusals,
                summary="Undo a merge of the last day. Everything is as it was; what was changed since stays.",
                description="A fan who voted on the surviving song since the merge keeps that vote there, and none on the other.",
            ),
        ]  # fmt: skip

    async def get_merges(self, call: Call) -> Answer:
        """`GET /api/admin/merges`."""
        limit = call.query.limit
        before = decode_cursor(call.query.cursor, IdCursor) if call.query.cursor else None
        async with self._db.connection() as connection:
            listed = queries.list_merges(connection, before_id=before.id if before else None, count=limit + 1)
            rows = [row async for row in listed]
            page, following = cut_page(rows, limit, lambda last: IdCursor(last["id"]))
            items = [await _fetch(connection, row["id"]) for row in page]
        return Answer(document=MergePage(items, following))

    async def _post(self, kind: Kind, call: Call) -> Answer:
        """`POST /api/admin/{artists,venues,songs}/{id}/merge`."""
        if call.query.preview:
            return Answer(document=await self._preview(kind, call))
        async with self._change_rules(self._db.transaction()) as change:
            connection = change.connection
            pair, shows = await _find_pair(connection, kind, call)
            await _hold(change, shows)
            merge_id = await queries.merge_entries(connection, **pair, actor_id=call.user.user_id)
            if merge_id is None:
                raise no_such(kind)
            folded = [row["show_id"] async for row in queries.shows_of_folds(connection, merge_id=merge_id)]
            if not set(folded) <= set(shows):
                raise Refused(Code.CONFLICT, "The sets of a show changed meanwhile. Nothing was changed. Try again.")
            merge = await _fetch(connection, merge_id)
            await _log(connection, call, f"{kind}.merge", merge)
        return Answer(document=merge)

    async def _preview(self, kind: Kind, call: Call) -> Merge:
        """What a merge would do. It only reads: a rehearsal would hold every shard, and all votes wait for that."""
        async with self._db.snapshot() as connection:
            pair, _ = await _find_pair(connection, kind, call)
            row = await queries.preview_merge(connection, **pair)
        if row is None:
            raise no_such(kind)
        told = {"id": 0, "made_by": call.user.user_id, "undone_at": None, "can_undo": True, "is_preview": True}
        return msgspec.convert({**row, **pair, **told, "made_at": iso(row["made_at"])}, Merge)

    async def post_undo(self, call: Call) -> Answer:
        """`POST /api/admin/merges/{merge}/undo`."""
        merge_id = call.id("merge")
        if call.query.preview:
            return Answer(document=await self._preview_undo(merge_id))
        async with self._change_rules(self._db.transaction()) as change:
            connection = change.connection
            shows = [row["show_id"] async for row in queries.shows_of_folds(connection, merge_id=merge_id)]
            await _hold(change, shows)
            _refuse_undo(await queries.lock_merge(connection, id=merge_id))
            before = await _fetch(connection, merge_id)
            try:
                async with savepoint(connection):
                    await queries.undo_merge(connection, id=merge_id)
            except StoreConflict as error:
                raise _taken() from error
            after = await _fetch(connection, merge_id)
            merge = msgspec.structs.replace(before, undone_at=after.undone_at, can_undo=False)
            await _log(connection, call, f"{merge.kind}.unmerge", merge)
        return Answer(document=merge)

    async def _preview_undo(self, merge_id: int) -> Merge:
        """What an undoing would do. It locks the merge alone."""
        async with self._db.rehearsal() as connection:
            _refuse_undo(await queries.lock_merge(connection, id=merge_id))
            if await queries.is_name_taken(connection, id=merge_id):
                raise _taken()
            merge = await _fetch(connection, merge_id)
        return msgspec.structs.replace(merge, undone_at=iso(dt.datetime.now(dt.UTC)), can_undo=False, is_preview=True)


async def _find_pair(connection: Connection, kind: Kind, call: Call) -> tuple[dict[str, Any], list[int]]:
    """The two entries of a merge, and the shows in which it makes two songs one.

    Raises: Refused: not_found; conflict, both are one, or there are too many shows
    """
    survivor, duplicate = await find_entry(connection, kind, call), call.body.duplicate
    if survivor == duplicate:
        raise Refused(Code.CONFLICT, f"This is the {kind} {survivor} itself. Give another one as `duplicate`.")
    pair = {"kind": kind, "survivor": survivor, "duplicate": duplicate}
    shows = [row["show_id"] async for row in queries.fold_shows(connection, **pair)]
    _refuse_many(shows)
    return pair, shows


def _refuse_many(shows: list[int]) -> None:
    if len(shows) > FOLD_SHOWS_MAX:
        message = (
            f"{len(shows)} shows have both songs; at most {FOLD_SHOWS_MAX} can be merged at once. Merge songs first."
        )
        raise Refused(Code.CONFLICT, message)


def _taken() -> Refused:
    message = "Something new has the slug, title or place of the duplicate. Give that one another name first."
    return Refused(Code.CONFLICT, message)


async def _hold(change: RuleChange, shows: list[int]) -> None:
    _refuse_many(shows)
    if shows:
        await change.hold(shows)
        await change.settle()


def _refuse_undo(merge: Any) -> None:
    if merge is None:
        raise Refused(Code.NOT_FOUND, "No such merge. Read the list of merges.")
    if merge["undone_at"] is not None:
        raise Refused(Code.CONFLICT, "This merge is undone already.")
    if not merge["is_recent"]:
        raise Refused(Code.CONFLICT, "This merge is older than a day, so it stays. Make the duplicate again by hand.")
    if merge["later"] is not None:
        message = f"Merge {merge['later']} is later and about the same {merge['kind']}. Undo that one first."
        raise Refused(Code.CONFLICT, message)


async def _fetch(connection: Connection, merge_id: int) -> Merge:
    row = await queries.fetch_merge(connection, id=merge_id)
    assert row is not None
    told = {"survivor": row["survivor_id"], "duplicate": row["duplicate_id"], "is_preview": False}
    times = {name: iso(row[name]) for name in ("made_at", "undone_at")}
    return msgspec.convert({**row, **told, **times}, Merge)


async def _log(connection: Connection, call: Call, action: str, merge: Merge) -> None:
    names = ("duplicate", "name", "changed_shows", "folded_songs", "moved_votes", "folded_votes", "moved_follows")
    detail: dict[str, Any] = {"merge": merge.id} | {name: getattr(merge, name) for name in names}
    if call.body and call.body.reason:
        detail["reason"] = call.body.reason
    await write_audit_log(connection, call.user, action, f"{merge.kind}:{merge.survivor}", detail)
