"""Random casts, marks and erasures, committed or only in the log: the counts are those of a model in Python."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from hypothesis import strategies as st

from server.people.erasure import Leaver, erase
from server.protocol.identity import Identity
from server.voting import reconcile
from server.voting.erasure import HotErasure
from server.voting.tallies import Tallies
from tests.property.ballot_model import Model, ModelShow
from tests.support.engines import OpenDatabase
from tests.support.examples import play_examples
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import until
from tests.support.traces import traces_in_postgres, traces_in_valkey
from tests.support.vote_path import SHARD_COUNT, VotePath

USERS_PER_EXAMPLE = 4
# Two shows share shard 1.
BUDGETS = {1: None, 17: 3, 2: 2}
_USER_IDS = itertools.count(700_000_123_001)


@dataclass(frozen=True)
class Casts:
    """Casts in this order. Each is (show, number of the user, [(place of the song, choice)])."""

    casts: list[tuple[int, int, list[tuple[int, str]]]]


@dataclass(frozen=True)
class Marks:
    """Marks in this order. Each is (show or artist, id, number of the user, wanted)."""

    marks: list[tuple[Literal["show", "artist"], int, int, bool]]


@dataclass(frozen=True)
class Decide:
    """A decision on the ballots of two users in a show, and a commit of the log."""

    show: int
    pair: int
    decision: Literal["set_aside", "restored", "void"]


class CommitLog:
    """Commits the log to PostgreSQL."""


@dataclass(frozen=True)
class Leave:
    """Erases these users at the same time, by their numbers, and then commits the log."""

    users: set[int]


CAST = st.tuples(
    st.sampled_from(sorted(BUDGETS)),
    st.integers(0, USERS_PER_EXAMPLE - 1),
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["up", "down", "none"])),
        min_size=1, max_size=3, unique_by=lambda vote: vote[0],
    ),
)  # fmt: skip
CASTS = st.builds(Casts, st.lists(CAST, min_size=1, max_size=8))
LEAVE = st.builds(Leave, st.sets(st.integers(0, USERS_PER_EXAMPLE - 1), min_size=1, max_size=2))
MARK = st.tuples(
    st.sampled_from(["show", "artist"]), st.just(1), st.integers(0, USERS_PER_EXAMPLE - 1), st.sampled_from([True, True, False])
)  # fmt: skip
MARKS = st.builds(Marks, st.lists(MARK, min_size=1, max_size=4))
DECIDE = st.builds(
    Decide,
    st.sampled_from(sorted(BUDGETS)),
    st.integers(0, 1),
    st.sampled_from(["set_aside", "set_aside", "restored", "void"]),
)
STEPS = st.lists(st.one_of(CASTS, CASTS, CASTS, MARKS, LEAVE, DECIDE, st.builds(CommitLog)), min_size=2, max_size=10)


@dataclass
class World:
    """A vote path, and a model of the users, the committed ballots and the ballots of nobodies."""

    vote_path: VotePath
    factory: RowFactory
    hot_erasure: HotErasure
    tallies: Tallies
    shows: dict[int, Show]
    model: Model
    committed: dict[tuple[int, int], dict[int, str]] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)

    async def play(self, steps: list[Any]) -> None:
        """Plays one example: new users, then the steps, then a comparison with the model."""
        users = list(itertools.islice(_USER_IDS, USERS_PER_EXAMPLE))
        await self.factory.sql.execute(
            "insert into users (id) overriding system value select unnest($1::bigint[])", users
        )
        self.model.users.update(users)
        pairs = [users[:2], users[2:]]
        groups = {
            (show, place): await self.factory.vote_group(show, pair)
            for show in self.shows
            for place, pair in enumerate(pairs)
        }
        for step in steps:
            match step:
                case Casts():
                    await self._cast([(show, users[number], votes) for show, number, votes in step.casts])
                case Marks():
                    # Erased users mark too, with their old tokens: the log accepts the mark, the writer drops it.
                    marks = [(marked, subject, users[number], wanted) for marked, subject, number, wanted in step.marks]
                    await self.vote_path.marked(marks)
                    for marked, subject, user, wanted in marks:
                        self.model.mark((marked, subject, user), wanted=wanted)
                case Decide():
                    group = groups[step.show, step.pair]
                    if await self.factory.decide(group, step.decision):
                        await self.vote_path.decided_on(group, step.show)
                        for user in pairs[step.pair]:
                            self.model.decide(step.show, user, step.decision)
                        await self.commit_log()
                case CommitLog():
                    await self.commit_log()
                case Leave():
                    await self._leave({users[number] for number in step.users} & self.model.users)
        await self.commit_log()
        await self._compare()

    async def _cast(self, casts: list[tuple[int, int, list[tuple[int, str]]]]) -> None:
        given = [
            (show, user, [(self.shows[show].songs[place], choice) for place, choice in votes])
            for show, user, votes in casts
        ]
        outcomes = await self.vote_path.decided(given)
        for user in dict.fromkeys(user for _, user, _ in given):
            for (show, by, votes), outcome in zip(given, outcomes, strict=True):
                if by == user:
                    assert outcome.code == self.model.cast(show, user, votes), (show, user, votes)

    async def _leave(self, users: set[int]) -> None:
        leavers = [Leaver(Identity(user, "user"), user) for user in users]
        await erase(self.vote_path.database, self.hot_erasure, leavers)
        assert all([await leaver.is_erased for leaver in leavers])
        self.gone += users
        self.model.users -= users
        self.model.marks = {mark for mark in self.model.marks if mark[2] not in users}
        for show, user in list(self.model.ballots):
            if user in users:
                # Uncommitted votes are dropped. Committed votes still count, and belong to a nobody.
                self.model.ballots[show, user] = self.committed.get((show, user), {})
        await self.commit_log()

    async def commit_log(self) -> None:
        """Runs a writer until the log is committed to PostgreSQL."""
        async with self.vote_path.writer():
            await until(self.vote_path.is_drained)
        self.committed = deepcopy(self.model.ballots)

    async def _compare(self) -> None:
        sql = self.factory.sql
        for show_id in self.shows:
            tally = self.model.tally(show_id)
            assert await self.factory.tally(show_id) == tally == await self.factory.counted(show_id)
            shown = await self.tallies.read(show_id)
            assert shown is not None
            assert [list(counts) for counts in shown.counts] == tally
        rows = await sql.fetch(
            "select 'show', show_id, user_id from user_show_attendance"
            " union all select 'artist', artist_id, user_id from user_follows_artists"
        )
        assert {tuple(row) for row in rows} == self.model.marks
        assert await reconcile.run(self.vote_path.database.url, self.vote_path.redis_url) == []
        assert await sql.fetch("select * from integrity_check()") == []
        # The writer may have stopped before it trimmed its last entries. This writer trims them.
        async with self.vote_path.writer():
            await until(self._is_clean)
        assert await traces_in_postgres(sql, *self.gone) == []

    async def _is_clean(self) -> bool:
        return not await traces_in_valkey(self.vote_path.redis_url, *self.gone)


@asynccontextmanager
async def open_world(new_database: OpenDatabase, new_redis: Callable[[], str]) -> AsyncIterator[World]:
    """Three shows on two shards, an intake and no writer."""
    redis_url = new_redis()
    async with (
        new_database() as database_url,
        RowFactory.open(database_url) as factory,
        VotePath.open(database_url, redis_url) as vote_path,
    ):
        shows = {show: await factory.show(show, song_count=4, budget=budget) for show, budget in BUDGETS.items()}
        model = Model(1_000, {show.id: ModelShow(set(show.songs), BUDGETS[show.id]) for show in shows.values()})
        model.artists.add(1)
        hot_erasure = HotErasure(redis_url, shard_count=SHARD_COUNT)
        tallies = Tallies(redis_url, vote_path.database, shard_count=SHARD_COUNT)
        yield World(vote_path, factory, hot_erasure, tallies, shows, model)
        await hot_erasure.close()
        await tallies.close()


async def test_erasure_keeps_the_counts(new_database: OpenDatabase, new_redis: Callable[[], str]) -> None:
    """Committed votes still count, uncommitted votes never do, and all copies agree and name no erased user."""
    gone: set[int] = set()

    async def play(world: World, steps: list[Any]) -> None:
        await world.play(steps)
        gone.update(world.gone)

    await play_examples(partial(open_world, new_database, new_redis), play, STEPS, count=10)
    assert gone
