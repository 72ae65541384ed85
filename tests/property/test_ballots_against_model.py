"""Random casts and marks through the real script, writer and tables, compared with the rules in Python.

Each example has its own users in the same few shows, so nothing has to be emptied between examples: the model simply
goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from hypothesis import strategies as st
from redis.asyncio import Redis

from server.voting.log import open_shard
from server.voting.rules import shard_of
from server.voting.tallies import Tallies
from tests.property.ballot_model import Model, ModelShow, Vote
from tests.support.engines import OpenDatabase
from tests.support.examples import play_examples
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import until
from tests.support.vote_path import SHARD_COUNT, VotePath

DAY_MAX = 7
USERS_PER_EXAMPLE = 2
# Two shows share shard 1; the last one gets casts and does not exist.
BUDGETS = {1: None, 17: 3, 2: 1, 3: None}
UNKNOWN_SHOW = 999
EMPTY_SHOW = 99  # gets no votes

CHOICES = st.sampled_from(["up", "down", "none"])
# A song by its place in a show; -1 is a song of another show, -2 a song that does not exist.
PLACES = st.sampled_from([0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 5] * 2 + [-1, -2])


@dataclass(frozen=True)
class Casts:
    """Casts submitted together, in this order. Each: (show, user by number, [(place, choice)]); repeats: sent again."""

    casts: list[tuple[int, int, list[tuple[int, str]]]]
    repeats: int


@dataclass(frozen=True)
class Marks:
    """Marks submitted together, in this order. Each: (show or artist, id, user by number, wanted)."""

    marks: list[tuple[Literal["show", "artist"], int, int, bool]]


@dataclass(frozen=True)
class Rule:
    """A change of a show's rules."""

    show: int
    is_locked: bool = False
    is_open: bool = True
    budget: int | None = None


@dataclass(frozen=True)
class Decide:
    """A decision on a group of ballots of a show: both users' in the first show, one user's in the others."""

    show: int
    number: int
    decision: Literal["set_aside", "restored", "void"]


class Drain:
    """The log is drained into PostgreSQL."""


class Forget:
    """Valkey loses everything after a drain."""


@dataclass(frozen=True)
class Reset:
    """A shard's hot copy is thrown away, also when its log is not drained."""

    show: int


CAST = st.tuples(
    st.sampled_from([1, 17, 2, 3] * 4 + [UNKNOWN_SHOW]),
    # The last one does not exist.
    st.sampled_from([*range(USERS_PER_EXAMPLE)] * 4 + [USERS_PER_EXAMPLE]),
    st.lists(st.tuples(PLACES, CHOICES), min_size=1, max_size=4),
)
CASTS = st.builds(Casts, st.lists(CAST, min_size=1, max_size=8), st.integers(0, 2))
# Artist 1 and show 1 are in the same shard; the last one of each does not exist.
MARK = st.tuples(
    st.sampled_from(["show", "artist"]),
    st.sampled_from([1, 1, 17, 2, UNKNOWN_SHOW]),
    st.sampled_from([*range(USERS_PER_EXAMPLE)] * 4 + [USERS_PER_EXAMPLE]),
    st.booleans(),
)
MARKS = st.builds(Marks, st.lists(MARK, min_size=1, max_size=8))
RULE = st.builds(
    Rule,
    st.sampled_from(sorted(BUDGETS)),
    is_locked=st.sampled_from([False, False, True]),
    is_open=st.sampled_from([True, True, False]),
    budget=st.sampled_from([None, 1, 2, 5]),
)
RESET = st.builds(Reset, st.sampled_from(sorted(BUDGETS)))
STEPS = st.lists(
    st.one_of(CASTS, CASTS, CASTS, CASTS, MARKS, MARKS, RULE, RULE, RULE, st.builds(Drain), st.builds(Forget), RESET),
    min_size=1,
    max_size=12,
)
# Few shows and songs, so that most decisions are about ballots that change afterwards.
DECISION_STEPS = st.lists(
    st.one_of(
        st.builds(
            Casts,
            st.lists(
                st.tuples(
                    st.sampled_from([1, 17]),
                    st.integers(0, USERS_PER_EXAMPLE - 1),
                    st.lists(
                        st.tuples(st.integers(0, 2), CHOICES), min_size=1, max_size=2, unique_by=lambda vote: vote[0]
                    ),
                ),
                min_size=2, max_size=6,
            ),
            st.just(0),
        ),
        st.builds(
            Decide,
            st.sampled_from([1, 17]),
            st.integers(0, USERS_PER_EXAMPLE - 1),
            st.sampled_from(["set_aside", "set_aside", "restored", "void"]),
        ),
        st.sampled_from([Drain(), Forget(), Reset(1)]),
    ),
    min_size=4,
    max_size=12,
)  # fmt: skip


@dataclass
class World:
    """Engines, the shows on them, and the model of both."""

    vote_path: VotePath
    factory: RowFactory
    tallies: Tallies
    valkey: Any
    shows: dict[int, Show]
    model: Model
    groups: dict[tuple[int, int], tuple[int, list[int]]] = field(default_factory=dict)  # (show, user) -> group, members
    accepted: list[tuple[int, int, list[Vote]]] = field(default_factory=list)

    def song_at(self, show_id: int, place: int) -> int:
        """The song id of a place, perhaps of another show or of none."""
        show = self.shows.get(show_id)
        if place == -2 or show is None:
            return 10**9
        if place == -1:
            return next(other.first for other in self.shows.values() if other.id != show_id)
        return show.songs[place]

    async def play(self, steps: list[Any]) -> None:
        """Plays one example: new users, then the steps, then a comparison of everything."""
        users = [*await self.factory.users(USERS_PER_EXAMPLE), 10**9]
        self.model.users.update(users[:-1])
        self.groups = {}
        for show_id in self.shows:
            parts = [users[:-1]] if show_id == 1 else [[user] for user in users[:-1]]
            for members in parts:
                group = await self.factory.vote_group(show_id, members)
                self.groups |= {(show_id, user): (group, members) for user in members}
        for step in steps:
            await self._take(step, users)
        for show_id in self.shows:
            await self._change(Rule(show_id, budget=self.model.shows[show_id].budget))
        for user in users[:-1]:
            for show_id in self.shows:
                await self._ask(show_id, user)
        await self._compare_valkey()
        await self.drain()
        await self._compare_postgres()

    async def _take(self, step: Any, users: list[int]) -> None:
        match step:
            case Casts():
                await self._cast(step, users)
            case Marks():
                await self._mark(step, users)
            case Rule():
                await self._change(step)
            case Decide():
                await self._decide(step, users)
            case Drain():
                await self.drain()
            case Forget():
                await self.drain()
                await self._forget()
            case Reset():
                await self._open(shard_of(step.show, SHARD_COUNT), is_forked=True)

    async def _cast(self, step: Casts, users: list[int]) -> None:
        casts = [
            (show, users[number], [(self.song_at(show, place), choice) for place, choice in places])
            for show, number, places in step.casts
        ]
        casts += casts[: step.repeats]
        outcomes = await self.vote_path.decided(casts)
        # Casts of one user are decided in their order, casts of different users in any order: users share only the
        # counts. The model goes user by user.
        for user in dict.fromkeys(user for _, user, _ in casts):
            for (show, by, votes), outcome in zip(casts, outcomes, strict=True):
                if by != user:
                    continue
                expected = self.model.cast(show, user, votes)
                assert outcome.code == expected, (show, user, votes)
                if expected == "ok":
                    assert outcome.taken is not None
                    assert outcome.taken[2] == self.model.ballot(show, user)
                    assert outcome.taken[3] == self.model.remaining(show, user)
                    self.accepted.append((show, user, votes))

    async def _mark(self, step: Marks, users: list[int]) -> None:
        marks = [(marked, subject, users[number], wanted) for marked, subject, number, wanted in step.marks]
        await self.vote_path.marked(marks)
        for marked, subject, user, wanted in marks:
            self.model.mark((marked, subject, user), wanted=wanted)

    async def _decide(self, step: Decide, users: list[int]) -> None:
        group, members = self.groups[step.show, users[step.number]]
        if await self.factory.decide(group, step.decision):
            await self.vote_path.decided_on(group, step.show)
            for user in members:
                self.model.decide(step.show, user, step.decision)

    async def _forget(self) -> None:
        await self.valkey.flushdb()
        for shard in range(SHARD_COUNT):
            await self._open(shard)

    async def _open(self, shard: int, *, is_forked: bool = False) -> None:
        await open_shard(self.vote_path.database, self.vote_path.intake._connection.ask, shard, is_forked=is_forked)

    async def _ask(self, show_id: int, user_id: int) -> None:
        outcome = await self.vote_path.cast(show_id, user_id)
        assert outcome.taken is not None, outcome.code
        assert outcome.taken[2:] == (self.model.ballot(show_id, user_id), self.model.remaining(show_id, user_id))

    async def _change(self, rule: Rule) -> None:
        await self.factory.sql.execute(
            "update shows set is_locked = $2, votes_per_user_max = $3,"
            # Not open yet instead of closed, because a closed show becomes final for ever.
            " opens_at = now() + case when $4 then -1 else 1 end * interval '30 minutes' where id = $1",
            rule.show, rule.is_locked, rule.budget, rule.is_open,
        )  # fmt: skip
        await self.tallies.revise([rule.show])
        show = self.model.shows[rule.show]
        show.is_locked, show.is_open, show.budget = rule.is_locked, rule.is_open, rule.budget

    async def drain(self) -> None:
        """Drains the log into PostgreSQL."""
        await until(self.vote_path.is_drained)

    async def _compare_valkey(self) -> None:
        for show_id in self.shows:
            hot = (await self.tallies.read_hot([show_id]))[show_id]
            assert hot is not None
            assert [list(row) for row in hot.counts] == self.model.tally(show_id)
            assert hot.total == sum(up + down for _, up, down in self.model.tally(show_id))

    async def _compare_postgres(self) -> None:
        sql = self.factory.sql
        rows = await sql.fetch("select show_id, user_id, setlist_song_id, choice::text from votes")
        assert {tuple(row) for row in rows} == self.model.rows()
        for show_id in self.shows:
            assert await self.factory.tally(show_id) == self.model.tally(show_id)
            assert await self.factory.aside_tally(show_id) == self.model.aside_tally(show_id)
        totals = {show: sum(up + down for _, up, down in self.model.tally(show)) for show in self.shows}
        assert dict(await sql.fetch("select id, vote_count from shows where id <> $1", EMPTY_SHOW)) == totals
        assert (
            dict(
                await sql.fetch(
                    "select show_id, sum(vote_count)::int from setlists where show_id <> $1 group by 1", EMPTY_SHOW
                )
            )
            == totals
        )
        spent = dict(await sql.fetch("select user_id, sum(spent)::int from user_vote_limits group by 1"))
        assert {user: count for user, count in spent.items() if count} == +self.model.spent
        assert spent.keys() == self.model.has_cast
        rows = await sql.fetch(
            "select 'show', show_id, user_id from user_show_attendance"
            " union all select 'artist', artist_id, user_id from user_follows_artists"
        )
        assert {tuple(row) for row in rows} == self.model.marks
        crowds = await sql.fetch(
            "select 'show', id, attendance_count from shows"
            " union all select 'artist', artist_id, follower_count from artist_stats"
        )
        counted = Counter((marked, subject) for marked, subject, _ in self.model.marks)
        assert {(marked, subject): count for marked, subject, count in crowds if count} == counted
        await self._compare_history()

    async def _compare_history(self) -> None:
        """Each vote's history is a chain that begins with no vote and ends with the current one."""
        changes = await self.factory.sql.fetch(
            "select show_id, user_id, setlist_song_id, previous::text, choice::text from vote_analytics order by id"
        )
        stands: dict[tuple[int, int, int], str | None] = {}
        for show, user, song, previous, choice in changes:
            assert stands.get((show, user, song)) == previous
            stands[show, user, song] = choice
        assert {(*key, choice) for key, choice in stands.items() if choice} == self.model.rows()
        rolled = await self.factory.sql.fetchrow(
            "select sum(up_count)::int, sum(down_count)::int, sum(withdrawn_count)::int from vote_rollups"
        )
        counted = [sum(1 for change in changes if change["choice"] == choice) for choice in ("up", "down", None)]
        assert [count or 0 for count in rolled] == counted


@asynccontextmanager
async def open_world(new_database: OpenDatabase, new_redis: Callable[[], str]) -> AsyncIterator[World]:
    """Four shows on three shards, with an intake and a writer."""
    redis_url = new_redis()
    async with (
        new_database() as database_url,
        RowFactory.open(database_url) as factory,
        VotePath.open(database_url, redis_url, votes_per_day_max=DAY_MAX) as vote_path,
        vote_path.writer(),
        Redis.from_url(redis_url) as valkey,
    ):
        for show_id, budget in {**BUDGETS, EMPTY_SHOW: None}.items():
            await factory.show(show_id, song_count=0, budget=budget)
        # In steps of five, so that the digits of one id end another one in the same show: 1, 6, 11, 16, 21, 26.
        songs: dict[int, list[int]] = {}
        for _ in range(6):
            for show_id in (*BUDGETS, EMPTY_SHOW):
                songs.setdefault(show_id, []).extend(await factory.add_songs(show_id, 1))
        shows = {show_id: Show(show_id, songs[show_id]) for show_id in BUDGETS}
        model = Model(DAY_MAX, {show.id: ModelShow(set(show.songs), BUDGETS[show.id]) for show in shows.values()})
        await factory.sql.execute("insert into artists (slug, name) values ('second', 'Second')")
        model.artists |= {1, 2}
        tallies = Tallies(redis_url, vote_path.database, shard_count=SHARD_COUNT)
        yield World(vote_path, factory, tallies, valkey, shows, model)
        await tallies.close()


async def test_script_and_tables_agree_with_the_model(new_database: OpenDatabase, new_redis: Callable[[], str]) -> None:
    """For any casts in any order and number, script, tables and model agree."""
    await play_examples(partial(open_world, new_database, new_redis), World.play, STEPS, count=20)


async def test_decisions_on_groups_agree_with_the_model(
    new_database: OpenDatabase, new_redis: Callable[[], str]
) -> None:
    """Groups are set aside, restored and voided between casts, losses and resets: script, tables and model agree."""
    await play_examples(partial(open_world, new_database, new_redis), World.play, DECISION_STEPS, count=10)
