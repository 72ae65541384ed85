"""Random votes, changes and withdrawals through commit_votes(); Python recounts trending and statistics."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st

from server.protocol.instants import ms_of
from server.store.database import Database
from server.voting.folding import Folded
from server.voting.queries import voting as queries
from tests.support.engines import OpenDatabase
from tests.support.examples import play_examples
from tests.support.row_factory import RowFactory, Show

# Not on the hour, and shortly after the change to winter time.
NOW = datetime(2026, 11, 9, 17, 23, 41, 500_000, tzinfo=UTC)
HALF_LIFE = timedelta(hours=24)
HORIZON = timedelta(days=14)
ZONE = ZoneInfo("America/New_York")  # of the venue
COMPETING = (1, 2, 17)
FINISHED = 3

HOURS = st.one_of(
    st.floats(0, 3),
    st.floats(0, 26),
    st.floats(0, 400),
    st.sampled_from([0.0, 17 / 60, 23.4, 24.0, 335.5, 336.0, 337.0]),
)
CAST = st.tuples(
    st.sampled_from([*COMPETING, FINISHED]),
    st.integers(0, 3),  # user
    st.integers(0, 2),  # song
    st.sampled_from(["up", "up", "down", None]),
    HOURS,
)
BATCHES = st.lists(st.lists(CAST, min_size=1, max_size=6), max_size=10)


def hour_of(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


@dataclass
class Ledger:
    """Every change of a vote, counted in Python."""

    votes: dict[tuple[int, int, int], str] = field(default_factory=dict)  # show, song, user
    cast: Counter[tuple[int, datetime, str]] = field(default_factory=Counter)  # show, hour, choice or "withdrawn"
    last: dict[int, datetime] = field(default_factory=dict)

    def take(self, show: int, song: int, user: int, choice: str | None, at: datetime) -> None:
        """Counts a cast; a cast that changes nothing is not counted."""
        if self.votes.get((show, song, user)) == choice:
            return
        if choice is None:
            del self.votes[show, song, user]
        else:
            self.votes[show, song, user] = choice
            self.last[show] = max(self.last.get(show, at), at)
        self.cast[show, hour_of(at), choice or "withdrawn"] += 1

    def hours(self, show: int) -> Counter[datetime]:
        """Votes by hour, withdrawals separately."""
        hours: Counter[datetime] = Counter()
        for (of_show, hour, choice), count in self.cast.items():
            if of_show == show and choice != "withdrawn":
                hours[hour] += count
        return hours

    def score(self, show: int, as_of: datetime) -> float:
        """The published formula."""
        return sum(
            count * 2 ** ((hour - as_of) / HALF_LIFE)
            for hour, count in self.hours(show).items()
            if as_of - HORIZON < hour <= as_of
        )


@dataclass
class World:
    """A database with four shows, for one example after the other."""

    db: Database
    factory: RowFactory
    shows: dict[int, Show]
    ledger: Ledger

    async def play(self, batches: list[list[tuple[int, int, int, str | None, float]]]) -> None:
        """Plays one example: new users vote, then everything is compared."""
        users = await self.factory.users(4)
        for batch in batches:
            await self._commit(batch, users)
        await self._compare_scores(NOW)
        for show in self.shows:
            await self._compare_stats(show)

    async def _commit(self, batch: list[tuple[int, int, int, str | None, float]], users: list[int]) -> None:
        # As the writer folds them: the last choice for each user and song.
        folded = {
            (self.shows[show].songs[song], users[user]): (show, choice, ms_of(NOW - timedelta(hours=hours)))
            for show, user, song, choice, hours in batch
        }
        votes = sorted(folded.items())
        async with self.db.connection() as connection:
            await queries.commit_log(
                connection, shards=[], old_positions=[], new_positions=[], entries=[],
                song_ids=[song for (song, _), _ in votes], user_ids=[user for (_, user), _ in votes],
                show_ids=[show for _, (show, _, _) in votes], choices=[choice for _, (_, choice, _) in votes],
                cast_ms=[ms for _, (_, _, ms) in votes], spent_user_ids=[], spent_days=[], spent=[],
                **Folded().mark_parameters(), order_user_ids=[], order_show_ids=[], cast_orders=[], group_ids=[],
            )  # fmt: skip
        for (song, user), (show, choice, ms) in votes:
            at = datetime.fromtimestamp(ms // 1000, UTC) + timedelta(milliseconds=ms % 1000)
            self.ledger.take(show, song, user, choice, at)

    async def _compare_scores(self, as_of: datetime) -> None:
        expected = {show: self.ledger.score(show, as_of) for show in COMPETING}
        expected = {show: score for show, score in expected.items() if score > 0}
        sql = self.factory.sql
        assert await sql.fetchval("select update_trending_scores($1)", as_of) == len(expected)
        rows = await sql.fetch("select * from get_trending_shows(100) order by rank")
        assert {row["show_id"]: row["score"] for row in rows} == pytest.approx(expected)
        assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
        assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
        for row in rows:
            day = {
                h: n for h, n in self.ledger.hours(row["show_id"]).items() if as_of - timedelta(hours=24) < h <= as_of
            }
            assert row["votes_24h"] == sum(day.values())
            assert row["refreshed_at"] == as_of
        artists = await sql.fetch("select * from get_trending_artists(100) order by rank")
        assert [row["score"] for row in artists] == ([pytest.approx(sum(expected.values()))] if expected else [])

    async def _compare_stats(self, show: int) -> None:
        row = await self.factory.sql.fetchrow("select * from get_vote_stats($1, $2)", show, NOW)
        held = {key: choice for key, choice in self.ledger.votes.items() if key[0] == show}
        count = Counter(held.values())
        assert (row["vote_count"], row["up_count"], row["down_count"]) == (len(held), count["up"], count["down"])
        assert row["voter_count"] == len({user for _, _, user in held})
        assert row["last_vote_at"] == self.ledger.last.get(show)
        self._compare_songs(json.loads(row["songs"]), held, self.shows[show].songs)

        hours = self.ledger.hours(show)
        velocity = json.loads(row["velocity"])
        wanted = [hour_of(NOW) - timedelta(hours=ago) for ago in range(23, -1, -1)]
        assert [datetime.fromisoformat(each["hour"]) for each in velocity] == wanted
        assert [each["votes"] for each in velocity] == [hours[hour] for hour in wanted]
        assert [each["withdrawn"] for each in velocity] == [
            self.ledger.cast[show, hour, "withdrawn"] for hour in wanted
        ]

        pattern: defaultdict[int, int] = defaultdict(int)
        for hour, votes in hours.items():
            pattern[hour.astimezone(ZONE).hour] += votes
        assert json.loads(row["pattern"]) == [{"hour": hour, "votes": pattern[hour]} for hour in range(24)]

    def _compare_songs(self, songs: list[dict[str, Any]], held: dict[Any, str], ids: list[int]) -> None:
        assert sorted(song["id"] for song in songs) == ids
        scores = {}
        for song in songs:
            count = Counter(choice for (_, song_id, _), choice in held.items() if song_id == song["id"])
            assert (song["up"], song["down"], song["score"]) == (
                count["up"],
                count["down"],
                count["up"] - count["down"],
            )
            scores[song["id"]] = song["score"]
        for song in songs:
            assert song["rank"] == 1 + sum(1 for score in scores.values() if score > song["score"])
        assert [song["rank"] for song in songs] == sorted(song["rank"] for song in songs)


@asynccontextmanager
async def open_world(new_database: OpenDatabase) -> AsyncIterator[World]:
    """Three upcoming shows, and one that is over."""
    async with new_database() as database_url, RowFactory.open(database_url) as factory:
        shows = {number: await factory.show(number) for number in (*COMPETING, FINISHED)}
        # Votes outside the window do not count.
        await factory.sql.execute("update shows set opens_at = opens_at - interval '1 year'")
        await factory.sql.execute("update shows set status = 'finished' where id = $1", FINISHED)
        await factory.sql.execute("update shows set status = 'live' where id = 2")
        db = await Database.open(database_url, pool_size=1)
        yield World(db, factory, shows, Ledger())
        await db.close()


@pytest.fixture
async def world(new_database: OpenDatabase) -> AsyncIterator[World]:
    """A world for one test."""
    async with open_world(new_database) as opened:
        yield opened


async def test_scores_and_statistics_equal_a_recount(new_database: OpenDatabase) -> None:
    """For any casts, changes and withdrawals at any time, SQL and Python agree."""
    choices: set[str] = set()

    async def play(world: World, batches: Any) -> None:
        await world.play(batches)
        choices.update(choice for _, _, choice in world.ledger.cast)

    await play_examples(partial(open_world, new_database), play, BATCHES, count=30)
    assert choices == {"up", "down", "withdrawn"}


async def test_scores_halve_in_a_half_life_and_end_at_the_horizon(world: World) -> None:
    """Without new votes a score is half a day later, a quarter two days later, and zero after two weeks."""
    await world.play([[(1, 0, 0, "up", 1.0), (1, 1, 1, "down", 30.0), (2, 2, 2, "up", 5.0)]])
    sql = world.factory.sql
    scores = dict(await sql.fetch("select show_id, score from show_trending"))
    assert scores.keys() == {1, 2}
    for days, share in ((1, 0.5), (2, 0.25)):
        await sql.execute("select update_trending_scores($1)", NOW + timedelta(days=days))
        later = dict(await sql.fetch("select show_id, score from show_trending"))
        assert later == pytest.approx({show: score * share for show, score in scores.items()})
        artist = await sql.fetchrow("select score, vote_count from artist_stats where artist_id = 1")
        assert tuple(artist) == (pytest.approx(sum(later.values())), 3)
    await sql.execute("select update_trending_scores($1)", NOW + HORIZON)
    assert await sql.fetchval("select count(*) from show_trending") == 0
    assert await sql.fetchval("select score from artist_stats where artist_id = 1") == 0


async def test_a_show_that_is_over_loses_its_score(world: World) -> None:
    """Finished and cancelled shows have no score from the next refresh on."""
    await world.play([[(1, 0, 0, "up", 1.0), (2, 0, 0, "up", 1.0), (17, 0, 0, "up", 1.0)]])
    await world.factory.sql.execute("update shows set status = 'finished' where id = 1")
    await world.factory.sql.execute("update shows set status = 'cancelled' where id = 2")
    assert await world.factory.sql.fetchval("select update_trending_scores($1)", NOW) == 1
    assert await world.factory.sql.fetchval("select show_id from show_trending") == 17
