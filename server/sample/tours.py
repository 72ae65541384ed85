"""Plans the tours of a large catalogue: made-up artists who play in the cities of the world.

A tour is one artist with SHOWS_PER_TOUR shows, perhaps a support act, and fans of its own. The seed and the number of the tour
decide everything about it, so tours can be made in any order, and made again.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from itertools import accumulate, pairwise
from pathlib import Path
from unicodedata import normalize
from zoneinfo import ZoneInfo

import msgspec

from server.sample.seed_data import Artist, Venue
from server.sample.show_plans import LIVE_VOTING, PlannedShow, plan_show
from server.sample.votes import CHOICES_SURE

SHOWS_PER_TOUR = 10
SONGS_MIN, SONGS_MAX = 16, 26
SUPPORT_SONG_COUNT = 8
SUPPORT_SHARE = 0.3
FIRST_DAY, LAST_DAY = -40, 28  # of shows, from today; voting on each has opened (VOTING_DAYS), in every time zone
DAYS_APART_MIN, DAYS_APART_MAX = 2, 4
SHOW_LASTS = timedelta(hours=4)
POPULARITY_MIN, POPULARITY_MAX = 0.25, 4.0  # a show's votes, as a multiple of the mean

VOTES_PER_FAN = 20


class City(msgspec.Struct, frozen=True):
    """A city: coordinates in degrees, IANA time zone."""

    name: str
    region: str
    country: str
    latitude: float
    longitude: float
    time_zone: str


class Hall(msgspec.Struct, frozen=True):
    """A kind of venue that every city has; north and east are degrees from the centre of the city."""

    name: str
    slug: str
    capacity: int
    north: float
    east: float


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The words, cities and halls that tours are made from."""

    artist_first: tuple[str, ...]
    artist_second: tuple[str, ...]
    song_first: tuple[str, ...]
    song_second: tuple[str, ...]
    genres: tuple[str, ...]
    countries: tuple[str, ...]
    city: tuple[City, ...]
    hall: tuple[Hall, ...]

    def venues(self) -> list[Venue]:
        """Every hall of every city."""
        return [
            Venue(
                slug=f"{_slug(city.name)}-{hall.slug}",
                name=hall.name.format(city=city.name),
                city=city.name,
                region=city.region,
                latitude=round(city.latitude + hall.north, 4),
                longitude=round(city.longitude + hall.east, 4),
                time_zone=city.time_zone,
                capacity=hall.capacity,
                country=city.country,
            )
            for city in self.city
            for hall in self.hall
        ]


class Tour(msgspec.Struct, frozen=True):
    """One tour; quotas, the number of votes of each show."""

    artist: Artist
    support: Artist | None
    shows: tuple[PlannedShow, ...]
    quotas: tuple[int, ...]
    fan_count: int


def load_world() -> World:
    """Reads world.toml."""
    return msgspec.toml.decode(Path(__file__).with_name("world.toml").read_bytes(), type=World)


def share_votes(show_count: int, vote_count: int, *, seed: int) -> list[int]:
    """The number of votes of each show: a few shows get many, most get fewer, and the sum is `vote_count`."""
    rng = random.Random(f"{seed}:popularity")  # noqa: S311 - reproducible on purpose
    weights = [min(POPULARITY_MAX, max(POPULARITY_MIN, rng.lognormvariate(0.0, 0.7))) for _ in range(show_count)]
    sums = list(accumulate(weights))
    edges = [0, *(round(vote_count * done / sums[-1]) for done in sums)]
    return [last - first for first, last in pairwise(edges)]


class Tours:
    """Makes tours by their number.

    Takes: venues, to play at; covered, artists whose songs are covered; quotas, the votes of all shows, in order; now, aware
    """

    def __init__(
        self,
        world: World,
        venues: Sequence[Venue],
        covered: Sequence[Artist],
        quotas: Sequence[int],
        *,
        seed: int,
        now: datetime,
    ) -> None:
        self._world = world
        self._venues = venues
        self._covered = covered
        self._quotas = quotas
        self._seed = seed
        self._now = now
        self.count = -(-len(quotas) // SHOWS_PER_TOUR)

    def slug(self, number: int) -> str:
        """The slug of the artist of a tour [0-based]; a catalogue that has this slug has the tour."""
        return self._artist(self._rng(number), number).slug

    def votes(self, number: int) -> int:
        """The number of votes of a tour."""
        return sum(self._tour_quotas(number))

    def make(self, number: int) -> Tour:
        """The tour of this number [0-based]."""
        rng = self._rng(number)
        artist = self._artist(rng, number)
        support = self._artist(rng, number, is_support=True) if rng.random() < SUPPORT_SHARE else None
        quotas = self._tour_quotas(number)
        halls = [venue for venue in self._venues if venue.fits(artist)]
        days_apart = rng.randint(DAYS_APART_MIN, DAYS_APART_MAX)
        first_day = rng.randint(FIRST_DAY, LAST_DAY - days_apart * (SHOWS_PER_TOUR - 1))
        shows = [
            self._show(rng, artist, support, venue, first_day + index * days_apart)
            for index, venue in enumerate(rng.sample(halls, k=len(quotas)))
        ]
        fan_count = max(-(-max(quotas) // CHOICES_SURE), -(-sum(quotas) // VOTES_PER_FAN), 1)
        return Tour(artist, support, tuple(shows), quotas, fan_count)

    def _rng(self, number: int) -> random.Random:
        return random.Random(f"{self._seed}:tour:{number}")  # noqa: S311 - reproducible on purpose

    def _tour_quotas(self, number: int) -> tuple[int, ...]:
        return tuple(self._quotas[number * SHOWS_PER_TOUR : (number + 1) * SHOWS_PER_TOUR])

    def _artist(self, rng: random.Random, number: int, *, is_support: bool = False) -> Artist:
        world = self._world
        name = f"{rng.choice(world.artist_first)} {rng.choice(world.artist_second)}"
        titles: dict[str, None] = {}
        wanted = SUPPORT_SONG_COUNT if is_support else rng.randint(SONGS_MIN, SONGS_MAX)
        while len(titles) < wanted:
            titles[f"{rng.choice(world.song_first)} {rng.choice(world.song_second)}"] = None
        return Artist(
            slug=f"{_slug(name)}-{self._seed}-{number + 1}{'-support' if is_support else ''}",
            name=name,
            genre=rng.choice(world.genres),
            country=rng.choice(world.countries),
            songs=tuple(titles),
            size="arena" if not is_support and rng.random() < 0.4 else "theatre",
        )

    def _show(self, rng: random.Random, artist: Artist, support: Artist | None, venue: Venue, day: int) -> PlannedShow:
        now = self._now
        start_time = clock_time(hour=rng.choice((19, 20)), minute=rng.choice((0, 30)))
        local_date = now.date() + timedelta(days=day)
        starts_at = datetime.combine(local_date, start_time, ZoneInfo(venue.time_zone)).astimezone(UTC)
        status = "finished" if starts_at + SHOW_LASTS <= now else "live" if starts_at <= now else "upcoming"
        return plan_show(
            rng,
            artist,
            venue,
            starts_at,
            status=status,
            closes_at=starts_at + LIVE_VOTING if status == "live" else starts_at,
            support=support,
            others=self._covered,
            now=now,
        )


def _slug(name: str) -> str:
    plain = normalize("NFKD", name.replace("ø", "o")).encode("ascii", "ignore").decode().lower()
    return "-".join("".join(letter if letter.isalnum() else " " for letter in plain).split())
