"""Moves the status of shows with time: upcoming, live, finished.

No request starts this write. Every node does it every five seconds (server/node), so the nodes need not elect one of
them. The update changes only shows that are due, so a second node finds nothing left to do.
"""

from __future__ import annotations

from datetime import datetime

from server.catalog.queries import show_status as queries
from server.store.database import Database


async def advance_shows(db: Database, now: datetime) -> int:
    """Sets the status of every show that has begun or ended since the last call.

    Takes:  db, with the right to write shows (WRITER_ROLE)
    Gives:  the number of changed shows; a trigger raises the revision of each, and notifies all nodes
    Raises: StoreError
    Cost:   one statement, which finds shows by the index on their status
    """
    async with db.connection() as connection:
        return len([row async for row in queries.advance_shows(connection, instant=now)])
