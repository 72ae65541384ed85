"""What connections see of a channel: the state each one holds, and when the last of them got how far."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from server.client import wire
from server.client.http import Tally

MILESTONES_MAX = 50_000
KNOWN_PUSHES_MAX = 4096


class Timeline:
    """One channel's pushes, by position, and when the last view had each of them.

    Limits: the first MILESTONES_MAX positions; later ones are not timed
    """

    __slots__ = ("_missing", "positions", "reached_s", "view_count")

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.reached_s: list[float | None] = []  # when the last view had it; None: not all have
        self._missing: list[int] = []
        self.view_count = 0

    def milestone(self, position: int) -> int:
        """The index of a position that was just pushed to somebody; -1 when it is not timed.

        A position that comes after a later one (some view skipped it) is not timed: whoever waits for it
        waits for the later one, which makes a latency longer, never shorter.
        """
        if len(self.positions) >= MILESTONES_MAX:
            return -1
        if not self.positions or position > self.positions[-1]:
            self.positions.append(position)
            self.reached_s.append(None)
            self._missing.append(self.view_count)
            return len(self.positions) - 1
        index = bisect_left(self.positions, position)
        return index if self.positions[index] == position else -1

    def advance(self, after: int, to: int, now_s: float) -> None:
        """A view that had milestone `after` now has `to`, and with it all between."""
        missing = self._missing
        for index in range(after + 1, to + 1):
            missing[index] -= 1
            if missing[index] == 0:
                self.reached_s[index] = now_s

    def at_or_before(self, position: int) -> int:
        """The last milestone that a state of this position includes; -1: none."""
        return bisect_right(self.positions, position) - 1

    def packed(self) -> dict[str, list[float | None] | list[int]]:
        """As JSON values."""
        return {"positions": self.positions, "reached_s": self.reached_s}


class Push:
    """One push, decoded once for all views that get it."""

    __slots__ = ("at", "changed", "milestone", "show_id")

    def __init__(self, show_id: int, at: int, changed: Tally, milestone: int) -> None:
        self.show_id = show_id
        self.at = at
        self.changed = changed
        self.milestone = milestone


class Views:
    """All views of one process, and the pushes they share.

    Owns:   show -> timeline; payload -> push, at most KNOWN_PUSHES_MAX (then forgotten and decoded anew)
    """

    def __init__(self) -> None:
        self.all: list[View] = []
        self.timelines: dict[int, Timeline] = {}
        self._known: dict[bytes, Push] = {}

    def open(self, show_id: int, name: str) -> View:
        """One more view of a show's votes."""
        timeline = self.timelines.setdefault(show_id, Timeline())
        timeline.view_count += 1
        view = View(show_id, timeline, name)
        self.all.append(view)
        return view

    def push(self, payload: bytes) -> Push | None:
        """The push behind a payload; None when it is not one of votes.

        Raises: msgspec.DecodeError: not a push at all
        """
        push = self._known.get(payload)
        if push is not None:
            return push
        message = wire.decode_votes_push(payload)
        kind, _, number = message.ch.partition(":")
        timeline = self.timelines.get(int(number)) if kind == "votes" else None
        if timeline is None:
            return None
        changed = {song: (up, down) for song, up, down in message.tally}
        push = Push(int(number), message.at, changed, timeline.milestone(message.at))
        if len(self._known) >= KNOWN_PUSHES_MAX:
            self._known.clear()
        self._known[payload] = push
        return push


class View:
    """The state one connection holds of `votes:<show>`."""

    __slots__ = (
        "_early", "_milestone", "_second", "_second_count", "at", "changed_s", "first_s", "frames", "has_state",
        "name", "per_s_max", "show_id", "tally", "timeline",
    )  # fmt: skip

    def __init__(self, show_id: int, timeline: Timeline, name: str) -> None:
        self.show_id = show_id
        self.timeline = timeline
        self.name = name
        self.at = 0
        self.tally: Tally = {}
        self.has_state = False
        self.changed_s = 0.0  # when a push last arrived [monotonic s]
        self.first_s = 0.0
        self.frames = 0
        self.per_s_max = 0
        self._early: list[Push] = []
        # What was pushed before this view was opened does not wait for it.
        self._milestone = len(timeline.positions) - 1
        self._second = 0
        self._second_count = 0

    def join(self, joined: wire.Joined, now_s: float) -> None:
        """Takes the state of a subscribe; without one, what is held still stands."""
        if joined.state is not None:
            self.tally = {song: (up, down) for song, up, down in joined.state.tally}
        self.at = max(self.at, joined.at)
        self.has_state = True
        self._move(self.timeline.at_or_before(self.at), now_s)
        early, self._early = self._early, []
        for push in early:
            if push.at > joined.at:
                self.take(push, now_s)

    def take(self, push: Push, now_s: float) -> bool:
        """Takes a push; False when its position lies before the one held."""
        if not self.has_state:
            self._early.append(push)
            return True
        if push.at < self.at:
            return False
        self.at = push.at
        self.tally.update(push.changed)
        if push.milestone > self._milestone:
            self._move(push.milestone, now_s)
        self.changed_s = now_s
        if not self.frames:
            self.first_s = now_s
        self.frames += 1
        second = int(now_s)
        if second != self._second:
            self._second = second
            self._second_count = 0
        self._second_count += 1
        self.per_s_max = max(self.per_s_max, self._second_count)
        return True

    def clear_rates(self) -> None:
        """The warm-up is over."""
        self.frames = self.per_s_max = self._second_count = 0

    def _move(self, milestone: int, now_s: float) -> None:
        if milestone > self._milestone:
            self.timeline.advance(self._milestone, milestone, now_s)
            self._milestone = milestone
