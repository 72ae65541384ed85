"""Leaderboards over HTTP: of a show, an artist, a tour, a season or a crew."""

from __future__ import annotations

from bisect import bisect_left
from typing import Annotated, Any, Literal

import msgspec

from server.clock import Clock, utc_now
from server.errors import Refused
from server.game.queries import crews as crew_queries
from server.game.queries import standings as queries
from server.game.show_boards import Board, Game, ShowBoards
from server.protocol.codes import Code
from server.protocol.http.cursors import ID_MAX, Cursor, IdCursor, cut_page, decode_cursor
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.protocol.http.parameters import PageQuery, ReferenceText, parse_reference
from server.protocol.positions import EXACT_MAX
from server.store.database import Database

Year = Annotated[
    int, msgspec.Meta(ge=1900, le=9999, description="A season is a calendar year, by the date at the venue.")
]

TourId = Annotated[int, msgspec.Meta(ge=1, le=EXACT_MAX, description="The id of a tour.")]
CrewCode = Annotated[str, msgspec.Meta(max_length=100, description="The code of a crew that you are in.")]
StoredKind = Literal["show", "artist", "tour", "season"]
Kind = StoredKind | Literal["crew"]
State = Literal["open", "live", "final"]


class LeaderboardQuery(PageQuery, frozen=True, kw_only=True):
    """Which leaderboard: one of `show`, `artist`, `tour`, `season` and `crew`; or `crew` and `show`: the crew in the show. Without
    any: this season.
    """

    show: ReferenceText | None = None
    artist: ReferenceText | None = None
    tour: TourId | None = None
    season: Year | None = None
    crew: CrewCode | None = None


class PointsCursor(Cursor, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The sort key on the board of a show whose points are not final: the points, then the row of the pick."""

    points: Annotated[int, msgspec.Meta(ge=0, le=ID_MAX)]
    row: Annotated[int, msgspec.Meta(ge=0, le=ID_MAX)]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place. `name` is null unless the fan shows one in a public profile. `shows`: how many shows the points are from."""

    rank: int
    points: int
    shows: int
    name: str | None
    is_you: bool


class OwnPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Your own place."""

    rank: int
    points: int
    shows: int


class Leaderboard(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a leaderboard, best first; equal points share a place (1, 2, 2, 4). `count`: the fans on it. `you`: your own
    place, null when you have none. `id`: the show, the artist, the tour or the year; null of a crew. `artist`, `venue`: the names
    of a show's, else null. `state`, of a show: `open`, picks can still change and nobody has points; `live`, points grow with each
    song; `final`.
    """

    kind: Kind
    id: int | None
    name: str
    artist: str | None = None
    venue: str | None = None
    state: State | None
    count: int
    items: list[Place]
    next: str | None
    you: OwnPlace | None


class _Row(msgspec.Struct, frozen=True):
    user_id: int
    rank: int
    points: int
    show_count: int
    number: int  # of the pick among all of a show, or of the row on another board


class LeaderboardRoutes:
    """The endpoint of leaderboards.

    Takes: db, which may read standings and names; requests, which acts for a member of a crew; boards, of shows
    """

    def __init__(self, db: Database, requests: Database, boards: ShowBoards, clock: Clock) -> None:
        self._clock = clock
        self._db = db
        self._requests = requests
        self._boards = boards

    def endpoints(self) -> list[Endpoint]:
        """Lists the endpoints of this class."""
        return [
            Endpoint(
                method="GET", path="/api/leaderboard", handler=self.get_leaderboard, query=LeaderboardQuery,
                answer=Leaderboard, codes=(Code.NOT_FOUND, Code.UNAUTHENTICATED),
                summary="The fans whose picks scored most: in a show, over an artist's shows, in a tour, a season or a crew.",
                description="Points of a show count on the other boards once the show is over.",
            ),
        ]  # fmt: skip

    async def get_leaderboard(self, call: Call) -> Answer:
        """`GET /api/leaderboard`."""
        query: LeaderboardQuery = call.query
        named = [name for name in ("show", "artist", "tour", "season", "crew") if getattr(query, name) is not None]
        if len(named) > 1 and named != ["show", "crew"]:
            raise Refused(
                Code.BAD_REQUEST, "Give one of `show`, `artist`, `tour`, `season` and `crew`, or `crew` with `show`."
            )
        if query.crew is not None:
            return Answer(document=await self._of_crew(call, query.crew, query))
        user_id = call.identity.user_id if call.identity is not None else 0
        if query.show is not None:
            game = await self._boards.find(parse_reference(query.show))
            if not game.is_counted:
                return Answer(document=await self._of_show(game, user_id, query))
            board = await self._stored("show", game.show_id, game.name, user_id, query)
            return Answer(document=msgspec.structs.replace(board, artist=game.artist, venue=game.venue))
        if query.season is not None or not named:
            year = query.season or utc_now(self._clock).year
            return Answer(document=await self._stored("season", year, str(year), user_id, query))
        found: tuple[StoredKind, int, str] | None = None
        async with self._db.connection() as connection:
            if query.tour is not None:
                if tour := await queries.find_tour(connection, id=query.tour):
                    found = "tour", tour["id"], f"{tour['artist_name']}: {tour['name']}"
            else:
                wanted = parse_reference(query.artist or "")
                if artist := await queries.find_artist(connection, id=wanted.id, slug=wanted.slug):
                    found = "artist", artist["id"], artist["name"]
        if found is None:
            raise Refused(Code.NOT_FOUND, "No such artist or tour.")
        return Answer(document=await self._stored(*found, user_id, query))

    async def _of_show(self, game: Game, user_id: int, query: PageQuery) -> Leaderboard:
        """The board of a show whose points are not final."""
        if not game.is_locked:
            count = await self._boards.count(game)
            return Leaderboard(
                kind="show", id=game.show_id, name=game.name, artist=game.artist, venue=game.venue, state="open", count=count,
                items=[], next=None, you=None,
            )  # fmt: skip
        board = await self._boards.board(game)
        after = decode_cursor(query.cursor, PointsCursor) if query.cursor else None
        rows = _rows_of(board, after, query.limit + 1)
        page, following = cut_page(rows, query.limit, lambda last: PointsCursor(last.points, last.number))
        row = board.picks.row_of(user_id)
        you = None
        if row is not None:
            you = OwnPlace(rank=board.ranking.rank(row), points=int(board.ranking.points[row]), shows=1)
        return Leaderboard(
            kind="show", id=game.show_id, name=game.name, artist=game.artist, venue=game.venue, state=_state_of(game),
            count=len(board.picks), items=await self._places(page, user_id), next=following, you=you,
        )  # fmt: skip

    async def _of_crew(self, call: Call, code: str, query: LeaderboardQuery) -> Leaderboard:
        """The board of a crew: the sums of all shows, or the points in one show."""
        if call.identity is None:
            raise Refused(Code.UNAUTHENTICATED, "Only members see the leaderboard of a crew. Sign in first.")
        user_id, state = call.identity.user_id, None
        async with self._requests.acting(call.identity) as connection:
            crew = await crew_queries.show_crew(connection, code=code)
            members = [row async for row in crew_queries.crew_standings(connection, code=code)]
        if crew is None or not members:
            raise Refused(Code.NOT_FOUND, "No such crew, or you are no member of it.")
        scores = [(row["points"], row["show_count"], row["user_id"]) for row in members]
        if query.show is not None:
            game = await self._boards.find(parse_reference(query.show))
            state = _state_of(game)
            scores = await self._in_show(game, [row["user_id"] for row in members])
        scores.sort(key=lambda score: (-score[0], score[2]))
        falling = [-points for points, _, _ in scores]
        names = {row["user_id"]: row["display_name"] for row in members}
        places = [
            Place(
                rank=1 + bisect_left(falling, -points),
                points=points,
                shows=shows,
                name=names[user],
                is_you=user == user_id,
            )
            for points, shows, user in scores
        ]
        after = decode_cursor(query.cursor, IdCursor).id if query.cursor else 0
        page, following = cut_page(
            places[after : after + query.limit + 1], query.limit, lambda _: IdCursor(after + query.limit)
        )
        you = next((OwnPlace(rank=own.rank, points=own.points, shows=own.shows) for own in places if own.is_you), None)
        return Leaderboard(
            kind="crew", id=None, name=crew["name"], state=state, count=len(places), items=page, next=following, you=you
        )

    async def _in_show(self, game: Game, user_ids: list[int]) -> list[tuple[int, int, int]]:
        """Those of the fans who have a pick for a show, with their points."""
        if not game.is_locked:
            return []
        board = await self._boards.board(game)
        rows = [(user, board.picks.row_of(user)) for user in user_ids]
        return [(int(board.ranking.points[row]), 1, user) for user, row in rows if row is not None]

    async def _stored(
        self, kind: StoredKind, subject_id: int, name: str, user_id: int, query: PageQuery
    ) -> Leaderboard:
        """A board whose places are in PostgreSQL."""
        after = decode_cursor(query.cursor, IdCursor).id if query.cursor else 0
        of_board: dict[str, Any] = {"board": kind, "subject_id": subject_id}
        async with self._db.snapshot() as connection:
            rows = [
                _Row(row["user_id"], row["rank"], row["points"], row["show_count"], row["number"])
                async for row in queries.page_of_board(connection, **of_board, after=after, count=query.limit + 1)
            ]
            own = await queries.own_standing(connection, **of_board, user_id=user_id)
            count = await queries.count_standings(connection, **of_board) or 0
        page, following = cut_page(rows, query.limit, lambda last: IdCursor(last.number))
        return Leaderboard(
            kind=kind, id=subject_id, name=name, state="final" if kind == "show" else None, count=count,
            items=await self._places(page, user_id), next=following,
            you=OwnPlace(rank=own["rank"], points=own["points"], shows=own["show_count"]) if own else None,
        )  # fmt: skip

    async def _places(self, rows: list[_Row], user_id: int) -> list[Place]:
        async with self._db.connection() as connection:
            names = {
                row["user_id"]: row["display_name"]
                async for row in queries.names_of(connection, user_ids=[row.user_id for row in rows])
            }
        return [
            Place(
                rank=row.rank, points=row.points, shows=row.show_count, name=names.get(row.user_id),
                is_you=row.user_id == user_id != 0,
            )
            for row in rows
        ]  # fmt: skip


def _state_of(game: Game) -> State:
    if not game.is_locked:
        return "open"
    return "final" if game.status == "finished" else "live"


def _rows_of(board: Board, after: PointsCursor | None, count: int) -> list[_Row]:
    """A part of a show's board."""
    ranking, user_ids = board.ranking, board.picks.user_ids
    start = 0 if after is None else ranking.after(after.points, after.row)
    rows = ranking.order[start : start + count].tolist()
    return [_Row(int(user_ids[row]), ranking.rank(row), int(ranking.points[row]), 1, row) for row in rows]
