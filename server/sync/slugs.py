"""Chooses slugs that are free. A made slug is no identity: where another name has it, the new one gets a number."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from server.protocol.slugs import slugs_of
from server.sync.queries import records as queries

if TYPE_CHECKING:
    from server.store.database import Connection

TableName = Literal["artists", "venues", "shows"]

SLUG_CHARS_MAX = 300


async def choose_slugs(
    connection: Connection, table: TableName, wanted: Sequence[str], reserved: Sequence[str] = ()
) -> list[str]:
    """Free slugs: the wanted ones, with a number where another row, or an earlier one of these, has them.

    Takes: reserved, slugs that rows are about to get
    """
    taken = await _taken(connection, table, wanted) | set(reserved)
    crowded = [slug for slug, count in Counter(wanted).items() if count > 1 or slug in taken]
    if crowded:
        taken |= await _taken(connection, table, [tried for slug in crowded for tried in slugs_of(slug)])
    chosen = []
    for slug in wanted:
        free = next((one for one in slugs_of(slug) if one not in taken), None)
        # A hundred of one name: the count of those that are there makes another slug each time.
        chosen.append(free or f"{slug}-{hashlib.sha256(str(len(taken)).encode()).hexdigest()[:8]}")
        taken.add(chosen[-1])
    return chosen


async def _taken(connection: Connection, table: TableName, slugs: Sequence[str]) -> set[str]:
    return {row["slug"] async for row in queries.find_slugs(connection, table_name=table, slugs=list(slugs))}
