"""Syncs shows from Ticketmaster: new, moved and cancelled ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from server.errors import StoreConflict
from server.store.database import Database, savepoint
from server.store.rule_changes import ChangeRules
from server.sync.clients import ticketmaster
from server.sync.clients.provider import Unreadable
from server.sync.clients.ticketmaster import Event, TicketmasterClient
from server.sync.identities import KnownArtist, fetch_known_artist
from server.sync.jobs import Job, JobImpossible, log_results
from server.sync.listings import OFF_CODES, group_listings, is_concert, status_code
from server.sync.queries import identities
from server.sync.record_writer import Hold, lock_shards, write_record
from server.sync.records import RecordResult, ShowRecord
from server.sync.references import RecordRefused
from server.sync.show_rows import SAME_SHOW_MAX, STARTS_AT
from server.sync.venues import ensure_venue

if TYPE_CHECKING:
    from server.store.database import Connection

STAGE = "shows"
LOOK_AHEAD_DAYS = 730
SUPPORTS_MAX = 20
SHOWS_PER_BATCH = 20


class ShowSyncService:
    """Updates the shows of an artist."""

    def __init__(self, database: Database, client: TicketmasterClient, change_rules: ChangeRules) -> None:
        self._database = database
        self._client = client
        self._change_rules = change_rules

    async def sync(self, job: Job) -> None:
        """Updates all shows of an artist. The job's subject is the artist's id.

        It goes page by page: pages that were written stay, and another attempt continues with the next page.

        Raises: JobImpossible: Ticketmaster does not know the artist; ProviderError; StoreUnavailable
        """
        artist = await fetch_known_artist(self._database, int(job.subject))
        attractions = artist.ids.get(ticketmaster.SERVICE, [])
        if not attractions:
            raise JobImpossible(
                f"{artist.name} has no id at Ticketmaster: sync the artist and answer its question in the sync"
                " manager, or import the shows from a file"
            )
        done: list[str] = job.cursor.get("done", [])
        seen: set[str] = set(job.cursor.get("seen", []))
        for attraction_id in attractions:
            number = 0
            async for page in self._client.search_events(attraction_id):
                name, number = f"{attraction_id} {number}", number + 1
                if name in done:
                    continue
                await self._write(job, artist, [event for event in page if is_concert(event, artist.name)])
                done.append(name)
                seen |= {event.id for event in page}
                await job.save_cursor({"done": done, "seen": sorted(seen)})
                await job.report_progress(STAGE, len(seen), len(seen))
            await self._check_missing(job, artist, attraction_id, seen)

    async def sync_show(self, job: Job) -> None:
        """Updates one show, by its ids at Ticketmaster. The job's subject is the show's id.

        Raises: JobImpossible, ProviderError, StoreUnavailable
        """
        async with self._database.connection() as connection:
            show = await identities.fetch_show(connection, show_id=int(job.subject))
        if show is None:
            raise JobImpossible(f"the catalogue has no show {job.subject} any more: there is nothing to sync")
        ids = _ticketmaster_ids(show)
        if not ids:
            raise JobImpossible(f"{show['slug']} has no id at Ticketmaster: sync its artist's shows first")
        artist = await fetch_known_artist(self._database, show["artist_id"])
        found, _ = await self._fetch_events(ids)
        await self._write(job, artist, found)
        await job.report_progress(STAGE, 1, 1)

    async def _fetch_events(self, ids: Sequence[str]) -> tuple[list[Event], list[str]]:
        """Fetches listings; gives them, and the ids of deleted ones. One that cannot be read is in neither."""
        found, deleted = [], []
        for one in ids:
            try:
                event = await self._client.fetch_event(one)
            except Unreadable:
                continue
            if event is None:
                deleted.append(one)
            else:
                found.append(event)
        return found, deleted

    async def _write(self, job: Job, artist: KnownArtist, events: Sequence[Event]) -> None:
        """Writes an artist's shows from their listings, in batches, because votes on a batch wait while it is written."""
        shows = group_listings([event for event in events if event.date is not None])
        shows += [[event] for event in events if event.date is None]
        for start in range(0, len(shows), SHOWS_PER_BATCH):
            async with self._change_rules(self._database.transaction()) as change:
                batch = shows[start : start + SHOWS_PER_BATCH]
                results = await _write_shows(change.connection, artist, batch, change.hold)
                await log_results(change.connection, job.id, STAGE, results)

    async def _check_missing(self, job: Job, artist: KnownArtist, attraction_id: str, seen: set[str]) -> None:
        """Fetches known shows that the search no longer has: postponed without a date, which searches hide, or deleted."""
        today = self._client.provider.now().date()
        async with self._database.connection() as connection:
            rows = identities.shows_of_artist(
                connection, artist_id=artist.id, first=today, last=today + dt.timedelta(days=LOOK_AHEAD_DAYS)
            )
            missing = {
                event_id
                async for row in rows
                if row["status"] == "upcoming"
                for event_id in _ticketmaster_ids(row)
                if event_id not in seen
            }
        if not missing:
            return
        undated = await self._client.find_undated(attraction_id)
        found = [event for event in undated if event.id in missing]
        others, deleted = await self._fetch_events(sorted(missing - {event.id for event in found}))
        await self._write(job, artist, found + others)
        async with self._database.connection() as connection:
            results = [
                RecordResult(None, "refused", f"Ticketmaster no longer lists {one}: check whether its show takes place")
                for one in deleted
            ]
            await log_results(connection, job.id, STAGE, results)


async def _write_shows(
    connection: Connection, artist: KnownArtist, shows: Sequence[Sequence[Event]], hold: Hold
) -> list[RecordResult]:
    """Writes shows; a show that is refused is reported, and the others are written."""
    ids = [event.id for listings in shows for event in listings]
    rows = identities.find_shows_by_id(connection, service=ticketmaster.SERVICE, external_ids=ids)
    known = {row["external_id"]: row async for row in rows}
    slugs = {row["slug"] for row in known.values()} | await _slugs_of_evenings(connection, artist, shows)
    await lock_shards(connection, sorted(slugs), hold)
    results = []
    for listings in shows:
        event = listings[0]
        if event.date is None or status_code(event, artist.name) == "postponed":
            # Postponed without a new date: nobody can vote for a show without a day.
            if event.id in known and known[event.id]["status"] == "upcoming":
                results.append(await _cancel(connection, known[event.id]))
                await _save_identities(connection, artist, [event], known[event.id]["id"])
            continue
        try:
            async with savepoint(connection):
                results.append(await _write_show(connection, artist, listings, known))
        except (RecordRefused, StoreConflict, ValueError, ZoneInfoNotFoundError) as error:
            results.append(RecordResult(None, "refused", f"{event.name} on {event.date}: {error}"))
    return results


async def _slugs_of_evenings(connection: Connection, artist: KnownArtist, shows: Sequence[Sequence[Event]]) -> set[str]:
    """Slugs of the shows that `_find_same_show` may find for these listings."""
    events = [event for listings in shows for event in listings]
    days = {event.date for event in events if event.date is not None}
    acts = sorted({act.id for event in events for act in event.embedded.attractions})
    rows = identities.find_artists_by_id(connection, service=ticketmaster.SERVICE, external_ids=acts)
    slugs = set()
    for artist_id in sorted({row["artist_id"] async for row in rows} | {artist.id}) if days else ():
        found = identities.shows_of_artist(connection, artist_id=artist_id, first=min(days), last=max(days))
        slugs |= {row["slug"] async for row in found if row["local_date"] in days}
    return slugs


async def _write_show(
    connection: Connection, artist: KnownArtist, listings: Sequence[Event], known: dict[str, Any]
) -> RecordResult:
    event = listings[0]
    assert event.venue is not None
    assert event.date is not None
    ours = next((known[one.id] for one in listings if one.id in known), None)
    is_cancelled = status_code(event, artist.name) == "cancelled"
    if ours is None and is_cancelled:
        return RecordResult(None, "unchanged", "cancelled before the catalogue had it")
    if ours is not None and ours["status"] in ("live", "finished"):
        await _save_identities(connection, artist, listings, ours["id"])
        if event.date > ours["local_date"]:
            message = f"{ours['slug']} is {ours['status']}, but Ticketmaster lists it for {event.date}: check its date"
            return RecordResult(None, "refused", message)
        return RecordResult(None, "unchanged", ours["slug"])
    headliner, supports = await _find_bill(connection, artist, event)
    venue = await ensure_venue(connection, event.venue)
    if ours is None:
        ours = await _find_same_show(connection, headliner.id, venue["id"], event)
    record = ShowRecord(
        artist=headliner.slug,
        venue=venue["slug"],
        date=event.date,
        time=f"{_time(event, ours, venue['time_zone']):%H:%M}",
        slug=ours["slug"] if ours is not None else None,
        status=_status(ours, is_cancelled=is_cancelled),
        supports=supports,
        **_window(event, venue, ours),
    )
    result = await write_record(connection, STAGE, record)
    show_id = await identities.find_show_id(connection, slug=result.message)
    assert show_id is not None
    if result.outcome == "added":
        await identities.put_show_origin(connection, show_id=show_id, service=ticketmaster.SERVICE)
    await _save_identities(connection, artist, listings, show_id)
    return result


async def _save_identities(
    connection: Connection, artist: KnownArtist, listings: Sequence[Event], show_id: int
) -> None:
    for listing in listings:
        await identities.put_show_identity(
            connection, service=ticketmaster.SERVICE, external_id=listing.id, show_id=show_id, url=listing.url,
            version=status_code(listing, artist.name), confidence=1.0, evidence="listed there",
        )  # fmt: skip


async def _find_bill(connection: Connection, artist: KnownArtist, event: Event) -> tuple[KnownArtist, list[str]]:
    """The headliner of a show and the slugs of its support acts: the first act of the catalogue is the headliner.

    Raises: RecordRefused: the headliner is an artist that the catalogue lacks
    """
    acts = [act.id for act in event.embedded.attractions]
    rows = identities.find_artists_by_id(connection, service=ticketmaster.SERVICE, external_ids=acts)
    by_act = {row["external_id"]: row async for row in rows}
    if not any(act in by_act and by_act[act]["artist_id"] == artist.id for act in acts):
        # The search was for this artist's shows; some listings name the artist in the title only.
        return artist, []
    for act in event.embedded.attractions:
        if act.id in by_act:
            head = by_act[act.id]
            break
        # Festivals and packages of tickets are acts too, without an entry at MusicBrainz.
        if act.mbids:
            raise RecordRefused(f"the catalogue has no artist {act.name}, the headliner: sync that artist first")
    others = dict.fromkeys(
        by_act[act]["slug"] for act in acts if act in by_act and by_act[act]["artist_id"] != head["artist_id"]
    )
    return KnownArtist(head["artist_id"], head["slug"], head["name"], {}), list(others)[:SUPPORTS_MAX]


async def _find_same_show(connection: Connection, artist_id: int, venue_id: int, event: Event) -> Any:
    """A show of the catalogue without this listing's id that is the same: same artist, venue and day, about the same time."""
    assert event.date is not None
    rows = identities.shows_of_artist(connection, artist_id=artist_id, first=event.date, last=event.date)
    for row in [row async for row in rows]:
        if row["venue_id"] != venue_id or row["artist_id"] != artist_id:
            continue
        if (
            event.time is None
            or abs(row["starts_at"] - _starts_at(event, event.time, event.time_zone or "UTC")) < SAME_SHOW_MAX
        ):
            return row
    return None


def _status(ours: Any, *, is_cancelled: bool) -> Any:
    """Takes over that a show was cancelled, and that it takes place again; a cancellation by staff stays. None: no change."""
    if is_cancelled:
        return "cancelled"
    if ours is not None and ours["status"] == "cancelled" and ours.get("version") in OFF_CODES:
        return "upcoming"
    return None


def _window(event: Event, venue: Any, ours: Any) -> dict[str, Any]:
    """The voting window: a known show keeps its own, and when it moves, the window moves with it."""
    if ours is None:
        return {}
    moved = _starts_at(event, _time(event, ours, venue["time_zone"]), venue["time_zone"]) - ours["starts_at"]
    return {"opens_at": min(ours["opens_at"], ours["opens_at"] + moved), "closes_at": ours["closes_at"] + moved}


def _time(event: Event, ours: Any, time_zone: str) -> dt.time:
    """The local start time: the listing's, otherwise the one that the catalogue has, otherwise the default."""
    if event.time is not None:
        return event.time
    return STARTS_AT if ours is None else ours["starts_at"].astimezone(ZoneInfo(time_zone)).time()


def _starts_at(event: Event, time: dt.time, time_zone: str) -> dt.datetime:
    assert event.date is not None
    return dt.datetime.combine(event.date, time, ZoneInfo(time_zone)).astimezone(dt.UTC)


async def _cancel(connection: Connection, show: Any) -> RecordResult:
    await identities.cancel_show(connection, show_id=show["id"])
    return RecordResult(None, "changed", show["slug"])


def _ticketmaster_ids(row: Any) -> list[str]:
    """The ids of a show at Ticketmaster, from its identities by `service id`."""
    known = msgspec.json.decode(row["identities"], type=dict[str, str])
    return [one.removeprefix(f"{ticketmaster.SERVICE} ") for one in known if one.startswith(f"{ticketmaster.SERVICE} ")]
