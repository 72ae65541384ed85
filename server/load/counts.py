"""The counters of a running crowd; those of several processes can be added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from server.load.histogram import Histogram

SAMPLES_MAX = 20_000
SAMPLES_PER_S_MAX = 500
_PLAIN = (
    "sent", "resent", "votes", "committed", "accepted", "confirmed", "cut_off", "refused", "behind",
    "reconnects", "sessions", "frames", "frame_bytes", "backward",
)  # fmt: skip


class Counts:
    """The counters of one process.

    sent: casts, each counted once; resent: repetitions; votes: votes in acknowledged casts; committed, accepted:
    acknowledged casts by durability; confirmed: accepted casts that became committed; cut_off: accepted casts that lost
    their connection before that (they are sent again); refused: casts refused for good; behind: casts that were due
    when no voter was free; last_answer_s: time of the last acknowledgement [monotonic s]; sessions: new users after a
    spent budget; frames, frame_bytes: received pushes; backward: pushes with a position before the present one.
    """

    __slots__ = (
        "_sampling_second", "_second_samples", "accepted", "backward", "behind", "committed", "confirmed", "cut_off",
        "errors", "frame_bytes", "frames", "last_answer_s", "latency", "reconnects", "refused", "resent", "samples", "sent",
        "sessions", "votes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()
        self.latency = Histogram()
        self.samples: list[tuple[int, int, float]] = []  # (show, position, sent at [monotonic s])
        self.clear()

    def clear(self) -> None:
        """Sets all counters to zero: the warm-up is over."""
        self.sent = self.resent = self.votes = self.committed = self.accepted = 0
        self.confirmed = self.cut_off = self.refused = self.behind = 0
        self.last_answer_s = 0.0
        self.reconnects = self.sessions = self.frames = self.frame_bytes = self.backward = 0
        self.errors.clear()
        self.latency.clear()
        self.samples.clear()
        self._sampling_second = 0
        self._second_samples = 0

    def count_error(self, code: str) -> None:
        """Counts one error by its code."""
        self.errors[code] += 1

    def sample(self, show_id: int, position: int, sent_s: float) -> None:
        """Keeps a committed cast as a sample of the latency to the last watcher, at most SAMPLES_PER_S_MAX a second."""
        second = int(sent_s)
        if second != self._sampling_second:
            self._sampling_second = second
            self._second_samples = 0
        if self._second_samples < SAMPLES_PER_S_MAX and len(self.samples) < SAMPLES_MAX:
            self._second_samples += 1
            self.samples.append((show_id, position, sent_s))

    def packed(self) -> dict[str, Any]:
        """The counters as JSON values for `merged`."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        return {
            **plain,
            "last_answer_s": self.last_answer_s,
            "errors": dict(self.errors),
            "latency": self.latency.packed(),
            "samples": list(self.samples),
        }


def merged(processes: list[Mapping[str, Any]]) -> Counts:
    """Adds the packed counters of several processes."""
    counts = Counts()
    for packed in processes:
        for name in _PLAIN:
            setattr(counts, name, getattr(counts, name) + packed[name])
        counts.last_answer_s = max(counts.last_answer_s, packed["last_answer_s"])
        counts.errors.update(packed["errors"])
        counts.latency.add(packed["latency"])
        counts.samples += [(show, position, sent_s) for show, position, sent_s in packed["samples"]]
    return counts
