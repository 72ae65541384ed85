"""The rules of voting in plain Python, to compare the script, the writer and the tables with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Vote = tuple[int, str]
Mark = tuple[Literal["show", "artist"], int, int]  # subject, its id, the user


@dataclass
class ModelShow:
    """The rules and songs of one show."""

    songs: set[int]
    budget: int | None = None
    is_open: bool = True
    is_locked: bool = False


@dataclass
class Model:
    """The votes that must exist after all casts so far."""

    day_max: int
    shows: dict[int, ModelShow] = field(default_factory=dict)
    users: set[int] = field(default_factory=set)
    ballots: dict[tuple[int, int], dict[int, str]] = field(default_factory=dict)  # (show, user) -> song -> choice
    spent: Counter[int] = field(default_factory=Counter)
    set_aside: set[tuple[int, int]] = field(default_factory=set)  # (show, user) of ballots that no count holds
    has_cast: set[int] = field(default_factory=set)  # users with an accepted cast
    artists: set[int] = field(default_factory=set)
    marks: set[Mark] = field(default_factory=set)  # that were not taken back

    def ballot(self, show_id: int, user_id: int) -> dict[int, str]:
        """A user's choices in a show."""
        return self.ballots.get((show_id, user_id), {})

    def remaining(self, show_id: int, user_id: int) -> int | None:
        """Votes left in a show; None: no budget."""
        budget = self.shows[show_id].budget
        return None if budget is None else max(0, budget - len(self.ballot(show_id, user_id)))

    def cast(self, show_id: int, user_id: int, votes: Sequence[Vote]) -> str:
        """Takes a cast whole or not at all; gives "ok" or the code of the refusal."""
        if len({song for song, _ in votes}) != len(votes):
            return "bad_request"
        show = self.shows.get(show_id)
        if show is None:
            return "not_found"
        if user_id not in self.users:
            return "unauthenticated"
        if not show.is_open or show.is_locked:
            return "locked" if show.is_open else "closed"
        if any(song not in show.songs for song, _ in votes):
            return "not_found"
        return self._spend(show, show_id, user_id, votes)

    def _spend(self, show: ModelShow, show_id: int, user_id: int, votes: Sequence[Vote]) -> str:
        before = self.ballot(show_id, user_id)
        after = dict(before)
        cost = 0
        for song, choice in votes:
            if choice == "none":
                after.pop(song, None)
            elif after.get(song) != choice:
                after[song] = choice
                cost += 1
        if show.budget is not None and len(after) > max(show.budget, len(before)):
            return "budget"
        if cost and self.spent[user_id] + cost > self.day_max:
            return "budget"
        self.ballots[show_id, user_id] = after
        self.spent[user_id] += cost
        self.has_cast.add(user_id)
        return "ok"

    def decide(self, show_id: int, user_id: int, decision: str) -> None:
        """Decides on a ballot of a group: set_aside, restored, or void."""
        if decision == "restored":
            self.set_aside.discard((show_id, user_id))
        else:
            self.set_aside.add((show_id, user_id))
        if decision == "void":
            self.ballots.pop((show_id, user_id), None)

    def mark(self, mark: Mark, *, wanted: bool) -> None:
        """Takes a mark; without effect when its subject does not exist."""
        marked, subject_id, user_id = mark
        if user_id not in self.users or subject_id not in (self.shows if marked == "show" else self.artists):
            return
        self.marks -= {mark}
        if wanted:
            self.marks |= {mark}

    def tally(self, show_id: int) -> list[list[int]]:
        """[[song, up, down], …] of all songs of a show."""
        counts = {song: [0, 0] for song in self.shows[show_id].songs}
        for (show, user), ballot in self.ballots.items():
            if show == show_id and (show, user) not in self.set_aside:
                for song, choice in ballot.items():
                    counts[song][choice == "down"] += 1
        return [[song, *counts[song]] for song in sorted(counts)]

    def aside_tally(self, show_id: int) -> list[list[int]]:
        """[[song, up, down], …] of the votes that are set aside."""
        counted, self.set_aside = self.set_aside, set()
        raw = self.tally(show_id)
        self.set_aside = counted
        return [
            [song, up - up_counted, down - down_counted]
            for (song, up, down), (_, up_counted, down_counted) in zip(raw, self.tally(show_id), strict=True)
        ]

    def rows(self) -> set[tuple[int, int, int, str]]:
        """(show, user, song, choice) of every current vote."""
        return {
            (show, user, song, choice)
            for (show, user), ballot in self.ballots.items()
            for song, choice in ballot.items()
        }
