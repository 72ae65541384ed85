"""Random sets and ballots: Python recounts SQL's scores of crowd and voters by the definitions of docs/accuracy.md."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from tests.support.row_factory import RowFactory

SHOW = 7
NOBODY = 5
USERS = (1, 2, 3, 4, NOBODY)
BAND, SUPPORT = 1, 2

Places = list[tuple[int, bool]]  # song, is_tape
Sets = list[tuple[str, int, Places]]  # type, artist, songs
Votes = dict[tuple[int, int, int], str]  # (set, place in it, user) -> choice
Example = tuple[Sets, Votes]


def draw(seed: int) -> Example:
    """Some sets of up to six of seven songs, so that they overlap, and ballots with many of them."""
    rng = Random(seed)
    sets: Sets = []
    for _ in range(rng.randint(2, 6)):
        songs = [(song, rng.random() < 0.15) for song in rng.sample(range(1, 8), rng.randint(0, 6))]
        sets.append((rng.choice(["predicted", "predicted", "actual"]), rng.choice([BAND, BAND, SUPPORT]), songs))
    places = [(number, place) for number, (_, _, songs) in enumerate(sets) for place in range(len(songs))]
    votes = {
        (*place, user): rng.choice(["up", "up", "down"]) for place in places for user in USERS if rng.random() < 0.4
    }
    return sets, votes


def ranks_right(scores: Mapping[int, int], played: set[int]) -> Fraction | None:
    """Over all pairs of a played and an unplayed song: the share in the right order minus the share in the wrong one."""
    pairs = [(scores[hit], scores[miss]) for hit in scores if hit in played for miss in scores if miss not in played]
    if not pairs:
        return None
    return Fraction(sum(hit > miss for hit, miss in pairs) - sum(hit < miss for hit, miss in pairs), len(pairs))


def score(predicted: set[int], scores: Mapping[int, int], played: set[int]) -> tuple[Any, ...]:
    hits = len(predicted & played)
    precision = Fraction(hits, len(predicted)) if predicted else None
    return len(predicted), hits, len(played), precision, Fraction(hits, len(played)), ranks_right(scores, played)


def recount(example: Example) -> tuple[tuple[Any, ...] | None, dict[int, tuple[Any, ...]]]:
    """The score of the crowd, and of each voter."""
    sets, votes = example
    live = [(kind, act, place, song, number) for number, (kind, act, songs) in enumerate(sets)
            for place, (song, is_tape) in enumerate(songs) if not is_tape]  # fmt: skip
    played = {song for kind, _, _, song, _ in live if kind == "actual"}
    known = {act for kind, act, _, _, _ in live if kind == "actual"}
    crowd: Counter[int] = Counter()
    ballots: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for kind, act, place, song, number in live:
        if kind != "predicted" or act not in known:
            continue
        crowd[song] += 0
        for user in USERS:
            choice = votes.get((number, place, user))
            if choice is not None:
                crowd[song] += 1 if choice == "up" else -1
                ballots[user][song] += 1 if choice == "up" else -1
    if not crowd:
        return None, {}
    # The score of the last song that is predicted: songs with the same score are predicted too.
    best = sorted(crowd.values(), reverse=True)[: len(played)][-1]
    predicted = {song for song, net in crowd.items() if net > 0 and net >= best}
    voters = {}
    for user, ballot in ballots.items():
        choices = {song: (ballot[song] > 0) - (ballot[song] < 0) for song in crowd}
        voters[user] = score({song for song, choice in choices.items() if choice > 0}, choices, played)
    voters.pop(NOBODY, None)
    return (len(crowd), *score(predicted, crowd, played)), voters


class Stage:
    """One show whose sets and votes are inserted, scored and removed again."""

    def __init__(self, factory: RowFactory) -> None:
        self.sql = factory.sql
        self.seen: Counter[str] = Counter()

    async def play(self, example: Example) -> None:
        """Inserts an example, compares its scores, and rolls back."""
        transaction = self.sql.transaction()
        await transaction.start()
        try:
            await self._put(example)
            await self._compare(example)
            # Scored again over existing scores: the result is the same.
            await self._compare(example)
            await self.sql.execute("delete from setlists where show_id = $1 and type = 'actual'", SHOW)
            await self._compare(([one for one in example[0] if one[0] == "predicted"], {}))
        finally:
            await transaction.rollback()

    async def _put(self, example: Example) -> None:
        sets, votes = example
        await self.sql.executemany(
            "insert into setlists (id, show_id, type, name, position, artist_id) overriding system value"
            " values ($1::bigint, $2, $3, 'Set', 1 + $1::bigint, $4)",
            [(number, SHOW, kind, act if act == SUPPORT else None) for number, (kind, act, _) in enumerate(sets)],
        )
        await self.sql.executemany(
            "insert into setlist_songs (id, setlist_id, show_id, song_id, position, is_tape) overriding system value"
            " values ($1::bigint, $2, $3, $4, 1 + $1::bigint, $5)",
            [(10 * number + place, number, SHOW, song, is_tape) for number, (_, _, songs) in enumerate(sets)
             for place, (song, is_tape) in enumerate(songs)],
        )  # fmt: skip
        await self.sql.executemany(
            "insert into votes values ($1, $2, $3, $4, now())",
            [(10 * number + place, user, SHOW, choice) for (number, place, user), choice in votes.items()],
        )

    async def _compare(self, example: Example) -> None:
        crowd, voters = recount(example)
        await self.sql.execute("select score_show($1)", SHOW)
        row = await self.sql.fetchrow(
            "select offered, predicted, hits, played, precision, recall, rank_correlation from show_accuracy where show_id = $1",
            SHOW,
        )
        assert (None if row is None else tuple(row)) == _floats(crowd)
        rows = await self.sql.fetch(
            "select user_id, predicted, hits, played, precision, recall, rank_correlation from voter_accuracy where show_id = $1",
            SHOW,
        )
        assert {row[0]: tuple(row)[1:] for row in rows} == {user: _floats(found) for user, found in voters.items()}
        self.seen["none" if crowd is None else "some"] += 1
        self.seen["tie"] += crowd is not None and crowd[1] > crowd[3]
        self.seen["voters"] += len(voters)
        self.seen["unranked"] += crowd is not None and crowd[-1] is None


def _floats(found: tuple[Any, ...] | None) -> Any:
    if found is None:
        return None
    return tuple(pytest.approx(float(one)) if isinstance(one, Fraction) else one for one in found)


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    """A band and a support, seven songs, four fans and a nobody."""
    async with RowFactory.open(database_url) as factory:
        await factory.show(SHOW, song_count=0)
        await factory.sql.execute(
            f"""
            delete from setlists;
            insert into artists (slug, name) values ('support', 'Support');
            insert into show_artists values ({SHOW}, {SUPPORT}, 'support', 2);
            insert into songs (artist_id, title) select 1 + n % 2, 'Song ' || n from generate_series(1, 7) n;
            insert into users select from generate_series(1, 4);
            insert into users (nobody) values (1);
            """
        )
        yield Stage(factory)


async def test_scores_equal_a_recount(stage: Stage) -> None:
    """For any offered, voted and played songs, SQL and Python agree on the crowd and every voter."""
    for seed in range(120):
        await stage.play(draw(seed))
    assert min(stage.seen[kind] for kind in ("none", "some", "tie", "voters", "unranked")) > 10, stage.seen


async def test_the_example_of_the_documentation(stage: Stage) -> None:
    """The numbers that docs/accuracy.md calculates by hand."""
    sets: Sets = [
        ("predicted", BAND, [(song, False) for song in range(1, 6)]),
        ("actual", BAND, [(1, False), (2, False), (4, False), (6, False)]),
    ]
    votes = {
        (0, 0, 1): "up",
        (0, 0, 2): "up",
        (0, 0, 3): "up",
        (0, 1, 1): "up",
        (0, 1, 2): "up",
        (0, 2, 1): "up",
        (0, 3, 3): "down",
    }
    crowd, voters = recount((sets, votes))
    assert crowd == (5, 3, 2, 4, Fraction(2, 3), Fraction(1, 2), Fraction(1, 3))
    assert voters[1] == (3, 2, 4, Fraction(2, 3), Fraction(1, 2), Fraction(1, 6))
    assert voters[3] == (1, 1, 4, 1, Fraction(1, 4), 0)
    await stage.play((sets, votes))
