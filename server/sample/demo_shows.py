"""A demo's calendar: shows that were, are and will be, around a given instant.

Whatever the hour, some shows are live with open voting, and for the ten hours after it new ones start before the
last ones close. At hours when no evening is anywhere in the United States, that takes matinees: each show is put
where the local time is nearest to evening.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from server.sample.seed_data import Artist, SeedData, Venue
from server.sample.setlists import PlannedSet, PlannedSong, mark_played, play_sets, predict_sets

PAST_COUNT = 35
LIVE_COUNT = 6
TONIGHT_COUNT = 14
UPCOMING_COUNT = 45

VOTING_DAYS = 30
LIVE_VOTING = timedelta(hours=3)
TONIGHT_EVERY = timedelta(minutes=45)  # LIVE_VOTING holds four of these: three shows are open at any moment
PAST_DAYS = 60
UPCOMING_DAYS = 28  # with the zones' offsets still under VOTING_DAYS: every upcoming show is open already
SUPPORT_SHARE = 0.45  # shows that somebody opens
LOCKED_UPCOMING = 5  # which of the upcoming ones is locked, and which is cancelled
CANCELLED_UPCOMING = 11
_EVENING_MIN = 20 * 60 + 30


class PlannedShow(msgspec.Struct, frozen=True, kw_only=True):
    """A show as it will be inserted."""

    slug: str
    name: str
    artist: str  # slug
    venue: str  # slug
    local_date: date
    time_zone: str
    starts_at: datetime
    status: str
    opens_at: datetime
    closes_at: datetime
    is_locked: bool = False
    finalised_at: datetime | None = None
    votes_per_user_max: int | None
    supports: tuple[str, ...] = ()  # slugs, in the order of the bill
    sets: tuple[PlannedSet, ...]

    @property
    def predicted(self) -> list[PlannedSong]:
        """What is voted on: the songs of all predicted sets."""
        return self._songs("predicted")

    @property
    def actual(self) -> list[PlannedSong]:
        """What was played; empty before the show is over."""
        return self._songs("actual")

    def _songs(self, type_: str) -> list[PlannedSong]:
        return [song for planned in self.sets if planned.type == type_ for song in planned.songs]


class Booking(msgspec.Struct, frozen=True):
    """Who already plays where and when: what a new show must not collide with."""

    artist: str
    venue: str
    local_date: date


class ShowPlanner:
    """Plans shows one after the other, so that nobody plays twice a night and no hall is booked twice.

    Takes: seed, which makes it reproducible; now, aware; booked, the shows that stand already
    """

    def __init__(self, seed_data: SeedData, *, seed: int, now: datetime, booked: Iterable[Booking] = ()) -> None:
        self._artists = seed_data.artists
        self._venues = seed_data.venues
        self._seed = seed
        self._now = now
        self._rng = random.Random(f"{seed}:programme")  # noqa: S311 - reproducible on purpose
        self._played: Counter[str] = Counter()
        self._taken: set[tuple[str, date]] = set()  # artists and venues, by night
        self._slugs: set[str] = set()
        for booking in booked:
            self._take(booking.artist, booking.venue, booking.local_date)

    def past(self) -> list[PlannedShow]:
        """Finished shows with final tallies and what was really played."""
        shows = []
        for index in range(PAST_COUNT):
            day = self._now.date() - timedelta(days=2 + index * (PAST_DAYS - 2) // PAST_COUNT)
            artist, venue, starts_at = self._evening(day)
            shows.append(self._plan(artist, venue, starts_at, status="finished", closes_at=starts_at))
        return shows

    def tonight(self) -> list[PlannedShow]:
        """Shows that are live now, and those that follow them over the next hours."""
        now = self._now.replace(minute=self._now.minute - self._now.minute % 5, second=0, microsecond=0)
        live = [self._nearest_evening(now - timedelta(minutes=15 + 10 * index), "live") for index in range(LIVE_COUNT)]
        # The grid is at most five minutes behind now, so the first start is still to come.
        next_ones = [
            self._nearest_evening(now + TONIGHT_EVERY * index, "upcoming") for index in range(1, TONIGHT_COUNT + 1)
        ]
        return live + next_ones

    def upcoming(self, *, with_exceptions: bool) -> list[PlannedShow]:
        """Shows of the coming weeks, open for voting; on request one of them locked and one cancelled."""
        shows = []
        for index in range(UPCOMING_COUNT):
            day = self._now.date() + timedelta(days=1 + index * UPCOMING_DAYS // UPCOMING_COUNT)
            artist, venue, starts_at = self._evening(day)
            is_cancelled = with_exceptions and index == CANCELLED_UPCOMING
            shows.append(
                self._plan(
                    artist,
                    venue,
                    starts_at,
                    status="cancelled" if is_cancelled else "upcoming",
                    closes_at=starts_at,
                    is_locked=with_exceptions and index == LOCKED_UPCOMING,
                )
            )
        return shows

    def _evening(self, day: date) -> tuple[Artist, Venue, datetime]:
        venue = self._pick_venue({venue.slug: day for venue in self._venues}, {})
        doors = time(hour=self._rng.choice((19, 20)), minute=self._rng.choice((0, 30)))
        starts_at = datetime.combine(day, doors, ZoneInfo(venue.time_zone)).astimezone(UTC)
        return self._pick_artist(venue, day), venue, starts_at

    def _nearest_evening(self, starts_at: datetime, status: str) -> PlannedShow:
        local = {venue.slug: starts_at.astimezone(ZoneInfo(venue.time_zone)) for venue in self._venues}
        strangeness = {slug: hours_from_evening(at) // 3 for slug, at in local.items()}
        venue = self._pick_venue({slug: at.date() for slug, at in local.items()}, strangeness)
        artist = self._pick_artist(venue, local[venue.slug].date())
        return self._plan(artist, venue, starts_at, status=status, closes_at=starts_at + LIVE_VOTING)

    def _pick_venue(self, days: dict[str, date], strangeness: dict[str, int]) -> Venue:
        return min(
            self._venues,
            key=lambda venue: (
                (venue.slug, days[venue.slug]) in self._taken,
                strangeness.get(venue.slug, 0),
                self._rng.random(),
            ),
        )

    def _pick_artist(self, venue: Venue, day: date) -> Artist:
        return min(
            self._artists,
            key=lambda artist: (
                _slug(artist.slug, venue.slug, day) in self._slugs,
                (artist.slug, day) in self._taken,
                not venue.fits(artist),
                self._played[artist.slug],
                self._rng.random(),
            ),
        )

    def _pick_support(self, rng: random.Random, day: date) -> Artist | None:
        free = [a for a in self._artists if a.size == "theatre" and (a.slug, day) not in self._taken]
        if not free or rng.random() >= SUPPORT_SHARE:
            return None
        support = rng.choice(free)
        self._taken.add((support.slug, day))
        return support

    def _take(self, artist: str, venue: str, day: date) -> None:
        self._taken |= {(artist, day), (venue, day)}
        self._slugs.add(_slug(artist, venue, day))
        self._played[artist] += 1

    def _plan(
        self,
        artist: Artist,
        venue: Venue,
        starts_at: datetime,
        *,
        status: str,
        closes_at: datetime,
        is_locked: bool = False,
    ) -> PlannedShow:
        day = starts_at.astimezone(ZoneInfo(venue.time_zone)).date()
        slug = _slug(artist.slug, venue.slug, day)
        self._take(artist.slug, venue.slug, day)
        rng = random.Random(f"{self._seed}:{slug}")  # noqa: S311 - reproducible on purpose
        support = self._pick_support(rng, day)
        others = [other for other in self._artists if other.slug not in (artist.slug, support and support.slug)]
        sets = predict_sets(rng, artist, support=support, others=others)
        if status == "finished":
            sets += play_sets(rng, artist, sets, starts_at)
        if status == "live":
            sets = mark_played(rng, sets, starts_at, self._now)
        return PlannedShow(
            slug=slug,
            name=f"{artist.name} at {venue.name}",
            artist=artist.slug,
            venue=venue.slug,
            local_date=day,
            time_zone=venue.time_zone,
            starts_at=starts_at,
            status=status,
            opens_at=starts_at - timedelta(days=VOTING_DAYS),
            closes_at=closes_at,
            is_locked=is_locked,
            finalised_at=closes_at + timedelta(minutes=1) if status == "finished" else None,
            votes_per_user_max=rng.choice((None, 5, 10, 10, 10, 15)),
            supports=(support.slug,) if support else (),
            sets=sets,
        )


def _slug(artist: str, venue: str, day: date) -> str:
    return f"{artist}-{venue}-{day.isoformat()}"


def hours_from_evening(local: datetime) -> int:
    """How far a local time of day is from half past eight in the evening [whole hours, 0..12]."""
    apart_min = abs(local.hour * 60 + local.minute - _EVENING_MIN)
    return min(apart_min, 24 * 60 - apart_min) // 60
