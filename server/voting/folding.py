"""From log entries to what one transaction writes; pure.

The last choice a user and song wins: a vote is a state, so only the newest one needs to be written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from server.protocol.positions import SEQ_BITS
from server.voting.log import Entry
from server.voting.rules import CHOICES

# PostgreSQL takes less than 8000 bytes a notification.
PAYLOAD_BYTES_MAX = 7_500


@dataclass(slots=True)
class ShardBatch:
    """What one transaction takes from one shard's log."""

    shard: int
    old_position: int
    entries: list[Entry]

    @property
    def new_position(self) -> int:
        """The position of its last entry."""
        return self.entries[-1].position

    @property
    def is_forked(self) -> bool:
        """Whether an entry does not follow the one before it, or the first not what was committed last."""
        previous = self.old_position
        for entry in self.entries:
            if entry.previous != previous:
                return True
            previous = entry.position
        return False


@dataclass(slots=True)
class Folded:
    """Votes by (song, user); what the user's day has cost; which shows are touched, and up to which position."""

    votes: dict[tuple[int, int], tuple[int, str | None, int]] = field(default_factory=dict)  # -> show, choice, cast_ms
    spent: dict[tuple[int, int], int] = field(default_factory=dict)  # (user, day) -> spent
    shows: dict[int, int] = field(default_factory=dict)  # show -> the batch's new position
    cast_count: int = 0


def fold(batches: Iterable[ShardBatch]) -> Folded:
    """Takes: batches, at most one a shard, entries in order. Cost: O(votes), no I/O."""
    folded = Folded()
    votes, spent = folded.votes, folded.spent
    for batch in batches:
        new_position = batch.new_position
        for entry in batch.entries:
            cast_ms = entry.position >> SEQ_BITS
            folded.cast_count += len(entry.casts)
            for cast in entry.casts:
                show, user = cast[0], cast[1]
                folded.shows[show] = new_position
                for i in range(2, len(cast) - 2, 2):
                    votes[cast[i], user] = (show, CHOICES[cast[i + 1]], cast_ms)
                day_key = (user, cast[-2])
                if spent.get(day_key, -1) < cast[-1]:
                    spent[day_key] = cast[-1]
    return folded


def take_entries(batches: list[ShardBatch], votes_max: int) -> list[ShardBatch]:
    """The first entries of the batches, until they hold `votes_max` votes; at least one entry of the first batch.

    What is left stays in the log for the next round.
    """
    taken = []
    left = votes_max
    for batch in batches:
        count = 0
        for entry in batch.entries:
            if left <= 0:
                break
            left -= sum((len(cast) - 4) // 2 for cast in entry.casts)
            count += 1
        if count:
            taken.append(ShardBatch(batch.shard, batch.old_position, batch.entries[:count]))
    return taken


def tally_payloads(show_id: int, at: int, total: int, counts: list[tuple[int, int, int]]) -> list[str]:
    """Notifications of a show's changed songs: `{"show":7,"at":1,"total":9,"tally":[[song,up,down],…]}`.

    Takes: counts, [(song, up, down)]
    Gives: one or more payloads under PAYLOAD_BYTES_MAX, each complete in itself: counts are absolute
    """
    head = f'{{"show":{show_id},"at":{at},"total":{total},"tally":['
    return _split(head, [f"[{song},{up},{down}]" for song, up, down in counts], "]}")


def commit_payloads(shard: int, at: int, entries: list[int]) -> list[str]:
    """Notifications of the log entries a transaction held: `{"shard":7,"at":1,"entries":[…]}`."""
    return _split(f'{{"shard":{shard},"at":{at},"entries":[', [str(entry) for entry in entries], "]}")


def _split(head: str, items: list[str], tail: str) -> list[str]:
    payloads: list[str] = []
    start, size = 0, len(head) + len(tail)
    for index, item in enumerate(items):
        if size + len(item) + 1 > PAYLOAD_BYTES_MAX:
            payloads.append(f"{head}{','.join(items[start:index])}{tail}")
            start, size = index, len(head) + len(tail)
        size += len(item) + 1
    payloads.append(f"{head}{','.join(items[start:])}{tail}")
    return payloads
