"""What Valkey holds of a shard: the keys of the scripts, as Python values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

LETTERS = (None, "u", "d")
DAY_MS = 86_400_000
Move = tuple[int, str | None, str | None]


class ScriptError(Exception):
    """A script stopped half-way."""


@dataclass(slots=True)
class HotShow:
    """A warm show. ballots: user -> [is_set_aside, order, song -> letter]; is_new: all others are empty."""

    opens_ms: int
    closes_ms: int
    is_locked: bool
    budget: int
    revision: int
    requires_ticket: bool
    audience: int
    played: tuple[int, ...]
    picks_close_ms: int
    is_new: bool
    used_ms: int
    tally: dict[int, list[int]] = field(default_factory=dict)
    ballots: dict[int, tuple[bool, int, dict[int, str]]] = field(default_factory=dict)
    tickets: set[int] = field(default_factory=set)


@dataclass(slots=True)
class HotShard:
    """The keys of a shard. log: (position, previous, casts); stream_last: the last id that its stream has given."""

    last: int | None = None
    barrier: int = 0
    log: list[tuple[int, int, list[list[int]]]] = field(default_factory=list)
    stream_last: int = 0
    shows: dict[int, HotShow] = field(default_factory=dict)
    revisions: dict[int, int] = field(default_factory=dict)
    holds: dict[int, list[tuple[str, int]]] = field(default_factory=dict)

    def append(self, position: int, previous: int, casts: list[list[int]]) -> None:
        """XADD."""
        if position <= self.stream_last:
            raise ScriptError("ERR The ID specified in XADD is equal or smaller than the target stream top item")
        self.log.append((position, previous, casts))
        self.stream_last = position

    def copy(self) -> HotShard:
        """As it is now."""
        shows = {
            show_id: replace(
                show,
                tally={song: list(counts) for song, counts in show.tally.items()},
                ballots=dict(show.ballots),
                tickets=set(show.tickets),
            )
            for show_id, show in self.shows.items()
        }
        holds = {show_id: list(holds) for show_id, holds in self.holds.items()}
        return replace(self, log=list(self.log), shows=shows, revisions=dict(self.revisions), holds=holds)

    def forget(self, show_id: int) -> None:
        """Makes a show cold."""
        self.shows.pop(show_id, None)


def parsed(packed: str) -> tuple[bool, int, dict[int, str]]:
    is_set_aside = packed.startswith("-")
    packed = packed.removeprefix("-")
    order, colon, rest = packed.partition(":")
    ballot: dict[int, str] = {}
    digits = ""
    for letter in rest if colon else packed:
        if letter in "ud":
            ballot[int(digits)] = letter
            digits = ""
        else:
            digits += letter
    return is_set_aside, int(order) if colon else 0, ballot


def packed_ballot(ballot: dict[int, str]) -> str:
    return "".join([f"{song}{letter}" for song, letter in ballot.items()])
