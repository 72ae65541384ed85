"""Finds the signals of a set of ballots that vote for one target, compared with the ballots that do not; pure.

The signals of GATHERING also fit a crowd that meets: it shares a network, comes at once, votes for one song, or copies a list. So
together they count once, and never alone. The other signals need a program (docs/abuse.md).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise

from server.abuse.ballots import Ballot

BALLOTS_MIN = 20  # a smaller set is not examined
MEMBERS_MIN = 15  # fewer ballots are no group
REST_MIN = 30  # other ballots, to compare the set with
GATHERING = frozenset({"subnets", "one_song", "same_ballot", "burst"})
OLD_ACCOUNT_MS = 3_600_000
WEIGHT_MAX = 6.0

Matches = Callable[[Ballot], bool]
Counts = Sequence[Counter[int]]  # by the place of a trait: value -> ballots


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that was found. weight: how much rarer it is elsewhere [bits]; matches: whether a ballot shows it."""

    kind: str
    weight: float
    words: str
    matches: Matches


def _pause(ballot: Ballot) -> int:
    """The step of the pause between the first two casts; each step ends about a tenth later than the one before; 0: one cast."""
    return 1 + int(10 * math.log(ballot.gap_ms + 20)) if ballot.gap_ms >= 0 else 0


def _sequence(ballot: Ballot) -> int:
    """A number that is equal for ballots that begin with the same three choices in the same order."""
    return hash(tuple(islice(ballot.choices.items(), 3))) or 1 if len(ballot.choices) > 2 else 0


def _batch(ballot: Ballot) -> int:
    """A number for the ten minutes in which an old account was made; 0: it is not old, or not known."""
    account = ballot.account
    if account is None or ballot.first_ms - account.made_ms < OLD_ACCOUNT_MS:
        return 0
    return account.made_ms // 600_000


@dataclass(frozen=True, slots=True)
class Trait:
    """What ballots may have in common: a number of each ballot; 0: it has none, or it is not known.

    top: pairs of a number of values and the share of the ballots that they have to cover; one pair is enough; ratio: how many times
    the share among the other ballots this share has to be
    """

    kind: str
    value_of: Callable[[Ballot], int]
    top: tuple[tuple[int, float], ...]
    ratio: float
    words: str


TRAITS = (
    Trait("agents", lambda ballot: ballot.account.agent if ballot.account else 0, ((1, 0.7), (3, 0.85), (5, 0.95)), 2,
          "{share:.0%} of them use the same {count} of the programs; {rest:.0%} of the others do."),
    Trait("subnets", lambda ballot: ballot.account.subnet if ballot.account else 0, ((8, 0.6),), 2,
          "{share:.0%} of their accounts come from the same {count} of the networks; {rest:.0%} of the others do."),
    Trait("pauses", _pause, ((3, 0.6),), 3,
          "{share:.0%} of them have one of the same three pauses between their first two votes; {rest:.0%} of the others do."),
    Trait("same_ballot", _sequence, ((1, 0.5),), 5,
          "{share:.0%} of them begin with the same three votes in the same order; {rest:.0%} of the others do."),
    Trait("batch", _batch, ((2, 0.7),), 4,
          "{share:.0%} of their accounts were made in one or two spans of ten minutes, long before; {rest:.0%} of the others were."),
    Trait("one_song", lambda ballot: 1 if len(ballot.choices) == 1 else 2, ((1, 0.8),), 2,
          "{share:.0%} of them vote on one song only; {rest:.0%} of the others do."),
    Trait("changes", lambda ballot: 1 if ballot.change_count > 2 else 2, ((1, 0.6),), 5,
          "{share:.0%} of them change their votes three times or more; {rest:.0%} of the others do."),
)  # fmt: skip
# Of these two only the value 1 is a signal; 2 stands for "known, and not so".
YES_OR_NO = frozenset({"one_song", "changes"})


def note_traits(ballots: Iterable[Ballot]) -> None:
    """Computes the traits of ballots, for all that follows."""
    values = [trait.value_of for trait in TRAITS]
    for ballot in ballots:
        ballot.traits = tuple([value_of(ballot) for value_of in values])


def count_traits(ballots: Sequence[Ballot]) -> Counts:
    """How many of some ballots have each value of each trait."""
    return [Counter(column) for column in zip(*[ballot.traits for ballot in ballots], strict=True)]


def find_signals(ballots: Sequence[Ballot], everywhere: Counts, voters: Counts) -> list[Signal]:
    """The signals of ballots for one target, compared with the ballots that do not vote for it.

    Takes: ballots, at least MEMBERS_MIN; everywhere, the traits of all ballots; voters, those of the ballots for the target
    Cost:  O(ballots)
    """
    counts = count_traits(ballots)
    found = [
        _few_values(place, counts[place], everywhere[place] - voters[place], len(ballots))
        for place in range(len(TRAITS))
    ]
    found += [_burst(ballots), _rhythm(ballots)]
    return [signal for signal in found if signal is not None]


def _few_values(place: int, counts: Counter[int], others: Counter[int], ballot_count: int) -> Signal | None:
    """Whether few values cover most of the ballots, but a much smaller share of the others whose value is known."""
    trait = TRAITS[place]
    known_count = others.total() - others[0]
    if known_count < REST_MIN:
        return None
    counted = Counter({1: counts[1]}) if trait.kind in YES_OR_NO else +counts
    del counted[0]
    for count, share_min in trait.top:
        common = dict(counted.most_common(count))
        share = sum(common.values()) / ballot_count
        if share < share_min:
            continue
        rest = (sum(others[value] for value in common) + 1) / (known_count + 2)
        if share >= trait.ratio * rest:
            weight = round(min(WEIGHT_MAX, math.log2(share / rest)), 2)
            words = trait.words.format(share=share, rest=rest, count=len(common))
            return Signal(trait.kind, weight, words, partial(_has, place, frozenset(common)))
    return None


def _has(place: int, values: frozenset[int], ballot: Ballot) -> bool:
    return ballot.traits[place] in values


def _burst(ballots: Sequence[Ballot]) -> Signal | None:
    """Whether half of the ballots came within three seconds."""
    times = sorted(ballot.first_ms for ballot in ballots)
    start, end = _densest_half(times)
    first_ms, last_ms = times[start], times[end]
    if last_ms - first_ms > 3_000:
        return None
    words = f"Half of them cast their first vote within {(last_ms - first_ms) / 1000:.1f} s."
    return Signal("burst", 3.0, words, lambda ballot: first_ms <= ballot.first_ms <= last_ms)


def _rhythm(ballots: Sequence[Ballot]) -> Signal | None:
    """Whether the first votes come more regularly than those of a crowd: in their densest half, the pauses between them vary by at
    most half of their mean.
    """
    if len(ballots) < BALLOTS_MIN:
        # So few votes can come regularly by chance.
        return None
    times = sorted(ballot.first_ms for ballot in ballots)
    start, end = _densest_half(times)
    pauses = [later - earlier for earlier, later in pairwise(times[start : end + 1])]
    mean = sum(pauses) / len(pauses)
    if mean < 20:
        # The log's batches, not the fans, make the rhythm of so many votes.
        return None
    variation = math.sqrt(sum((pause - mean) ** 2 for pause in pauses) / len(pauses)) / mean
    if variation > 0.5:
        return None
    # The rhythm goes on in both directions until a beat is missing.
    while start > 0 and times[start] - times[start - 1] < 3 * mean:
        start -= 1
    while end < len(times) - 1 and times[end + 1] - times[end] < 3 * mean:
        end += 1
    first_ms, last_ms = times[start], times[end]
    words = f"A new one of them comes every {mean / 1000:.2f} s; these pauses vary by {variation:.0%}, those of a crowd by 100%."
    weight = round(min(WEIGHT_MAX, 2 - 2 * math.log2(max(variation, 0.05))), 2)
    return Signal("rhythm", weight, words, lambda ballot: first_ms <= ballot.first_ms <= last_ms)


def _densest_half(times: Sequence[int]) -> tuple[int, int]:
    """The first and the last place of the densest half of sorted times: the half that takes the shortest time."""
    half = len(times) // 2
    start = min(range(len(times) - half), key=lambda place: times[place + half] - times[place])
    return start, start + half
