"""Whether sample data has a place in a database."""

from __future__ import annotations

from pathlib import Path

from server.sample.seed_data import load_seed_data
from server.store.database import Database
from server.store.queries import load_queries

queries = load_queries(Path(__file__).with_name("development.sql"))


async def why_not_seed(db: Database, *, is_own: bool) -> str | None:
    """Why a running node may not add sample data: one line; None: it may.

    Only where nothing else is and somebody has wanted it before: beside sample data alone, or in the empty database
    of a node's own engines. The command `mysetlist seed` asks nobody.

    Takes:  is_own, whether the database is of the node's own engines
    Raises: StoreUnavailable
    """
    slugs = [artist.slug for artist in load_seed_data().artists]
    async with db.connection() as connection:
        row = await queries.catalogue_share(connection, slugs=slugs)
    if row["foreign_count"]:
        return "This is no development database: it holds artists that are none of the sample's."
    if row["artist_count"] == 0 and not is_own:
        return "This is no development database: it is empty, and somebody else's server. Use: mysetlist seed"
    return None
