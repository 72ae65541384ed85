"""A ledger in Python of every change of a vote: what the statistics have to say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

HALF_LIFE = timedelta(hours=24)


def hour_of(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


@dataclass
class Ledger:
    """Every change of a vote, counted in Python."""

    votes: dict[tuple[int, int, int], str] = field(default_factory=dict)  # show, song, user
    cast_at: dict[tuple[int, int, int], datetime] = field(default_factory=dict)
    events: Counter[tuple[int, datetime, str, int]] = field(
        default_factory=Counter
    )  # show, hour, choice or "withdrawn", user
    aside: set[tuple[int, int]] = field(default_factory=set)  # show, user whose ballot there is set aside
    minutes: Counter[tuple[int, datetime]] = field(default_factory=Counter)  # show, minute
    days: set[tuple[int, int, date]] = field(default_factory=set)  # show, user, day on which they cast a vote
    last: dict[int, datetime] = field(default_factory=dict)

    def take(self, show: int, song: int, user: int, choice: str | None, at: datetime) -> None:
        """Counts a cast; a cast that changes nothing is not counted."""
        if self.votes.get((show, song, user)) == choice:
            return
        if choice is None:
            del self.votes[show, song, user]
        else:
            self.votes[show, song, user] = choice
            self.cast_at[show, song, user] = at
            self.last[show] = max(self.last.get(show, at), at)
            self.minutes[show, at.replace(second=0, microsecond=0)] += 1
            self.days.add((show, user, at.date()))
        self.events[show, hour_of(at), choice or "withdrawn", user] += 1

    def cast(self, *, is_raw: bool) -> Counter[tuple[int, datetime, str]]:
        """What was cast, by show, hour, and choice or "withdrawn"; raw: with ballots that are set aside."""
        cast: Counter[tuple[int, datetime, str]] = Counter()
        for (show, hour, choice, user), count in self.events.items():
            if is_raw or (show, user) not in self.aside:
                cast[show, hour, choice] += count
        return cast

    def hours(self, show: int) -> Counter[datetime]:
        """Votes by hour, withdrawals separately."""
        hours: Counter[datetime] = Counter()
        for (of_show, hour, choice, _), count in self.events.items():
            if of_show == show and choice != "withdrawn":
                hours[hour] += count
        return hours

    def voters(self, shows: set[int], first: date, last: date, *, is_raw: bool = False) -> tuple[int, int, int]:
        """Who voted in a period, for the first time, and also on an earlier day."""
        days: dict[int, set[date]] = {}
        for show, user, day in self.days:
            if show in shows and (is_raw or (show, user) not in self.aside):
                days.setdefault(user, set()).add(day)
        voters = {user: ever for user, ever in days.items() if any(first <= day <= last for day in ever)}
        newcomers = sum(1 for ever in voters.values() if min(ever) >= first)
        came_back = sum(1 for ever in voters.values() if any(first <= day <= last and day > min(ever) for day in ever))
        return len(voters), newcomers, came_back

    def score(self, show: int, as_of: datetime) -> float:
        """The published formula."""
        return sum(2 ** ((self.cast_at[key] - as_of) / HALF_LIFE) for key in self.counted() if key[0] == show)

    def counted(self) -> dict[tuple[int, int, int], str]:
        """The votes that stand and count."""
        return {key: choice for key, choice in self.votes.items() if (key[0], key[2]) not in self.aside}

    def erase(self, user: int) -> None:
        """An erased account keeps its votes, without the minutes, set aside or not; in the history they are nobody's."""
        for show, hour, choice, voter in [event for event in self.events if event[3] == user]:
            self.events[show, hour, choice, 0] += self.events.pop((show, hour, choice, voter))
        for key in self.votes:
            if key[2] == user:
                self.cast_at[key] = hour_of(self.cast_at[key])
