"""The progress of commands, operations and jobs."""

from __future__ import annotations

from typing import Protocol


class ReportProgress(Protocol):
    """Receives the progress of a stage: `done` of `total`, in the unit that fits the stage."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Shows or stores the progress; must not block."""


def ignore_progress(_stage: str, _done: int, _total: int, /) -> None:
    """Drops the progress, for callers that do not show it."""
