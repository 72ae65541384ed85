"""Staff edits the sets of a show: adds, moves and removes songs. Fans vote on the result at once, on all nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from server.catalog.queries import setlist_editing as queries
from server.catalog.show_changes import changing_show, lock_show
from server.errors import Refused, StoreConflict
from server.moderation.logs import refuse_stale, write_audit_log
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import Revision
from server.protocol.positions import EXACT_MAX
from server.store.database import Database, savepoint
from server.store.rule_changes import ChangeRules

if TYPE_CHECKING:
    from server.store.database import Connection

TITLE_CHARS_MAX = 200
NOTE_CHARS_MAX = 200
SONGS_PER_SET_MAX = 200

_Id = Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX)]
_Position = Annotated[int, msgspec.Meta(ge=1, le=SONGS_PER_SET_MAX)]
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=TITLE_CHARS_MAX, pattern=r"\S")]
_Note = Annotated[str, msgspec.Meta(max_length=NOTE_CHARS_MAX)]


class NewSetSong(msgspec.Struct, frozen=True, kw_only=True):
    """A song to add to a set: either `song`, the id of a song, or `title`, a title of the artist who plays the set. Case and
    accents of a title do not matter, and a new title becomes a new song. `setlist` null means the first predicted set;
    `position` null means the end.
    """

    song: _Id | None = None
    title: Title | None = None
    setlist: _Id | None = None
    position: _Position | None = None
    note: _Note = ""


class SetSongChange(msgspec.Struct, frozen=True, kw_only=True):
    """The fields to change; a field that is left out stays as it is. With `revision`, the change is refused if somebody else
    changed the show after it.
    """

    position: _Position | msgspec.UnsetType = msgspec.UNSET
    note: _Note | msgspec.UnsetType = msgspec.UNSET
    revision: Revision | None = None


class RemovalQuery(msgspec.Struct, frozen=True):
    """`confirm`: remove the song even if it has votes, and delete those votes."""

    confirm: bool = False


class EditedSong(msgspec.Struct, frozen=True, kw_only=True):
    """A song of a set after the change; fans vote on its `id`."""

    id: int
    setlist: int
    song: int
    title: str
    position: int
    note: str


class SetlistEditingRoutes:
    """HTTP for staff who edit sets.

    Takes: db, with its owner's rights, because requests may not write sets; change_rules, on all nodes
    """

    def __init__(self, db: Database, change_rules: ChangeRules) -> None:
        self._db = db
        self._change_rules = change_rules

    def endpoints(self) -> list[Endpoint]:
        """The routes, for web to serve."""
        path, refusals = "/api/admin/shows/{show}/songs", (Code.NOT_FOUND, Code.CONFLICT)
        return [
            Endpoint(
                method="POST", path=path, handler=self.post_song, access="moderator", body=NewSetSong, answer=EditedSong,
                status=201, codes=refusals, slugs=("show",), summary="Add a song to a set of a show.",
            ),
            Endpoint(
                method="PATCH", path=f"{path}/{{song}}", handler=self.patch_song, access="moderator", body=SetSongChange,
                answer=EditedSong, codes=refusals, slugs=("show",), summary="Move a song within its set, or change its note.",
            ),
            Endpoint(
                method="DELETE", path=f"{path}/{{song}}", handler=self.delete_song, access="moderator", query=RemovalQuery,
                status=204, codes=refusals, slugs=("show",),
                summary="Remove a song from its set; a song with votes only with `confirm`.",
            ),
        ]  # fmt: skip

    async def post_song(self, call: Call) -> Answer:
        """`POST /api/admin/shows/{show}/songs`."""
        body: NewSetSong = call.body
        if (body.song is None) == (body.title is None):
            given = "neither" if body.song is None else "both"
            raise Refused(Code.BAD_REQUEST, f"The body has {given} of `song` and `title`. Give exactly one.")
        async with changing_show(self._change_rules, self._db, call.reference("show")) as (connection, show, _):
            added = await add_song(connection, show, body)
            await _log(connection, call, "show.song_added", show, msgspec.structs.asdict(added))
        return Answer(document=added)

    async def patch_song(self, call: Call) -> Answer:
        """`PATCH /api/admin/shows/{show}/songs/{song}`."""
        change: SetSongChange = call.body
        async with self._db.transaction() as connection:
            show = await lock_show(connection, call.reference("show"))
            before = await _lock_song(connection, call, show["id"])
            await refuse_stale(connection, f"show:{show['id']}", show["revision"], change.revision)
            note = before["note"] if change.note is msgspec.UNSET else change.note
            position = before["position"]
            if change.position is not msgspec.UNSET:
                set_ = await queries.find_set(connection, show_id=show["id"], setlist_id=before["setlist_id"])
                assert set_ is not None
                position = min(change.position, set_["song_count"])
            await queries.defer_positions(connection)
            await queries.close_gap(connection, setlist_id=before["setlist_id"], position=before["position"])
            await queries.make_room(connection, setlist_id=before["setlist_id"], position=position)
            await queries.move_set_song(connection, id=before["id"], position=position, note=note)
            after = EditedSong(
                id=before["id"], setlist=before["setlist_id"], song=before["song_id"], title=before["title"],
                position=position, note=note,
            )  # fmt: skip
            await _log(connection, call, "show.song_changed", show, msgspec.structs.asdict(after))
        return Answer(document=after)

    async def delete_song(self, call: Call) -> Answer:
        """`DELETE /api/admin/shows/{show}/songs/{song}`."""
        async with changing_show(self._change_rules, self._db, call.reference("show")) as (connection, show, _):
            song = await _lock_song(connection, call, show["id"])
            set_ = await queries.find_set(connection, show_id=show["id"], setlist_id=song["setlist_id"])
            _refuse_final(show, set_)
            if song["vote_count"] and not call.query.confirm:
                count = "1 vote" if song["vote_count"] == 1 else f"{song['vote_count']} votes"
                message = f"{song['title']} has {count}, which would be lost. Repeat the request with `confirm=true`."
                raise Refused(Code.CONFLICT, message)
            await queries.delete_set_song(connection, id=song["id"])
            await queries.defer_positions(connection)
            await queries.close_gap(connection, setlist_id=song["setlist_id"], position=song["position"])
            detail = {"id": song["id"], "title": song["title"], "votes": song["vote_count"]}
            await _log(connection, call, "show.song_removed", show, detail)
        return Answer()


async def add_song(connection: Connection, show: dict[str, Any], new: NewSetSong) -> EditedSong:
    """Adds a song to a set. Fans can vote on it after the change of rules.

    Takes:  show, locked by lock_show
    Raises: Refused: not_found, no such set or song; conflict, the song is in the set, the set is full, or the result is final
    """
    set_ = await queries.find_set(connection, show_id=show["id"], setlist_id=new.setlist)
    if set_ is None:
        raise Refused(Code.NOT_FOUND, "This show has no such set. Read the show for the ids of its sets.")
    _refuse_final(show, set_)
    if set_["song_count"] >= SONGS_PER_SET_MAX:
        raise Refused(
            Code.CONFLICT, f"This set has {SONGS_PER_SET_MAX} songs, the most a set may have. Remove one first."
        )
    if new.song is not None:
        song = await queries.find_song(connection, id=new.song)
        if song is None:
            raise Refused(Code.NOT_FOUND, f"No song has the id {new.song}. Search for it, or give its `title`.")
    else:
        assert new.title is not None
        song = await queries.song_of_title(connection, artist_id=set_["artist_id"], title=new.title.strip())
    position = min(new.position or SONGS_PER_SET_MAX, set_["song_count"] + 1)
    await queries.defer_positions(connection)
    await queries.make_room(connection, setlist_id=set_["id"], position=position)
    try:
        async with savepoint(connection):
            added = await queries.add_set_song(
                connection,
                setlist_id=set_["id"],
                show_id=show["id"],
                song_id=song["id"],
                position=position,
                note=new.note,
            )
    except StoreConflict as error:
        message = f"The database refuses this song: it breaks its rule {error.constraint}. Check the values."
        raise Refused(Code.CONFLICT, message) from error
    if added is None:
        raise Refused(Code.CONFLICT, f"{song['title']} is in this set already. Move it instead.")
    return EditedSong(
        id=added["id"], setlist=set_["id"], song=song["id"], title=song["title"], position=position, note=new.note
    )


async def _lock_song(connection: Connection, call: Call, show_id: int) -> Any:
    row = await queries.lock_set_song(connection, id=call.id("song"), show_id=show_id)
    if row is None:
        message = f"Song {call.id('song')} is not in a set of this show. Read the show for the ids of its songs."
        raise Refused(Code.NOT_FOUND, message)
    return row


def _refuse_final(show: dict[str, Any], set_: Any) -> None:
    """Refuses a change to a predicted set of a final show. Played sets stay open: staff may add a song that was played."""
    if show["is_final"] and set_["type"] == "predicted":
        raise Refused(
            Code.CONFLICT, "The result is final, so its songs are fixed. Reopen the show before you change them."
        )


async def _log(connection: Connection, call: Call, action: str, show: dict[str, Any], detail: dict[str, Any]) -> None:
    await write_audit_log(connection, call.user, action, f"show:{show['id']}", detail)
