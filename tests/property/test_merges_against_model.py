"""Random votes, merges of songs, votes meanwhile, and undoing: the votes are those of a model in Python, and every count is right.

The model holds the rule: the last choice of a fan on either song stands, on the survivor. Undoing gives back what was, but a fan
who voted on the survivor since keeps that vote there and has none on the other, and so does one whose budget has no room.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import strategies as st

from server.catalog.queries import merging
from tests.support.engines import OpenDatabase
from tests.support.examples import play_examples
from tests.support.row_factory import RowFactory

FANS = 2
# Songs 1 to 3 stand in the main set, and songs 2 and 4 in the encore: 2 in both. A merge of 1 and 2 meets itself in one set and
# in two; a merge of 4 meets nothing.
SONGS = (1, 2, 3, 4)
PLACES = {"main": (1, 2, 3), "encore": (2, 4)}

Vote = tuple[str, int]  # choice, and the number of the cast


@dataclass(frozen=True)
class Cast:
    """A fan chooses for the song at a place: (set, song)."""

    fan: int
    place: tuple[str, int]
    choice: str


@dataclass(frozen=True)
class Example:
    """Votes, a merge, votes, and then perhaps its undoing; budget: of the show; is_set_aside: the first fan's votes are in no
    tally.
    """

    before: list[Cast]
    survivor: int
    duplicate: int
    between: list[Cast]
    is_undone: bool
    budget: int | None
    is_set_aside: bool = False


_PLACE = st.sampled_from([(name, song) for name, songs in PLACES.items() for song in songs])
_CAST = st.builds(Cast, st.integers(0, FANS - 1), _PLACE, st.sampled_from(["up", "down", "up", "down", "none"]))
_PAIR = st.sampled_from([(1, 2), (2, 1), (2, 4), (3, 2), (1, 3), (4, 3)])
EXAMPLES = st.builds(
    lambda pair, **parts: Example(survivor=pair[0], duplicate=pair[1], **parts),
    pair=_PAIR, before=st.lists(_CAST, min_size=6, max_size=14), between=st.lists(_CAST, max_size=4),
    is_undone=st.booleans(), budget=st.sampled_from([None, 3, 2]), is_set_aside=st.booleans(),
)  # fmt: skip


class World:
    """A database with one show for each example, and the model of its votes: entry -> fan -> vote."""

    def __init__(self, factory: RowFactory) -> None:
        self.sql = factory.sql
        self._factory = factory
        self._show = 0

    async def play(self, example: Example) -> None:
        """Plays one example, and compares the votes and every count after each step."""
        self._show += 1
        self._clock = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=30)
        self._casts = 0
        self._budget = example.budget
        fans = await self._factory.users(FANS)
        songs, entries = await self._insert_show(example.budget)
        votes: dict[int, dict[int, Vote]] = {entry: {} for entry in entries.values()}
        for cast in example.before:
            await self._cast(votes, fans[cast.fan], entries[cast.place], cast.choice)
        if example.is_set_aside:
            await self.sql.execute(
                "with made as (insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at)"
                " values ($1, 1, '[]', 1, now(), now()) returning id)"
                " insert into vote_group_members (show_id, user_id, group_id, is_set_aside) select $1, $2, id, true from made",
                self._show, fans[0],
            )  # fmt: skip
        kept, gone = songs[example.survivor], songs[example.duplicate]
        previewed: Any = await merging.preview_merge(self.sql, kind="song", survivor=kept, duplicate=gone)
        merge = await self.sql.fetchval("select merge_entries('song', $1, $2, 1)", kept, gone)
        done: Any = await merging.fetch_merge(self.sql, id=merge)
        counts = ("name", "folded_songs", "moved_votes", "folded_votes", "moved_follows", "changed_shows")
        assert [previewed[name] for name in counts] == [done[name] for name in counts]
        before, folds = deepcopy(votes), _folds(example, entries)
        for gone_entry, kept_entry in folds:
            for fan, vote in votes.pop(gone_entry).items():
                met = votes[kept_entry].get(fan)
                votes[kept_entry][fan] = vote if met is None or met[1] < vote[1] else met
        await self._compare(votes)
        await self._check_counts()
        merged = deepcopy(votes)
        for cast in example.between:
            if entries[cast.place] in votes:
                await self._cast(votes, fans[cast.fan], entries[cast.place], cast.choice)
        await self._compare(votes)
        if not example.is_undone:
            return
        await self.sql.execute("select undo_merge($1)", merge)
        for gone_entry, kept_entry in reversed(folds):
            votes[gone_entry] = {}
            for fan, vote in before[gone_entry].items():
                met = before[kept_entry].get(fan)
                has_room = self._budget is None or met is None or _count(votes, fan) < self._budget
                if votes[kept_entry].get(fan) != merged[kept_entry][fan] or not has_room:
                    continue
                votes[gone_entry][fan] = vote
                if met is None:
                    del votes[kept_entry][fan]
                else:
                    votes[kept_entry][fan] = met
        await self._compare(votes)
        await self._check_counts()
        rows = await self.sql.fetch("select id, song_id from setlist_songs where show_id = $1", self._show)
        assert {row["id"]: row["song_id"] for row in rows} == {entries[place]: songs[place[1]] for place in entries}
        assert await self.sql.fetchval("select count(*) from merge_rows where merge_id = $1", merge) == 0

    async def _insert_show(self, budget: int | None) -> tuple[dict[int, int], dict[tuple[str, int], int]]:
        await self._factory.show(self._show, song_count=0, budget=budget)
        await self.sql.execute(
            "insert into setlists (show_id, type, kind, position, name) values ($1, 'predicted', 'encore', 2, 'Encore')",
            self._show,
        )
        songs = {
            song: await self.sql.fetchval(
                "insert into songs (artist_id, title) values (1, $1) returning id", f"{self._show}-{song}"
            )
            for song in SONGS
        }
        entries = {
            (name, song): await self.sql.fetchval(
                "insert into setlist_songs (setlist_id, show_id, song_id, position)"
                " select id, show_id, $2, $3 from setlists where show_id = $1 and kind = $4::set_kind returning id",
                self._show, songs[song], position, name,
            )
            for name, places in PLACES.items() for position, song in enumerate(places, 1)
        }  # fmt: skip
        return songs, entries

    async def _cast(self, votes: dict[int, dict[int, Vote]], fan: int, entry: int, choice: str) -> None:
        held = votes[entry].get(fan)
        if (held[0] if held else "none") == choice:
            return
        if held is None and self._budget is not None and _count(votes, fan) >= self._budget:
            return
        self._casts += 1
        if choice == "none":
            del votes[entry][fan]
        else:
            votes[entry][fan] = (choice, self._casts)
        await self._commit(fan, entry, None if choice == "none" else choice)

    async def _commit(self, fan: int, entry: int, choice: str | None) -> None:
        cast_ms = int(self._clock.timestamp() * 1000) + self._casts
        shard = self._show % 16
        position = await self.sql.fetchval("select position from log_positions where shard = $1", shard)
        await self.sql.execute(
            "select commit_votes($1, $2, $3, $4, $5, $6, $7, $8::vote_choice[], $9, '{}', '{}', '{}')",
            [shard], [position], [position + 1], ["1"], [entry], [fan], [self._show], [choice], [cast_ms],
        )  # fmt: skip

    async def _compare(self, votes: dict[int, dict[int, Vote]]) -> None:
        rows = await self.sql.fetch(
            "select setlist_song_id, user_id, choice::text from votes where show_id = $1", self._show
        )
        stored = {(row["setlist_song_id"], row["user_id"]): row["choice"] for row in rows}
        assert stored == {(entry, fan): vote[0] for entry, of_fans in votes.items() for fan, vote in of_fans.items()}

    async def _check_counts(self) -> None:
        unsound = await self.sql.fetch("select * from integrity_check()")
        assert unsound == [], [dict(row) for row in unsound]


def _count(votes: dict[int, dict[int, Vote]], fan: int) -> int:
    return sum(fan in of_fans for of_fans in votes.values())


def _folds(example: Example, entries: dict[tuple[str, int], int]) -> list[tuple[int, int]]:
    """The entries that become one, in the order of the merge: one of the same set before one of another set."""
    folds = []
    for name, songs in PLACES.items():
        if example.duplicate in songs:
            kept = [place for place in entries if place[1] == example.survivor]
            if kept:
                same = [place for place in kept if place[0] == name]
                folds.append((entries[name, example.duplicate], entries[(same or kept)[0]]))
    return sorted(folds)


@asynccontextmanager
async def _open_world(new_database: OpenDatabase) -> AsyncIterator[World]:
    async with new_database() as database_url, RowFactory.open(database_url) as factory:
        yield World(factory)


async def test_merged_votes_are_those_of_the_model(new_database: OpenDatabase) -> None:
    """After every step all votes are those of the model, and tallies, history and roll-ups give them again."""

    async def play(world: World, example: Any) -> None:
        await world.play(example)

    await play_examples(partial(_open_world, new_database), play, EXAMPLES, count=12)


async def test_undoing_gives_no_fan_more_votes_than_the_budget(new_database: OpenDatabase) -> None:
    """The vote that filled the room since the merge stays, and so does the merged vote."""
    before = [Cast(0, ("main", 1), "up"), Cast(0, ("main", 2), "down")]
    async with _open_world(new_database) as world:
        await world.play(Example(before, 1, 2, [Cast(0, ("main", 3), "up")], is_undone=True, budget=2))
