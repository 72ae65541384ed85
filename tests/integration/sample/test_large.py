"""Seeds a large catalogue at a small size: right counts, whole tours only, each once, beside a running node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from server.errors import SetupError
from server.load.crowd import CrowdOptions, run
from server.node.node import Node
from server.sample.inserts import SeedResult
from server.sample.large import LargeSize, seed_large
from tests.support.open_shows import make_shows

NOW = datetime(2026, 11, 23, 4, 8, 40, tzinfo=UTC)
SIZE = LargeSize.of(25, 2_000)  # three tours, the last one of five shows
NOTHING = SeedResult()

# Everything that a seed inserts, without ids, which differ between runs.
FINGERPRINT = """
    with tour as (select id, slug from shows)
    select jsonb_build_object(
        'shows', (select jsonb_agg(to_jsonb(s) - '{id,artist_id,venue_id,revision,created_at,updated_at}'::text[] order by slug) from shows s),
        'bill', (select md5(string_agg(t.slug || a.slug || b.billing || b.position, ',' order by t.slug, b.position))
                   from show_artists b join tour t on t.id = b.show_id join artists a on a.id = b.artist_id),
        'songs', (select md5(string_agg(concat_ws('|', t.slug, l.type, l.kind, l.position, e.position, g.title, e.up_count,
                                                  e.down_count, e.is_tape, e.medley, e.note, e.played_at), ',' order by t.slug, l.type, l.position, e.position))
                    from setlist_songs e join setlists l on l.id = e.setlist_id join tour t on t.id = e.show_id
                    join songs g on g.id = e.song_id),
        'votes', (select md5(string_agg(concat_ws('|', t.slug, g.title, v.choice, v.cast_at), ',' order by t.slug, v.cast_at, g.title, v.choice))
                    from votes v join tour t on t.id = v.show_id join setlist_songs e on e.id = v.setlist_song_id
                    join songs g on g.id = e.song_id),
        'rollups', (select md5(string_agg(concat_ws('|', t.slug, r.hour, r.up_count, r.down_count), ',' order by t.slug, r.hour))
                      from vote_rollups r join tour t on t.id = r.show_id),
        'going', (select md5(string_agg(concat_ws('|', t.slug, g.created_at), ',' order by t.slug, g.created_at))
                    from user_show_attendance g join tour t on t.id = g.show_id),
        'follows', (select md5(string_agg(concat_ws('|', a.slug, f.created_at), ',' order by a.slug, f.created_at))
                      from user_follows_artists f join artists a on a.id = f.artist_id),
        'names', (select md5(string_agg(display_name, ',' order by display_name)) from user_profiles),
        'reviews', (select md5(string_agg(concat_ws('|', v.slug, r.rating, r.body, r.created_at), ',' order by v.slug, r.created_at))
                      from venue_reviews r join venues v on v.id = r.venue_id))::text
"""


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    """A connection for the test itself."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def _interrupted(database_url: str, size: LargeSize, *, after: int) -> None:
    """Cancels a seed in the middle of a tour, as soon as `after` shows have their votes."""
    show_count = 0
    is_reached = asyncio.Event()

    def count(stage: str, done: int, total: int) -> None:
        nonlocal show_count
        show_count += stage == "votes"
        if show_count >= after:
            is_reached.set()

    running = asyncio.create_task(seed_large(database_url, size, now=NOW, progress=count))
    await is_reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_every_count_is_right(database_url: str, connection: Any) -> None:
    """The numbers of shows and votes are those of the size; all counts agree with the votes, and no vote is in the default partition."""
    stages: dict[str, tuple[int, int]] = {}

    def note(stage: str, done: int, total: int) -> None:
        stages[stage] = done, total

    added = await seed_large(database_url, SIZE, now=NOW, progress=note)
    assert (added.shows, added.votes) == (25, 2_000)
    assert stages["votes"] == (2_000, 2_000)
    assert stages["tours"] == (3, 3)
    tables = {
        "artists": "artists", "venues": "venues", "songs": "songs", "users": "users", "shows": "shows", "votes": "votes",
        "profiles": "user_profiles", "follows": "user_follows_artists", "attendances": "user_show_attendance",
        "reviews": "venue_reviews",
    }  # fmt: skip
    for name, table in tables.items():
        assert getattr(added, name) == await connection.fetchval(f"select count(*) from {table}") > 0, name
    assert await connection.fetchval("select count(*) from vote_analytics") == 2_000
    assert not await connection.fetch("select * from miscounts()")
    assert not await connection.fetch("select * from integrity_check()")
    assert await connection.fetchval("select count(*) from vote_analytics_default") == 0
    late = "select count(*) from votes v join shows s on s.id = v.show_id where v.cast_at >= $1"
    assert await connection.fetchval(late, NOW) == 0
    assert await connection.fetchval("select count(*) from shows where vote_count > 2 * $1", 2_000 // 25) > 0


async def test_the_same_seed_gives_the_same_catalogue(database_url: str, connection: Any) -> None:
    """Everything but the ids depends on seed, size and `now` alone."""
    await seed_large(database_url, LargeSize.of(15, 1_000), now=NOW)
    first = await connection.fetchval(FINGERPRINT)
    for number, is_same in ((1, True), (2, False)):
        await connection.execute("truncate users, artists, venues, votes, vote_analytics cascade")
        await seed_large(database_url, LargeSize.of(15, 1_000, number), now=NOW)
        assert (await connection.fetchval(FINGERPRINT) == first) == is_same


async def test_a_second_seed_adds_only_missing_tours(database_url: str, connection: Any) -> None:
    """A repeat, also a later one, adds nothing; a larger size adds its new shows and changes no other."""
    await seed_large(database_url, LargeSize.of(20, 1_400), now=NOW)
    before = await connection.fetchval(FINGERPRINT)
    assert await seed_large(database_url, LargeSize.of(20, 1_400), now=NOW) == NOTHING
    assert await seed_large(database_url, LargeSize.of(20, 1_400), now=NOW + timedelta(days=3)) == NOTHING
    assert await connection.fetchval(FINGERPRINT) == before
    more = await seed_large(database_url, LargeSize.of(30, 2_100), now=NOW)
    assert more.shows == 10
    assert await connection.fetchval("select count(*) from shows") == 30
    assert not await connection.fetch("select * from integrity_check()")


async def test_an_interrupted_seed_can_be_finished(database_url: str, connection: Any) -> None:
    """After an interruption only whole tours exist; a second run gives the same catalogue as an uninterrupted one."""
    size = LargeSize.of(40, 2_800)
    await _interrupted(database_url, size, after=25)  # two tours are written at a time, so the first is complete
    shows = await connection.fetchval("select count(*) from shows")
    assert 0 < shows < 40
    assert shows % 10 == 0
    assert not await connection.fetch("select * from integrity_check()")
    rest = await seed_large(database_url, size, now=NOW)
    assert rest.shows == 40 - shows
    assert not await connection.fetch("select * from integrity_check()")
    finished = await connection.fetchval(FINGERPRINT)
    await connection.execute("truncate users, artists, venues, votes, vote_analytics cascade")
    await seed_large(database_url, size, now=NOW)
    assert await connection.fetchval(FINGERPRINT) == finished


async def test_a_second_seed_at_the_same_time_is_refused(database_url: str, connection: Any) -> None:
    """The second ends with one line while the first goes on."""
    results = await asyncio.gather(
        seed_large(database_url, SIZE, now=NOW), seed_large(database_url, SIZE, now=NOW), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, BaseException)]
    assert [type(result) for result in refused] == [SetupError]
    assert await connection.fetchval("select count(*) from votes") == 2_000


async def test_a_show_appears_together_with_its_votes(database_url: str, connection: Any) -> None:
    """While tours are written, no reader sees a show without votes or with a wrong count."""
    running = asyncio.create_task(seed_large(database_url, LargeSize.of(60, 4_200), now=NOW))
    seen: set[int] = set()
    while not running.done():
        seen.add(await connection.fetchval("select count(*) from shows"))
        # Even the least popular show of this size has votes.
        assert not await connection.fetch("select * from shows where vote_count = 0")
        assert not await connection.fetch("select * from miscounts()")
    await running
    assert {count % 10 for count in seen} == {0}
    assert len(seen) > 2


async def test_a_running_node_is_not_disturbed(database_url: str, node: Node, connection: Any) -> None:
    """A crowd votes meanwhile: each of its votes counts once, and every watcher has the final counts."""
    await make_shows(database_url, songs=12)
    is_voting, is_seeded = asyncio.Event(), asyncio.Event()

    async def note(step: str) -> None:
        if step == "casting":
            is_voting.set()

    options = CrowdOptions(
        url=node.url, voters=8, watchers=2, rate_per_s=50.0, duration_s=0.0, verify=True, processes=1
    )
    crowd = asyncio.create_task(run(options, stop=is_seeded, on_step=note, show_progress=False))
    await is_voting.wait()
    added = await seed_large(database_url, LargeSize.of(30, 2_000))
    assert added.votes == 2_000
    is_seeded.set()
    report = await crowd
    assert report["ok"], report
    assert report["casts"]["committed"] > 0
    assert not await connection.fetch("select * from integrity_check()")
    # Fans can vote on the new shows as on all others.
    other = await connection.fetchval(
        "select id from shows where opens_at < now() and now() < closes_at order by id desc limit 1"
    )
    report = await run(
        CrowdOptions(url=node.url, show=other, voters=3, rate_per_s=0.0, duration_s=1.0, verify=True, processes=1)
    )
    assert report["ok"], report
