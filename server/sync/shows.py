"""Shows from Ticketmaster: new ones, moved ones, cancelled ones."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from server.errors import StoreConflict
from server.store.database import Database, savepoint
from server.sync.clients import ticketmaster
from server.sync.clients.ticketmaster import Event
from server.sync.file_import import log_outcomes
from server.sync.identities import identities
from server.sync.matching import plain_name
from server.sync.providers import Providers
from server.sync.record_writer import Outcomes, RecordRefused, lock_shards, write_records
from server.sync.records import ShowRecord
from server.sync.scheduler import Job, JobImpossible
from server.sync.venues import ensure_venue

if TYPE_CHECKING:
    from server.store.database import Connection

STAGE = "shows"
STARTS_AT = dt.time(20)
# Two listings of one evening are one show unless they begin further apart than this.
APART = dt.timedelta(hours=2)
LOOK_AHEAD_DAYS = 730
# What Ticketmaster says of a listing that does not take place.
OFF = ("cancelled", "canceled", "postponed")
SUPPORTS_MAX = 20
SHOWS_PER_BATCH = 20

# What is sold beside a concert.
_EXTRA = re.compile(
    r"\b(parking|park(ing)? & ride|vip (package|upgrade|experience)s?|upgrade|camping|shuttle|meet (and|&) greet|"
    r"premium seating|suite|hotel package|[2-9]-day (ticket|pass)|(season|festival|lawn) pass)\b",
    re.IGNORECASE,
)


class ShowSyncService:
    """Brings the shows of an artist up to date."""

    def __init__(self, database: Database, providers: Providers) -> None:
        self._database = database
        self._providers = providers

    async def sync(self, job: Job) -> None:
        """All shows of an artist. Subject: the artist's id.

        Page by page: what was written stays, and another attempt goes on with the next page.

        Raises: Unfit: they are not known at Ticketmaster; ProviderError; StoreUnavailable
        """
        assert self._providers.ticketmaster is not None
        artist = await self._fetch_artist(int(job.subject))
        attractions: list[str] = artist["identities"].get(ticketmaster.SERVICE, [])
        if not attractions:
            raise JobImpossible(f"{artist['name']} is not known at Ticketmaster")
        done: list[str] = job.cursor.get("done", [])
        seen: set[str] = set(job.cursor.get("seen", []))
        for attraction_id in attractions:
            number = 0
            async for page in self._providers.ticketmaster.search_events(attraction_id=attraction_id):
                name, number = f"{attraction_id} {number}", number + 1
                if name in done:
                    continue
                await self._write(job, artist, [event for event in page if is_concert(event)])
                done.append(name)
                seen |= {event.id for event in page}
                await job.save({"done": done, "seen": sorted(seen)})
                await job.tell(STAGE, len(seen), len(seen))
            await self._look_after_missing(job, artist, attraction_id, seen)

    async def sync_show(self, job: Job) -> None:
        """One show, by what it is called at Ticketmaster. Subject: the show's id.

        Raises: Unfit, ProviderError, StoreUnavailable
        """
        assert self._providers.ticketmaster is not None
        async with self._database.connection() as connection:
            show = await identities.fetch_show(connection, show_id=int(job.subject))
        if show is None:
            raise JobImpossible(f"there is no show {job.subject} any more")
        ids = [one.partition(" ")[2] for one in _versions(show) if one.startswith(ticketmaster.SERVICE + " ")]
        if not ids:
            raise JobImpossible("the show is not known at Ticketmaster")
        artist = await self._fetch_artist(show["artist_id"])
        found = [event for one in ids if (event := await self._providers.ticketmaster.fetch_event(one)) is not None]
        await self._write(job, artist, found)
        await job.tell(STAGE, 1, 1)

    async def _write(self, job: Job, artist: dict[str, Any], events: Sequence[Event]) -> None:
        """Shows of an artist as their listings have them, in batches, because votes on them wait meanwhile."""
        shows = group_listings([event for event in events if event.date is not None])
        shows += [[event] for event in events if event.date is None]
        for begin in range(0, len(shows), SHOWS_PER_BATCH):
            async with self._database.transaction() as connection:
                outcomes = await _write_shows(connection, artist, shows[begin : begin + SHOWS_PER_BATCH])
                await log_outcomes(connection, job.id, STAGE, outcomes)

    async def _fetch_artist(self, artist_id: int) -> dict[str, Any]:
        async with self._database.connection() as connection:
            row = await identities.fetch_artist(connection, artist_id=artist_id)
        if row is None:
            raise JobImpossible(f"there is no artist {artist_id} any more")
        return {**row, "identities": msgspec.json.decode(row["identities"], type=dict[str, list[str]])}

    async def _look_after_missing(self, job: Job, artist: dict[str, Any], attraction_id: str, seen: set[str]) -> None:
        """Shows that were found once and are not any more: put off without a date, which searches hide, or gone."""
        assert self._providers.ticketmaster is not None
        today = self._providers.ticketmaster.provider.now().date()
        async with self._database.connection() as connection:
            rows = identities.shows_of_artist(
                connection, artist_id=artist["id"], first=today, last=today + dt.timedelta(days=LOOK_AHEAD_DAYS)
            )
            missing = {
                one.partition(" ")[2]
                async for row in rows
                if row["status"] == "upcoming"
                for one in _versions(row)
                if one.startswith(ticketmaster.SERVICE + " ") and one.partition(" ")[2] not in seen
            }
        if not missing:
            return
        undated = await self._providers.ticketmaster.find_undated(attraction_id)
        found = [event for event in undated if event.id in missing]
        for event_id in sorted(missing - {event.id for event in found}):
            event = await self._providers.ticketmaster.fetch_event(event_id)
            if event is not None:
                found.append(event)
        await self._write(job, artist, found)
        gone = sorted(missing - {event.id for event in found})
        async with self._database.connection() as connection:
            told: Outcomes = [(0, "refused", f"{one} is gone at Ticketmaster; look at the show") for one in gone]
            await log_outcomes(connection, job.id, STAGE, told)


def is_concert(event: Event) -> bool:
    """Whether a listing is a concert on a known day, somewhere; parking beside one is not."""
    return not event.test and event.date is not None and event.venue is not None and not _EXTRA.search(event.name)


def group_listings(events: Sequence[Event]) -> list[list[Event]]:
    """Listings put together that are one show: each source has its own, with its own venue.

    Gives: for each show its listings, the one that says most first
    """
    evenings: dict[tuple[dt.date | None, str], list[Event]] = defaultdict(list)
    for event in events:
        city = plain_name(event.venue.city.name) if event.venue else ""
        evenings[event.date, city].append(event)
    shows = []
    for evening in evenings.values():
        clusters: list[list[Event]] = []
        for event in sorted(evening, key=_telling):
            fitting = next((cluster for cluster in clusters if _are_close(cluster[0], event)), None)
            if fitting is None:
                clusters.append([event])
            else:
                fitting.append(event)
        shows += clusters
    return shows


def _telling(event: Event) -> tuple[bool, bool, str]:
    """Listings of resellers have no zone of their own, and say less."""
    return not event.dates.timezone, event.id.startswith("Z7r9jZ"), event.id


def _are_close(one: Event, other: Event) -> bool:
    if one.time is None or other.time is None:
        return True
    day = one.date or dt.date.min
    return abs(dt.datetime.combine(day, one.time) - dt.datetime.combine(day, other.time)) < APART


async def _write_shows(connection: Connection, artist: dict[str, Any], shows: Sequence[Sequence[Event]]) -> Outcomes:
    """Some shows. One that cannot be taken is told; the others go in."""
    ids = [event.id for listings in shows for event in listings]
    rows = identities.find_shows_by_id(connection, service=ticketmaster.SERVICE, external_ids=ids)
    known = {row["external_id"]: row async for row in rows}
    slugs = {row["slug"] for row in known.values()} | await _slugs_of_evenings(connection, artist, shows)
    await lock_shards(connection, sorted(slugs))
    outcomes: Outcomes = []
    for listings in shows:
        event = listings[0]
        if event.date is None:
            # Put off without a new date: nobody can vote for a day that is none.
            if event.id in known and known[event.id]["status"] == "upcoming":
                outcomes.append(await _cancel(connection, known[event.id]))
                await _keep_identities(connection, [event], known[event.id]["id"])
            continue
        try:
            async with savepoint(connection):
                outcomes.append(await _write_show(connection, artist, listings, known))
        except (RecordRefused, StoreConflict, ValueError, ZoneInfoNotFoundError) as error:
            outcomes.append((0, "refused", f"{event.name} on {event.date}: {error}"))
    return outcomes


async def _slugs_of_evenings(
    connection: Connection, artist: dict[str, Any], shows: Sequence[Sequence[Event]]
) -> set[str]:
    """Shows of ours that `_same_evening` may find for these listings."""
    events = [event for listings in shows for event in listings]
    days = {event.date for event in events if event.date is not None}
    acts = sorted({act.id for event in events for act in event.embedded.attractions})
    rows = identities.find_artists_by_id(connection, service=ticketmaster.SERVICE, external_ids=acts)
    slugs = set()
    for artist_id in sorted({row["artist_id"] async for row in rows} | {artist["id"]}) if days else ():
        found = identities.shows_of_artist(connection, artist_id=artist_id, first=min(days), last=max(days))
        slugs |= {row["slug"] async for row in found if row["local_date"] in days}
    return slugs


async def _write_show(
    connection: Connection, artist: dict[str, Any], listings: Sequence[Event], known: dict[str, Any]
) -> tuple[int, str, str]:
    event = listings[0]
    assert event.venue is not None
    assert event.date is not None
    ours = next((known[one.id] for one in listings if one.id in known), None)
    if ours is None and event.is_cancelled:
        return (0, "unchanged", "cancelled before it was known")
    if ours is not None and ours["status"] in ("live", "finished"):
        await _keep_identities(connection, listings, ours["id"])
        if event.date > ours["local_date"]:
            return (0, "refused", f"{ours['slug']} is {ours['status']} here and listed for {event.date}: look at it")
        return (0, "unchanged", ours["slug"])
    headliner, supports = await _bill(connection, artist, event)
    venue = await ensure_venue(connection, event.venue)
    if ours is None:
        ours = await _same_evening(connection, headliner["id"], venue["id"], event)
    record = ShowRecord(
        artist=headliner["slug"],
        venue=venue["slug"],
        date=event.date,
        time=f"{_time(event, ours, venue['time_zone']):%H:%M}",
        slug=ours["slug"] if ours is not None else _slug(headliner, venue, event),
        status=_status(event, ours),
        supports=supports,
        **_window(event, venue, ours),
    )
    ((_, outcome, slug),) = await write_records(connection, STAGE, [(0, record)])
    show_id: int = await identities.find_show_id(connection, slug=slug)
    if outcome == "added":
        await identities.put_show_origin(connection, show_id=show_id, service=ticketmaster.SERVICE)
    await _keep_identities(connection, listings, show_id)
    return (0, outcome, slug)


async def _keep_identities(connection: Connection, listings: Sequence[Event], show_id: int) -> None:
    for listing in listings:
        await identities.put_show_identity(
            connection, service=ticketmaster.SERVICE, external_id=listing.id, show_id=show_id, url=listing.url,
            version=listing.dates.status.code, confidence=1.0, evidence="listed there",
        )  # fmt: skip


async def _bill(connection: Connection, artist: dict[str, Any], event: Event) -> tuple[Any, list[str]]:
    """Whose show it is, and who supports: the first act that we know heads the bill.

    Raises: NotTaken: somebody heads it whom we do not know
    """
    acts = [act.id for act in event.embedded.attractions]
    rows = identities.find_artists_by_id(connection, service=ticketmaster.SERVICE, external_ids=acts)
    by_act = {row["external_id"]: row async for row in rows}
    ours = {act for act in acts if act in by_act and by_act[act]["artist_id"] == artist["id"]}
    if not ours:
        # Found by asking for their shows; sometimes the title is all that is said.
        return artist, []
    for act in event.embedded.attractions:
        if act.id in by_act:
            head = by_act[act.id]
            break
        # Festivals and packages of tickets are acts too, and have no page in MusicBrainz.
        if act.mbids:
            raise RecordRefused(f"{act.name} heads the bill, who is not in the catalogue")
    others = dict.fromkeys(
        by_act[act]["slug"] for act in acts if act in by_act and by_act[act]["artist_id"] != head["artist_id"]
    )
    return {"id": head["artist_id"], "slug": head["slug"], "name": head["name"]}, list(others)[:SUPPORTS_MAX]


async def _same_evening(connection: Connection, artist_id: int, venue_id: int, event: Event) -> Any:
    """A show of ours that is this one, though nobody has said so yet: same artist, venue and day, about the same time."""
    assert event.date is not None
    rows = identities.shows_of_artist(connection, artist_id=artist_id, first=event.date, last=event.date)
    for row in [row async for row in rows]:
        if row["venue_id"] != venue_id or row["artist_id"] != artist_id:
            continue
        if (
            event.time is None
            or abs(row["starts_at"] - _starts_at(event, event.time, event.time_zone or "UTC")) < APART
        ):
            return row
    return None


def _status(event: Event, ours: Any) -> Any:
    """Cancelled there is cancelled here, and back on there is back on here; what staff here cancelled stays so. None: as it is."""
    if event.is_cancelled:
        return "cancelled"
    if ours is not None and ours["status"] == "cancelled" and ours.get("version") in OFF:
        return "upcoming"
    return None


def _window(event: Event, venue: Any, ours: Any) -> dict[str, Any]:
    """Who set a show's voting window keeps it; a show that was moved takes its window along."""
    if ours is None:
        return {}
    moved = _starts_at(event, _time(event, ours, venue["time_zone"]), venue["time_zone"]) - ours["starts_at"]
    return {"opens_at": min(ours["opens_at"], ours["opens_at"] + moved), "closes_at": ours["closes_at"] + moved}


def _time(event: Event, ours: Any, time_zone: str) -> dt.time:
    """The hour, as they say it, or as it was."""
    if event.time is not None:
        return event.time
    return STARTS_AT if ours is None else ours["starts_at"].astimezone(ZoneInfo(time_zone)).time()


def _starts_at(event: Event, time: dt.time, time_zone: str) -> dt.datetime:
    assert event.date is not None
    return dt.datetime.combine(event.date, time, ZoneInfo(time_zone)).astimezone(dt.UTC)


def _slug(headliner: Any, venue: Any, event: Event) -> str | None:
    """The usual one; an evening's second show has its hour in it."""
    if event.time is None or event.time >= dt.time(17):
        return None
    return f"{headliner['slug']}-{venue['slug']}-{event.date}-{event.time:%H%M}"[-300:].strip("-")


async def _cancel(connection: Connection, show: Any) -> tuple[int, str, str]:
    await identities.cancel_show(connection, show_id=show["id"])
    return (0, "changed", show["slug"])


def _versions(row: Any) -> dict[str, str]:
    return msgspec.json.decode(row["identities"], type=dict[str, str])
