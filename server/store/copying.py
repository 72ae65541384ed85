"""Inserts rows in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.store.database import Connection


async def copy_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Inserts by COPY, in one statement; constraints and triggers apply as for any insert.

    Takes:  rows, read while they are sent, so a generator of millions needs no memory
    """
    await connection.copy_records_to_table(table, columns=columns, records=rows)
