"""Writes the final points of shows into standings, and adds up the boards of artists and seasons. One node at a time does it."""

from __future__ import annotations

from typing import Any

import structlog

from server.errors import Refused, StoreError
from server.game.queries import standings as queries
from server.game.show_boards import Final, ShowBoards, final_of
from server.protocol.http.parameters import Reference
from server.store.chores import Chore
from server.store.database import translated_all
from server.store.named_queries import sql_of

log = structlog.get_logger()

COUNT_EVERY_S = 1.0
REASONS_MAX = 100
# A little more than the statement_timeout in standings.sql, so that PostgreSQL ends the statement first.
COUNT_TIMEOUT_S = 61.0


class BoardCounting:
    """Counts the boards that have a note (boards_to_count). Takes: boards, which score the picks of a show."""

    def __init__(self, boards: ShowBoards) -> None:
        self._boards = boards

    def chore(self) -> Chore:
        """The chore of the node that has the turn."""
        return Chore("boards", COUNT_EVERY_S, self.count)

    async def count(self, connection: Any) -> int:
        """Counts the boards that have waited longest. A board that cannot be counted keeps waiting.

        Gives:  how many were counted
        Raises: StoreError: the connection is gone
        """
        counted = 0
        waiting = [row async for row in queries.boards_to_count(connection, count=REASONS_MAX)]
        for board in waiting:
            try:
                with translated_all():
                    await self._count(connection, board["board"], board["subject_id"], board["up_to"])
                counted += 1
            except StoreError as error:
                if connection.is_closed():
                    raise
                log.warning("board.not_counted", board=board["board"], subject=board["subject_id"], error=str(error))
        if counted:
            with translated_all():
                await queries.analyze_standings(connection)
        return counted

    async def _count(self, connection: Any, board: str, subject_id: int, up_to: int) -> None:
        final = await self.final(subject_id) if board == "show" else None
        async with connection.transaction():
            await queries.allow_a_minute(connection)
            if final is None:
                await connection.execute(sql_of(queries.recount_standings), board, subject_id, timeout=COUNT_TIMEOUT_S)
            elif not await queries.is_settled(connection, show_id=subject_id):
                await connection.execute(
                    sql_of(queries.put_show_standings), subject_id, *final, timeout=COUNT_TIMEOUT_S
                )
            await queries.delete_reasons(connection, board=board, subject_id=subject_id, up_to=up_to)

    async def final(self, show_id: int) -> Final:
        """The fans of a show, their points and places; nobody, when the show is gone, is not over, or its songs are unknown."""
        try:
            game = await self._boards.find(Reference(show_id, None))
        except Refused:
            return [], [], []
        if game.status != "finished":
            return [], [], []
        board = await self._boards.board(game)
        return final_of(board) if board.outcome.played else ([], [], [])
