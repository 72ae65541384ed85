"""The detector finds attacks in small crowds, and leaves crowds alone that only look like one (bench/abuse.py has large ones)."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from server.abuse.ballots import Account, ShowBallots
from server.abuse.detector import Found, find_groups
from server.abuse.known_groups import KnownGroups
from server.abuse.watch import reasons_of

NOW_MS = 1_800_000_000_000
TARGET = 115
CAST_END = [20_000, 1]


class Evening:
    """Casts of a show, fan by fan."""

    def __init__(self) -> None:
        self.random = Random(5)
        self.seen = ShowBallots()
        self.users = 0

    def fan(self, at_ms: int, votes: list[tuple[int, int]], *, agent: int, subnet: int, pause_ms: float = 0) -> int:
        """Adds a fan; pause_ms 0: as a person."""
        self.users += 1
        for song, choice in votes:
            self.seen.take([[7, self.users, song, choice, *CAST_END]], at_ms)
            at_ms += round(pause_ms or 1000 * self.random.lognormvariate(1, 0.8))
        self.seen.shows[7][self.users].account = Account(at_ms - 300, agent, subnet)
        return self.users

    def crowd(self, count: int) -> None:
        """People with programs and networks of their own."""
        for _ in range(count):
            songs = self.random.sample(range(101, 125), self.random.choice((1, 2, 3, 5)))
            self.fan(
                NOW_MS - self.random.randrange(600_000), [(song, 1) for song in songs],
                agent=self.random.randrange(1, 60), subnet=self.random.randrange(1, 5_000),
            )  # fmt: skip

    def groups(self) -> list[Found]:
        """What the detector finds."""
        return find_groups(list(self.seen.shows[7].values()), NOW_MS)


@pytest.fixture
def evening() -> Evening:
    """Three hundred honest fans."""
    made = Evening()
    made.crowd(300)
    return made


def script(evening: Evening) -> list[int]:
    """One program from one network."""
    return [
        evening.fan(NOW_MS - 60_000 + evening.random.randrange(30_000), [(TARGET, 1)], agent=99, subnet=9_999)
        for _ in range(40)
    ]


def metronome(evening: Evening) -> list[int]:
    """Nothing in common but the song and the rhythm."""
    return [
        evening.fan(NOW_MS - 60_000 + 500 * n, [(TARGET, 2)], agent=evening.random.randrange(1, 60), subnet=10_000 + n)
        for n in range(40)
    ]


def copies(evening: Evening) -> list[int]:
    """One list, and the pauses of a script."""
    return [
        evening.fan(
            NOW_MS - evening.random.randrange(90_000), [(song, 1) for song in (103, TARGET, 119, 108)],
            agent=evening.random.randrange(1, 60), subnet=10_000 + n, pause_ms=400,
        )
        for n in range(40)
    ]  # fmt: skip


@pytest.mark.parametrize("attack", [script, metronome, copies])
def test_an_attack_is_found_whole_and_alone(evening: Evening, attack: Callable[[Evening], list[int]]) -> None:
    """One group has its ballots and hardly another; its reasons are of two kinds and in words."""
    cheats = set(attack(evening))
    (group,) = evening.groups()
    members = {ballot.user_id for ballot in group.ballots}
    assert len(members & cheats) >= 38
    assert len(members - cheats) <= 1
    assert len(group.signals) >= 2
    assert "words" in reasons_of(group)


def few_networks(evening: Evening) -> list[int]:
    """Two songs from six networks, with the pauses of a script; four accounts of each network so far."""
    return [
        evening.fan(
            NOW_MS - 40_000 + evening.random.randrange(40_000), [(TARGET, 1), (117, 1)],
            agent=evening.random.randrange(1, 60), subnet=10_000 + n % 6, pause_ms=900,
        )
        for n in range(24)
    ]  # fmt: skip


def copies_under_way(evening: Evening) -> list[int]:
    """One list of five songs, of which most accounts have cast the first three or four."""
    return [
        evening.fan(
            NOW_MS - 40_000 + evening.random.randrange(40_000), [(song, 1) for song in (103, TARGET, 119, 108, 121)][: 3 + n % 3],
            agent=evening.random.randrange(1, 60), subnet=10_000 + n, pause_ms=1_500,
        )
        for n in range(24)
    ]  # fmt: skip


@pytest.mark.parametrize("attack", [few_networks, copies_under_way])
def test_an_attack_is_found_with_its_first_accounts(evening: Evening, attack: Callable[[Evening], list[int]]) -> None:
    """Two dozen accounts are enough, also when each network has few of them, or most have not cast their whole list."""
    cheats = set(attack(evening))
    (group,) = evening.groups()
    members = {ballot.user_id for ballot in group.ballots}
    assert len(members & cheats) >= 20
    assert len(members - cheats) <= 1


def test_the_reasons_of_pauses_and_old_accounts_say_what_was_found(evening: Evening) -> None:
    """Two batches of accounts, made days apart, and three pauses far from each other: neither is said to be one."""
    for ballot in evening.seen.shows[7].values():
        assert ballot.account is not None
        ballot.account.made_ms -= evening.random.randrange(1, 90) * 86_400_000
    for n in range(60):
        user = evening.fan(
            NOW_MS - evening.random.randrange(90_000), [(song, 1) for song in (103, TARGET, 119, 108)],
            agent=evening.random.randrange(1, 60), subnet=10_000 + n, pause_ms=(300, 900, 2_700)[n % 3],
        )  # fmt: skip
        account = evening.seen.shows[7][user].account
        assert account is not None
        account.made_ms = NOW_MS - (3, 9)[n % 2] * 86_400_000
    (group,) = evening.groups()
    words = {signal.kind: signal.words.split(";")[0] for signal in group.signals}
    assert words["batch"] == "100% of their accounts were made in one or two spans of ten minutes, long before"
    assert words["pauses"] == "100% of them have one of the same three pauses between their first two votes"


def test_a_group_that_grows_stays_one(evening: Evening) -> None:
    """Known members are told once; later ones join the group, until it is closed."""
    cheats = set(script(evening))
    (group,) = evening.groups()
    known = KnownGroups()
    ((number, _, users),) = known.place(7, [group])
    assert set(users) == {ballot.user_id for ballot in group.ballots}
    assert known.place(7, [group]) == []
    late = script(evening)
    known.rename(number, 31)
    ((number, _, new),) = known.place(7, evening.groups())
    assert number == 31
    assert len(set(new) - set(late) - cheats) <= 2
    known.close(31)
    latest = script(evening)
    ((number, _, new),) = known.place(7, evening.groups())
    assert number < 0
    assert set(new) <= set(latest)
    known.keep({8})
    assert not known.knows(7)


def test_a_stadium_behind_one_address_that_follows_a_call_is_left_alone(evening: Evening) -> None:
    """One network, one song, within a minute: a crowd does this, and its programs and times are its own."""
    for _ in range(120):
        at_ms = NOW_MS - 120_000 + round(1000 * evening.random.lognormvariate(2.5, 0.7))
        evening.fan(at_ms, [(TARGET, 1)], agent=evening.random.randrange(1, 60), subnet=3)
    assert evening.groups() == []


def test_tablets_at_the_entrance_are_left_alone(evening: Evening) -> None:
    """One program and one network, but the votes of people."""
    for n in range(120):
        songs = evening.random.sample(range(101, 125), evening.random.choice((1, 2, 3)))
        evening.fan(NOW_MS - 590_000 + 4_500 * n, [(song, 1) for song in songs], agent=99, subnet=3)
    assert evening.groups() == []


def test_the_oldest_ballots_are_forgotten(evening: Evening) -> None:
    """Beyond the limit, half of it at once; the newest stay."""
    newest = max(evening.seen.shows[7].values(), key=lambda ballot: ballot.last_ms)
    assert evening.seen.forget_oldest(300) == 0
    assert evening.seen.forget_oldest(200) == 200
    assert evening.seen.count == len(evening.seen.shows[7]) == 100
    assert newest.user_id in evening.seen.shows[7]
