"""What the detector knows of each ballot: fed with the casts of the log, in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

UP, DOWN = 1, 2


@dataclass(slots=True)
class Account:
    """What is known of a fan's account. Tokens are equal for equal programs or subnets; 0: not known.

    made_ms: when it was made [ms since 1970]; agent: token of its User-Agent; subnet: token of the network that it came from
    """

    made_ms: int
    agent: int
    subnet: int


@dataclass(slots=True)
class Ballot:
    """One fan's votes in one show, as the log tells of them.

    choices: song -> 0 none, 1 up, 2 down, in the order of the first votes; gap_ms: from the first cast to the second, -1: there was
    one cast; change_count: votes on a song that the ballot knew already
    """

    user_id: int
    first_ms: int
    last_ms: int
    choices: dict[int, int] = field(default_factory=dict)
    cast_count: int = 0
    gap_ms: int = -1
    change_count: int = 0
    account: Account | None = None
    traits: tuple[int, ...] = ()  # of signals.TRAITS, as of the last pass

    @property
    def targets(self) -> list[int]:
        """The songs it votes up, and those that it votes down as negative numbers."""
        return [song if choice == UP else -song for song, choice in self.choices.items() if choice]

    def take(self, cast: list[int], end: int, cast_ms: int) -> None:
        """Adds a cast of the log: [show, user, song, choice, …] up to `end`."""
        choices = self.choices
        for place in range(2, end, 2):
            song = cast[place]
            if song in choices:
                self.change_count += 1
            choices[song] = cast[place + 1]
        self.cast_count += 1
        if self.cast_count == 2:
            self.gap_ms = cast_ms - self.first_ms
        self.last_ms = cast_ms


class ShowBallots:
    """The ballots of shows, and which of them have changed."""

    def __init__(self) -> None:
        self.shows: dict[int, dict[int, Ballot]] = {}
        self.changed: set[int] = set()
        self.count = 0

    def take(self, casts: Iterable[list[int]], cast_ms: int) -> None:
        """Adds the casts of one entry of the log. Cost: about half a microsecond a vote."""
        shows = self.shows
        for cast in casts:
            show_id = cast[0]
            if show_id == 0:
                continue
            ballots = shows.get(show_id)
            if ballots is None:
                ballots = shows[show_id] = {}
            ballot = ballots.get(cast[1])
            if ballot is None:
                ballot = ballots[cast[1]] = Ballot(cast[1], cast_ms, cast_ms)
                self.count += 1
            # The last two numbers are the fan's day; a pair with a negative song before them is an order.
            end = len(cast) - 2
            ballot.take(cast, end - 2 if cast[end - 2] < 0 else end, cast_ms)
            self.changed.add(show_id)

    def forget_oldest(self, count_max: int) -> int:
        """Forgets the ballots that have been quiet longest, until `count_max` are left. Gives their number."""
        excess = self.count - count_max
        if excess <= 0:
            return 0
        last = sorted(
            (ballot.last_ms, show_id, user_id) for show_id, of in self.shows.items() for user_id, ballot in of.items()
        )
        # Half of the limit at once, so that this sort is rare.
        forgotten = last[: excess + count_max // 2]
        for _, show_id, user_id in forgotten:
            del self.shows[show_id][user_id]
            if not self.shows[show_id]:
                del self.shows[show_id]
        self.count -= len(forgotten)
        return len(forgotten)
