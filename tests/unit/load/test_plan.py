"""The plan and the pace of a crowd: reproducible, and within the rules."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.load.crowd import SOCKETS_PER_PROCESS, CrowdOptions, plan_processes
from server.load.pace import Pace
from server.load.plan import Held, Plan, Poll, make_poll, set_choice
from server.load.process import PollSpec

SONGS = list(range(101, 121))


def _polls(count: int, votes_max: int | None = 8) -> list[Poll]:
    return [make_poll(show, [show * 1000 + song for song in SONGS], votes_max, seed=1) for show in range(1, count + 1)]


def _play(plan: Plan, rounds: int) -> list[tuple[int, tuple[tuple[int, str], ...]]]:
    """Draws casts and applies them, as a server that takes every cast does."""
    ballots: dict[int, dict[int, Held]] = {}
    drawn: list[tuple[int, tuple[tuple[int, str], ...]]] = []
    for _ in range(rounds):
        cast = plan.draw(ballots, ())
        assert cast is not None
        poll, votes = cast
        for song, choice in votes:
            set_choice(ballots.setdefault(poll.show_id, {}), song, choice)
        drawn.append((poll.show_id, tuple(votes)))
    return drawn


def test_the_same_seed_casts_the_same_votes() -> None:
    """The votes of a voter depend only on seed and index."""
    first, again, other_voter, other_seed = (
        _play(Plan(_polls(5), index=index, seed=seed, votes_per_cast=2), 100)
        for index, seed in ((3, 9), (3, 9), (4, 9), (3, 10))
    )
    assert first == again
    assert first != other_voter
    assert first != other_seed


@given(
    index=st.integers(0, 10_000),
    votes_max=st.none() | st.integers(1, 25),
    votes_per_cast=st.integers(1, 5),
    busy=st.sets(st.sampled_from([1000 + song for song in SONGS])),
)
def test_casts_stay_within_the_rules(index: int, votes_max: int | None, votes_per_cast: int, busy: set[int]) -> None:
    """No cast exceeds the budget, names a busy song, names a song twice or withdraws a vote that is not there."""
    plan = Plan(_polls(1, votes_max), index=index, seed=1, votes_per_cast=votes_per_cast)
    ballot: dict[int, Held] = {}
    for _ in range(60):
        cast = plan.draw({1: ballot}, busy)
        if cast is None:
            continue
        _, votes = cast
        songs = [song for song, _ in votes]
        assert 1 <= len(votes) <= votes_per_cast
        assert len(set(songs)) == len(songs)
        assert not busy & set(songs)
        # A withdrawal in the same cast frees no place: the server checks the whole list, in any order.
        added = sum(song not in ballot for song in songs)
        assert votes_max is None or len(ballot) + added <= votes_max
        for song, choice in votes:
            assert choice != "none" or song in ballot
            assert ballot.get(song) != choice
            set_choice(ballot, song, choice)


def test_some_songs_are_favourites() -> None:
    """The most popular song gets several times the votes of the least popular one, and every song gets votes."""
    chosen: Counter[int] = Counter()
    for index in range(400):
        for _, votes in _play(Plan(_polls(1), index=index, seed=1, votes_per_cast=1), 5):
            chosen.update(song for song, _ in votes)
    assert len(chosen) == len(SONGS)
    assert max(chosen.values()) > 4 * min(chosen.values())


def test_votes_are_changed_and_withdrawn() -> None:
    """All three choices occur, and up is the most frequent."""
    choices = Counter(
        choice
        for index in range(50)
        for _, votes in _play(Plan(_polls(1), index=index, seed=1, votes_per_cast=1), 40)
        for _, choice in votes
    )
    assert set(choices) == {"up", "down", "none"}
    assert choices.most_common(1)[0][0] == "up"


def test_every_show_has_voters_until_they_leave() -> None:
    """Voters are spread over the shows by turns; a voter never votes in a show it left."""
    polls = _polls(7)
    plans = [Plan(polls, index=index, seed=1, votes_per_cast=1) for index in range(7)]
    assert {plan.polls[0].show_id for plan in plans} == set(range(1, 8))
    for poll in list(plans[0].polls):
        plans[0].leave(poll.show_id)
    assert plans[0].draw({}, ()) is None


@given(st.floats(1, 5000), st.floats(0, 5), st.lists(st.floats(0, 0.5), min_size=1, max_size=50))
def test_an_even_pace_is_the_integral_of_the_rate(rate: float, ramp_s: float, steps: list[float]) -> None:
    """For any sequence of calls, the sum of due casts is the integral of the rate, to one cast."""
    pace = Pace(rate, ramp_s=ramp_s, natural=False, seed=1)
    elapsed_s, given_out = 0.0, 0
    for step in steps:
        elapsed_s += step
        given_out += pace.due(elapsed_s)
    exact = rate * elapsed_s**2 / ramp_s / 2 if elapsed_s < ramp_s else rate * (elapsed_s - ramp_s / 2)
    assert given_out == pytest.approx(exact, abs=1.01)


def test_a_natural_pace_has_bursts_and_lulls_and_keeps_its_mean() -> None:
    """The casts of single seconds differ widely, their mean is the rate, and the same seed gives the same casts."""
    one, again = (Pace(20, ramp_s=0, natural=True, seed=5) for _ in range(2))
    seconds = [one.due(float(second)) for second in range(3600)]
    assert seconds == [again.due(float(second)) for second in range(3600)]
    assert sum(seconds) / len(seconds) == pytest.approx(20, rel=0.15)
    assert max(seconds) > 40
    assert min(seconds) < 6


def test_processes_share_all_voters_watchers_and_casts() -> None:
    """No voter, watcher or cast is lost or doubled when a crowd is split over processes."""
    options = CrowdOptions(voters=11, watchers=5, rate_per_s=330.0, processes=3)
    processes = plan_processes(options, [PollSpec(1, SONGS, None)], cores=2)
    assert [(process.first_voter, process.voters) for process in processes] == [(0, 4), (4, 4), (8, 3)]
    assert [(process.first_watcher, process.watchers) for process in processes] == [(0, 2), (2, 2), (4, 1)]
    assert sum(process.rate_per_s for process in processes) == pytest.approx(330.0)


def test_a_large_crowd_takes_more_processes_but_no_more_than_cores() -> None:
    """The default number of processes follows from rate and sockets, up to the number of cores."""
    polls = [PollSpec(1, SONGS, None)]
    assert len(plan_processes(CrowdOptions(voters=50), polls, cores=8)) == 1
    assert len(plan_processes(CrowdOptions(voters=1, watchers=SOCKETS_PER_PROCESS * 3), polls, cores=8)) == 4
    assert len(plan_processes(CrowdOptions(voters=1, watchers=SOCKETS_PER_PROCESS * 30), polls, cores=2)) == 2
