"""The addresses of all pages about the catalogue, in parts, for search engines.

A part is a range of ids, so it is one short read by the primary key however large the catalogue is, and the same pages stay in the
same part. After deletions a part may have fewer pages, or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from server.catalog.queries import sitemap as queries
from server.store.reads import Readable

Kind = Literal["shows", "artists", "venues", "songs"]

KINDS: tuple[Kind, ...] = ("shows", "artists", "venues", "songs")
# The protocol allows 50,000. The node makes the text of a part at one go, so it takes fewer: some milliseconds.
PART_PAGES_MAX = 2_000
_READS: Mapping[Kind, Any] = {
    "shows": queries.shows_between,
    "artists": queries.artists_between,
    "venues": queries.venues_between,
    "songs": queries.songs_between,
}


class ListedPage(NamedTuple):
    """A page: its path, and its last change."""

    path: str
    changed_at: datetime


async def count_parts(db: Readable) -> dict[Kind, int]:
    """The number of parts of each kind."""
    async with db.connection() as connection:
        last_ids = await queries.last_ids(connection)
    return {kind: -(-int(last_ids[kind]) // PART_PAGES_MAX) for kind in KINDS}


async def list_part(db: Readable, kind: Kind, part: int) -> list[ListedPage]:
    """The pages of a part, by id; none: there is no such part. Takes: part, from 1 on."""
    from_id = (part - 1) * PART_PAGES_MAX + 1
    async with db.connection() as connection:
        rows = _READS[kind](connection, from_id=from_id, to_id=from_id + PART_PAGES_MAX - 1)
        return [ListedPage(f"/{kind}/{row['reference']}", row["updated_at"]) async for row in rows]
