"""What a crowd counts while it runs; two processes' counts can be added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from server.load.histogram import Histogram

SAMPLES_MAX = 20_000
SAMPLES_PER_S_MAX = 500
_PLAIN = (
    "sent", "resent", "votes", "committed", "accepted", "confirmed", "orphaned", "refused", "behind",
    "reconnects", "sessions", "frames", "frame_bytes", "backward",
)  # fmt: skip


class Counts:
    """Counters of one process.

    sent: casts, each once however often it was resent; votes: in casts that were acknowledged; committed, accepted:
    acknowledged casts by durability; confirmed: accepted ones that became committed; orphaned: accepted ones whose
    connection was lost before that (they are sent again); behind: casts that were due while no voter was free;
    last_answer_s: when a cast was last acknowledged [monotonic s]; frames, frame_bytes: pushes received; backward: pushes with a position before the one already held.
    """

    __slots__ = (
        "_sampling_second", "_second_samples", "accepted", "backward", "behind", "committed", "confirmed", "errors",
        "frame_bytes", "frames", "last_answer_s", "latency", "orphaned", "reconnects", "refused", "resent", "samples", "sent",
        "sessions", "votes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()
        self.latency = Histogram()
        self.samples: list[tuple[int, int, float]] = []  # (show, position, sent at [monotonic s])
        self.clear()

    def clear(self) -> None:
        """Forgets everything: the warm-up is over."""
        self.sent = self.resent = self.votes = self.committed = self.accepted = 0
        self.confirmed = self.orphaned = self.refused = self.behind = 0
        self.last_answer_s = 0.0
        self.reconnects = self.sessions = self.frames = self.frame_bytes = self.backward = 0
        self.errors.clear()
        self.latency.clear()
        self.samples.clear()
        self._sampling_second = 0
        self._second_samples = 0

    def fault(self, code: str) -> None:
        """Counts one error by its code."""
        self.errors[code] += 1

    def sample(self, show_id: int, position: int, sent_s: float) -> None:
        """Remembers a committed cast for the latency to the last watcher, a bounded number a second."""
        second = int(sent_s)
        if second != self._sampling_second:
            self._sampling_second = second
            self._second_samples = 0
        if self._second_samples < SAMPLES_PER_S_MAX and len(self.samples) < SAMPLES_MAX:
            self._second_samples += 1
            self.samples.append((show_id, position, sent_s))

    def packed(self) -> dict[str, Any]:
        """Everything as JSON values: what `merged` takes."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        return {
            **plain,
            "last_answer_s": self.last_answer_s,
            "errors": dict(self.errors),
            "latency": self.latency.packed(),
            "samples": list(self.samples),
        }


def merged(parts: list[Mapping[str, Any]]) -> Counts:
    """Several processes' packed counts as one."""
    counts = Counts()
    for part in parts:
        for name in _PLAIN:
            setattr(counts, name, getattr(counts, name) + part[name])
        counts.last_answer_s = max(counts.last_answer_s, part["last_answer_s"])
        counts.errors.update(part["errors"])
        counts.latency.add(part["latency"])
        counts.samples += [(show, position, sent_s) for show, position, sent_s in part["samples"]]
    return counts
