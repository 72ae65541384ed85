"""Who an artist is at a provider: what is sure is written down, what is doubtful becomes a question to a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from server.store.database import Database
from server.store.queries import load_queries
from server.sync.artist_identification import GIVEN_CONFIDENCE
from server.sync.record_writer import queries

if TYPE_CHECKING:
    from server.store.database import Connection

# A link on an artist's own page.
LINK_CONFIDENCE = 0.95
# A name and songs that both have.
SHARED_CONFIDENCE = 0.85
# A name alone: a person decides.
DOUBTFUL_CONFIDENCE = 0.5

# Service, id there, page there, confidence, evidence.
Identity = tuple[str, str, str, float, str]

identities = load_queries(Path(__file__).with_name("identities.sql"))


async def save_identities(
    database: Database, artist_id: int, name: str, sure: list[Identity], doubtful: list[Identity]
) -> list[Identity]:
    """Writes down what is sure, and asks a person about what is not, once.

    Takes:  name, of the artist
    Gives:  what is sure, with what a person said before
    Raises: StoreUnavailable
    """
    async with database.transaction() as connection:
        for service, external_id, url, confidence, evidence in doubtful:
            verdict = await identities.fetch_verdict(
                connection, service=service, external_id=external_id, artist_id=artist_id, venue_id=None
            )
            if verdict == "same":
                sure = [*sure, (service, external_id, url, GIVEN_CONFIDENCE, "decided by a person")]
            elif verdict is None:
                await identities.put_review(
                    connection, service=service, external_id=external_id, name=name, url=url,
                    artist_id=artist_id, venue_id=None, confidence=confidence, evidence=evidence,
                )  # fmt: skip
        await put_identities(connection, artist_id, sure)
    return sure


async def put_identities(connection: Connection, artist_id: int, rows: Sequence[Identity]) -> None:
    """Ids of an artist; one that was another artist's goes over when it is at least as sure."""
    await queries.put_identities(
        connection,
        artist_id=artist_id,
        services=[row[0] for row in rows],
        external_ids=[row[1] for row in rows],
        urls=[row[2] for row in rows],
        confidences=[row[3] for row in rows],
        evidences=[row[4] for row in rows],
    )


def ids_by_service(row: Any) -> dict[str, list[str]]:
    """Of a row of fetch_artist: ids by service, most certain first."""
    return msgspec.json.decode(row["identities"], type=dict[str, list[str]])
