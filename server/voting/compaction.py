"""Compacts log entries into the rows that one transaction writes; pure.

The last choice of a user for a song wins: a vote is a state, so only the newest one has to be written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from server.protocol.positions import SEQ_BITS
from server.voting.log import Entry
from server.voting.rules import CHOICES, DECISION, MARK, MARK_CODES, PICK

_MARK_COLUMNS = (
    ("going_user_ids", "going_show_ids", "goings"),
    ("following_user_ids", "following_artist_ids", "followings"),
)


@dataclass(slots=True)
class ShardBatch:
    """The entries of one shard's log that one transaction commits."""

    shard: int
    old_position: int
    entries: list[Entry]

    @property
    def new_position(self) -> int:
        """The position of the last entry."""
        return self.entries[-1].position

    @property
    def is_forked(self) -> bool:
        """Whether an entry does not follow the one before it, or the first does not follow the last commit."""
        previous = self.old_position
        for entry in self.entries:
            if entry.previous != previous:
                return True
            previous = entry.position
        return False


@dataclass(slots=True)
class Compacted:
    """The rows of one transaction: votes, spent day budgets, orders of casts, the shows with votes, marks, and picks."""

    votes: dict[tuple[int, int], tuple[int, str | None, int]] = field(
        default_factory=dict
    )  # (song, user) -> show, choice, cast_ms
    spent: dict[tuple[int, int], int] = field(default_factory=dict)  # (user, day) -> spent
    orders: dict[tuple[int, int], int] = field(default_factory=dict)  # (user, show) -> the greatest order of a cast
    shows: dict[int, int] = field(default_factory=dict)  # show -> the batch's new position
    marks: dict[tuple[int, int, int], bool] = field(default_factory=dict)  # (kind, fan or group, subject) -> wanted
    # (fan, show) -> its time [ms]; opener, closer, encore, songs
    picks: dict[tuple[int, int], tuple[int, list[int]]] = field(default_factory=dict)
    cast_count: int = 0

    def mark_parameters(self) -> dict[str, Any]:
        """The marks as columns for commit_log, in the order of the primary keys."""
        columns: dict[str, list[int]] = {}
        for names, kind in zip(_MARK_COLUMNS, MARK_CODES.values(), strict=True):
            rows = sorted((user, subject, wanted) for (k, user, subject), wanted in self.marks.items() if k == kind)
            columns |= {name: [row[place] for row in rows] for place, name in enumerate(names)}
        return columns

    def pick_parameters(self) -> dict[str, Any]:
        """The picks as columns for commit_picks."""
        picks = [pick for _, pick in self.picks.values()]
        columns: dict[str, Any] = {
            name: [pick[place] or None for pick in picks]
            for place, name in enumerate(("openers", "closers", "encores"))
        }
        return columns | {
            "pick_user_ids": [user for user, _ in self.picks],
            "pick_show_ids": [show for _, show in self.picks],
            "picked_songs": [",".join(map(str, pick[3:])) for pick in picks],
            "pick_ms": [ms for ms, _ in self.picks.values()],
        }

    def group_ids(self) -> list[int]:
        """The groups of votes that were decided on."""
        return [group for kind, group, _ in self.marks if kind == DECISION]


def compact(batches: Iterable[ShardBatch]) -> Compacted:
    """Compacts batches, at most one a shard, with their entries in order. Cost: O(votes), no I/O."""
    compacted = Compacted()
    votes, spent = compacted.votes, compacted.spent
    for batch in batches:
        new_position = batch.new_position
        for entry in batch.entries:
            cast_ms = entry.position >> SEQ_BITS
            compacted.cast_count += len(entry.casts)
            for cast in entry.casts:
                show, user = cast[0], cast[1]
                if show == MARK:
                    if user == PICK:
                        compacted.picks[cast[2], cast[3]] = (cast_ms, cast[4:])
                    else:
                        compacted.marks[cast[1], cast[2], cast[3]] = bool(cast[4])
                    continue
                compacted.shows[show] = new_position
                end = len(cast) - 2
                if cast[end - 2] < 0:
                    end -= 2
                    order_key = (user, show)
                    compacted.orders[order_key] = max(-cast[end], compacted.orders.get(order_key, 0))
                for i in range(2, end, 2):
                    votes[cast[i], user] = (show, CHOICES[cast[i + 1]], cast_ms)
                day_key = (user, cast[-2])
                if spent.get(day_key, -1) < cast[-1]:
                    spent[day_key] = cast[-1]
    return compacted


def vote_count(cast: list[int]) -> int:
    """The number of votes in a cast of the log; its order, if it has one, is none."""
    return (len(cast) - 4) // 2 - (cast[-4] < 0)


def take_entries(batches: list[ShardBatch], votes_max: int) -> list[ShardBatch]:
    """The first entries of the batches, until they hold `votes_max` votes; at least one entry of one batch.

    The rest stays in the log for the next round. The batch that begins earliest goes first, so that a long backlog of
    one shard does not hold back the others for ever.
    """
    taken = []
    left = votes_max
    for batch in sorted(batches, key=lambda batch: batch.entries[0].position):
        count = 0
        for entry in batch.entries:
            if left <= 0:
                break
            # A mark and a pick count as a vote.
            left -= sum(1 if cast[0] == MARK else vote_count(cast) for cast in entry.casts)
            count += 1
        if count:
            taken.append(ShardBatch(batch.shard, batch.old_position, batch.entries[:count]))
    return taken
