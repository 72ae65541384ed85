"""Staff writes all sets of a show at once, in their order. Songs that stay keep their votes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec

from server.catalog.queries import set_order as queries
from server.catalog.queries import setlist_editing as editing_queries
from server.catalog.setlist_editing import NOTE_CHARS_MAX, SONGS_PER_SET_MAX, Title
from server.catalog.show_changes import (
    Effect,
    Id,
    Reason,
    changing_show,
    effect_of,
    fetch_settings,
)
from server.errors import Refused, StoreConflict
from server.moderation.logs import refuse_stale, write_audit_log
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PreviewQuery, Revision
from server.store.database import Database, savepoint
from server.store.rule_changes import ChangeRules

if TYPE_CHECKING:
    from server.store.database import Connection

SETS_MAX = 40

SetType = Literal["predicted", "actual"]
SetKind = Literal["main", "encore", "alternate"]


class SetSong(msgspec.Struct, frozen=True, kw_only=True):
    """A song of a set. `id` is a song that stands in a set of the show, and keeps its votes; else `song`, the id of a song, or
    `title`, a title of the artist who plays the set. A `song` that stands in the set already keeps its votes too.
    """

    id: Id | None = None
    song: Id | None = None
    title: Title | None = None
    note: Annotated[str, msgspec.Meta(max_length=NOTE_CHARS_MAX)] = ""
    is_tape: bool = False
    medley: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None


class OrderedSet(msgspec.Struct, frozen=True, kw_only=True):
    """A set with its songs, in order. `id` is a set of the show; without it the set is new. `artist` null: the show's own."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S")]
    songs: Annotated[list[SetSong], msgspec.Meta(max_length=SONGS_PER_SET_MAX)]
    id: Id | None = None
    type: SetType = "predicted"
    kind: SetKind = "main"
    artist: Id | None = None


class SetsBody(msgspec.Struct, frozen=True, kw_only=True):
    """All sets of the show, in order. A set or a song that is left out is removed; a song with votes only with `confirm`."""

    sets: Annotated[list[OrderedSet], msgspec.Meta(max_length=SETS_MAX)]
    revision: Revision | None = None
    reason: Reason | None = None


class SetsQuery(PreviewQuery, frozen=True):
    """`confirm`: also remove songs with votes; they can be put back for 30 days. A preview needs no `confirm`."""

    confirm: bool = False


class StandingSong(msgspec.Struct, frozen=True, kw_only=True):
    """A song of a set after the act; fans vote on its `id`."""

    id: int
    song: int
    title: str
    position: int
    note: str
    is_tape: bool
    medley: int | None
    votes: int


class StandingSet(msgspec.Struct, frozen=True, kw_only=True):
    """A set after the act."""

    id: int
    type: SetType
    kind: SetKind
    name: str
    artist: int | None
    songs: list[StandingSong]


class StandingSets(msgspec.Struct, frozen=True, kw_only=True):
    """All sets of a show, with its revision, and what the act does for fans."""

    revision: int
    sets: list[StandingSet]
    effect: Effect


class Place(NamedTuple):
    """Where a song goes. id: None for a song that is new in the show; song_id: None for one that stands."""

    id: int | None
    song_id: int | None
    given: SetSong


class Standing(NamedTuple):
    """A show as it is before the act: its columns, its sets and its songs by id."""

    show: dict[str, Any]
    sets: dict[int, dict[str, Any]]
    songs: dict[int, dict[str, Any]]


class SetOrderRoutes:
    """HTTP for staff who order sets. Takes: db, with its owner's rights; change_rules, on all nodes."""

    def __init__(self, db: Database, change_rules: ChangeRules) -> None:
        self._db = db
        self._change_rules = change_rules

    def endpoints(self) -> list[Endpoint]:
        """The routes, for web to serve."""
        return [
            Endpoint(
                method="PUT", path="/api/admin/shows/{show}/sets", handler=self.put_sets, access="moderator",
                query=SetsQuery, body=SetsBody, answer=StandingSets, codes=(Code.NOT_FOUND, Code.CONFLICT),
                slugs=("show",), summary="Write all sets of a show with their songs, in order.",
            ),
        ]  # fmt: skip

    async def put_sets(self, call: Call) -> Answer:
        """`PUT /api/admin/shows/{show}/sets`."""
        reference, body, is_preview = call.reference("show"), call.body, call.query.preview
        async with changing_show(self._change_rules, self._db, reference, is_preview=is_preview, takes_turn=True) as (
            connection,
            show,
            _,
        ):
            await refuse_stale(connection, f"show:{show['id']}", show["revision"], body.revision)
            sets = {row["id"]: dict(row) async for row in queries.list_sets(connection, show_id=show["id"])}
            songs: dict[int, Any] = {
                row["id"]: dict(row) async for row in queries.list_set_songs(connection, show_id=show["id"])
            }
            standing = Standing(show, sets, songs)
            await _check_sets(connection, standing, body.sets)
            places = [await find_places(connection, standing, ordered) for ordered in body.sets]
            stays = Counter(place.id for one in places for place in one if place.id is not None)
            if stays and max(stays.values()) > 1:
                raise Refused(Code.BAD_REQUEST, "A song stands twice in the request. Give each `id` once.")
            gone: list[dict[str, Any]] = [song for song in songs.values() if song["id"] not in stays]
            is_confirmed = call.query.confirm or is_preview
            _refuse_removal(standing, gone, body.sets, places, is_confirmed=is_confirmed)
            before = await _fetch(connection, show["id"])
            try:
                async with savepoint(connection):
                    await write_sets(connection, standing, body.sets, places, [song["id"] for song in gone])
            except StoreConflict as error:
                message = f"The database refuses these sets: they break its rule {error.constraint}. Check them."
                raise Refused(Code.CONFLICT, message) from error
            after, settings = await _fetch(connection, show["id"]), await fetch_settings(connection, reference)
            if after != before:
                detail: dict[str, Any] = {"sets": [_told(before), _told(after)]}
                detail["votes_lost"] = show["vote_count"] - settings["vote_count"]
                if body.reason:
                    detail["reason"] = body.reason
                await write_audit_log(connection, call.user, "show.sets", f"show:{show['id']}", detail)
            effect = effect_of(show, settings, is_preview=is_preview)
            return Answer(document=StandingSets(revision=settings["revision"], sets=after, effect=effect))


async def _check_sets(connection: Connection, standing: Standing, ordered: list[OrderedSet]) -> None:
    """Checks the sets without their songs.

    Raises: Refused: bad_request, not_found
    """
    given = [one.id for one in ordered if one.id is not None]
    if len(set(given)) < len(given):
        raise Refused(Code.BAD_REQUEST, "A set stands twice in the request. Give each `id` once.")
    sets = standing.sets
    acts = {row["artist_id"] async for row in queries.find_acts(connection, show_id=standing.show["id"])}
    for one in ordered:
        if one.id is not None and one.id not in sets:
            raise Refused(Code.NOT_FOUND, f"Set {one.id} is not a set of this show. Read the show for its sets.")
        if one.id is not None and sets[one.id]["type"] != one.type:
            raise Refused(Code.BAD_REQUEST, f"Set {one.id} is {sets[one.id]['type']}. A set keeps its `type`.")
        if one.artist is not None and one.artist not in acts:
            raise Refused(Code.NOT_FOUND, f"Artist {one.artist} is not on the bill of this show. Add the act first.")


async def find_places(connection: Connection, standing: Standing, ordered: OrderedSet) -> list[Place]:
    """The songs of one set: which of them stand in the show already.

    Raises: Refused: bad_request, not_found
    """
    show, sets, songs = standing
    in_set = {song["song_id"]: song["id"] for song in songs.values() if song["setlist_id"] == ordered.id}
    places: list[tuple[int, Place]] = []
    for given in ordered.songs:
        named = [name for name in ("id", "song", "title") if getattr(given, name) is not None]
        if not named:
            raise Refused(Code.BAD_REQUEST, "A song has none of `id`, `song` and `title`. Give one of them.")
        if given.id is not None:
            song = songs.get(given.id)
            if song is None:
                raise Refused(
                    Code.NOT_FOUND, f"Song {given.id} is in no set of this show. Read the show for its songs."
                )
            if sets[song["setlist_id"]]["type"] != ordered.type:
                raise Refused(Code.BAD_REQUEST, f"Song {given.id} cannot move between predicted and played sets.")
            places.append((song["song_id"], Place(given.id, None, given)))
            continue
        song_id = given.song
        if song_id is None:
            assert given.title is not None
            artist_id = ordered.artist or show["artist_id"]
            row = await editing_queries.song_of_title(connection, artist_id=artist_id, title=given.title)
            song_id = row["id"]
        elif not [row async for row in queries.find_songs(connection, ids=[song_id])]:
            raise Refused(Code.NOT_FOUND, f"No song has the id {song_id}. Search for it, or give its `title`.")
        places.append((song_id, Place(in_set.get(song_id), song_id, given)))
    if len({song_id for song_id, _ in places}) < len(places):
        raise Refused(Code.BAD_REQUEST, f"The set {ordered.name!r} has a song twice. Name each song once in a set.")
    return [place for _, place in places]


def _refuse_removal(
    standing: Standing,
    gone: list[dict[str, Any]],
    ordered: list[OrderedSet],
    places: list[list[Place]],
    *,
    is_confirmed: bool,
) -> None:
    """Refuses to change the predicted songs of a final show, and to remove votes that the request does not confirm."""
    is_new = any(
        place.id is None
        for one, of_set in zip(ordered, places, strict=True)
        if one.type == "predicted"
        for place in of_set
    )
    loses = any(standing.sets[song["setlist_id"]]["type"] == "predicted" for song in gone)
    if standing.show["is_final"] and (is_new or loses):
        message = "The result is final, so its songs are fixed. Reopen the show before you change them."
        raise Refused(Code.CONFLICT, message)
    votes = {song["title"]: song["raw_count"] for song in gone if song["raw_count"]}
    if votes and not is_confirmed:
        told = ", ".join(f"{title} ({count})" for title, count in votes.items())
        message = f"These songs have votes, which would be lost: {told}. Repeat the request with `confirm=true`."
        raise Refused(Code.CONFLICT, message)


async def write_sets(
    connection: Connection,
    standing: Standing,
    ordered: list[OrderedSet],
    places: list[list[Place]],
    gone: list[int],
) -> None:
    """Writes the sets and their songs, each to its place.

    Takes: gone, the ids of songs to remove
    """
    show_id: int = standing.show["id"]
    if gone:
        await queries.delete_songs(connection, ids=gone)
    await queries.make_way(connection, show_id=show_id)
    position: Counter[str] = Counter()
    moved: list[tuple[Any, ...]] = []
    added: list[tuple[Any, ...]] = []
    for one, of_set in zip(ordered, places, strict=True):
        position[one.type] += 1
        columns: dict[str, Any] = {
            "kind": one.kind,
            "name": one.name,
            "artist_id": one.artist,
            "position": position[one.type],
        }
        set_id = one.id
        if set_id is None:
            set_id = await queries.insert_set(connection, show_id=show_id, type=one.type, **columns)
        else:
            await queries.place_set(connection, id=set_id, **columns)
        for number, place in enumerate(of_set, 1):
            given = place.given
            told = (number, given.note, given.is_tape, given.medley)
            if place.id is not None:
                moved.append((place.id, set_id, *told))
            else:
                added.append((set_id, place.song_id, *told))
    await editing_queries.defer_positions(connection)
    names = ("positions", "notes", "tapes", "medleys")
    if moved:
        await queries.place_songs(connection, **_arrays(("ids", "setlist_ids", *names), moved))
    if added:
        await queries.insert_songs(connection, show_id=show_id, **_arrays(("setlist_ids", "song_ids", *names), added))
    kept = {one.id for one in ordered}
    if emptied := [set_id for set_id in standing.sets if set_id not in kept]:
        await queries.delete_sets(connection, ids=emptied)


def _arrays(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    """The columns of rows, by name."""
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


async def _fetch(connection: Connection, show_id: int) -> list[StandingSet]:
    sets = [
        msgspec.convert({**row, "artist": row["artist_id"], "songs": []}, StandingSet)
        async for row in queries.list_sets(connection, show_id=show_id)
    ]
    by_id = {one.id: one for one in sets}
    async for row in queries.list_set_songs(connection, show_id=show_id):
        by_id[row["setlist_id"]].songs.append(
            StandingSong(
                id=row["id"], song=row["song_id"], title=row["title"], position=row["position"], note=row["note"],
                is_tape=row["is_tape"], medley=row["medley"], votes=row["vote_count"],
            )
        )  # fmt: skip
    return sets


def _told(sets: list[StandingSet]) -> list[Any]:
    """The sets as the audit log keeps them: the name of each, and its songs in order."""
    return [{"set": one.id, "name": one.name, "songs": [[song.id, song.title] for song in one.songs]} for one in sets]
