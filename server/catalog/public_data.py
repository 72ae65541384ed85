"""The public data of this service as tables, for `mysetlist dump-public` (docs/data.md).

What is in them is made here, by fans and staff. They hold nobody's votes, no count under an embargo, and nothing that a provider's
terms do not let us pass on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from server.catalog.queries import public_data as queries
from server.store.named_queries import columns

if TYPE_CHECKING:
    from server.store.database import Connection

PAGE_ROWS = 1_000
LICENCE_NAME = "CC0-1.0"
LICENCE_URL = "https://creativecommons.org/publicdomain/zero/1.0/"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Table:
    """One table. Takes: fields, the type of each column; every column but the first may be null."""

    name: str
    about: str
    fields: Mapping[str, type]
    read: Callable[..., Any]
    key: tuple[str, ...] = ("id",)


TABLES = (
    Table(
        "artists",
        "Artists. The name is empty when it came from a provider that does not let us pass it on.",
        {"id": int, "slug": str, "name": str, "musicbrainz_id": str},
        queries.artists,
    ),
    Table(
        "venues",
        "Venues; of those that a provider listed, the id alone.",
        {"id": int, "slug": str, "name": str, "city": str, "country": str},
        queries.venues,
    ),
    Table(
        "songs",
        "Songs and the artists who wrote them. The title is empty when only a provider gave it.",
        {"id": int, "artist_id": int, "title": str},
        queries.songs,
    ),
    Table(
        "shows",
        "Shows, their voting windows and how many votes they got; of those that a provider listed, no name, venue and time.",
        {
            "id": int,
            "slug": str,
            "artist_id": int,
            "venue_id": int,
            "name": str,
            "local_date": date,
            "starts_at": datetime,
            "status": str,
            "opens_at": datetime,
            "closes_at": datetime,
            "finalised_at": datetime,
            "vote_count": int,
            "attendance_count": int,
        },
        queries.shows,
    ),
    Table(
        "counts",
        "Songs that fans could vote on, with their votes up and down, of shows whose counts are public.",
        {"id": int, "show_id": int, "song_id": int, "position": int, "up": int, "down": int},
        queries.counts,
    ),
    Table(
        "played",
        "Songs that were played, as staff of this service noted it.",
        {"id": int, "show_id": int, "song_id": int, "position": int, "played_at": datetime, "is_tape": bool},
        queries.played,
    ),
    Table(
        "hours",
        "Votes cast in an hour (UTC) of a show: up, down and withdrawn, of shows whose counts are public.",
        {"show_id": int, "hour": datetime, "up": int, "down": int, "withdrawn": int},
        queries.hours,
        key=("show_id", "hour"),
    ),
)


async def pages_of(connection: Connection, table: Table) -> AsyncIterator[list[dict[str, Any]]]:
    """The rows of a table in the order of its key, so many at once that they need little memory.

    Takes: connection, of one snapshot, with the rights of a request of nobody
    """
    after: dict[str, Any] = {"after_id": 0} | ({"after_hour": _LONG_AGO} if "hour" in table.key else {})
    while True:
        page = [columns(row) async for row in table.read(connection, **after, count=PAGE_ROWS)]
        if page:
            yield page
        if len(page) < PAGE_ROWS:
            return
        last = page[-1]
        after = {"after_id": last[table.key[0]]} | ({"after_hour": last["hour"]} if "hour" in table.key else {})
