"""The leaderboard of a show, in the memory of a node: all its picks, scored again whenever the show has changed.

Nothing tells a node to score: whoever asks for a board reads the show's revision and the position of its picks first, and the
board follows them. So every node gives the same answer, and it is that of PostgreSQL at this moment.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from server.errors import Refused
from server.game.queries import scores as queries
from server.game.scoring import Outcome, Picks, Ranking, unpack
from server.protocol.codes import Code
from server.protocol.http.parameters import Reference
from server.store.database import Database

if TYPE_CHECKING:
    from server.store.database import Connection

# A pick takes about 60 bytes. Beyond so many picks, the boards that were not asked for longest are dropped, and read again.
PICKS_KEPT_MAX = 1_000_000
PICKS_PER_READ = 20_000


class Game(NamedTuple):
    """What a board follows: the show's revision, and the position of its picks (None: it has none)."""

    show_id: int
    name: str
    artist: str
    venue: str
    revision: int
    status: str
    position: int | None
    is_locked: bool
    is_counted: bool


class Board(NamedTuple):
    """The scored picks of a show at a revision."""

    picks: Picks
    outcome: Outcome
    ranking: Ranking


# Fans, their points and their places.
Final = tuple[list[int], list[int], list[int]]


def final_of(board: Board) -> Final:
    """The points and places of all fans. An erased fan keeps a place, but has no row."""
    users = board.picks.user_ids
    is_known = users > 0
    points, ranks = board.ranking.points, board.ranking.ranks()
    return users[is_known].tolist(), points[is_known].tolist(), ranks[is_known].tolist()


class _Kept:
    """A show's board, and what it was made from. The lock: one reader reads or scores it again, the others wait."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.position: int | None = None
        self.revision = -1
        self.merged: dict[int, int] = {}
        self.board: Board | None = None

    def follows(self, game: Game) -> bool:
        """Whether the board has everything that the show had."""
        return self.board is not None and self.position == game.position and self.revision >= game.revision


class ShowBoards:
    """The boards of shows. Takes: db, which may read all picks. Limits: PICKS_KEPT_MAX."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: OrderedDict[int, _Kept] = OrderedDict()  # the show asked for last is at the end

    async def find(self, wanted: Reference) -> Game:
        """The show, as its board follows it.

        Raises: Refused: not_found; StoreUnavailable
        """
        async with self._db.connection() as connection:
            row = await queries.find_game(connection, id=wanted.id, slug=wanted.slug)
        if row is None:
            raise Refused(Code.NOT_FOUND, "No such show.")
        return Game(
            row["id"], row["name"], row["artist"], row["venue"], row["revision"], row["status"], row["position"],
            row["is_locked"], row["is_counted"],
        )  # fmt: skip

    async def count(self, game: Game) -> int:
        """The number of picks of a show. Raises: StoreUnavailable."""
        async with self._db.connection() as connection:
            return await queries.count_picks(connection, show_id=game.show_id) or 0

    async def board(self, game: Game) -> Board:
        """The board at this revision or a later one.

        Raises: StoreUnavailable
        Cost:   nothing when the show is as before; 300,000 picks take about a second to read, and 50 ms to score again
        """
        kept = self._kept.setdefault(game.show_id, _Kept())
        self._kept.move_to_end(game.show_id)
        if not kept.follows(game):
            async with kept.lock:
                if not kept.follows(game):
                    await self._follow(kept, game.show_id)
            self._drop()
        assert kept.board is not None
        return kept.board

    async def _follow(self, kept: _Kept, show_id: int) -> None:
        async with self._db.snapshot() as connection:
            now = await queries.find_game(connection, id=show_id, slug=None)
            if now is None:
                raise Refused(Code.NOT_FOUND, "No such show.")
            outcome = await _read_outcome(connection, show_id, is_over=now["status"] == "finished")
            picks = None if kept.board is None or kept.position != now["position"] else kept.board.picks
            merged = kept.merged if picks is None else await _merged(connection, picks.picked_ids)
            if picks is None or merged != kept.merged:
                picks, merged = await _read_picks(connection, show_id)
        ranking = await asyncio.to_thread(_rank, picks, outcome)
        kept.position, kept.revision, kept.merged = now["position"], now["revision"], merged
        kept.board = Board(picks, outcome, ranking)

    def _drop(self) -> None:
        total = sum(len(kept.board.picks) for kept in self._kept.values() if kept.board is not None)
        while total > PICKS_KEPT_MAX and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            total -= len(oldest.board.picks) if oldest.board is not None else 0


async def _read_picks(connection: Connection, show_id: int) -> tuple[Picks, dict[int, int]]:
    """All picks of a show, and the songs among them that were merged."""
    packed: list[bytes] = []
    last_id, count = 0, PICKS_PER_READ
    while count == PICKS_PER_READ:
        row = await queries.read_picks(connection, show_id=show_id, after_id=last_id, count=PICKS_PER_READ)
        count, last_id = row["pick_count"], row["last_id"]
        if count:
            packed.append(row["packed"])
    rows, picked_ids = await asyncio.to_thread(unpack, packed)
    merged = await _merged(connection, picked_ids)
    return await asyncio.to_thread(Picks, rows, picked_ids, merged), merged


async def _merged(connection: Connection, song_ids: Sequence[int]) -> dict[int, int]:
    rows = queries.merged_songs(connection, song_ids=song_ids)
    return {row["id"]: row["survivor_id"] async for row in rows}


async def _read_outcome(connection: Connection, show_id: int, *, is_over: bool) -> Outcome:
    rows = [row async for row in queries.played_songs(connection, show_id=show_id)]
    own = [row["song_id"] for row in rows if row["is_own"]]
    return Outcome(
        played=frozenset(row["song_id"] for row in rows),
        opener=own[0] if own else None,
        closer=own[-1] if own and is_over else None,
        encore=frozenset(row["song_id"] for row in rows if row["is_encore"]),
    )


def _rank(picks: Picks, outcome: Outcome) -> Ranking:
    return Ranking(picks.score(outcome))
