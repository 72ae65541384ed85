"""Gives a target many inputs, and watches the time of each and the memory of all."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from random import Random

import psutil

from tests.fuzz.inputs import input_of
from tests.fuzz.targets import Target

# The longest inputs take some milliseconds. Not the clock: other programs of the machine may take their time.
INPUT_CPU_S_MAX = 1.0
# After so many inputs, caches and the allocator's arenas have their size.
WARM_UP_INPUTS = 20_000
GROWTH_BYTES_MAX = 16 * 2**20


class Failed(AssertionError):
    """An input broke a target; its cause says how."""

    def __init__(self, number: int, data: bytes) -> None:
        super().__init__(f"input {number}: {data[:200]!r}")
        self.number = number
        self.data = data


@dataclass(frozen=True)
class Played:
    """What a target has taken. Bytes: of the process, once warm and at the end; objects: as the collector counts them; 0: of inputs that only warm up."""

    inputs: int
    cpu_s: float
    bytes_before: int
    bytes_after: int
    objects_before: int
    objects_after: int

    def __str__(self) -> str:
        return (
            f"{self.inputs} inputs, {1e6 * self.cpu_s / self.inputs:.0f} µs each,"
            f" {self.bytes_before / 2**20:.1f} MiB before and {self.bytes_after / 2**20:.1f} after,"
            f" {self.objects_before} objects before and {self.objects_after} after"
        )


def play(target: Target, first: int, count: int) -> Played:
    """Gives a target inputs. Takes: first, the number of the first one. Raises: Failed, also when the process grows."""
    random, began_s = Random(), time.process_time()
    warm_up = min(count, WARM_UP_INPUTS)
    _play(target, range(first, first + warm_up), random)
    # It takes a second in a process of many tests, and tells nothing when all inputs were the warm-up.
    bytes_before, objects_before = _memory() if count > warm_up else (0, 0)
    _play(target, range(first + warm_up, first + count), random)
    bytes_after, objects_after = _memory() if count > warm_up else (0, 0)
    played = Played(count, time.process_time() - began_s, bytes_before, bytes_after, objects_before, objects_after)
    if bytes_after - bytes_before > GROWTH_BYTES_MAX:
        raise Failed(first, b"") from MemoryError(str(played))
    return played


def _play(target: Target, numbers: range, random: Random) -> None:
    for number in numbers:
        data = input_of(number, target.seeds, random)
        began_s = time.process_time()
        try:
            target.run(data)
            spent_s = time.process_time() - began_s
            assert spent_s < INPUT_CPU_S_MAX, f"it took {spent_s:.1f} s of CPU"
        except Exception as error:
            raise Failed(number, data) from error


def _memory() -> tuple[int, int]:
    gc.collect()
    return psutil.Process().memory_info().rss, len(gc.get_objects())
