"""Views: the counts of a votes channel that connections hold, and the time when the last view received each push."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from server.client.http import Tally
from server.load import wire

MILESTONES_MAX = 50_000
KNOWN_PUSHES_MAX = 4096


class Timeline:
    """The pushes of one channel by position, and the time when the last view received each of them.

    A milestone is a position that is timed. Its number is its index in `positions`.
    Limits: the first MILESTONES_MAX positions; later ones are not timed
    """

    __slots__ = ("_missing", "positions", "reached_s", "view_count")

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.reached_s: list[float | None] = []  # when the last view received it [monotonic s]; None: some have not
        self._missing: list[int] = []  # the number of views that have not received it
        self.view_count = 0

    def milestone(self, position: int) -> int:
        """The milestone of a position that was just pushed; -1: this position is not timed.

        A position that comes after a later one is not timed, because some view skipped it. A sample that waits for it
        waits for the later one instead, which makes a latency longer, never shorter.
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
        """Moves a view from milestone `after` to milestone `to`; it passes all milestones between them."""
        missing = self._missing
        for index in range(after + 1, to + 1):
            missing[index] -= 1
            if missing[index] == 0:
                self.reached_s[index] = now_s

    def at_or_before(self, position: int) -> int:
        """The last milestone that a state of this position includes; -1: none."""
        return bisect_right(self.positions, position) - 1

    def packed(self) -> dict[str, list[float | None] | list[int]]:
        """The timeline as JSON values."""
        return {"positions": self.positions, "reached_s": self.reached_s}


class Push:
    """One push, decoded once for all views."""

    __slots__ = ("at", "changed", "milestone", "show_id")

    def __init__(self, show_id: int, at: int, changed: Tally, milestone: int) -> None:
        self.show_id = show_id
        self.at = at
        self.changed = changed
        self.milestone = milestone


class Views:
    """All views of one process, and the decoded pushes they share.

    Owns:   show -> timeline; payload -> push
    Limits: KNOWN_PUSHES_MAX pushes; one more makes it forget all, and a known push is then decoded again
    """

    def __init__(self) -> None:
        self.all: list[View] = []
        self.timelines: dict[int, Timeline] = {}
        self._known: dict[bytes, Push] = {}

    def open(self, show_id: int, name: str) -> View:
        """Adds a view of a show's votes."""
        timeline = self.timelines.setdefault(show_id, Timeline())
        timeline.view_count += 1
        view = View(show_id, timeline, name)
        self.all.append(view)
        return view

    def decode(self, payload: bytes) -> Push | None:
        """Decodes a push; None: it is not one of a watched votes channel.

        Raises: msgspec.DecodeError: the payload is no push
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
    """The counts that one connection holds of `votes:<show>`."""

    __slots__ = (
        "_milestone", "_second", "_second_count", "at", "changed_s", "frames", "has_state", "name",
        "per_s_max", "show_id", "tally", "timeline",
    )  # fmt: skip

    def __init__(self, show_id: int, timeline: Timeline, name: str) -> None:
        self.show_id = show_id
        self.timeline = timeline
        self.name = name
        self.at = 0
        self.tally: Tally = {}
        self.has_state = False
        self.changed_s = 0.0  # when the last push came [monotonic s]
        self.frames = 0
        self.per_s_max = 0
        # Earlier milestones do not wait for this view.
        self._milestone = len(timeline.positions) - 1
        self._second = 0
        self._second_count = 0

    def start_at(self, channel: wire.SubscribedChannel, now_s: float) -> None:
        """Takes the state from the answer to `subscribe`; without a state in it, the view keeps its counts."""
        if channel.state is not None:
            self.tally = {song: (up, down) for song, up, down in channel.state.tally}
        self.at = max(self.at, channel.at)
        self.has_state = True
        self._move(self.timeline.at_or_before(self.at), now_s)

    def apply(self, push: Push, now_s: float) -> bool:
        """Applies a push; False: the view has a later position, and nothing changes."""
        if push.at < self.at:
            return False
        self.at = push.at
        self.tally.update(push.changed)
        if push.milestone > self._milestone:
            self._move(push.milestone, now_s)
        self.changed_s = now_s
        self.frames += 1
        second = int(now_s)
        if second != self._second:
            self._second = second
            self._second_count = 0
        self._second_count += 1
        self.per_s_max = max(self.per_s_max, self._second_count)
        return True

    def clear_rates(self) -> None:
        """Sets the counts of frames to zero, because the warm-up is over."""
        self.frames = self.per_s_max = self._second_count = 0

    def _move(self, milestone: int, now_s: float) -> None:
        if milestone > self._milestone:
            self.timeline.advance(self._milestone, milestone, now_s)
            self._milestone = milestone
