"""Seeds a large catalogue: thousands of shows and millions of votes, to try a service at that size.

It consists of tours (tours.py). One transaction writes a tour: its artist, songs, shows, fans and votes with all their
counts. So a tour exists whole or not at all, however the command ends, and a running node never sees a show without its
votes. The slugs of the artists tell which tours exist: a second run adds the missing ones and changes nothing else.

Votes are sent by COPY with every constraint and every counting trigger on; then one statement inserts their history and
roll-ups. Two tours are written at a time: while PostgreSQL is busy with one, the votes of the other are drawn.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from server.errors import BadArgument, MysetlistError, SetupError
from server.sample.fans import PUBLIC_SHARE, write_review
from server.sample.inserts import InsertedShow, Progress, SeedResult, as_json, insert_shows, insert_votes, no_progress
from server.sample.queries import inserts
from server.sample.queries import large as queries
from server.sample.seed_data import load_seed_data
from server.sample.show_plans import VOTING_DAYS
from server.sample.tours import FIRST_DAY, Tour, Tours, load_world, share_votes
from server.sample.votes import draw_tour_votes
from server.store.database import Database

if TYPE_CHECKING:
    from server.store.database import Connection

SHOWS = 1_000
SHOWS_MAX = 100_000
VOTES_PER_SHOW = 5_000
VOTES_PER_SHOW_MAX = 50_000  # on average; the most popular shows get four times the average
TOURS_AT_ONCE = 2
STATEMENT_TIMEOUT_S = 300.0
JOINED_DAYS = 300  # the fans of a tour joined in so many days before its voting opened
NAMED_SHARE = 0.1  # of the fans: they have a profile
FOLLOWING_SHARE = 0.5  # of the fans: they follow the artist
GOING_SHARE = 0.2  # of the fans, for each show: they go
REVIEWS_PER_SHOW = 10


class LargeSize(msgspec.Struct, frozen=True):
    """The size of a large catalogue; build it with `of`."""

    shows: int
    votes: int
    seed: int

    @classmethod
    def of(cls, shows: int | None = None, votes: int | None = None, seed: int = 1) -> LargeSize:
        """A checked size; None means the default.

        Raises: BadArgument: a number is out of range, or the votes are more than these shows can hold
        """
        shows = SHOWS if shows is None else shows
        votes = shows * VOTES_PER_SHOW if votes is None else votes
        if not 1 <= shows <= SHOWS_MAX:
            raise BadArgument(f"--shows: {shows} is not between 1 and {SHOWS_MAX}")
        if not 0 <= votes <= shows * VOTES_PER_SHOW_MAX:
            votes_max = shows * VOTES_PER_SHOW_MAX
            raise BadArgument(f"--votes: {votes} is not between 0 and the {votes_max} that {shows} shows hold")
        if seed < 0:
            raise BadArgument(f"--seed: {seed} is negative")
        return cls(shows, votes, seed)


async def seed_large(
    database_url: str, size: LargeSize, *, now: datetime | None = None, progress: Progress = no_progress
) -> SeedResult:
    """Adds the missing tours of the catalogue described above.

    Takes:  size, the same size gives the same data at the same `now`; now, aware, for tests
    Raises: SetupError: another process is adding a large catalogue; StoreUnavailable
    Cancel: finished tours stay
    Cost:   20 us of PostgreSQL a vote, a third of it for foreign keys, and 4 us here; memory for the fans of two tours
    """
    db = await Database.open(database_url, pool_size=TOURS_AT_ONCE + 1, timeout_s=STATEMENT_TIMEOUT_S)
    try:
        async with db.connection() as session:
            if not await queries.try_lock_large(session):
                raise SetupError("another process is adding a large catalogue to this database; wait until it ends")
            writer = _TourWriter(db, size, now or datetime.now(UTC), progress)
            shared = await writer.insert_shared(session)
            added = await writer.run(await writer.missing(session))
            if added:
                await queries.analyze_tables(session)
            return _sum([shared, *added])
    finally:
        await db.close()


class _TourWriter:
    """Writes tours into a database."""

    def __init__(self, db: Database, size: LargeSize, now: datetime, progress: Progress) -> None:
        self._db = db
        self._seed = size.seed
        self._now = now
        self._progress = progress
        self._seed_data = load_seed_data()
        world = load_world()
        self._venues = world.venues()
        quotas = share_votes(size.shows, size.votes, seed=size.seed)
        self._tours = Tours(world, self._venues, self._seed_data.artists, quotas, seed=size.seed, now=now)
        self._votes_sent = 0
        self._votes_total = 0

    async def insert_shared(self, connection: Connection) -> SeedResult:
        """Inserts the rows that all tours need: venues, artists with songs to cover, and monthly partitions of the history."""
        async with connection.transaction():
            # In a transaction of its own, because creating a partition locks the whole history.
            first = self._now + timedelta(days=FIRST_DAY - VOTING_DAYS - 1)
            await inserts.make_history_months(connection, first=first.date(), last=self._now.date())
        artists = as_json(self._seed_data.artists)
        venues = as_json(self._venues)
        async with connection.transaction():
            return SeedResult(
                artists=len([row async for row in inserts.insert_artists(connection, rows=artists)]),
                venues=len([row async for row in inserts.insert_venues(connection, rows=venues)]),
                songs=len([row async for row in inserts.insert_songs(connection, rows=artists)]),
            )

    async def missing(self, connection: Connection) -> list[int]:
        """The numbers of the tours that the database does not have."""
        slugs = {self._tours.slug(number): number for number in range(self._tours.count)}
        existing = {row["slug"] async for row in queries.existing_artists(connection, slugs=list(slugs))}
        return [number for slug, number in slugs.items() if slug not in existing]

    async def run(self, numbers: Sequence[int]) -> list[SeedResult]:
        """Writes tours, TOURS_AT_ONCE at a time."""
        self._votes_total = sum(self._tours.votes(number) for number in numbers)
        waiting = iter(numbers)
        added: list[SeedResult] = []

        async def write() -> None:
            for number in waiting:
                tour = self._tours.make(number)
                rng = random.Random(f"{self._seed}:fans:{number}")  # noqa: S311 - reproducible on purpose
                async with self._db.transaction() as connection:
                    result = await self._write(connection, tour, rng)
                added.append(result)
                self._progress("tours", len(added), len(numbers))

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(TOURS_AT_ONCE):
                    tasks.create_task(write())
        except* MysetlistError as errors:
            raise errors.exceptions[0] from None
        return added

    async def _write(self, connection: Connection, tour: Tour, rng: random.Random) -> SeedResult:
        """Writes one tour in the lock order: votes before their counts, venues last."""
        acts = as_json([tour.artist, *([tour.support] if tour.support else [])])
        artists = [row async for row in inserts.insert_artists(connection, rows=acts)]
        songs = [row async for row in inserts.insert_songs(connection, rows=acts)]
        began_at = min(show.opens_at for show in tour.shows)
        user_ids = [
            row["id"]
            async for row in inserts.insert_fans(
                connection, count=tour.fan_count, first=began_at - timedelta(days=JOINED_DAYS), last=began_at
            )
        ]
        inserted = await insert_shows(connection, tour.shows)
        for show, quota in zip(tour.shows, tour.quotas, strict=True):
            ids = inserted[show.slug]
            rows = draw_tour_votes(
                rng, show, show_id=ids.id, song_ids=ids.song_ids, user_ids=user_ids, quota=quota, now=self._now
            )
            await insert_votes(connection, rows, [ids])
            self._votes_sent += quota
            self._progress("votes", self._votes_sent, self._votes_total)
        going = await self._write_attendance(connection, tour, rng, inserted, user_ids)
        following = [user_id for user_id in user_ids if rng.random() < FOLLOWING_SHARE]
        slugs = [tour.artist.slug] * len(following)
        await inserts.insert_follows(connection, user_ids=following, artists=slugs, first=began_at, last=self._now)
        return SeedResult(
            artists=len(artists),
            songs=len(songs),
            users=len(user_ids),
            shows=len(inserted),
            votes=sum(tour.quotas),
            profiles=await self._write_profiles(connection, tour, rng, user_ids),
            follows=len(following),
            attendances=going,
            reviews=await self._write_reviews(connection, tour, rng, user_ids),
        )

    async def _write_attendance(
        self,
        connection: Connection,
        tour: Tour,
        rng: random.Random,
        inserted: dict[str, InsertedShow],
        user_ids: Sequence[int],
    ) -> int:
        going = [
            (user_id, inserted[show.slug].id)
            for show in tour.shows
            for user_id in user_ids
            if rng.random() < GOING_SHARE
        ]
        user_column, show_column = ([pair[part] for pair in going] for part in (0, 1))
        await inserts.insert_attendance(connection, user_ids=user_column, show_ids=show_column, last=self._now)
        return len(going)

    async def _write_profiles(
        self, connection: Connection, tour: Tour, rng: random.Random, user_ids: Sequence[int]
    ) -> int:
        profiles = [
            {
                "user_id": user_id,
                "display_name": rng.choice(self._seed_data.people.names),
                "city": "",
                "country": tour.artist.country,
                "is_public": rng.random() < PUBLIC_SHARE,
            }
            for user_id in user_ids
            if rng.random() < NAMED_SHARE
        ]
        await inserts.insert_profiles(connection, rows=as_json(profiles))
        return len(profiles)

    async def _write_reviews(
        self, connection: Connection, tour: Tour, rng: random.Random, user_ids: Sequence[int]
    ) -> int:
        cities = {venue.slug: venue.city for venue in self._venues}
        reviews = []
        for show in tour.shows:  # each in another venue, so no fan reviews a venue twice
            if show.status != "finished":
                continue
            for user_id in rng.sample(user_ids, k=min(REVIEWS_PER_SHOW, len(user_ids))):
                rating, body = write_review(rng, self._seed_data.people, cities[show.venue])
                written_at = show.starts_at + (self._now - show.starts_at) * rng.random()
                review = {"user_id": user_id, "venue": show.venue, "rating": rating, "body": body}
                reviews.append(review | {"created_at": written_at})
        await inserts.insert_reviews(connection, rows=as_json(reviews))
        return len(reviews)


def _sum(results: Sequence[SeedResult]) -> SeedResult:
    return SeedResult(*(sum(counts) for counts in zip(*map(msgspec.structs.astuple, results), strict=True)))
