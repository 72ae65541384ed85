"""`mysetlist reconcile` for the game: counts every leaderboard again from the picks, and compares."""

from __future__ import annotations

from typing import Any

from server.game.counting import BoardCounting
from server.game.queries import standings as queries
from server.game.show_boards import ShowBoards
from server.store.database import Database

TIMEOUT_S = 600.0


async def run(database_url: str, *, repair: bool = False) -> list[str]:
    """Finds the boards that differ from what the picks and the setlists say. With `repair` they are written again.

    Raises: StoreUnavailable
    """
    database = await Database.open(database_url, pool_size=2, timeout_s=TIMEOUT_S)
    try:
        counting = BoardCounting(ShowBoards(database))
        async with database.connection() as connection:
            wrong = await _compare(counting, connection)
            if repair:
                for board, subject_id in wrong:
                    await queries.note_board(connection, board=board, subject_id=subject_id)
                while await counting.count(connection):
                    pass
    finally:
        await database.close()
    return [
        f"leaderboard of {board} {subject_id}: {count} places differ" for (board, subject_id), count in wrong.items()
    ]


async def _compare(counting: BoardCounting, connection: Any) -> dict[tuple[str, int], int]:
    """The boards that differ, and in how many places. What waits to be counted is no difference."""
    wrong: dict[tuple[str, int], int] = {}
    for show_id in [row["show_id"] async for row in queries.picked_shows(connection)]:
        if await queries.is_settled(connection, show_id=show_id):
            continue
        stored = {
            (row["user_id"], row["points"], row["rank"])
            async for row in queries.stored_places(connection, show_id=show_id)
        }
        if differing := stored ^ set(zip(*await counting.final(show_id), strict=True)):
            wrong["show", show_id] = len({user for user, _, _ in differing})
    async for row in queries.wrong_sums(connection):
        wrong[row["board"], row["subject_id"]] = row["fan_count"]
    waiting = {(row["board"], row["subject_id"]) async for row in queries.boards_to_count(connection, count=1_000_000)}
    return {board: count for board, count in wrong.items() if board not in waiting}
