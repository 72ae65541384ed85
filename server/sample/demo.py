"""Seeds the demo: a catalogue with live shows and open voting, ready when a node starts.

A seed brings the database to a state, so a second seed changes nothing. In that state the sample artists, venues and songs
exist, at least LIVE_MIN shows are live with open voting, and at least UPCOMING_MIN shows are upcoming with open voting. A
catalogue without any show gets all hundred, past ones included. A demo that starts again after its shows are over gets new
ones around the new time, and existing rows never change.

A seed inserts votes only for shows and by users of the same transaction. Nobody else can see these yet, so no tally that a
running node keeps in Valkey changes.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from server.sample.demo_shows import UPCOMING_DAYS, Booking, ShowPlanner
from server.sample.fans import draw_attendance, draw_follows, draw_profiles, draw_reviews
from server.sample.inserts import (
    InsertedShow,
    Progress,
    SeedResult,
    as_json,
    insert_shows,
    insert_votes,
    no_progress,
)
from server.sample.queries import demo as queries
from server.sample.queries import inserts
from server.sample.seed_data import SeedData, load_seed_data
from server.sample.show_plans import PlannedShow
from server.sample.votes import VOTERS_PER_SHOW, VoteRow, draw_demo_votes
from server.store.database import Database

if TYPE_CHECKING:
    from server.store.database import Connection

LIVE_MIN = 3
UPCOMING_MIN = 20
# A seed waits for another one, which may take half a minute on a slow machine.
STATEMENT_TIMEOUT_S = 300.0


async def seed_demo(
    database_url: str,
    *,
    seed: int = 1,
    now: datetime | None = None,
    turnout: float = 1.0,
    progress: Progress = no_progress,
) -> SeedResult:
    """Brings the database to the state described above.

    Takes:  seed, the same number and the same `now` give the same data; now, aware, for tests; turnout, the share of the usual number
            of votes, for tests that need some of each kind
    Raises: StoreUnavailable
    Cancel: nothing is written, except perhaps empty months of the history
    """
    now = now or datetime.now(UTC)
    seed_data = load_seed_data()
    db = await Database.open(database_url, pool_size=1, timeout_s=STATEMENT_TIMEOUT_S)
    try:
        async with db.transaction() as connection:
            await queries.lock_seeding(connection)
            wanted = await _wanted(connection, seed_data, seed, now)
            if wanted:
                # In a transaction of its own, because making a partition locks the whole history.
                since = min(show.opens_at for show in wanted)
                await inserts.make_history_months(connection, first=since.date(), last=now.date())
        async with db.transaction() as connection:
            await queries.lock_seeding(connection)
            return await _write(connection, seed_data, seed, now, turnout=turnout, progress=progress)
    finally:
        await db.close()


async def _wanted(connection: Connection, seed_data: SeedData, seed: int, now: datetime) -> list[PlannedShow]:
    state = await queries.demo_state(connection, instant=now)
    is_new = state["show_count"] == 0
    nights = timedelta(days=UPCOMING_DAYS + 2)
    booked = [
        Booking(row["artist"], row["venue"], row["local_date"])
        async for row in queries.booked_nights(
            connection, first=(now - timedelta(days=2)).date(), last=(now + nights).date()
        )
    ]
    planner = ShowPlanner(seed_data, seed=seed, now=now, booked=booked)
    shows: list[PlannedShow] = []
    if is_new:
        shows += planner.past()
    if state["live_count"] < LIVE_MIN:
        shows += planner.tonight()
    if state["upcoming_count"] < UPCOMING_MIN:
        shows += planner.upcoming(with_exceptions=is_new)
    return shows


async def _write(
    connection: Connection, seed_data: SeedData, seed: int, now: datetime, *, turnout: float, progress: Progress
) -> SeedResult:
    artists = as_json(seed_data.artists)
    artist_count = len([row async for row in inserts.insert_artists(connection, rows=artists)])
    progress("artists", len(seed_data.artists), len(seed_data.artists))
    venue_count = len([row async for row in inserts.insert_venues(connection, rows=as_json(seed_data.venues))])
    progress("venues", len(seed_data.venues), len(seed_data.venues))
    song_count = len([row async for row in inserts.insert_songs(connection, rows=artists)])
    song_total = sum(len(artist.songs) for artist in seed_data.artists)
    progress("songs", song_total, song_total)

    shows = await _wanted(connection, seed_data, seed, now)
    if not shows:
        return SeedResult(artists=artist_count, venues=venue_count, songs=song_count)
    joined_at = min(show.opens_at for show in shows)
    user_ids = [
        row["id"]
        async for row in inserts.insert_fans(
            connection, count=VOTERS_PER_SHOW * len(shows), first=joined_at, last=joined_at
        )
    ]
    await queries.lock_artist_stats(connection, slugs=[artist.slug for artist in seed_data.artists])
    inserted = await insert_shows(connection, shows)
    progress("shows", len(shows), len(shows))
    votes = _draw_votes(shows, inserted, user_ids, seed=seed, now=now, turnout=turnout)
    await insert_votes(connection, votes, inserted.values())
    progress("votes", len(votes), len(votes))
    fans = await _insert_fans(connection, seed_data, shows, inserted, user_ids, seed=seed, now=now)
    progress("fans", len(user_ids), len(user_ids))
    return msgspec.structs.replace(
        fans,
        artists=artist_count,
        venues=venue_count,
        songs=song_count,
        users=len(user_ids),
        shows=len(inserted),
        votes=len(votes),
    )


def _draw_votes(
    shows: list[PlannedShow],
    inserted: dict[str, InsertedShow],
    user_ids: list[int],
    *,
    seed: int,
    now: datetime,
    turnout: float,
) -> list[VoteRow]:
    rows: list[VoteRow] = []
    for show in shows:
        ids = inserted[show.slug]
        rows += draw_demo_votes(
            show,
            show_id=ids.id,
            song_ids=ids.song_ids,
            user_ids=user_ids,
            seed=seed,
            now=now,
            turnout=turnout,
        )
    return rows


async def _insert_fans(
    connection: Connection,
    seed_data: SeedData,
    shows: list[PlannedShow],
    inserted: dict[str, InsertedShow],
    user_ids: list[int],
    *,
    seed: int,
    now: datetime,
) -> SeedResult:
    """Inserts profiles, follows, attendance and reviews of the new users."""
    rng = random.Random(f"{seed}:{shows[0].slug}:fans")  # noqa: S311 - reproducible on purpose
    fan_count = len(user_ids)
    since = min(show.opens_at for show in shows)
    profiles = [
        {"user_id": user_ids[profile.fan], **msgspec.structs.asdict(profile)}
        for profile in draw_profiles(rng, seed_data.people, seed_data.venues, fan_count)
    ]
    follows = draw_follows(rng, seed_data.artists, fan_count)
    going = draw_attendance(rng, len(shows), fan_count)
    reviews = [
        {
            "user_id": user_ids[review.fan],
            "venue": seed_data.venues[review.venue].slug,
            "rating": review.rating,
            "body": review.body,
            "created_at": review.created_at,
        }
        for review in draw_reviews(rng, seed_data.people, seed_data.venues, fan_count, now=now)
    ]
    await inserts.insert_profiles(connection, rows=as_json(profiles))
    await inserts.insert_attendance(
        connection,
        user_ids=[user_ids[fan] for fan, _ in going],
        show_ids=[inserted[shows[show].slug].id for _, show in going],
        last=now,
    )
    await inserts.insert_follows(
        connection,
        user_ids=[user_ids[fan] for fan, _ in follows],
        artists=[seed_data.artists[artist].slug for _, artist in follows],
        first=since,
        last=now,
    )
    await inserts.insert_reviews(connection, rows=as_json(reviews))
    return SeedResult(profiles=len(profiles), follows=len(follows), attendances=len(going), reviews=len(reviews))


async def why_not_seed(db: Database, *, is_own: bool) -> str | None:
    """Why a running node may not seed the demo, in one line; None when it may.

    It may in a database that holds sample artists alone, and in the empty database of a node's own engines. The command
    `mysetlist seed` does not ask.

    Takes:  is_own, whether the database belongs to the node's own engines
    Raises: StoreUnavailable
    """
    slugs = [artist.slug for artist in load_seed_data().artists]
    async with db.connection() as connection:
        row = await queries.catalogue_share(connection, slugs=slugs)
    if row["foreign_count"]:
        return f"This is no development database: it holds {row['foreign_count']} artists that are not sample data. Use an empty one."
    if row["artist_count"] == 0 and not is_own:
        return "This database is empty and not the node's own. To put sample data into it, run: mysetlist seed"
    return None
