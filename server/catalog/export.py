"""A show's songs and tallies as a file."""

from __future__ import annotations

import csv
from typing import Literal, TextIO

import orjson

from server.catalog.shows import find_show, queries
from server.protocol.parameters import parse_reference
from server.store.database import Database

COLUMNS = ("title", "setlist", "position", "up", "down", "score", "rank")


async def export(db: Database, show: str, format: Literal["csv", "json"], out: TextIO) -> None:  # noqa: A002 - the option is called --format
    """Writes one line or object a song: its place, its tally, score (up - down) and rank within its setlist.

    Takes:  show, id or slug; out, open for text (for CSV with newline="")
    Raises: Refused: not_found
    """
    async with db.snapshot() as connection:
        row = await find_show(connection, parse_reference(show))
        songs = [
            {
                "title": song["title"],
                "setlist": song["setlist_name"],
                "position": song["position"],
                "up": song["up_count"],
                "down": song["down_count"],
                "score": song["score"],
                "rank": song["rank"],
            }
            async for song in queries.tallies_of_show(connection, show_id=row["id"])
        ]
    if format == "csv":
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(songs)
        return
    show_of = {"id": row["id"], "slug": row["slug"], "name": row["name"]}
    document = {"show": show_of, "at": row["position"], "total": row["vote_count"], "songs": songs}
    out.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
