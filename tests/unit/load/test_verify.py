"""The comparison at the end finds what is wrong and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.load.plan import Held
from server.load.verify import Board, Model, counted, differences, tally_differences

MODEL = Model(user_id=1, show_id=7, choices={101: "up", 102: "down"})
BALLOT = {101: "up", 102: "down"}
BEFORE = {7: {101: (5, 0), 102: (0, 0), 103: (1, 1)}}
AFTER = {7: {101: (6, 0), 102: (0, 1), 103: (1, 1)}}
BOARD = Board("watcher 0", 7, {101: (6, 0), 102: (0, 1), 103: (1, 1)})


def _kinds(found: list[dict[str, Any]]) -> list[str]:
    return [difference["kind"] for difference in found]


def test_nothing_wrong_gives_no_differences() -> None:
    """Ballots, tallies and watchers that agree pass."""
    assert differences([(MODEL, BALLOT)], BEFORE, AFTER, [BOARD]) == []


def test_a_vote_counted_twice_is_found() -> None:
    """One count too many is one difference that names show, song, side and both numbers."""
    after = {7: AFTER[7] | {101: (7, 0)}}
    found = differences([(MODEL, BALLOT)], BEFORE, after, [])
    assert found == [
        {"kind": "tally", "show": 7, "song": 101, "side": "up", "before": 5, "expected": 6, "found": 7},
    ]


def test_a_lost_vote_is_found_in_ballot_and_tally() -> None:
    """A vote that was acknowledged and is gone shows twice."""
    found = differences([(MODEL, {102: "down"})], BEFORE, {7: AFTER[7] | {101: (5, 0)}}, [])
    assert _kinds(found) == ["ballot", "tally"]


def test_a_vote_nobody_cast_is_found() -> None:
    """A ballot may hold nothing that was not promised."""
    assert _kinds(differences([(MODEL, BALLOT | {103: "up"})], BEFORE, AFTER, [])) == ["ballot"]


def test_a_watcher_left_behind_is_found() -> None:
    """Who watched must hold the final tally of every song."""
    stale = Board("watcher 3", 7, BEFORE[7])
    found = differences([(MODEL, BALLOT)], BEFORE, AFTER, [BOARD, stale])
    assert [(difference["watcher"], difference["song"]) for difference in found] == [
        ("watcher 3", 101),
        ("watcher 3", 102),
    ]


def test_a_watcher_that_never_had_a_state_is_found() -> None:
    """An empty board is no agreement."""
    assert _kinds(differences([(MODEL, BALLOT)], BEFORE, AFTER, [Board("watcher 0", 7, {})])) == ["watcher"] * 3


def test_a_promise_that_never_became_durable_is_found() -> None:
    """An accepted cast without its committed fails the run."""
    assert _kinds(differences([(MODEL, BALLOT)], BEFORE, AFTER, [BOARD], unconfirmed=2)) == ["unconfirmed"]


@pytest.mark.parametrize("held", ["up", "none"])
def test_an_unanswered_cast_may_have_been_taken_or_not(held: str) -> None:
    """A doubt is settled by the ballot, whichever it says, and the tallies must then agree with it."""
    model = Model(1, 7, {101: "up"}, {101: frozenset({"up", "none"})})
    ballot = {101: "up"} if held == "up" else {}
    after = {7: BEFORE[7] | {101: (6 if held == "up" else 5, 0)}}
    assert differences([(model, ballot)], BEFORE, after, []) == []
    wrong = {7: BEFORE[7] | {101: (5 if held == "up" else 6, 0)}}
    assert _kinds(differences([(model, ballot)], BEFORE, wrong, [])) == ["tally"]


def test_a_doubt_allows_only_its_own_choices() -> None:
    """A choice that was never sent is wrong even where the outcome is unknown."""
    model = Model(1, 7, {101: "up"}, {101: frozenset({"up", "none"})})
    assert _kinds(differences([(model, {101: "down"})], BEFORE, {7: BEFORE[7] | {101: (5, 1)}}, [])) == ["ballot"]


def test_on_a_shared_show_others_may_vote_but_ours_must_be_there() -> None:
    """With others at work, more is fine and less than our own is not."""
    moved = counted([(MODEL, BALLOT)])
    assert tally_differences(BEFORE, {7: {101: (90, 4), 102: (3, 1), 103: (0, 0)}}, moved, shared=True) == []
    assert _kinds(tally_differences(BEFORE, {7: {101: (0, 0), 102: (0, 1)}}, moved, shared=True)) == ["tally"]


CHOICES = st.dictionaries(st.integers(101, 110), st.sampled_from(["up", "down"]), max_size=10)


@given(st.lists(CHOICES, max_size=8), st.integers(101, 110), st.sampled_from([(1, 0), (0, 1), (-1, 0), (0, -1)]))
def test_any_single_wrong_count_is_found(ballots: list[dict[int, Held]], song: int, wrong: tuple[int, int]) -> None:
    """Right tallies pass for any votes; moving one count by one never does."""
    pairs = [(Model(user, 7, ballot), ballot) for user, ballot in enumerate(ballots)]
    before = {7: dict.fromkeys(range(101, 111), (10, 10))}
    moved = counted(pairs).get(7, {})
    after = {number: (10 + moved.get(number, (0, 0))[0], 10 + moved.get(number, (0, 0))[1]) for number in before[7]}
    assert differences(pairs, before, {7: after}, []) == []
    after[song] = (after[song][0] + wrong[0], after[song][1] + wrong[1])
    assert _kinds(differences(pairs, before, {7: after}, [])) == ["tally"]
