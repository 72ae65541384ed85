"""Syncs venues: finds the venue of the catalogue that a provider means, or adds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from server.errors import StoreConflict
from server.protocol.slugs import made_slug, slug_of
from server.store.database import Database
from server.sync.artist_identification import GIVEN_CONFIDENCE
from server.sync.clients import setlistfm, ticketmaster
from server.sync.clients.ticketmaster import TicketmasterClient
from server.sync.jobs import Job, JobImpossible, log_results
from server.sync.matching import Place, judge_venue
from server.sync.queries import identities
from server.sync.queries import records as queries
from server.sync.record_writer import write_record
from server.sync.records import VenueRecord
from server.sync.references import RecordRefused
from server.sync.slugs import choose_slugs

if TYPE_CHECKING:
    from server.store.database import Connection

STAGE = "venues"
# How far around its coordinates a venue is searched: they may be those of the city's centre.
AROUND_KM = 30.0
# The evidence of a venue that Ticketmaster added, so that its data may be updated from there.
ADDED = "added from there"


class VenueSyncService:
    """Updates venues that were added from Ticketmaster."""

    def __init__(self, database: Database, client: TicketmasterClient) -> None:
        self._database = database
        self._client = client

    async def sync(self, job: Job) -> None:
        """Updates the name and the place of a venue. The job's subject is the venue's id at Ticketmaster.

        Raises: JobImpossible, ProviderError, StoreUnavailable
        """
        venue = await self._client.fetch_venue(job.subject)
        if venue is None:
            raise JobImpossible(f"Ticketmaster has no venue {job.subject} any more: there is nothing to update")
        async with self._database.transaction() as connection:
            try:
                ours = await ensure_venue(connection, venue)
                # Data that a person or a file gave is not overwritten.
                if ours["evidence"] == ADDED:
                    result = await write_record(connection, STAGE, _record(venue, ours["slug"]))
                    await log_results(connection, job.id, STAGE, [result])
                await identities.touch_venue(connection, service=ticketmaster.SERVICE, external_id=venue.id)
            except (RecordRefused, StoreConflict) as error:
                raise JobImpossible(str(error)) from error
        await job.report_progress(STAGE, 1, 1)


async def ensure_venue(connection: Connection, venue: ticketmaster.Venue) -> Any:
    """The catalogue's row of a Ticketmaster venue: found by id, or by name and place, or added.

    Raises: RecordRefused: Ticketmaster gives too little data to add it
    """
    known = await identities.find_venue_by_id(connection, service=ticketmaster.SERVICE, external_id=venue.id)
    if known is not None:
        return known
    theirs = place_of_venue(venue)
    confidence, evidence = GIVEN_CONFIDENCE, ADDED
    found = None
    if theirs.latitude is not None and theirs.longitude is not None:
        around = identities.venues_around(
            connection,
            latitude=theirs.latitude,
            longitude=theirs.longitude,
            radius_km=AROUND_KM,
        )
        for ours in [row async for row in around]:
            verdict = judge_venue(place_of_row(ours), theirs)
            if verdict.outcome == "same" and (found is None or verdict.confidence > confidence):
                found, confidence, evidence = ours, verdict.confidence, verdict.evidence
            elif verdict.outcome == "doubtful":
                await identities.put_review(
                    connection, service=ticketmaster.SERVICE, external_id=venue.id, name=venue.name, url=venue.url,
                    artist_id=None, venue_id=ours["id"], confidence=verdict.confidence, evidence=verdict.evidence,
                )  # fmt: skip
    if found is None:
        found = await _add(connection, venue)
    await identities.put_venue_identity(
        connection, service=ticketmaster.SERVICE, external_id=venue.id, venue_id=found["id"], url=venue.url,
        confidence=confidence, evidence=evidence,
    )  # fmt: skip
    return {**found, "evidence": evidence}


async def _add(connection: Connection, venue: ticketmaster.Venue) -> Any:
    """Adds a venue; raises RecordRefused."""
    await queries.take_turn(connection)
    made = made_slug("venue", venue.name, venue.city.name)
    (slug,) = await choose_slugs(connection, "venues", [made])
    record = _record(venue, slug if slug == made else f"{made}-{slug_of(venue.id)}"[:300])
    try:
        written = await write_record(connection, STAGE, record)
    except StoreConflict as error:
        raise RecordRefused(f"the venue {venue.name!r} cannot be written to the catalogue: {error}") from error
    added = await identities.venue_by_slug(connection, slug=written.message)
    assert added is not None
    if written.outcome == "added":
        await identities.put_venue_origin(connection, venue_id=added["id"], service=ticketmaster.SERVICE)
    return added


def _record(venue: ticketmaster.Venue, slug: str) -> VenueRecord:
    """Makes a record of a venue; raises RecordRefused when its data are incomplete or invalid."""
    place, city = venue.location, " ".join(venue.city.name.split())
    given = {
        "name": venue.name[:200],
        "city": city[:120],
        "country": venue.country.code.upper(),
        "latitude": place.latitude,
        "longitude": place.longitude,
        "time_zone": venue.timezone,
        "slug": slug,
        "region": (venue.state.code or venue.state.name)[:80] or None,
    }
    try:
        return msgspec.convert(given, VenueRecord)
    except msgspec.ValidationError as error:
        raise RecordRefused(
            f"Ticketmaster's data of the venue {venue.name or venue.id!r} are not valid: {error}"
        ) from None


def place_of_venue(venue: ticketmaster.Venue | setlistfm.Venue) -> Place:
    """A provider's venue, in the form for comparing."""
    if isinstance(venue, ticketmaster.Venue):
        return Place(
            name=venue.name,
            city=venue.city.name,
            country=venue.country.code,
            latitude=venue.location.latitude,
            longitude=venue.location.longitude,
        )
    city = venue.city or setlistfm.City()
    coords = city.coords or setlistfm.Coords()
    return Place(
        name=venue.name,
        city=city.name,
        country=city.country.code if city.country else "",
        latitude=coords.lat,
        longitude=coords.long,
        is_city_centre=True,
    )


def place_of_row(row: Any) -> Place:
    """A venue of the catalogue, in the form for comparing."""
    return Place(
        name=row["venue_name"] if "venue_name" in row else row["name"],
        city=row["city"],
        country=row["country"],
        latitude=row["latitude"],
        longitude=row["longitude"],
    )
