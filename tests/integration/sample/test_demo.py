"""Seeds the demo into a real database: triggers count the votes, a repeat adds nothing, existing rows stay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from server.catalog.show_status import advance_shows
from server.sample.demo import LIVE_MIN, UPCOMING_MIN, seed_demo
from server.sample.inserts import SeedResult
from server.sample.votes import VOTERS_PER_SHOW
from server.store.database import Database
from tests.support.engines import OpenDatabase, shared_database

NOW = datetime(2026, 11, 23, 4, 8, 40, tzinfo=UTC)
NOTHING = SeedResult()
# The share of the usual number of votes. tests/unit/sample/test_demo.py draws all of them.
TURNOUT = 0.15

FINGERPRINT = """
    select jsonb_build_object(
        'artists', (select count(*) from artists), 'users', (select count(*) from users),
        'shows', (select jsonb_agg(to_jsonb(s) order by id) from shows s),
        'setlists', (select jsonb_agg(to_jsonb(l) order by id) from setlists l),
        'songs', (select md5(string_agg(e::text, '' order by id)) from setlist_songs e),
        'votes', (select md5(string_agg(v::text, '' order by setlist_song_id, user_id)) from votes v),
        'fans', (select jsonb_build_array((select count(*) from user_profiles), (select count(*) from user_follows_artists),
                 (select count(*) from user_show_attendance), (select count(*) from venue_reviews))),
        'history', (select count(*) from vote_analytics),
        'rollups', (select md5(string_agg(r::text, '' order by show_id, hour)) from vote_rollups r))::text
"""

TALLIES = """
    select md5(string_agg(s.slug || g.title || e.up_count || '/' || e.down_count, ',' order by s.slug, l.type, l.position, e.position))
      from setlist_songs e join songs g on g.id = e.song_id join setlists l on l.id = e.setlist_id
      join shows s on s.id = e.show_id
"""


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    """A connection for the test itself."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@dataclass(frozen=True)
class Seeded:
    """A database with the demo. stages: what the seed told of its progress."""

    url: str
    result: SeedResult
    stages: list[tuple[str, int, int]]


@pytest.fixture(scope="module")
def seeded(new_database: OpenDatabase) -> Iterator[Seeded]:
    """One database with the demo, for all tests that only read it."""
    stages: list[tuple[str, int, int]] = []
    results: list[SeedResult] = []

    async def fill(url: str) -> None:
        results.append(await seed_demo(url, now=NOW, turnout=TURNOUT, progress=lambda *step: stages.append(step)))

    with shared_database(new_database, fill) as url:
        yield Seeded(url, results[0], stages)


@pytest.fixture
async def reader(seeded: Seeded) -> AsyncIterator[Any]:
    """A connection to that database."""
    connection = await asyncpg.connect(seeded.url)
    yield connection
    await connection.close()


@pytest.fixture
async def copied_url(
    seeded: Seeded, copy_database: Callable[[str], AbstractAsyncContextManager[str]]
) -> AsyncIterator[str]:
    """A copy of that database, for a test that changes it."""
    async with copy_database(seeded.url) as url:
        yield url


@pytest.fixture
async def changer(copied_url: str) -> AsyncIterator[Any]:
    """A connection to the copy."""
    connection = await asyncpg.connect(copied_url)
    yield connection
    await connection.close()


async def _disagreements(connection: Any) -> dict[str, int]:
    """The numbers of songs, setlists, shows, history rows and hours that disagree with the votes."""
    return dict(
        await connection.fetchrow(
            """
            select (select count(*) from setlist_songs e
                     where (up_count, down_count) is distinct from (
                           select (count(*) filter (where choice = 'up'), count(*) filter (where choice = 'down'))
                             from votes v where v.setlist_song_id = e.id)) as songs,
                   (select count(*) from setlists l
                     where vote_count <> (select count(*) from votes v join setlist_songs e on e.id = v.setlist_song_id
                                           where e.setlist_id = l.id)) as setlists,
                   (select count(*) from shows s
                     where vote_count <> (select count(*) from votes v where v.show_id = s.id)) as shows,
                   (select count(*) from (
                        (select show_id, setlist_song_id, user_id, choice, cast_at from votes
                         except all
                         select show_id, setlist_song_id, user_id, choice, cast_at from vote_analytics)
                        union all
                        (select show_id, setlist_song_id, user_id, choice, cast_at from vote_analytics
                         except all
                         select show_id, setlist_song_id, user_id, choice, cast_at from votes)) d) as history,
                   (select count(*) from (
                        select show_id, date_trunc('hour', cast_at, 'UTC') as hour,
                               count(*) filter (where choice = 'up') as up, count(*) filter (where choice = 'down') as down
                          from votes group by 1, 2) v
                      full join vote_rollups r using (show_id, hour)
                     where (v.up, v.down) is distinct from (r.up_count, r.down_count)
                        or r.withdrawn_count <> 0) as hours
            """
        )
    )


async def _open_counts(connection: Any, now: datetime) -> tuple[int, int]:
    """The numbers of live and of upcoming shows with open voting, by status."""
    row = await connection.fetchrow(
        """
        select count(*) filter (where status = 'live') as live, count(*) filter (where status = 'upcoming') as upcoming
          from shows where opens_at <= $1 and $1 < closes_at and not is_locked and finalised_at is null
        """,
        now,
    )
    return row["live"], row["upcoming"]


async def test_votes_and_every_count_of_them_agree(seeded: Seeded, reader: Any) -> None:
    """Tallies, history and hourly counts agree with the votes, and every vote keeps the rules."""
    result = seeded.result

    assert (result.artists, result.venues, result.shows, result.users) == (50, 20, 100, 2000)
    assert 40_000 * TURNOUT <= result.votes <= 80_000 * TURNOUT
    assert result.votes == await reader.fetchval("select count(*) from votes")
    assert result.songs == await reader.fetchval("select count(*) from songs") >= 200
    assert set((await _disagreements(reader)).values()) == {0}
    assert await reader.fetchval("select count(*) from vote_analytics_default") == 0
    over = """select count(*) from (select 1 from votes v join shows s on s.id = v.show_id
              group by s.id, v.user_id having count(*) > s.votes_per_user_max) x"""
    assert await reader.fetchval(over) == 0
    outside = """select count(*) from votes v join shows s on s.id = v.show_id
                 where v.cast_at < s.opens_at or v.cast_at >= least(s.closes_at, $1)"""
    assert await reader.fetchval(outside, NOW) == 0
    finished = [stage for stage, done, total in seeded.stages if done == total]
    assert finished == ["artists", "venues", "songs", "shows", "votes", "fans"]
    assert not await reader.fetch("select * from integrity_check()")

    live, upcoming = await _open_counts(reader, NOW)
    assert live >= LIVE_MIN
    assert upcoming >= UPCOMING_MIN


async def test_every_planned_song_became_a_row(reader: Any) -> None:
    """Each show has predicted sets with 8 to 15 own songs and no gaps; each past one has played sets, in order."""
    rows = await reader.fetch(
        """
        select s.id, s.status, l.type, l.kind, l.position, l.artist_id, count(e.id) as songs, max(e.position) as last,
               count(e.played_at) as played, count(*) filter (where g.artist_id = coalesce(l.artist_id, s.artist_id)) as own,
               count(*) filter (where e.is_tape) as tapes
          from shows s join setlists l on l.show_id = s.id
          left join setlist_songs e on e.setlist_id = l.id left join songs g on g.id = e.song_id
         group by s.id, l.id
        """
    )
    assert all(row["last"] == row["songs"] > 0 for row in rows)
    # At most one cover and one tape in a set.
    assert all(row["songs"] - row["own"] <= 2 and row["tapes"] <= 1 for row in rows)
    shows: dict[int, dict[str, list[Any]]] = {}
    for row in rows:
        shows.setdefault(row["id"], {"predicted": [], "actual": []})[row["type"]].append(row)
    assert len(shows) == 100
    for sets in shows.values():
        for listed in sets.values():
            assert sorted(row["position"] for row in listed) == list(range(1, len(listed) + 1))
        own_sets = [row for row in sets["predicted"] if row["artist_id"] is None and row["kind"] != "alternate"]
        assert 8 <= sum(row["own"] for row in own_sets) <= 15
        is_over = sets["predicted"][0]["status"] == "finished"
        assert bool(sets["actual"]) == is_over
        assert all(row["played"] == row["songs"] for row in sets["actual"])
        assert sum(row["songs"] for row in sets["actual"]) <= 20
        if sets["predicted"][0]["status"] == "live":
            assert sum(row["played"] for row in own_sets) > 0
    assert sum(bool(sets["actual"]) for sets in shows.values()) == 35


async def test_sets_have_every_kind_of_detail(reader: Any) -> None:
    """There are supports, encores, alternates, tapes, medleys of neighbours, notes and guests."""
    counts = await reader.fetchrow(
        """
        select (select count(*) from show_artists where billing = 'support') as supports,
               (select count(*) from setlists where artist_id is not null) as support_sets,
               (select count(*) from setlists where kind = 'encore') as encores,
               (select count(*) from setlists where kind = 'alternate') as alternates,
               (select count(*) from setlist_songs where is_tape) as tapes,
               (select count(*) from setlist_songs where medley is not null) as medleys,
               (select count(*) from setlist_songs where note <> '') as notes,
               (select count(*) from setlist_songs where note like 'with %') as guests
        """
    )
    assert all(count > 0 for count in counts.values()), counts
    assert counts["supports"] >= 30
    broken = """select count(*) from (select 1 from setlist_songs where medley is not null group by setlist_id, medley
                having count(*) < 2 or max(position) - min(position) <> count(*) - 1) x"""
    assert await reader.fetchval(broken) == 0


async def test_fans_follow_attend_and_review(seeded: Seeded, reader: Any) -> None:
    """Some have profiles; nothing they do is in the future; every venue has a rating."""
    result = seeded.result
    counted = await reader.fetchrow(
        """
        select (select count(*) from user_profiles) as profiles, (select count(*) from user_follows_artists) as follows,
               (select count(*) from user_show_attendance) as attendances, (select count(*) from venue_reviews) as reviews
        """
    )
    assert dict(counted) == {name: getattr(result, name) for name in counted.keys()}  # noqa: SIM118 - a Record iterates values
    assert min(counted.values()) >= 80
    assert await reader.fetchval("select min(review_count) from venues") > 0
    assert await reader.fetchval("select count(*) from venue_reviews where status <> 'approved' or body = ''") == 0
    late = """select (select count(*) from user_follows_artists where created_at > $1)
                   + (select count(*) from user_show_attendance where created_at > $1)
                   + (select count(*) from venue_reviews where created_at > $1)"""
    assert await reader.fetchval(late, NOW) == 0


async def test_arena_artists_do_not_play_small_venues(reader: Any) -> None:
    """Four of the largest artists have no show in a venue below 8,000 people."""
    small = "select count(*) from shows s join venues v on v.id = s.venue_id join artists a on a.id = s.artist_id where v.capacity < $1 and a.slug = any($2)"
    assert await reader.fetchval(small, 8_000, ["beyonce", "taylor-swift", "u2", "metallica"]) == 0


async def test_a_second_seed_changes_nothing(seeded: Seeded, reader: Any) -> None:
    """A repeat at once, or an hour later with another seed, adds and changes nothing."""
    before = await reader.fetchval(FINGERPRINT)
    assert await seed_demo(seeded.url, now=NOW) == NOTHING
    assert await seed_demo(seeded.url, now=NOW + timedelta(hours=1), seed=2) == NOTHING
    assert await reader.fetchval(FINGERPRINT) == before


async def test_two_seeds_at_once_are_one(database_url: str, connection: Any, reader: Any) -> None:
    """Two nodes that start together add one set of sample data, to a database without shows and to a stale one.

    The votes of the first set are those of the other database: they depend on the seed and on its `now` alone. An artist with the
    slug of a sample artist keeps name and id, and gets the sample shows.
    """
    own = await connection.fetchval("insert into artists (slug, name) values ('radiohead', 'Radiohead!') returning id")
    for now, new_count in ((NOW, 100), (NOW + timedelta(days=1), 20)):
        results = await asyncio.gather(*(seed_demo(database_url, now=now, turnout=TURNOUT) for _ in range(2)))
        assert sorted(result.shows for result in results) == [0, new_count]
        if now == NOW:
            assert sorted(result.artists for result in results) == [0, 49]
            assert await connection.fetchval(TALLIES) == await reader.fetchval(TALLIES)
    assert await connection.fetchval("select name from artists where id = $1", own) == "Radiohead!"
    assert await connection.fetchval("select count(*) from shows where artist_id = $1", own) > 0
    assert await connection.fetchval("select count(*) from shows") == 120
    assert set((await _disagreements(connection)).values()) == {0}


@pytest.mark.parametrize(("later", "new_count"), [(timedelta(days=1), 20), (timedelta(days=40), 65)])
async def test_a_demo_that_starts_again_later_gets_new_shows(
    copied_url: str, changer: Any, later: timedelta, new_count: int
) -> None:
    """When its shows are over, a demo gets new ones around the new time; existing rows and tallies stay."""
    last_id = await changer.fetchval("select max(id) from shows")
    last_user = await changer.fetchval("select max(id) from users")
    existing = "select jsonb_agg(to_jsonb(s) order by id)::text from shows s where id <= $1"
    before = await changer.fetchval(existing, last_id)

    result = await seed_demo(copied_url, now=NOW + later, turnout=TURNOUT)
    assert (result.artists, result.venues, result.songs) == (0, 0, 0)
    assert (result.shows, result.users) == (new_count, VOTERS_PER_SHOW * new_count)
    assert result.votes > 0
    live, upcoming = await _open_counts(changer, NOW + later)
    assert live >= LIVE_MIN
    assert upcoming >= UPCOMING_MIN
    assert await changer.fetchval(existing, last_id) == before
    # Neither old shows nor old users have a new vote, so nothing that a node may keep in Valkey has changed.
    mixed = "select count(*) from votes where (show_id > $1) <> (user_id > $2)"
    assert await changer.fetchval(mixed, last_id, last_user) == 0
    assert set((await _disagreements(changer)).values()) == {0}
    assert await seed_demo(copied_url, now=NOW + later) == NOTHING


async def test_a_demo_stays_live_for_ten_hours(copied_url: str, changer: Any) -> None:
    """When only the status of shows advances, three shows are live and open at every hour of the next ten."""
    db = await Database.open(copied_url, pool_size=1)
    try:
        for hour in range(11):
            then = NOW + timedelta(hours=hour)
            await advance_shows(db, then)
            live, _ = await _open_counts(changer, then)
            assert live >= LIVE_MIN, then
    finally:
        await db.close()


async def test_a_failed_seed_leaves_no_rows(database_url: str, connection: Any) -> None:
    """When it ends before the votes are written, no show stays without votes."""

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "shows" and done == total:
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        await seed_demo(database_url, now=NOW, progress=interrupt)
    for table in ("artists", "users", "shows", "votes", "vote_analytics", "vote_rollups"):
        assert await connection.fetchval(f"select count(*) from {table}") == 0


async def test_a_seed_and_a_refresh_of_all_artists_do_not_deadlock(copied_url: str, changer: Any) -> None:
    """New shows and follows of existing artists do not deadlock with a transaction that locks all artists."""
    has_shows = asyncio.Event()

    def note(stage: str, done: int, total: int) -> None:
        if stage == "shows":
            has_shows.set()

    running = asyncio.create_task(seed_demo(copied_url, now=NOW + timedelta(days=1), progress=note))
    await has_shows.wait()
    # update_trending_scores() locks in the same order, by id. Inserting the votes takes long enough to reach this line.
    await changer.execute("select from artist_stats order by artist_id for update")
    assert (await running).follows > 0
    assert not await changer.fetch("select * from miscounts()")
