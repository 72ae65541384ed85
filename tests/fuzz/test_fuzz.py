"""A short slice of `make fuzz`: whatever bytes a stranger sends, the reader takes or refuses them (docs/security.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.play import Failed, play
from tests.fuzz.targets import Target, targets

NAMES = ("frames", "messages", "cursors", "files", "answers")
INPUTS = 3_000


@pytest.mark.parametrize("name", NAMES)
async def test_no_input_breaks_a_reader(name: str, engine_dir: Path) -> None:
    """Inputs with up to four mistakes are taken or refused, each in a moment."""
    known = targets(engine_dir)  # in memory: a file of each input is opened there in a tenth of the time
    assert tuple(known) == NAMES
    for seed in known[name].seeds:
        known[name].run(seed)
    play(known[name], 0, INPUTS)


def test_a_failure_names_its_input() -> None:
    """An input that breaks a target is told with the number that makes it again."""
    numbers = []
    for _ in range(2):
        with pytest.raises(Failed) as failed:
            play(Target(_decode, [b"abc"]), 0, INPUTS)
        assert isinstance(failed.value.__cause__, UnicodeDecodeError)
        numbers.append(failed.value.number)
    assert numbers[0] == numbers[1]


def _decode(data: bytes) -> None:
    data.decode()
