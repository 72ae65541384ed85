"""The comparison at the end finds every wrong count, and no right one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.client.http import Tally
from server.load.plan import Held
from server.load.verify import (
    Difference,
    ExpectedBallot,
    Tallies,
    ballot_differences,
    tally_changes,
    tally_differences,
    unconfirmed_differences,
    view_differences,
)
from server.load.view import Timeline, View

EXPECTED = ExpectedBallot(user_id=1, show_id=7, choices={101: "up", 102: "down"})
BALLOT = {101: "up", 102: "down"}
BEFORE = {7: {101: (5, 0), 102: (0, 0), 103: (1, 1)}}
AFTER = {7: {101: (6, 0), 102: (0, 1), 103: (1, 1)}}


def _view(name: str, tally: Tally) -> View:
    view = View(7, Timeline(), name)
    view.tally = tally
    return view


VIEW = _view("watcher 0", AFTER[7])


def differences(
    ballots: Iterable[tuple[ExpectedBallot, Mapping[int, str]]], before: Tallies, after: Tallies, views: Iterable[View]
) -> list[Difference]:
    """All comparisons of a crowd."""
    pairs = list(ballots)
    found = [difference for expected, ballot in pairs for difference in ballot_differences(expected, ballot)]
    found += tally_differences(before, after, tally_changes(pairs), shared=False)
    return found + view_differences(views, after)


def _kinds(found: list[Difference]) -> list[str]:
    return [difference["kind"] for difference in found]


def test_nothing_wrong_gives_no_differences() -> None:
    """Ballots, tallies and views that agree give no difference."""
    assert differences([(EXPECTED, BALLOT)], BEFORE, AFTER, [VIEW]) == []


def test_a_vote_counted_twice_is_found() -> None:
    """A count that is one too high is one difference that names show, song, side and both numbers."""
    after = {7: AFTER[7] | {101: (7, 0)}}
    found = differences([(EXPECTED, BALLOT)], BEFORE, after, [])
    assert found == [
        {"kind": "tally", "show": 7, "song": 101, "side": "up", "before": 5, "expected": 6, "found": 7},
    ]


def test_a_lost_vote_is_found_in_ballot_and_tally() -> None:
    """An acknowledged vote that is gone gives two differences."""
    found = differences([(EXPECTED, {102: "down"})], BEFORE, {7: AFTER[7] | {101: (5, 0)}}, [])
    assert _kinds(found) == ["ballot", "tally"]


def test_a_vote_nobody_cast_is_found() -> None:
    """A ballot must not hold a vote that was never cast."""
    assert _kinds(differences([(EXPECTED, BALLOT | {103: "up"})], BEFORE, AFTER, [])) == ["ballot"]


def test_a_watcher_left_behind_is_found() -> None:
    """Every watcher must hold the final tally of every song."""
    stale = _view("watcher 3", BEFORE[7])
    found = differences([(EXPECTED, BALLOT)], BEFORE, AFTER, [VIEW, stale])
    assert [(difference["watcher"], difference["song"]) for difference in found] == [
        ("watcher 3", 101),
        ("watcher 3", 102),
    ]


def test_a_watcher_without_a_state_is_found() -> None:
    """An empty view differs in every song."""
    assert _kinds(differences([(EXPECTED, BALLOT)], BEFORE, AFTER, [_view("watcher 0", {})])) == ["watcher"] * 3


def test_an_accepted_cast_that_never_became_committed_is_found() -> None:
    """Unconfirmed casts are one difference; unanswered casts alone are none."""
    assert _kinds(unconfirmed_differences(1, 2)) == ["unconfirmed"]
    assert unconfirmed_differences(1, 0) == []


@pytest.mark.parametrize("held", ["up", "none"])
def test_an_unanswered_cast_may_have_been_taken_or_not(held: str) -> None:
    """The ballot of the server settles a doubt, and the tallies must agree with it."""
    expected = ExpectedBallot(1, 7, {101: "up"}, {101: frozenset({"up", "none"})})
    ballot = {101: "up"} if held == "up" else {}
    after = {7: BEFORE[7] | {101: (6 if held == "up" else 5, 0)}}
    assert differences([(expected, ballot)], BEFORE, after, []) == []
    wrong = {7: BEFORE[7] | {101: (5 if held == "up" else 6, 0)}}
    assert _kinds(differences([(expected, ballot)], BEFORE, wrong, [])) == ["tally"]


def test_a_doubt_allows_only_its_own_choices() -> None:
    """A choice that was never sent is wrong, also where the outcome is unknown."""
    expected = ExpectedBallot(1, 7, {101: "up"}, {101: frozenset({"up", "none"})})
    assert _kinds(differences([(expected, {101: "down"})], BEFORE, {7: BEFORE[7] | {101: (5, 1)}}, [])) == ["ballot"]


def test_on_a_shared_show_others_may_vote_but_ours_must_be_there() -> None:
    """With other voters a count may be higher, but never lower than our own votes."""
    changes = tally_changes([(EXPECTED, BALLOT)])
    assert tally_differences(BEFORE, {7: {101: (90, 4), 102: (3, 1), 103: (0, 0)}}, changes, shared=True) == []
    assert _kinds(tally_differences(BEFORE, {7: {101: (0, 0), 102: (0, 1)}}, changes, shared=True)) == ["tally"]


CHOICES = st.dictionaries(st.integers(101, 110), st.sampled_from(["up", "down"]), max_size=10)


@given(st.lists(CHOICES, max_size=8), st.integers(101, 110), st.sampled_from([(1, 0), (0, 1), (-1, 0), (0, -1)]))
def test_any_single_wrong_count_is_found(ballots: list[dict[int, Held]], song: int, wrong: tuple[int, int]) -> None:
    """Right tallies pass for any votes; a count that is wrong by one never does."""
    pairs = [(ExpectedBallot(user, 7, ballot), ballot) for user, ballot in enumerate(ballots)]
    before = {7: dict.fromkeys(range(101, 111), (10, 10))}
    changes = tally_changes(pairs).get(7, {})
    after = {number: (10 + changes.get(number, (0, 0))[0], 10 + changes.get(number, (0, 0))[1]) for number in before[7]}
    assert differences(pairs, before, {7: after}, []) == []
    after[song] = (after[song][0] + wrong[0], after[song][1] + wrong[1])
    assert _kinds(differences(pairs, before, {7: after}, [])) == ["tally"]
