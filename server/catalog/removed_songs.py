"""Songs that staff removed with their votes: for 30 days they can be put back with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import structlog

from server.catalog.queries import removed_songs as queries
from server.catalog.queries import show_control as show_queries
from server.catalog.show_changes import lock_show
from server.errors import CacheError, Refused, StoreConflict, StoreError
from server.moderation.logs import write_audit_log
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PreviewQuery
from server.protocol.instants import iso
from server.store.database import Database

log = structlog.get_logger()


class RemovedSong(msgspec.Struct, frozen=True, kw_only=True):
    """A removed song: `id` is what fans voted on, `song` the song itself, `votes` how many votes it had."""

    id: int
    setlist: int
    song: int
    title: str
    votes: int
    removed_at: str


class RemovedSongs(msgspec.Struct, frozen=True):
    """The removed songs of a show, newest first."""

    items: list[RemovedSong]


class RestoredSong(msgspec.Struct, frozen=True):
    """A song that is in its set again, at the end, and the number of its votes that count again."""

    id: int
    votes: int
    is_preview: bool


class RemovedSongRoutes:
    """The endpoints of removed songs, for staff.

    Takes: owner, the database of the owner; reopen, has the hot copy of shows read again; raises StoreUnavailable,
           CacheError
    """

    def __init__(self, owner: Database, reopen: Callable[[list[int]], Awaitable[None]]) -> None:
        self._owner = owner
        self._reopen = reopen

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        path = "/api/admin/shows/{show}/removed-songs"
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_removed, access="moderator", answer=RemovedSongs,
                codes=(Code.NOT_FOUND,), slugs=("show",),
                summary="List the songs that were removed from the sets of a show with their votes, for 30 days.",
            ),
            Endpoint(
                method="POST", path=path + "/{song}", handler=self.post_restored, access="moderator", query=PreviewQuery,
                answer=RestoredSong, codes=(Code.NOT_FOUND, Code.CONFLICT), slugs=("show",),
                summary="Put a removed song back at the end of its set, with its votes. A fan over the show's budget keeps newer votes.",
            ),
        ]  # fmt: skip

    async def get_removed(self, call: Call) -> Answer:
        """`GET /api/admin/shows/{show}/removed-songs`."""
        reference = call.reference("show")
        async with self._owner.connection() as connection:
            show = await show_queries.show_settings(connection, id=reference.id, slug=reference.slug)
            if show is None:
                raise Refused(Code.NOT_FOUND, "No such show. Check its id or slug.")
            rows = [row async for row in queries.list_removed(connection, show_id=show["id"])]
        items = [
            RemovedSong(
                id=row["id"], setlist=row["setlist_id"], song=row["song_id"], title=row["title"], votes=row["vote_count"],
                removed_at=iso(row["removed_at"]),
            )
            for row in rows
        ]  # fmt: skip
        return Answer(document=RemovedSongs(items))

    async def post_restored(self, call: Call) -> Answer:
        """`POST /api/admin/shows/{show}/removed-songs/{song}`."""
        song_id, is_preview = call.id("song"), call.query.preview
        try:
            async with self._owner.rehearsal() if is_preview else self._owner.transaction() as connection:
                show = await lock_show(connection, call.reference("show"))
                votes = await queries.restore_song(connection, id=song_id, show_id=show["id"])
                if votes is None:
                    raise Refused(Code.NOT_FOUND, f"No removed song {song_id} of this show can be put back.")
                if show["is_final"]:
                    message = "The result is final, so its songs are fixed. Reopen the show before you change them."
                    raise Refused(Code.CONFLICT, message)
                detail = {"id": song_id, "votes": votes}
                await write_audit_log(connection, call.user, "show.song_restored", f"show:{show['id']}", detail)
        except StoreConflict as error:
            message = "The set of this song is gone, or has the song again. Remove the new one first."
            raise Refused(Code.CONFLICT, message) from error
        restored = RestoredSong(song_id, votes, is_preview)
        if is_preview:
            return Answer(document=restored)
        try:
            await self._reopen([show["id"]])
        except (StoreError, CacheError) as error:
            # The song counts again in the database. `mysetlist reconcile --repair` finds what Valkey lacks.
            log.warning("show.not_reopened", show=show["id"], error=str(error))
        return Answer(document=restored)
