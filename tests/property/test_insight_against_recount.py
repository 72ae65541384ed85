"""Random votes, changes and withdrawals through commit_votes(); Python recounts trending and statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import strategies as st

from server.insight.documents import SongStats, VoteStats
from server.insight.statistics import VoteStatsQuery, fetch_vote_stats
from server.protocol.instants import ms_of
from server.store.database import Database
from server.voting.compaction import Compacted
from server.voting.queries import voting as queries
from tests.property.vote_ledger import Ledger, hour_of
from tests.support.engines import OpenDatabase
from tests.support.examples import play_examples
from tests.support.row_factory import RowFactory, Show

# Not on the hour, and shortly after the change to winter time.
NOW = datetime(2026, 11, 9, 17, 23, 41, 500_000, tzinfo=UTC)
LISTED_FROM = 2**-10
COMPETING = (1, 2, 17)
FINISHED = 3
HIDDEN = 17  # its counts are for staff until its result is final
SHOWS_OF: dict[tuple[str, int], set[int]] = {
    ("platform", 0): {1, 2, 3, 17}, ("artist", 1): {1, 3, 17}, ("artist", 2): {2}, ("venue", 1): {1, 2, 3}, ("show", 1): {1},
}  # fmt: skip

HOURS = st.one_of(
    st.floats(0, 3),
    st.floats(0, 26),
    st.floats(0, 400),
    st.sampled_from([0.0, 17 / 60, 23.4, 24.0, 335.5, 336.0, 337.0]),
)
CAST = st.tuples(
    st.sampled_from([*COMPETING, FINISHED]),
    st.integers(0, 3),  # user
    st.integers(0, 1),  # song
    st.sampled_from(["up", "down", None]),
    HOURS,
)
# Casts of one commit; the number of a user who erases their account; or a show and a user whose ballot there is set aside, or back.
FLIP = st.tuples(st.sampled_from([*COMPETING, FINISHED]), st.integers(0, 3))
STEPS = st.lists(st.one_of(*[st.lists(CAST, min_size=1, max_size=6)] * 6, st.integers(0, 3), FLIP, FLIP), max_size=10)
PERIODS = st.sampled_from([
    None, (date(2026, 11, 9), date(2026, 11, 9)), (date(2026, 11, 8), date(2026, 11, 9)),
    (date(2026, 10, 27), date(2026, 11, 7)), (date(2026, 1, 1), date(2026, 12, 31)),
])  # fmt: skip
ZONES = st.sampled_from(["America/New_York", "Asia/Kathmandu", "Pacific/Auckland", "UTC"])


@dataclass
class World:
    """A database with four shows, for one example after the other."""

    db: Database
    factory: RowFactory
    shows: dict[int, Show]
    ledger: Ledger

    async def play(
        self,
        steps: list[list[tuple[int, int, int, str | None, float]] | int | tuple[int, int]],
        period: tuple[date, date] | None = None,
        zone: str = "UTC",
    ) -> None:
        """Plays one example: new users vote and erase themselves, then everything is compared."""
        users = await self.factory.users(4)
        for step in steps:
            if isinstance(step, int):
                await self.count()
                await self.factory.sql.execute("select erase_user($1)", users[step])
                self.ledger.erase(users[step])
                (users[step],) = await self.factory.users(1)
            elif isinstance(step, tuple):
                await self._flip(step[0], users[step[1]], is_counted=step[1] > 1)
            else:
                await self._commit(step, users)
        await self.compare_scores(NOW)
        await self.count()
        for subject, shows in SHOWS_OF.items():
            await self._compare_stats(*subject, shows, period, zone)

    async def count(self) -> None:
        """Counts the noted votes, a few at a time."""
        while await self.factory.sql.fetchval("select count_votes(3, $1)", NOW) == 3:
            pass

    async def _flip(self, show: int, user: int, *, is_counted: bool) -> None:
        """Sets a ballot aside or back; is_counted: everything before it is counted first."""
        if is_counted:
            await self.count()
        moved = "update vote_group_members set is_set_aside = not is_set_aside where show_id = $1 and user_id = $2"
        if await self.factory.sql.execute(moved, show, user) == "UPDATE 0":
            await self.factory.vote_group(show, [user])
            await self.factory.sql.execute(moved, show, user)
        self.ledger.aside ^= {(show, user)}

    async def _commit(self, batch: list[tuple[int, int, int, str | None, float]], users: list[int]) -> None:
        # As the writer compacts them: the last choice for each user and song.
        compacted = {
            (self.shows[show].songs[song], users[user]): (show, choice, ms_of(NOW - timedelta(hours=hours)))
            for show, user, song, choice, hours in batch
        }
        votes = sorted(compacted.items())
        async with self.db.connection() as connection:
            await queries.commit_log(
                connection, shards=[], old_positions=[], new_positions=[], entries=[],
                song_ids=[song for (song, _), _ in votes], user_ids=[user for (_, user), _ in votes],
                show_ids=[show for _, (show, _, _) in votes], choices=[choice for _, (_, choice, _) in votes],
                cast_ms=[ms for _, (_, _, ms) in votes], spent_user_ids=[], spent_days=[], spent=[],
                **Compacted().mark_parameters(), order_user_ids=[], order_show_ids=[], cast_orders=[], group_ids=[],
            )  # fmt: skip
        for (song, user), (show, choice, ms) in votes:
            at = datetime.fromtimestamp(ms // 1000, UTC) + timedelta(milliseconds=ms % 1000)
            self.ledger.take(show, song, user, choice, at)

    async def compare_scores(self, as_of: datetime) -> None:
        """The scores that the writer moved are those of the ledger, and those that SQL calculates from the rows."""
        sql = self.factory.sql
        await self._compare_ranking(as_of)
        moved = dict(await sql.fetch("select show_id, heat from show_trending"))
        await sql.execute("select update_trending_scores()")
        assert dict(await sql.fetch("select show_id, heat from show_trending")) == pytest.approx(moved, abs=1e-9)
        await self._compare_ranking(as_of)

    async def _compare_ranking(self, as_of: datetime) -> None:
        sql = self.factory.sql
        scores = {show: self.ledger.score(show, as_of) for show in COMPETING}
        expected = {show: score for show, score in scores.items() if score > LISTED_FROM}
        rows = await sql.fetch("select * from get_trending_shows(100, $1) order by rank", as_of)
        assert {row["show_id"]: row["score"] for row in rows} == pytest.approx(expected, rel=1e-9)
        assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
        assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
        for row in rows:
            day = {
                h: n for h, n in self.ledger.hours(row["show_id"]).items() if as_of - timedelta(hours=24) < h <= as_of
            }
            assert row["votes_24h"] == sum(day.values())
        artists = await sql.fetch("select * from get_trending_artists(100, $1) order by rank", as_of)
        sums = {1: scores[1] + scores[17], 2: scores[2]}
        listed = {artist: score for artist, score in sums.items() if score > LISTED_FROM}
        assert {row["artist_id"]: row["score"] for row in artists} == pytest.approx(listed)
        assert [row["score"] for row in artists] == sorted((row["score"] for row in artists), reverse=True)

    async def stats(self, scope: str, subject_id: int, period: tuple[date, date] | None, zone: str) -> VoteStats:
        """The statistics, as a client of the API gets them that may see the counts of a show it asks for."""
        first, last = period or (None, None)
        of: dict[str, Any] = {} if scope == "platform" else {scope: str(subject_id)}
        query = VoteStatsQuery(**of, first=first, last=last, zone=zone)
        return await fetch_vote_stats(self.db, query, None, hides_nothing, now=NOW)

    async def _compare_stats(
        self, scope: str, subject_id: int, shows: set[int], period: tuple[date, date] | None, zone: str
    ) -> None:
        found = await self.stats(scope, subject_id, period, zone)
        first, last = period or (date(2000, 1, 1), date(2100, 1, 1))
        shown = shows if scope == "show" else shows - {HIDDEN}
        assert found.raw_total == sum(1 for key in self.ledger.votes if key[0] in shows)
        held = {key: choice for key, choice in self.ledger.counted().items() if key[0] in shows}
        count = Counter(choice for key, choice in held.items() if key[0] in shown)
        assert (found.total, found.up, found.down) == (len(held), count["up"], count["down"])
        voters = (found.voter_count, found.retention.newcomers, found.retention.came_back)
        assert voters == self.ledger.voters(shows, first, last)
        assert found.raw_voter_count == self.ledger.voters(shows, first, last, is_raw=True)[0]

        cast = Counter({key: n for key, n in self.ledger.cast(is_raw=False).items() if key[0] in shows})
        raw = Counter({key: n for key, n in self.ledger.cast(is_raw=True).items() if key[0] in shows})
        inside = {key: n for key, n in cast.items() if first <= key[1].date() <= last}
        total = {
            name: sum(n for (show, _, choice), n in inside.items() if choice == name and show in of)
            for name, of in (("up", shown), ("down", shown), ("withdrawn", shows))
        }
        votes = sum(n for (_, _, choice), n in inside.items() if choice != "withdrawn")
        raw_votes = sum(n for key, n in raw.items() if key[2] != "withdrawn" and first <= key[1].date() <= last)
        assert msgspec.structs.asdict(found.cast) == {"votes": votes, **total, "raw_votes": raw_votes}
        self._compare_times(found, cast, raw, inside, zone)
        self._compare_tops(found, inside, shown)
        if scope == "show":
            assert found.last_vote_at == self.ledger.last.get(subject_id)
            assert found.songs is not None
            self._compare_songs(found.songs, held, self.shows[subject_id].songs)

    def _compare_times(
        self, found: VoteStats, cast: Counter[Any], raw: Counter[Any], inside: dict[Any, int], zone: str
    ) -> None:
        hours, raw_hours = votes_by_hour(cast), votes_by_hour(raw)
        wanted = [hour_of(NOW) - timedelta(hours=ago) for ago in range(23, -1, -1)]
        assert [each.hour for each in found.velocity] == wanted
        assert [each.votes for each in found.velocity] == [hours[hour] for hour in wanted]
        assert [each.raw_votes for each in found.velocity] == [raw_hours[hour] for hour in wanted]
        withdrawn = [sum(n for key, n in cast.items() if key[1:] == (hour, "withdrawn")) for hour in wanted]
        assert [each.withdrawn for each in found.velocity] == withdrawn

        minute, shows = NOW.replace(second=0, microsecond=0), {key[0] for key in raw}
        rates = {
            span: sum(
                n for (show, at), n in self.ledger.minutes.items()
                if show in shows and minute - timedelta(minutes=span) <= at < minute
            )
            for span in (1, 5, 60)
        }  # fmt: skip
        day = sum(n for hour, n in raw_hours.items() if hour_of(NOW) - timedelta(hours=24) <= hour < hour_of(NOW))
        expected = (rates[1], rates[5] / 5, rates[60] / 60, day / 1440)
        assert msgspec.structs.astuple(found.votes_per_minute) == pytest.approx(expected, abs=1e-3)

        pattern: Counter[int] = Counter()
        weekdays: Counter[int] = Counter()
        for (_, hour, choice), n in inside.items():
            if choice != "withdrawn":
                here = hour.astimezone(ZoneInfo(zone))
                pattern[here.hour] += n
                weekdays[here.isoweekday()] += n
        assert [(each.hour, each.votes) for each in found.pattern] == [(hour, pattern[hour]) for hour in range(24)]
        assert [(each.weekday, each.votes) for each in found.weekdays] == [(n, weekdays[n]) for n in range(1, 8)]
        if found.series is not None:
            steps = found.series.hours if found.series.hours is not None else found.series.days
            assert steps is not None
            assert sum(step.votes for step in steps) == found.cast.votes
            assert sum(step.up for step in steps) == found.cast.up
            assert sum(step.raw_votes for step in steps) == found.cast.raw_votes

    def _compare_tops(self, found: VoteStats, inside: dict[Any, int], shown: set[int]) -> None:
        if found.top_songs is None:
            return
        by_show: Counter[int] = Counter()
        for (show, _, choice), n in inside.items():
            by_show[show] += n if choice != "withdrawn" else 0
        assert found.top_shows is not None
        assert {each.id: each.votes for each in found.top_shows} == +by_show
        assert found.top_artists is not None
        by_artist = Counter({1: by_show[1] + by_show[3] + by_show[17], 2: by_show[2]})
        assert {each.id: each.votes for each in found.top_artists} == +by_artist
        scores: Counter[int] = Counter()
        for (show, _, _), choice in self.ledger.counted().items():
            scores[show] += 1 if choice == "up" else -1
        assert sum(each.score for each in found.top_songs) == sum(scores[show] for show in shown)
        assert [each.score for each in found.top_songs] == sorted((s.score for s in found.top_songs), reverse=True)

    def _compare_songs(self, songs: list[SongStats], held: dict[Any, str], ids: list[int]) -> None:
        assert sorted(song.id for song in songs) == ids
        for song in songs:
            count = Counter(choice for (_, song_id, _), choice in held.items() if song_id == song.id)
            assert (song.up, song.down, song.score) == (count["up"], count["down"], count["up"] - count["down"])
            assert song.rank == 1 + sum(1 for other in songs if other.score > song.score)
        assert [song.rank for song in songs] == sorted(song.rank for song in songs)


def votes_by_hour(cast: Counter[Any]) -> Counter[datetime]:
    """Sums of what was cast, without withdrawals."""
    hours: Counter[datetime] = Counter()
    for (_, hour, choice), n in cast.items():
        if choice != "withdrawn":
            hours[hour] += n
    return hours


async def hides_nothing(*_: Any) -> None:
    """Everybody may see the counts of the show that is asked for."""


@asynccontextmanager
async def open_world(new_database: OpenDatabase) -> AsyncIterator[World]:
    """Three upcoming shows, and one that is over."""
    async with new_database() as database_url, RowFactory.open(database_url) as factory:
        shows = {number: await factory.show(number) for number in (*COMPETING, FINISHED)}
        # Votes outside the window do not count.
        await factory.sql.execute("update shows set opens_at = opens_at - interval '1 year'")
        await factory.sql.execute("update shows set status = 'finished' where id = $1", FINISHED)
        await factory.sql.execute(
            "insert into artists (slug, name) values ('other', 'Other');"
            "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
            " values ('club', 'Club', 'Boston', 'US', 42.3, -71.0, 'America/New_York');"
            "update shows set status = 'live', artist_id = 2 where id = 2;"
            "update shows set results = 'after_closing', venue_id = 2 where id = 17"
        )
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

    async def play(world: World, example: Any) -> None:
        await world.play(*example)
        choices.update(choice for _, _, choice, _ in world.ledger.events)

    await play_examples(partial(open_world, new_database), play, st.tuples(STEPS, PERIODS, ZONES), count=40)
    assert choices == {"up", "down", "withdrawn"}


async def test_a_ballot_is_set_aside_and_back(world: World) -> None:
    """Each time everything is counted in between; a later vote of the ballot, and one of another day, are with it."""
    cast: list[Any] = [(1, 2, 0, "up", 30.0), (1, 2, 1, "down", 1.0), (1, 3, 0, "up", 2.0), (2, 2, 0, "up", 1.0)]
    later: list[Any] = [(1, 2, 0, "down", 0.5), (1, 2, 1, None, 0.4)]
    aside = (1, 2)
    await world.play([cast, aside])
    await world.play([cast, aside, later])
    await world.play([cast, aside, later, aside])
    await world.play([cast, aside, later, aside, aside, 2, aside])


async def test_scores_halve_in_a_half_life(world: World) -> None:
    """Without new votes a score is half a day later and a quarter two days later; below 2^-10 it is not listed."""
    await world.play([[(1, 0, 0, "up", 1.0), (1, 1, 1, "down", 30.0), (2, 2, 2, "up", 5.0)]])
    sql = world.factory.sql
    scores = dict(await sql.fetch("select show_id, score from get_trending_shows(9, $1)", NOW))
    assert scores.keys() == {1, 2}
    for days, share in ((1, 0.5), (2, 0.25)):
        later = NOW + timedelta(days=days)
        faded = dict(await sql.fetch("select show_id, score from get_trending_shows(9, $1)", later))
        assert faded == pytest.approx({show: score * share for show, score in scores.items()})
        artists = await sql.fetch("select artist_id, score, vote_count from get_trending_artists(9, $1)", later)
        assert sorted(map(tuple, artists)) == [(1, pytest.approx(faded[1]), 2), (2, pytest.approx(faded[2]), 1)]
    for name in ("shows", "artists"):
        assert await sql.fetch(f"select from get_trending_{name}(9, $1)", NOW + timedelta(days=12)) == []


async def test_a_show_has_a_score_while_it_is_upcoming_or_live(world: World) -> None:
    """Finished and cancelled shows lose it at once, for their artist too; another artist takes it along."""
    await world.play([[(1, 0, 0, "up", 1.0), (2, 0, 0, "up", 1.0), (17, 0, 0, "up", 1.0)]])
    sql = world.factory.sql
    await sql.execute("select rank_artists()")
    score = world.ledger.score(17, NOW)

    async def ranking() -> Any:
        shows = await sql.fetch("select show_id from get_trending_shows(9, $1)", NOW)
        artists = await sql.fetch("select artist_id, score from get_trending_artists(9, $1)", NOW)
        return sorted(row["show_id"] for row in shows), {row["artist_id"]: row["score"] for row in artists}

    await sql.execute("update shows set status = 'finished' where id = 1")
    await sql.execute("update shows set status = 'cancelled' where id = 2")
    assert await ranking() == ([17], {1: pytest.approx(score)})
    await sql.execute("update shows set artist_id = 2 where id = 17")
    assert await ranking() == ([17], {2: pytest.approx(score)})
    assert await sql.fetchval("select rank_artists()") == 2
    assert await ranking() == ([17], {2: pytest.approx(score)})
    await sql.execute("update shows set status = 'live' where id = 1")
    assert await ranking() == ([1, 17], {1: pytest.approx(score), 2: pytest.approx(score)})
    await sql.execute("delete from shows where id = 1")
    assert await ranking() == ([17], {2: pytest.approx(score)})


async def test_a_great_score_can_be_taken_away(world: World) -> None:
    """Removing nearly all of a score leaves what the other votes say, to the last digits."""
    sql = world.factory.sql
    users = await world.factory.users(2001)
    song = world.shows[1].songs[0]
    put = "insert into votes select $1, u, 1, 'up', $2 from unnest($3::bigint[]) u"
    await sql.execute(put, song, NOW - timedelta(days=8), users[:1])
    await sql.execute(put, song, NOW, users[1:])
    await sql.execute("delete from votes where user_id = any($1)", users[1:])
    (row,) = await sql.fetch("select score from get_trending_shows(9, $1)", NOW)
    assert row["score"] == pytest.approx(2**-8, rel=1e-12)
    await sql.execute("delete from votes")
    assert await sql.fetchval("select count(*) from show_trending") == 0
