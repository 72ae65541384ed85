"""Random picks, sets and marks in PostgreSQL: Python recounts the points of every fan by the rules of docs/game.md."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from server.game.show_boards import ShowBoards
from server.protocol.http.parameters import Reference
from server.store.database import WRITER_ROLE, Database
from tests.support.row_factory import RowFactory

SHOW, SUPPORT = 7, 2
SONGS = range(1, 13)  # of the band: the odd ones


class Stage:
    """One show with picks; its sets are played in many ways."""

    def __init__(self, sql: Any, boards: ShowBoards, rng: Random) -> None:
        self.sql = sql
        self.boards = boards
        self.rng = rng
        self.seen: Counter[str] = Counter()

    async def pick(self) -> None:
        """Picks of some fans, one of them erased; some are changed later."""
        for user in range(1, 9):
            songs = self.rng.sample(SONGS, self.rng.randint(1, 10))
            places = [self.rng.choice([None, *songs]) for _ in range(3)]
            await self.sql.execute(
                "insert into picks (show_id, user_id, song_ids, opener, closer, encore, picked_at)"
                " values ($1, $2, $3, $4, $5, $6, now())", SHOW, user if user < 8 else None, songs, *places,
            )  # fmt: skip
        await self.sql.execute(
            "insert into picked_shows values ($1, 1) on conflict (show_id) do update set position = picked_shows.position + 1",
            SHOW,
        )

    async def play(self) -> None:
        """Sets, in which songs are marked, or a finished show."""
        rng = self.rng
        await self.sql.execute("delete from setlists where show_id = $1", SHOW)
        status = rng.choice(["live", "live", "finished"])
        await self.sql.execute("update shows set status = $2::text::show_status where id = $1", SHOW, status)
        for number in range(rng.randint(1, 5)):
            kind = rng.choice(["main", "main", "encore"])
            await self.sql.execute(
                "insert into setlists (id, show_id, type, kind, name, position, artist_id) overriding system value"
                " values ($1, $2, $3::text::setlist_type, $4::text::set_kind, 'Set', $5, $6)",
                number, SHOW, rng.choice(["predicted", "predicted", "actual"]), kind, number + 1,
                rng.choice([None, None, SUPPORT]),
            )  # fmt: skip
            for place, song in enumerate(rng.sample(SONGS, rng.randint(0, 6))):
                await self.sql.execute(
                    "insert into setlist_songs (setlist_id, show_id, song_id, position, is_tape, played_at)"
                    " values ($1, $2, $3, $4, $5, case when $6 then now() + $7 * interval '1 second' end)",
                    number, SHOW, song, place + 1, rng.random() < 0.1, rng.random() < 0.5, rng.randint(0, 10_000),
                )  # fmt: skip

    async def compare(self) -> None:
        """The board equals the recount."""
        game = await self.boards.find(Reference(SHOW, None))
        board = await self.boards.board(game)
        picks = await self.sql.fetch("select * from picks where show_id = $1 order by id", SHOW)
        points = await recount(self.sql, picks)
        assert board.ranking.points.tolist() == points
        assert board.ranking.ranks().tolist() == [1 + sum(other > own for other in points) for own in points]
        assert [row for row in board.picks.user_ids.tolist() if row] == [
            row["user_id"] for row in picks if row["user_id"]
        ]
        self.seen["finished" if game.status == "finished" else "live"] += 1
        self.seen["points"] += max(points) > 0


async def recount(sql: Any, picks: list[Any]) -> list[int]:
    """The points of each pick, song by song."""
    rows = await sql.fetch(
        "select l.type, l.kind, coalesce(l.artist_id, w.artist_id) as act, w.artist_id as own, w.status, l.position as at,"
        " e.position, e.song_id, e.is_tape, e.played_at"
        " from setlist_songs e join setlists l on l.id = e.setlist_id join shows w on w.id = l.show_id where w.id = $1",
        SHOW,
    )
    rows = [row for row in rows if not row["is_tape"]]
    is_over = await sql.fetchval("select status = 'finished' from shows where id = $1", SHOW)
    known = {row["act"] for row in rows if row["type"] == "actual"} if is_over else set()
    played = [row for row in rows if row["type"] == "actual" or (row["played_at"] and row["act"] not in known)]
    own = [row for row in played if row["act"] == row["own"]]
    if not own or own[0]["act"] in known:
        own.sort(key=lambda row: (row["at"], row["position"]))
    else:
        own.sort(key=lambda row: (row["played_at"] is None, row["played_at"], row["at"], row["position"]))
    songs = {row["song_id"] for row in played}
    encores = {row["song_id"] for row in played if row["kind"] == "encore"}
    times = Counter(song for pick in picks for song in pick["song_ids"])
    points = []
    for pick in picks:
        total = sum(100 - 90 * times[song] // len(picks) for song in pick["song_ids"] if song in songs)
        total += 50 * bool(own and pick["opener"] == own[0]["song_id"])
        total += 50 * bool(own and is_over and pick["closer"] == own[-1]["song_id"])
        total += 30 * (pick["encore"] in encores)
        points.append(total)
    return points


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    """A band and a support, twelve songs, seven fans."""
    async with RowFactory.open(database_url) as factory:
        await factory.show(SHOW, song_count=0)
        await factory.sql.execute(
            f"""
            insert into artists (slug, name) values ('support', 'Support');
            insert into show_artists values ({SHOW}, {SUPPORT}, 'support', 2);
            insert into songs (artist_id, title) select 1 + n % 2, 'Song ' || n from generate_series(1, 12) n;
            insert into users select from generate_series(1, 7);
            """
        )
        database = await Database.open(database_url, role=WRITER_ROLE, pool_size=2)
        yield Stage(factory.sql, ShowBoards(database), Random(1))
        await database.close()


async def test_points_equal_a_recount(stage: Stage) -> None:
    """For any picks and any course of the evening, the board and Python agree on every fan, whatever was scored before."""
    for _ in range(6):
        await stage.sql.execute("delete from picks")
        await stage.pick()
        for _ in range(8):
            await stage.play()
            await stage.compare()
    assert min(stage.seen[kind] for kind in ("finished", "live", "points")) > 10, stage.seen


async def test_many_askers_share_one_scoring(stage: Stage) -> None:
    """A board is read once for all who ask at the same moment."""
    await stage.pick()
    await stage.play()
    game = await stage.boards.find(Reference(SHOW, None))
    boards = await asyncio.gather(*(stage.boards.board(game) for _ in range(20)))
    assert len({id(board) for board in boards}) == 1
