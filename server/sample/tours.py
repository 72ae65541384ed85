"""A large catalogue: tours of made-up artists through the cities of the world, and the votes of their fans.

A tour is one artist with SHOWS_PER_TOUR shows, perhaps a support, and fans of its own. It follows from the seed and
its number alone, so tours can be made in any order, and again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from datetime import time as clock_time
from itertools import accumulate, pairwise
from pathlib import Path
from unicodedata import normalize
from zoneinfo import ZoneInfo

import msgspec

from server.sample.demo_shows import LIVE_VOTING, VOTING_DAYS, PlannedShow, hours_from_evening
from server.sample.seed_data import Artist, Venue
from server.sample.setlists import mark_played, play_sets, predict_sets

SHOWS_PER_TOUR = 10
SONGS_MIN, SONGS_MAX = 16, 26
SUPPORT_SONG_COUNT = 8
SUPPORT_SHARE = 0.3
FIRST_DAY, LAST_DAY = -40, 28  # of shows, from today; with the zones' offsets every show is open for votes already
DAYS_APART_MIN, DAYS_APART_MAX = 2, 4
SHOW_LASTS = timedelta(hours=4)
POPULARITY_MIN, POPULARITY_MAX = 0.25, 4.0  # of a show, times the mean

VOTES_PER_FAN = 20
CHOICES_MIN, CHOICES_MAX = 2, 10
CHOICES_SURE = 4  # as many every fan may make: the smallest budget is larger
DEVOTION = 9.0  # how much likelier the most devoted fan is to vote at a show than the least
TASTES = 512
ARRIVALS = 512
_JITTER = [timedelta(milliseconds=part * 1_763) for part in range(1_024)]  # up to half an hour
_STEPS = [timedelta(milliseconds=part * 6_217) for part in range(CHOICES_MAX)]
_LATEST = _JITTER[-1] + _STEPS[-1] + timedelta(milliseconds=1)


class City(msgspec.Struct, frozen=True):
    """A city; degrees, IANA time zone."""

    name: str
    region: str
    country: str
    latitude: float
    longitude: float
    time_zone: str


class Hall(msgspec.Struct, frozen=True):
    """A kind of venue that every city has one of; where, in degrees from its middle."""

    name: str
    slug: str
    capacity: int
    north: float
    east: float


class World(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What tours are made up from."""

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
    """An artist on the road; quotas, how many votes each show gets."""

    artist: Artist
    support: Artist | None
    shows: tuple[PlannedShow, ...]
    quotas: tuple[int, ...]
    fan_count: int


VoteRow = tuple[int, int, int, str, datetime]  # song, user, show, choice, instant


def load_world() -> World:
    """The file beside this one."""
    return msgspec.toml.decode(Path(__file__).with_name("world.toml").read_bytes(), type=World)


def share_votes(show_count: int, vote_count: int, *, seed: int) -> list[int]:
    """How many votes each show gets: some many, most fewer, `vote_count` together."""
    rng = random.Random(f"{seed}:popularity")  # noqa: S311 - reproducible on purpose
    weights = [min(POPULARITY_MAX, max(POPULARITY_MIN, rng.lognormvariate(0.0, 0.7))) for _ in range(show_count)]
    sums = list(accumulate(weights))
    edges = [0, *(round(vote_count * done / sums[-1]) for done in sums)]
    return [last - first for first, last in pairwise(edges)]


class Tours:
    """Makes tours.

    Takes: venues, where they go; covered, whose songs they cover; quotas, of all shows, in order; now, aware
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
        """Of the artist of a tour [0-based]: there once, it is told by it."""
        return self._artist(self._chance(number), number).slug

    def votes(self, number: int) -> int:
        """How many a tour gets."""
        return sum(self._quotas_of(number))

    def make(self, number: int) -> Tour:
        """A tour."""
        rng = self._chance(number)
        artist = self._artist(rng, number)
        support = self._artist(rng, number, is_support=True) if rng.random() < SUPPORT_SHARE else None
        quotas = self._quotas_of(number)
        halls = [venue for venue in self._venues if venue.fits(artist)]
        apart = rng.randint(DAYS_APART_MIN, DAYS_APART_MAX)
        first_day = rng.randint(FIRST_DAY, LAST_DAY - apart * (SHOWS_PER_TOUR - 1))
        shows = [
            self._show(rng, artist, support, venue, first_day + index * apart)
            for index, venue in enumerate(rng.sample(halls, k=len(quotas)))
        ]
        fan_count = max(-(-max(quotas) // CHOICES_SURE), -(-sum(quotas) // VOTES_PER_FAN), 1)
        return Tour(artist, support, tuple(shows), quotas, fan_count)

    def _chance(self, number: int) -> random.Random:
        return random.Random(f"{self._seed}:tour:{number}")  # noqa: S311 - reproducible on purpose

    def _quotas_of(self, number: int) -> tuple[int, ...]:
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

    def _show(self, rng: random.Random, artist: Artist, support: Artist | None, venue: Venue, days: int) -> PlannedShow:
        now = self._now
        doors = clock_time(hour=rng.choice((19, 20)), minute=rng.choice((0, 30)))
        local_date = now.date() + timedelta(days=days)
        starts_at = datetime.combine(local_date, doors, ZoneInfo(venue.time_zone)).astimezone(UTC)
        status = "finished" if starts_at + SHOW_LASTS <= now else "live" if starts_at <= now else "upcoming"
        closes_at = starts_at + LIVE_VOTING if status == "live" else starts_at
        sets = predict_sets(rng, artist, support=support, others=self._covered)
        if status == "finished":
            sets += play_sets(rng, artist, sets, starts_at)
        if status == "live":
            sets = mark_played(rng, sets, starts_at, now)
        return PlannedShow(
            slug=f"{artist.slug}-{venue.slug}-{local_date.isoformat()}",
            name=f"{artist.name} at {venue.name}",
            artist=artist.slug,
            venue=venue.slug,
            local_date=local_date,
            time_zone=venue.time_zone,
            starts_at=starts_at,
            status=status,
            opens_at=starts_at - timedelta(days=VOTING_DAYS),
            closes_at=closes_at,
            finalised_at=closes_at + timedelta(minutes=1) if status == "finished" else None,
            votes_per_user_max=rng.choice((None, 5, 10, 10, 10, 15)),
            supports=(support.slug,) if support else (),
            sets=sets,
        )


def draw_tour_votes(
    rng: random.Random,
    show: PlannedShow,
    *,
    show_id: int,
    song_ids: Sequence[int],
    user_ids: Sequence[int],
    quota: int,
    now: datetime,
) -> Iterator[VoteRow]:
    """The votes of a show, ballot by ballot, exactly `quota`: no fan twice a song, none over the budget or the window.

    Takes:  user_ids, the tour's fans, the most devoted first; at least quota / CHOICES_SURE of them
    Cost:   about 1 us a vote: what a fan likes and when they come are drawn from a stock made for the show
    """
    if quota == 0:
        return
    choices_max = min(CHOICES_MAX, len(song_ids), show.votes_per_user_max or CHOICES_MAX)
    tastes = _tastes(rng, show, song_ids, choices_max)
    arrivals = _arrivals(rng, show, now)
    chance, step = rng.random, DEVOTION / len(user_ids)
    # Exponential keys (Efraimidis and Spirakis, 2006): the fans in the order in which they would be drawn by devotion.
    keys = [rng.expovariate(1.0) * (1.0 + step * place) for place in range(len(user_ids))]
    voters = sorted(range(len(user_ids)), key=keys.__getitem__)
    left = quota
    for index, voter in enumerate(voters):
        user_id = user_ids[voter]
        at = arrivals[int(chance() * ARRIVALS)] + _JITTER[int(chance() * 1_024)]
        wanted = CHOICES_MIN + int(chance() * (choices_max - CHOICES_MIN + 1))
        # Few fans for many votes: each of those that are left has to make more.
        wanted = min(left, max(wanted, -(-left // (len(voters) - index))))
        for (song_id, choice), later in zip(tastes[int(chance() * TASTES)][:wanted], _STEPS, strict=False):
            yield song_id, user_id, show_id, choice, at + later
        left -= wanted
        if left == 0:
            return


def _tastes(
    rng: random.Random, show: PlannedShow, song_ids: Sequence[int], choices_max: int
) -> list[list[tuple[int, str]]]:
    """Ballots as fans fill them in: what is known best is wanted most, and liked best."""
    ranks = [song.rank if song.artist == show.artist else song.rank + 8 for song in show.predicted]
    approval = [max(0.45, 0.95 - 0.035 * rank) for rank in ranks]
    weights = [rank + 3 for rank in ranks]
    places = range(len(ranks))
    tastes = []
    for _ in range(TASTES):
        keys = [rng.expovariate(1.0) * weight for weight in weights]
        chosen = sorted(places, key=keys.__getitem__)[:choices_max]
        tastes.append([(song_ids[place], "up" if rng.random() < approval[place] else "down") for place in chosen])
    return tastes


def _arrivals(rng: random.Random, show: PlannedShow, now: datetime) -> list[datetime]:
    """When fans come: more and more as the night draws near, more in the evening than in the morning."""
    zone = timezone(show.starts_at.astimezone(ZoneInfo(show.time_zone)).utcoffset() or timedelta(0))
    span = min(show.closes_at, now) - show.opens_at - _LATEST
    arrivals = []
    for _ in range(ARRIVALS):
        tries = [show.opens_at + span * rng.random() ** 0.5 for _ in range(2)]
        at = min(tries, key=lambda at: hours_from_evening(at.astimezone(zone)))
        arrivals.append(at.replace(microsecond=at.microsecond // 1_000 * 1_000))
    return arrivals


def _slug(name: str) -> str:
    plain = normalize("NFKD", name.replace("ø", "o")).encode("ascii", "ignore").decode().lower()
    return "-".join("".join(letter if letter.isalnum() else " " for letter in plain).split())
