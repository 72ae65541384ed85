"""Venues of providers, and which of ours they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from server.errors import StoreConflict
from server.store.database import Database
from server.sync.clients import setlistfm, ticketmaster
from server.sync.file_import import log_outcomes
from server.sync.identities import identities
from server.sync.matching import Place, judge_venue
from server.sync.providers import Providers
from server.sync.record_writer import RecordRefused, queries, write_records
from server.sync.records import VenueRecord, slug_of
from server.sync.scheduler import Job, JobImpossible

if TYPE_CHECKING:
    from server.store.database import Connection

STAGE = "venues"
# How far around a place one looks for it: coordinates may be the middle of the city.
AROUND_KM = 30.0
GIVEN_CONFIDENCE = 1.0
ADDED = "added from there"


class VenueSyncService:
    """Finds the venue of ours that is meant, and adds it when there is none."""

    def __init__(self, database: Database, providers: Providers) -> None:
        self._database = database
        self._providers = providers

    async def sync(self, job: Job) -> None:
        """Brings a venue up to date that was added from Ticketmaster: its name, its place. Subject: its id there.

        Raises: Unfit, ProviderError, StoreUnavailable
        """
        assert self._providers.ticketmaster is not None
        venue = await self._providers.ticketmaster.fetch_venue(job.subject)
        if venue is None:
            raise JobImpossible(f"Ticketmaster knows no venue {job.subject}")
        async with self._database.transaction() as connection:
            try:
                ours = await ensure_venue(connection, venue)
                # What a person or a file told of a venue is not overwritten.
                if ours["evidence"] == ADDED:
                    outcomes = await write_records(connection, STAGE, [(0, _record(venue, ours["slug"]))])
                    await log_outcomes(connection, job.id, STAGE, outcomes)
                await identities.touch_venue(connection, service=ticketmaster.SERVICE, external_id=venue.id)
            except (RecordRefused, StoreConflict) as error:
                raise JobImpossible(str(error)) from error
        await job.tell(STAGE, 1, 1)


async def ensure_venue(connection: Connection, venue: ticketmaster.Venue) -> Any:
    """Our row for a venue of Ticketmaster's: known by id, or the same by name and place, or added.

    Raises: NotTaken: too little is said of it to add it
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
    """Raises: NotTaken."""
    slug = slug_of(venue.name, venue.city.name) or f"venue-{slug_of(venue.id)}"
    taken = {row["reference"] async for row in queries.find_venues(connection, references=[slug])}
    record = _record(venue, f"{slug}-{slug_of(venue.id)}"[:300] if taken else slug)
    try:
        ((_, outcome, own),) = await write_records(connection, STAGE, [(0, record)])
    except StoreConflict as error:
        raise RecordRefused(f"the venue {venue.name!r} cannot be taken: {error}") from error
    added = await identities.venue_by_slug(connection, slug=own)
    if outcome == "added":
        await identities.put_venue_origin(connection, venue_id=added["id"], service=ticketmaster.SERVICE)
    return added


def _record(venue: ticketmaster.Venue, slug: str) -> VenueRecord:
    """Raises: NotTaken: too little is said of it, or what is said makes no sense."""
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
        raise RecordRefused(f"the venue {venue.name or venue.id!r} cannot be taken: {error}") from None


def place_of_venue(venue: ticketmaster.Venue | setlistfm.Venue) -> Place:
    """A provider's venue, to compare."""
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
    """A venue of ours, to compare."""
    return Place(
        name=row["venue_name"] if "venue_name" in row else row["name"],
        city=row["city"],
        country=row["country"],
        latitude=row["latitude"],
        longitude=row["longitude"],
    )
