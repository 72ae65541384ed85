"""Staff edits the sets of a show: songs come, move and go, and what can be voted on with them, on all nodes at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import structlog

from server.catalog.show_control import lock_show, log_act
from server.errors import CacheError, Refused, StoreConflict
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.positions import EXACT_MAX
from server.store.database import Database
from server.store.queries import load_queries

if TYPE_CHECKING:
    from server.store.database import Connection

queries = load_queries(Path(__file__).with_name("setlist_editing.sql"))

TITLE_CHARS_MAX = 200
NOTE_CHARS_MAX = 200
SONGS_PER_SET_MAX = 200

log = structlog.get_logger()

# voting.Tallies.revise
Revise = Callable[[list[int]], Awaitable[None]]

_Id = Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX)]
_Position = Annotated[int, msgspec.Meta(ge=1, le=SONGS_PER_SET_MAX)]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=TITLE_CHARS_MAX, pattern=r"\S")]
_Note = Annotated[str, msgspec.Meta(max_length=NOTE_CHARS_MAX)]


class NewSetSong(msgspec.Struct, frozen=True, kw_only=True):
    """A song for a set: `song` that is there, or a `title` of whoever plays the set, found however it is written and made when
    it is new. `setlist` null: the first predicted set; `position` null: at the end.
    """

    song: _Id | None = None
    title: Title | None = None
    setlist: _Id | None = None
    position: _Position | None = None
    note: _Note = ""


class SetSongChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be another way; what is left out stays."""

    position: _Position | msgspec.UnsetType = msgspec.UNSET
    note: _Note | msgspec.UnsetType = msgspec.UNSET


class RemovalQuery(msgspec.Struct, frozen=True):
    """`confirm`: also a song that has votes, which go with it."""

    confirm: bool = False


class EditedSong(msgspec.Struct, frozen=True, kw_only=True):
    """A song of a set as it stands now; `id` is what is voted on."""

    id: int
    setlist: int
    song: int
    title: str
    position: int
    note: str


class SetlistEditingRoutes:
    """Takes: db, with its owner's rights: requests may not write sets; revise, brings the hot rules of shows up to date, so
    that a vote that follows the answer is decided by the new ones, on whichever node.
    """

    def __init__(self, db: Database, revise: Revise) -> None:
        self._db = db
        self._revise = revise

    def endpoints(self) -> list[Endpoint]:
        """What app serves."""
        path, refusals = "/api/admin/shows/{show}/songs", (Code.NOT_FOUND, Code.CONFLICT)
        return [
            Endpoint(
                method="POST", path=path, handler=self.post_song, access="moderator", body=NewSetSong, answer=EditedSong,
                status=201, codes=refusals, slugs=("show",), summary="Put a song into a set of a show.",
            ),
            Endpoint(
                method="PATCH", path=f"{path}/{{song}}", handler=self.patch_song, access="moderator", body=SetSongChange,
                answer=EditedSong, codes=refusals, slugs=("show",), summary="Move a song within its set, or note something.",
            ),
            Endpoint(
                method="DELETE", path=f"{path}/{{song}}", handler=self.delete_song, access="moderator", query=RemovalQuery,
                status=204, codes=refusals, slugs=("show",),
                summary="Take a song out of its set; with votes on it, only when that is confirmed.",
            ),
        ]  # fmt: skip

    async def post_song(self, call: Call) -> Answer:
        """`POST /api/admin/shows/{show}/songs`."""
        body: NewSetSong = call.body
        if (body.song is None) == (body.title is None):
            raise Refused(Code.BAD_REQUEST, "Give either `song` or `title`.")
        async with self._db.transaction() as connection:
            show = await lock_show(connection, call.reference("show"))
            added = await add_song(connection, show, body)
            await log_act(connection, call, "show.song_added", show["id"], msgspec.structs.asdict(added))
        await apply_rules(self._revise, show["id"])
        return Answer(document=added)

    async def patch_song(self, call: Call) -> Answer:
        """`PATCH /api/admin/shows/{show}/songs/{song}`."""
        change: SetSongChange = call.body
        async with self._db.transaction() as connection:
            show = await lock_show(connection, call.reference("show"))
            before = await _lock_song(connection, call, show["id"])
            note = before["note"] if change.note is msgspec.UNSET else change.note
            position = before["position"]
            if change.position is not msgspec.UNSET:
                set_ = await queries.find_set(connection, show_id=show["id"], setlist_id=before["setlist_id"])
                position = min(change.position, set_["song_count"])
            await queries.defer_positions(connection)
            await queries.close_gap(connection, setlist_id=before["setlist_id"], position=before["position"])
            await queries.make_room(connection, setlist_id=before["setlist_id"], position=position)
            await queries.move_set_song(connection, id=before["id"], position=position, note=note)
            after = EditedSong(
                id=before["id"], setlist=before["setlist_id"], song=before["song_id"], title=before["title"],
                position=position, note=note,
            )  # fmt: skip
            await log_act(connection, call, "show.song_changed", show["id"], msgspec.structs.asdict(after))
        return Answer(document=after)

    async def delete_song(self, call: Call) -> Answer:
        """`DELETE /api/admin/shows/{show}/songs/{song}`."""
        async with self._db.transaction() as connection:
            show = await lock_show(connection, call.reference("show"))
            song = await _lock_song(connection, call, show["id"])
            set_ = await queries.find_set(connection, show_id=show["id"], setlist_id=song["setlist_id"])
            _refuse_final(show, set_)
            if song["vote_count"] and not call.query.confirm:
                message = f"{song['vote_count']} votes on {song['title']} would be lost. Repeat it with `confirm=true`."
                raise Refused(Code.CONFLICT, message)
            await queries.delete_set_song(connection, id=song["id"])
            await queries.defer_positions(connection)
            await queries.close_gap(connection, setlist_id=song["setlist_id"], position=song["position"])
            detail = {"id": song["id"], "title": song["title"], "votes": song["vote_count"]}
            await log_act(connection, call, "show.song_removed", show["id"], detail)
        await apply_rules(self._revise, show["id"])
        return Answer()


async def apply_rules(revise: Revise, show_id: int) -> None:
    """Has votes decided by what was just committed; while Valkey is away nobody votes, and it is done when it is back."""
    try:
        await revise([show_id])
    except CacheError as error:
        log.warning("show.not_revised", show=show_id, error=str(error))


async def add_song(connection: Connection, show: dict[str, Any], wanted: NewSetSong) -> EditedSong:
    """Puts a song into a set; votes on it are taken from the commit on.

    Takes:  show, locked (directing.lock_show)
    Raises: Refused: not_found, no such set or song; conflict, it is there already, the set is full, or the result final
    """
    set_ = await queries.find_set(connection, show_id=show["id"], setlist_id=wanted.setlist)
    if set_ is None:
        raise Refused(Code.NOT_FOUND, "No such set in this show.")
    _refuse_final(show, set_)
    if set_["song_count"] >= SONGS_PER_SET_MAX:
        raise Refused(Code.CONFLICT, f"A set has at most {SONGS_PER_SET_MAX} songs.")
    if wanted.song is not None:
        song = await queries.find_song(connection, id=wanted.song)
        if song is None:
            raise Refused(Code.NOT_FOUND, f"No such song: {wanted.song}.")
    else:
        assert wanted.title is not None
        song = await queries.song_of_title(connection, artist_id=set_["artist_id"], title=wanted.title.strip())
    position = min(wanted.position or SONGS_PER_SET_MAX, set_["song_count"] + 1)
    await queries.defer_positions(connection)
    await queries.make_room(connection, setlist_id=set_["id"], position=position)
    try:
        added = await queries.add_set_song(
            connection,
            setlist_id=set_["id"],
            show_id=show["id"],
            song_id=song["id"],
            position=position,
            note=wanted.note,
        )
    except StoreConflict as error:
        raise Refused(Code.CONFLICT, f"This breaks the rule {error.constraint}.") from error
    if added is None:
        raise Refused(Code.CONFLICT, f"{song['title']} is in this set already.")
    return EditedSong(
        id=added["id"], setlist=set_["id"], song=song["id"], title=song["title"], position=position, note=wanted.note
    )


async def _lock_song(connection: Connection, call: Call, show_id: int) -> Any:
    row = await queries.lock_set_song(connection, id=call.id("song"), show_id=show_id)
    if row is None:
        raise Refused(Code.NOT_FOUND, f"Song {call.id('song')} is not in a setlist of this show.")
    return row


def _refuse_final(show: dict[str, Any], set_: Any) -> None:
    """What was played may be written down afterwards; what was voted on may not be changed any more."""
    if show["is_final"] and set_["type"] == "predicted":
        raise Refused(Code.CONFLICT, "The result is final. Reopen the show to change what is voted on.")
