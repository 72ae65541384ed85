"""A fan's pick for a show: up to ten songs, and which of them open it, end it and are played in an encore.

A pick takes the way of a vote (docs/adr/0044): the intake hands it to the script, which decides on its clock whether the show
has begun, and the writer commits it.
"""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import msgspec

from server.errors import Refused
from server.game.queries import picks as queries
from server.game.show_boards import ShowBoards
from server.protocol.codes import Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import Reference
from server.protocol.instants import iso
from server.protocol.messages import Id
from server.protocol.outcomes import FutureWaiter, Picked, Waiter
from server.store.database import Database

PICKED_SONGS_MAX = 10
CHOICES_MAX = 200

Songs = Annotated[
    list[Id],
    msgspec.Meta(
        min_length=1, max_length=PICKED_SONGS_MAX, description="The ids of songs: of the show's sets or of its acts."
    ),
]
Place = Annotated[Id | None, msgspec.Meta(description="One of `songs`, or null.")]


class PickBody(msgspec.Struct, frozen=True, kw_only=True):
    """The songs that you expect in a show, and which of them opens it, ends it, and is played in an encore."""

    songs: Songs
    opener: Place = None
    closer: Place = None
    encore: Place = None


class Pick(PickBody, frozen=True, kw_only=True):
    """A pick that PostgreSQL has."""

    picked_at: str


class PickAnswer(PickBody, frozen=True, kw_only=True):
    """The pick after a change, with its position in the log and its durability."""

    at: int
    durability: Literal["committed", "accepted"]


class PickedSong(msgspec.Struct, frozen=True, kw_only=True):
    """A picked song. `worth`: its points when it is played, null until the picks are locked. `was_played`: so far."""

    id: int
    title: str
    worth: int | None
    was_played: bool


class PickableSong(msgspec.Struct, frozen=True):
    """A song that may be picked."""

    id: int
    title: str


class OwnScore(msgspec.Struct, frozen=True):
    """Your points and your place among all picks of the show; equal points share a place."""

    points: int
    rank: int
    count: int


class OwnPick(msgspec.Struct, frozen=True, kw_only=True):
    """Your pick (null: none), and until when it can change; its songs, and its score once the picks are locked. `choices`: the
    songs that may be picked, likely ones first, until then.
    """

    pick: Pick | None
    is_locked: bool
    locks_at: str
    songs: list[PickedSong]
    score: OwnScore | None
    choices: list[PickableSong]


class Submit(Protocol):
    """Hands a pick to the log (voting.Intake.submit_pick)."""

    def __call__(self, show_id: int, user_id: int, picked: Picked, waiter: Waiter, /) -> None:
        """Raises: Refused: forbidden, overloaded, unavailable."""


class PickRoutes:
    """The endpoints of a fan's own picks. Takes: submit, hands a pick to the log; boards, which score picks."""

    def __init__(self, db: Database, submit: Submit, boards: ShowBoards) -> None:
        self._db = db
        self._submit = submit
        self._boards = boards

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        path, refusals = "/api/shows/{show}/picks", (Code.NOT_FOUND, Code.LOCKED, Code.OVERLOADED, Code.UNAVAILABLE)
        return [
            Endpoint(
                method="GET", path=path, handler=self.get_pick, answer=OwnPick, codes=(Code.NOT_FOUND,), slugs=("show",),
                summary="Your pick for a show. Without an account: the songs that may be picked.",
            ),
            Endpoint(
                method="PUT", path=path, handler=self.put_pick, access="user", body=PickBody, answer=PickAnswer,
                codes=refusals, slugs=("show",),
                summary="Make your pick for a show, in place of the one before. It is locked when the show begins.",
            ),
            Endpoint(
                method="DELETE", path=path, handler=self.delete_pick, access="user", status=204, codes=refusals,
                slugs=("show",), summary="Withdraw your pick for a show. Repeating it changes nothing.",
            ),
        ]  # fmt: skip

    async def get_pick(self, call: Call) -> Answer:
        """`GET /api/shows/{show}/picks`."""
        wanted, user_id = call.reference("show"), call.identity.user_id if call.identity is not None else 0
        async with self._db.acting(call.identity) as connection:
            row = await queries.own_pick(connection, id=wanted.id, slug=wanted.slug, user_id=user_id)
            if row is None:
                raise Refused(Code.NOT_FOUND, "No such show.")
            picked = row["song_ids"] or []
            titles = {song["id"]: song["title"] async for song in queries.titles(connection, song_ids=picked)}
            choices = []
            if not row["is_locked"]:
                listed = queries.pickable_songs(connection, show_id=row["show_id"], count=CHOICES_MAX)
                choices = [PickableSong(song["id"], song["title"]) async for song in listed]
        pick, score, worth, played = None, None, dict[int, int](), frozenset[int]()
        if picked:
            pick = Pick(
                songs=picked, opener=row["opener"], closer=row["closer"], encore=row["encore"],
                picked_at=iso(row["picked_at"]),
            )  # fmt: skip
        if picked and row["is_locked"]:
            board = await self._boards.board(await self._boards.find(Reference(row["show_id"], None)))
            worth, played = board.picks.worth(picked), board.picks.played(picked, board.outcome)
            if (place := board.picks.row_of(user_id)) is not None:
                ranking = board.ranking
                score = OwnScore(int(ranking.points[place]), ranking.rank(place), len(board.picks))
        songs = [
            PickedSong(id=song, title=titles.get(song, ""), worth=worth.get(song), was_played=song in played)
            for song in picked
        ]
        return Answer(
            document=OwnPick(
                pick=pick,
                is_locked=row["is_locked"],
                locks_at=iso(row["locks_at"]),
                songs=songs,
                score=score,
                choices=choices,
            )
        )

    async def put_pick(self, call: Call) -> Answer:
        """`PUT /api/shows/{show}/picks`."""
        body: PickBody = call.body
        picked = Picked(body.songs, body.opener, body.closer, body.encore)
        check_pick(picked)
        at, durability = await self._put(call, picked)
        return Answer(document=PickAnswer(at=at, durability=durability, **msgspec.structs.asdict(body)))

    async def delete_pick(self, call: Call) -> Answer:
        """`DELETE /api/shows/{show}/picks`."""
        await self._put(call, Picked([]))
        return Answer()

    async def _put(self, call: Call, picked: Picked) -> tuple[int, Literal["committed", "accepted"]]:
        wanted = call.reference("show")
        async with self._db.acting(call.identity) as connection:
            row = await queries.find_pickable(connection, id=wanted.id, slug=wanted.slug, song_ids=picked.songs)
        if row is None:
            raise Refused(Code.NOT_FOUND, "No such show.")
        if row["refused_ids"]:
            message = (
                f"Song {row['refused_ids'][0]} is in no set of this show, and is no song of its acts. Pick another one."
            )
            raise Refused(Code.NOT_FOUND, message)
        waiter = FutureWaiter(call.is_gone)
        self._submit(row["id"], call.user.user_id, picked, waiter)
        outcome = await waiter.outcome
        return outcome.at, "committed" if outcome.durability == "committed" else "accepted"


def check_pick(picked: Picked) -> None:
    """Checks that no song is picked twice, and that each place has a picked song.

    Raises: Refused: bad_request
    """
    if len(set(picked.songs)) < len(picked.songs):
        raise Refused(Code.BAD_REQUEST, "`songs` has a song twice. Pick each song once.")
    for name in ("opener", "closer", "encore"):
        song = getattr(picked, name)
        if song is not None and song not in picked.songs:
            raise Refused(Code.BAD_REQUEST, f"`{name}` is song {song}, which is not in `songs`. Pick it too.")
