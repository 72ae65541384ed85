"""Progress of long work, as commands and operations report it."""

from __future__ import annotations

from typing import Protocol


class ReportProgress(Protocol):
    """Receives how far a stage is: `done` of `total`, in the unit that fits the stage."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Shows or stores the progress; must not block."""


def ignore_progress(_stage: str, _done: int, _total: int, /) -> None:
    """Reports progress to nobody."""
