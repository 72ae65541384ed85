"""Which found groups are known already: a group that grows stays one group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable

from server.abuse.detector import Found
from server.abuse.signals import MEMBERS_MIN


class KnownGroups:
    """The groups of shows and their members. A ballot is in one group at most; it stays there."""

    def __init__(self) -> None:
        self._group_of: dict[int, dict[int, int]] = {}  # show -> user -> group
        self._closed: set[int] = set()  # groups that take no more members
        self._own: dict[int, int] = {}  # the number that `place` gave -> the group's own
        self._next = -1

    def place(self, show_id: int, found: Iterable[Found]) -> list[tuple[int, Found, list[int]]]:
        """Says what is new: (group, what was found, new members). A new group has a negative number until it is renamed."""
        group_of = self._group_of.setdefault(show_id, {})
        placed = []
        for group in found:
            users = [ballot.user_id for ballot in group.ballots]
            new = [user for user in users if user not in group_of]
            old = Counter(group_of[user] for user in users if user in group_of)
            # Most of its known members are in one group that is still open: it is this group.
            number = next((one for one, count in old.items() if 2 * count >= old.total()), 0)
            if self._own.get(number, number) in self._closed:
                number = 0
            if not new or (not number and len(new) < MEMBERS_MIN):
                continue
            if not number:
                number, self._next = self._next, self._next - 1
            self.add(number, show_id, new)
            placed.append((self._own.get(number, number), group, new))
        return placed

    def add(self, number: int, show_id: int, users: Iterable[int]) -> None:
        """Notes members of a group."""
        self._group_of.setdefault(show_id, {}).update(dict.fromkeys(users, number))

    def remove(self, show_id: int, users: Iterable[int]) -> None:
        """Forgets members that were not stored. They may become members of another group."""
        group_of = self._group_of[show_id]
        for user in users:
            group_of.pop(user, None)

    def rename(self, number: int, group_id: int) -> None:
        """Gives a new group its own number."""
        self._own[number] = group_id

    def close(self, group_id: int) -> None:
        """A group that was decided on takes no more members."""
        self._closed.add(group_id)

    def keep(self, shows: Container[int]) -> None:
        """Forgets the groups of all shows but these."""
        for show_id in [show_id for show_id in self._group_of if show_id not in shows]:
            gone = set(self._group_of.pop(show_id).values())
            self._closed -= gone | {self._own.pop(number, number) for number in gone}

    def knows(self, show_id: int) -> bool:
        """Whether the groups of a show were read."""
        return show_id in self._group_of
