"""Finds groups of ballots that vote in lockstep for one target, and look like the work of one hand; pure.

For each target (a song up, or a song down) it looks at sets of its voters that have one thing in common, compares each set with the
fans who do not vote for the target, and takes a set whose signals are of two independent kinds (docs/abuse.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server.abuse.ballots import Ballot
from server.abuse.signals import (
    BALLOTS_MIN,
    GATHERING,
    MEMBERS_MIN,
    REST_MIN,
    TRAITS,
    YES_OR_NO,
    Counts,
    Signal,
    count_traits,
    find_signals,
    note_traits,
)

RECENT_MS = 600_000
SCORE_MIN = 3.0
# A value is suspicious for a target when most fans with it vote for the target, and twice as many as of the others.
ALIKE_MIN = 0.6
ALIKE_RATIO = 2.0
VALUE_BALLOTS_MIN = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A group that was found. target: a song, negative for votes down; score: the sum of the weights of its signals."""

    target: int
    ballots: list[Ballot]
    score: float
    signals: list[Signal]

    @property
    def began_ms(self) -> int:
        """The time of its first vote."""
        return min(ballot.first_ms for ballot in self.ballots)

    @property
    def ended_ms(self) -> int:
        """The time of its last vote."""
        return max(ballot.last_ms for ballot in self.ballots)


@dataclass(frozen=True, slots=True)
class _Voters:
    """The voters of a target, with the traits of theirs and of all ballots."""

    ballots: Sequence[Ballot]
    everywhere: Counts
    counts: Counts


def find_groups(ballots: Sequence[Ballot], now_ms: int) -> list[Found]:
    """The groups among the ballots of one show, the surest first; a ballot is in one at most.

    Takes: now_ms, the time of the newest vote
    Cost:  O(votes), some microseconds each
    """
    note_traits(ballots)
    recent = [ballot for ballot in ballots if ballot.last_ms > now_ms - RECENT_MS]
    found = _find(recent)
    if len(recent) < len(ballots):
        found += _find(ballots)
    found.sort(key=lambda group: (group.score, len(group.ballots)), reverse=True)
    groups: list[Found] = []
    taken: set[int] = set()
    for group in found:
        left = [ballot for ballot in group.ballots if ballot.user_id not in taken]
        if len(left) >= MEMBERS_MIN:
            groups.append(Found(group.target, left, group.score, group.signals))
            taken.update(ballot.user_id for ballot in left)
    return groups


def _find(ballots: Sequence[Ballot]) -> list[Found]:
    by_target: dict[int, list[Ballot]] = {}
    for ballot in ballots:
        for target in ballot.targets:
            by_target.setdefault(target, []).append(ballot)
    everywhere = count_traits(ballots)
    found = []
    for target, voters in by_target.items():
        if len(voters) < BALLOTS_MIN or len(ballots) - len(voters) < REST_MIN:
            continue
        counts = count_traits(voters)
        for common, candidate in _candidates(voters, everywhere, counts):
            group = _judge(target, common, candidate, _Voters(voters, everywhere, counts))
            if group is not None:
                found.append(group)
    return found


def _candidates(voters: Sequence[Ballot], everywhere: Counts, counts: Counts) -> Iterator[tuple[str, list[Ballot]]]:
    """Sets of a target's voters, at least BALLOTS_MIN each, with the kind of signal that all of them show."""
    for place, trait in enumerate(TRAITS):
        values = {1} if trait.kind in YES_OR_NO else _suspicious(everywhere[place], counts[place])
        if sum(counts[place][value] for value in values) >= BALLOTS_MIN:
            yield trait.kind, [ballot for ballot in voters if ballot.traits[place] in values]


def _suspicious(everywhere: Counter[int], counts: Counter[int]) -> set[int]:
    """The values whose ballots mostly vote for the target, while those of other values do not."""
    known_count, known_voters = everywhere.total() - everywhere[0], counts.total() - counts[0]
    values = set()
    for value, count in counts.items():
        if value and count >= VALUE_BALLOTS_MIN and count >= ALIKE_MIN * everywhere[value]:
            others = (known_voters - count + 1) / (known_count - everywhere[value] + 2)
            if count >= ALIKE_RATIO * others * everywhere[value]:
                values.add(value)
    return values


def _judge(target: int, common: str, candidate: list[Ballot], voters: _Voters) -> Found | None:
    """The group around a set, if its signals are enough.

    Takes: common, the kind of signal by which the set was chosen: that all of the set show it proves nothing
    """
    signals = find_signals(candidate, voters.everywhere, voters.counts)
    if not _are_enough(signals, common):
        return None
    members = _members(signals, voters.ballots)
    if len(members) < MEMBERS_MIN:
        # Some times look regular by chance. Without them, the signals may be enough still.
        signals = [signal for signal in signals if signal.kind != "rhythm"]
        members = _members(signals, voters.ballots) if _are_enough(signals, common) else []
    if len(members) < MEMBERS_MIN:
        return None
    # What was found must be true of the members too.
    signals = find_signals(members, voters.everywhere, voters.counts)
    return Found(target, members, score_of(signals), signals) if _are_enough(signals, common) else None


def score_of(signals: Sequence[Signal]) -> float:
    """The sum of the weights; of those signs that a crowd shows too, only the strongest counts."""
    machine = sum(signal.weight for signal in signals if signal.kind not in GATHERING)
    return machine + max((signal.weight for signal in signals if signal.kind in GATHERING), default=0.0)


def _are_enough(signals: Sequence[Signal], common: str) -> bool:
    """Whether the signals are of two independent kinds, and one that no crowd shows was found without looking for it."""
    machine = [signal.kind for signal in signals if signal.kind not in GATHERING]
    kinds = len(machine) + (len(signals) > len(machine))
    return kinds > 1 and machine not in ([], [common]) and score_of(signals) >= SCORE_MIN


def _members(signals: Sequence[Signal], voters: Sequence[Ballot]) -> list[Ballot]:
    """The target's voters that show the signals, all but one of four or more, within the time of nearly all of them."""
    # A burst is half of a group: the other half came before it or after it.
    tests = [signal.matches for signal in signals if signal.kind != "burst"]
    needed = len(tests) if len(tests) < 4 else len(tests) - 1
    members = [ballot for ballot in voters if sum(test(ballot) for test in tests) >= needed]
    if len(members) < MEMBERS_MIN:
        return []
    times = sorted(ballot.first_ms for ballot in members)
    width = max(1, round(0.95 * len(times)) - 1)
    place = min(range(len(times) - width), key=lambda start: times[start + width] - times[start])
    first_ms, last_ms = times[place], times[place + width]
    margin_ms = 1_000 + (last_ms - first_ms) // 20
    return [ballot for ballot in members if first_ms - margin_ms <= ballot.first_ms <= last_ms + margin_ms]
