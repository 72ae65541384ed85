"""Plans the shows of a demo: past, live and upcoming ones around a given instant.

At every hour some shows are live with open voting, and for the next ten hours new shows start before the last ones close.
Each show is at the venue whose local time is nearest to evening. When it is evening nowhere in the United States, the
shows are matinees.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from server.sample.seed_data import Artist, SeedData, Venue
from server.sample.show_plans import LIVE_VOTING, PlannedShow, hours_from_evening, plan_show, show_slug

PAST_COUNT = 35
LIVE_COUNT = 6
TONIGHT_COUNT = 14
UPCOMING_COUNT = 45

TONIGHT_EVERY = timedelta(minutes=45)  # four fit into LIVE_VOTING, so at least three shows are open at any moment
PAST_DAYS = 60
UPCOMING_DAYS = 28  # below VOTING_DAYS even with the zones' offsets: voting on every upcoming show is open
SUPPORT_SHARE = 0.45  # the share of shows with a support act
LOCKED_UPCOMING = 5  # the index of the upcoming show that is locked
CANCELLED_UPCOMING = 11  # the index of the upcoming show that is cancelled


class Booking(msgspec.Struct, frozen=True):
    """An artist who plays at a venue on a day. A new show on that day uses another artist and another venue."""

    artist: str
    venue: str
    local_date: date


class ShowPlanner:
    """Plans shows one after the other, so that no artist plays twice a night and no venue is booked twice.

    Takes: seed, the same number gives the same plans; now, with a time zone; booked, the shows that exist already
    """

    def __init__(self, seed_data: SeedData, *, seed: int, now: datetime, booked: Iterable[Booking] = ()) -> None:
        self._artists = seed_data.artists
        self._venues = seed_data.venues
        self._seed = seed
        self._now = now
        self._rng = random.Random(f"{seed}:programme")  # noqa: S311 - reproducible on purpose
        self._show_counts: Counter[str] = Counter()  # by artist
        self._taken: set[tuple[str, date]] = set()  # slugs of artists and venues, and their days
        self._slugs: set[str] = set()
        for booking in booked:
            self._take(booking.artist, booking.venue, booking.local_date)

    def past(self) -> list[PlannedShow]:
        """Finished shows with final tallies and played sets."""
        shows = []
        for index in range(PAST_COUNT):
            day = self._now.date() - timedelta(days=2 + index * (PAST_DAYS - 2) // PAST_COUNT)
            artist, venue, starts_at = self._evening(day)
            shows.append(self._plan(artist, venue, starts_at, status="finished", closes_at=starts_at))
        return shows

    def tonight(self) -> list[PlannedShow]:
        """Shows that are live now, and those that start over the next hours."""
        now = self._now.replace(minute=self._now.minute - self._now.minute % 5, second=0, microsecond=0)
        live = [self._nearest_evening(now - timedelta(minutes=15 + 10 * index), "live") for index in range(LIVE_COUNT)]
        # `now` is rounded down by less than five minutes, so the first start is in the future.
        next_shows = [
            self._nearest_evening(now + TONIGHT_EVERY * index, "upcoming") for index in range(1, TONIGHT_COUNT + 1)
        ]
        return live + next_shows

    def upcoming(self, *, with_exceptions: bool) -> list[PlannedShow]:
        """Shows of the coming weeks with open voting; `with_exceptions` locks one of them and cancels another."""
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
        start = time(hour=self._rng.choice((19, 20)), minute=self._rng.choice((0, 30)))
        starts_at = datetime.combine(day, start, ZoneInfo(venue.time_zone)).astimezone(UTC)
        return self._pick_artist(venue, day), venue, starts_at

    def _nearest_evening(self, starts_at: datetime, status: str) -> PlannedShow:
        local = {venue.slug: starts_at.astimezone(ZoneInfo(venue.time_zone)) for venue in self._venues}
        # Steps of three hours, so that chance decides between venues that are about equally near to evening.
        distances = {slug: hours_from_evening(at) // 3 for slug, at in local.items()}
        venue = self._pick_venue({slug: at.date() for slug, at in local.items()}, distances)
        artist = self._pick_artist(venue, local[venue.slug].date())
        return self._plan(artist, venue, starts_at, status=status, closes_at=starts_at + LIVE_VOTING)

    def _pick_venue(self, days: dict[str, date], distances: dict[str, int]) -> Venue:
        """Takes: by slug of a venue: days, the local date of the show; distances, from the evening, left out: 0."""
        return min(
            self._venues,
            key=lambda venue: (
                (venue.slug, days[venue.slug]) in self._taken,
                distances.get(venue.slug, 0),
                self._rng.random(),
            ),
        )

    def _pick_artist(self, venue: Venue, day: date) -> Artist:
        return min(
            self._artists,
            key=lambda artist: (
                show_slug(artist.slug, venue.slug, day) in self._slugs,
                (artist.slug, day) in self._taken,
                not venue.fits(artist),
                self._show_counts[artist.slug],
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
        self._slugs.add(show_slug(artist, venue, day))
        self._show_counts[artist] += 1

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
        self._take(artist.slug, venue.slug, day)
        rng = random.Random(f"{self._seed}:{show_slug(artist.slug, venue.slug, day)}")  # noqa: S311 - reproducible on purpose
        support = self._pick_support(rng, day)
        return plan_show(
            rng,
            artist,
            venue,
            starts_at,
            status=status,
            closes_at=closes_at,
            is_locked=is_locked,
            support=support,
            others=[other for other in self._artists if other.slug not in (artist.slug, support and support.slug)],
            now=self._now,
        )
