"""Identities: the ids of our artists at providers.

Sure identities are stored; doubtful identities wait for the decision of a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from server.protocol.slugs import made_slug
from server.store.database import Database
from server.sync.artist_identification import GIVEN_CONFIDENCE
from server.sync.clients import musicbrainz
from server.sync.jobs import JobImpossible
from server.sync.matching import folded
from server.sync.queries import identities
from server.sync.queries import records as queries
from server.sync.slugs import choose_slugs

if TYPE_CHECKING:
    from server.store.database import Connection

# The artist's own page links to the provider's page.
LINK_CONFIDENCE = 0.95
# The same name, and songs in common.
SHARED_CONFIDENCE = 0.85
# The same name alone: a person decides.
DOUBTFUL_CONFIDENCE = 0.5


class Identity(NamedTuple):
    """One id of an artist at a service: its page there, the confidence in it (0 to 1), and the reason."""

    service: str
    external_id: str
    url: str
    confidence: float
    evidence: str


class KnownArtist(NamedTuple):
    """An artist of the catalogue, with its ids by service, the most certain first."""

    id: int
    slug: str
    name: str
    ids: Mapping[str, Sequence[str]]


async def fetch_known_artist(database: Database, artist_id: int) -> KnownArtist:
    """Reads an artist for a job.

    Raises: JobImpossible: the artist was deleted; StoreUnavailable
    """
    async with database.connection() as connection:
        row = await identities.fetch_artist(connection, artist_id=artist_id)
    if row is None:
        raise JobImpossible(f"the catalogue has no artist {artist_id} any more: there is nothing to sync")
    return KnownArtist(row["id"], row["slug"], row["name"], ids_by_service(row))


async def save_identities(
    database: Database, artist_id: int, name: str, sure: Sequence[Identity], doubtful: Sequence[Identity]
) -> list[Identity]:
    """Stores sure identities, and asks a person about each doubtful one, once.

    Takes:  name of the artist
    Gives:  the sure identities, and the doubtful ones that a person has confirmed
    Raises: StoreUnavailable
    """
    saved = list(sure)
    async with database.transaction() as connection:
        for one in doubtful:
            verdict = await identities.fetch_verdict(
                connection, service=one.service, external_id=one.external_id, artist_id=artist_id, venue_id=None
            )
            if verdict == "same":
                saved.append(one._replace(confidence=GIVEN_CONFIDENCE, evidence="decided by a person"))
            elif verdict is None:
                await identities.put_review(
                    connection, service=one.service, external_id=one.external_id, name=name, url=one.url,
                    artist_id=artist_id, venue_id=None, confidence=one.confidence, evidence=one.evidence,
                )  # fmt: skip
        await put_identities(connection, artist_id, saved)
    return saved


async def put_identities(connection: Connection, artist_id: int, rows: Sequence[Identity]) -> None:
    """Stores ids of an artist. An id of another artist moves to this one if the new confidence is not lower."""
    await queries.put_identities(
        connection,
        artist_id=artist_id,
        services=[row.service for row in rows],
        external_ids=[row.external_id for row in rows],
        urls=[row.url for row in rows],
        confidences=[row.confidence for row in rows],
        evidences=[row.evidence for row in rows],
    )


def ids_by_service(row: Any) -> dict[str, list[str]]:
    """The ids in a row of fetch_artist by service, the most certain first."""
    return msgspec.json.decode(row["identities"], type=dict[str, list[str]])


async def slug_for(connection: Connection, name: str, mbid: str) -> str:
    """The slug for an artist whose MusicBrainz id the catalogue lacks, until the transaction ends.

    Gives: the slug of the artist with this name and without a MusicBrainz id, otherwise a free one: an artist with
           another name or id is another artist, even when its name makes the same slug
    """
    await queries.take_turn(connection)
    async for row in queries.find_artists(connection, references=[name]):
        if folded(row["name"]) == folded(name) and not await find_ids(connection, row["slug"]):
            return str(row["slug"])
    made = made_slug("artist", name)
    (slug,) = await choose_slugs(connection, "artists", [made])
    return slug if slug == made else f"{made}-{mbid[:8]}"


async def find_ids(connection: Connection, slug: str) -> list[str]:
    """The MusicBrainz ids of an artist."""
    rows = queries.find_ids(connection, service=musicbrainz.SERVICE, slug=slug)
    return [row["external_id"] async for row in rows]
