"""Slugs: made of a name in Latin letters. A made slug is no identity: where another name has it, the new one gets a number."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from anyascii import anyascii

from server.protocol.texts import clean_line
from server.sync.queries import records as queries

if TYPE_CHECKING:
    from server.store.database import Connection

TableName = Literal["artists", "venues", "shows"]

SLUG_CHARS_MAX = 300
# Room for a number behind a slug.
_MADE_CHARS_MAX = 280
_NUMBERS_TRIED = range(2, 100)


def slug_of(*texts: str) -> str:
    """Makes a slug of names, in every script; empty when no character of them has Latin letters."""
    plain = anyascii(clean_line(" ".join(texts))).lower().replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_MADE_CHARS_MAX].strip("-")


def made_slug(kind: str, *names: str) -> str:
    """A slug for something new: `!!!` gets one by a hash, and `311` one that is not taken for an id.

    Takes: kind, such as artist, for a name that makes no slug
    """
    slug = slug_of(*names)
    if not slug:
        return f"{kind}-{hashlib.sha256(' '.join(names).encode()).hexdigest()[:8]}"
    return f"{kind}-{slug}" if slug.isdigit() else slug


async def choose_slugs(
    connection: Connection, table: TableName, wanted: Sequence[str], reserved: Sequence[str] = ()
) -> list[str]:
    """Free slugs: the wanted ones, with a number where another row, or an earlier one of these, has them.

    Takes: reserved, slugs that rows are about to get
    """
    taken = await _taken(connection, table, wanted) | set(reserved)
    crowded = [slug for slug, count in Counter(wanted).items() if count > 1 or slug in taken]
    if crowded:
        taken |= await _taken(connection, table, [f"{slug}-{number}" for slug in crowded for number in _NUMBERS_TRIED])
    chosen = []
    for slug in wanted:
        candidates = (slug, *(f"{slug}-{number}" for number in _NUMBERS_TRIED))
        free = next((one for one in candidates if one not in taken), None)
        # A hundred of one name: the count of those that are there makes another slug each time.
        chosen.append(free or f"{slug}-{hashlib.sha256(str(len(taken)).encode()).hexdigest()[:8]}")
        taken.add(chosen[-1])
    return chosen


async def _taken(connection: Connection, table: TableName, slugs: Sequence[str]) -> set[str]:
    return {row["slug"] async for row in queries.find_slugs(connection, table_name=table, slugs=list(slugs))}
