"""The points of picks: the examples of docs/game.md, and any picks against a count by hand."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from server.game.scoring import COLUMNS, Outcome, Picks, Ranking, unpack
from server.protocol.outcomes import Picked


def pack(user_id: int, pick: Picked) -> bytes:
    """A pick as scores.sql gives it."""
    songs = [*pick.songs, *[0] * (10 - len(pick.songs))]
    return struct.pack(f">{COLUMNS}q", user_id, *songs, pick.opener or 0, pick.closer or 0, pick.encore or 0)


def scored(
    picks: Sequence[tuple[int, Picked]], outcome: Outcome, merged: Mapping[int, int] | None = None
) -> tuple[Picks, Ranking]:
    rows, picked_ids = unpack([pack(user, pick) for user, pick in picks])
    made = Picks(rows, picked_ids, merged or {})
    return made, Ranking(made.score(outcome))


def recount(
    picks: Sequence[tuple[int, Picked]], outcome: Outcome, merged: Mapping[int, int]
) -> tuple[list[int], list[int]]:
    """Points and places by the words of docs/game.md, one pick after the other."""
    sets = [{merged.get(song, song) for song in pick.songs} for _, pick in picks]

    def worth(song: int) -> int:
        return 100 - 90 * sum(song in songs for songs in sets) // len(picks)

    def place(song: int | None) -> int | None:
        return merged.get(song, song) if song else None

    points = []
    for songs, (_, pick) in zip(sets, picks, strict=True):
        total = sum(worth(song) for song in songs if song in outcome.played)
        total += 50 if pick.opener and place(pick.opener) == outcome.opener else 0
        total += 50 if pick.closer and place(pick.closer) == outcome.closer else 0
        total += 30 if place(pick.encore) in outcome.encore else 0
        points.append(total)
    return points, [1 + sum(other > own for other in points) for own in points]


def test_the_example_of_the_documentation() -> None:
    """Four fans, as docs/game.md calculates them."""
    a, b, c, d = 101, 102, 103, 104
    picks = [
        (1, Picked([a, b, c], opener=a, closer=c)),
        (2, Picked([a, b], encore=b)),
        (3, Picked([a, d], opener=d)),
        (4, Picked([a])),
    ]
    made, _ = scored(picks, Outcome())
    assert made.worth([a, b, c, d, 999]) == {a: 10, b: 55, c: 78, d: 78}
    live = Outcome(played=frozenset({a, c}), opener=a)
    _, ranking = scored(picks, live)
    assert ranking.points.tolist() == [138, 10, 10, 10]
    assert ranking.ranks().tolist() == [1, 2, 2, 2]
    over = Outcome(played=frozenset({a, b, c}), opener=a, closer=b, encore=frozenset({b}))
    _, ranking = scored(picks, over)
    assert ranking.points.tolist() == [193, 95, 10, 10]
    assert ranking.ranks().tolist() == [1, 2, 3, 3]


SONGS = st.integers(1, 14)


@st.composite
def drawn_picks(draw: st.DrawFn) -> list[tuple[int, Picked]]:
    """Up to twelve fans with any picks; 0 is an erased fan."""
    picks = []
    for user in range(draw(st.integers(1, 12))):
        songs = draw(st.lists(SONGS, min_size=1, max_size=10, unique=True))
        places = [draw(st.sampled_from([None, *songs])) for _ in range(3)]
        picks.append((user, Picked(songs, *places)))
    return picks


@given(
    picks=drawn_picks(),
    played=st.frozensets(SONGS),
    places=st.tuples(*[st.one_of(st.none(), SONGS)] * 2),
    encore=st.frozensets(SONGS, max_size=3),
    merged=st.dictionaries(st.integers(1, 7), st.integers(8, 14), max_size=3),
)
def test_points_and_places_equal_a_recount(
    picks: list[tuple[int, Picked]],
    played: frozenset[int],
    places: tuple[int | None, int | None],
    encore: frozenset[int],
    merged: dict[int, int],
) -> None:
    """For any picks, merges and played songs, the arrays give what a count by hand gives, and pages give every row once."""
    outcome = Outcome(played, places[0], places[1], encore)
    made, ranking = scored(picks, outcome, merged)
    points, ranks = recount(picks, outcome, merged)
    assert ranking.points.tolist() == points
    assert ranking.ranks().tolist() == ranks
    assert [made.row_of(user) for user, _ in picks] == list(range(len(picks)))
    assert made.row_of(99) is None
    listed: list[int] = []
    while len(listed) < len(picks):
        start = ranking.after(int(ranking.points[listed[-1]]), listed[-1]) if listed else 0
        assert start == len(listed)
        listed += ranking.order[start : start + 5].tolist()
    assert [ranking.rank(row) for row in listed] == sorted(ranks)
    assert sorted(listed) == list(range(len(picks)))
