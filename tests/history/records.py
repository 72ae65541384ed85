"""What a history is made of: packed records in numpy arrays, and the files that hold them.

Instants are nanoseconds of the machine's monotonic clock, which all processes share. Positions are those of the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

Records: TypeAlias = npt.NDArray[Any]

CHOICES = ("none", "up", "down")
OUTCOMES = ("", "committed", "accepted", "refused", "unknown")
COMMITTED, ACCEPTED, REFUSED, UNKNOWN = 1, 2, 3, 4
NEVER_NS = 1 << 62

# One vote of one cast, as its fan knows it. at: of its answer, else 0; answered_ns: NEVER_NS without an answer
CAST = np.dtype([
    ("user", "i8"), ("show", "i8"), ("song", "i8"), ("order", "i8"), ("invoked_ns", "i8"), ("answered_ns", "i8"),
    ("at", "i8"), ("choice", "u1"), ("outcome", "u1"),
])  # fmt: skip
# `committed`, which came after `accepted`.
CONFIRMED = np.dtype([("user", "i8"), ("show", "i8"), ("at", "i8"), ("heard_ns", "i8")])
# The choice on one song in the ballot that came with the answer to the cast of this order.
READ = np.dtype([("user", "i8"), ("show", "i8"), ("song", "i8"), ("order", "i8"), ("choice", "u1")])
# What one watcher heard. payload: its number among the payloads of its process; -1: none
FRAME = np.dtype([("watcher", "i8"), ("payload", "i8"), ("heard_ns", "i8"), ("kind", "u1")])
SUBSCRIBED, RESUMED, PUSH, LOST = 1, 2, 3, 4

# One vote in the log. place: of its cast in the entry
EVENT = np.dtype([
    ("shard", "i8"), ("at", "i8"), ("place", "i8"), ("user", "i8"), ("show", "i8"), ("song", "i8"), ("order", "i8"),
    ("choice", "u1"),
])  # fmt: skip
# One entry of the log, also without votes.
ENTRY = np.dtype([("shard", "i8"), ("at", "i8"), ("previous", "i8")])
# One entry that a commit held. transaction: its number; position: of the commit; begun_ns: when the transaction began
COMMIT = np.dtype([
    ("transaction", "i8"), ("shard", "i8"), ("position", "i8"), ("entry", "i8"), ("begun_ns", "i8"),
])  # fmt: skip
# One row of the vote history.
ROW = np.dtype([
    ("transaction", "i8"), ("user", "i8"), ("show", "i8"), ("song", "i8"), ("cast_ms", "i8"), ("previous", "u1"),
    ("choice", "u1"),
])  # fmt: skip
# A row of `votes`, and a song with its counts, at the end of a window.
VOTE = np.dtype([("user", "i8"), ("song", "i8"), ("choice", "u1")])
COUNT = np.dtype([("show", "i8"), ("song", "i8"), ("up", "i8"), ("down", "i8")])


class Counts(NamedTuple):
    """A push or a state of `votes:<show>`. tally: song -> up, down; None: the client's own state is the newest."""

    show: int
    at: int
    total: int
    tally: dict[int, tuple[int, int]] | None


@dataclass
class Window:
    """A part of a history that ends while nobody casts, every cast is answered or given up, and the log is committed.

    payloads: of the frames, by their number
    """

    casts: Records = field(default_factory=lambda: np.empty(0, CAST))
    confirmed: Records = field(default_factory=lambda: np.empty(0, CONFIRMED))
    reads: Records = field(default_factory=lambda: np.empty(0, READ))
    frames: Records = field(default_factory=lambda: np.empty(0, FRAME))
    events: Records = field(default_factory=lambda: np.empty(0, EVENT))
    entries: Records = field(default_factory=lambda: np.empty(0, ENTRY))
    commits: Records = field(default_factory=lambda: np.empty(0, COMMIT))
    rows: Records = field(default_factory=lambda: np.empty(0, ROW))
    votes: Records = field(default_factory=lambda: np.empty(0, VOTE))
    counts: Records = field(default_factory=lambda: np.empty(0, COUNT))
    payloads: list[bytes] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Writes each kind to a file of its own."""
        folder.mkdir()
        for one in fields(self):
            if one.name == "payloads":
                (folder / "payloads.msgpack").write_bytes(msgspec.msgpack.encode(self.payloads))
            else:
                np.save(folder / f"{one.name}.npy", getattr(self, one.name))

    @classmethod
    def load(cls, folder: Path) -> Window:
        """Reads what `save` wrote."""
        arrays = {one.name: np.load(folder / f"{one.name}.npy") for one in fields(cls) if one.name != "payloads"}
        payloads = msgspec.msgpack.decode((folder / "payloads.msgpack").read_bytes(), type=list[bytes])
        return cls(**arrays, payloads=payloads)


class Recorder:
    """Writes what one process hears: append-only files in a folder of its own, read by `Recording`. One writer a folder."""

    FILES: ClassVar[dict[str, np.dtype[Any]]] = {
        "casts": CAST, "confirmed": CONFIRMED, "reads": READ, "frames": FRAME,
    }  # fmt: skip

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._files = {name: (folder / f"{name}.bin").open("ab") for name in (*self.FILES, "payloads")}
        self._waiting: dict[str, list[tuple[int, ...]]] = {name: [] for name in self.FILES}
        self._numbers: dict[bytes, int] = {}
        self._payloads: list[bytes] = []
        self._payload_count = 0
        # The list's own method: a call for each vote of a crowd is what a recorder costs.
        self.cast = self._waiting["casts"].append
        self.confirmed = self._waiting["confirmed"].append
        self.read = self._waiting["reads"].append
        self.frame = self._waiting["frames"].append

    def payload(self, payload: bytes) -> int:
        """The number of a payload; many watchers hear the same one."""
        number = self._numbers.get(payload)
        if number is None:
            number = self._numbers[payload] = self._payload_count
            self._payload_count += 1
            self._payloads.append(payload)
        return number

    def flush(self) -> None:
        """Writes everything that was recorded."""
        for name, kind in self.FILES.items():
            waiting = self._waiting[name]
            self._files[name].write(np.array(waiting, kind).tobytes())
            self._files[name].flush()
            waiting.clear()
        packed = self._files["payloads"]
        for payload in self._payloads:
            packed.write(len(payload).to_bytes(4, "big") + payload)
        packed.flush()
        self._payloads.clear()
        if len(self._numbers) > 100_000:
            self._numbers.clear()


class Recording:
    """Reads what the recorders of several processes wrote since the last call."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders
        self._ends: dict[Path, int] = {}
        self._payloads: dict[Path, list[bytes]] = {folder: [] for folder in folders}

    def window(self) -> Window:
        """Everything since the last call. Payloads of all processes have numbers of their own."""
        parts: dict[str, list[Records]] = {name: [] for name in Recorder.FILES}
        payloads: list[bytes] = []
        for folder in self._folders:
            known = self._payloads[folder]
            known += _payloads(self._rest(folder / "payloads.bin"))
            for name, kind in Recorder.FILES.items():
                records = np.frombuffer(self._rest(folder / f"{name}.bin"), kind).copy()
                if name == "frames":
                    has_payload = records["payload"] >= 0
                    used, places = np.unique(records["payload"][has_payload], return_inverse=True)
                    records["payload"][has_payload] = places + len(payloads)
                    payloads += [known[number] for number in used.tolist()]
                parts[name].append(records)
        arrays = {name: np.concatenate(found) for name, found in parts.items()}
        return Window(**arrays, payloads=payloads)

    def _rest(self, path: Path) -> bytes:
        with path.open("rb") as file:
            file.seek(self._ends.get(path, 0))
            rest = file.read()
        self._ends[path] = self._ends.get(path, 0) + len(rest)
        return rest


def _payloads(packed: bytes) -> list[bytes]:
    found, place = [], 0
    while place < len(packed):
        size = int.from_bytes(packed[place : place + 4], "big")
        found.append(packed[place + 4 : place + 4 + size])
        place += 4 + size
    return found
