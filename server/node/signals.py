"""The signals that end a command: SIGTERM, SIGINT and SIGHUP, also while it is still starting."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger()


class StopSignals:
    """The signals of one command. number: the first signal, 0: none came yet; stopped: set when one came.

    A signal cancels the task, and everything that the task has started is stopped. After `take_over` it only sets
    `stopped`, and the command ends by itself, in order.
    """

    def __init__(self, task: asyncio.Task[object]) -> None:
        self.number = 0
        self.stopped = asyncio.Event()
        self._task: asyncio.Task[object] | None = task

    @property
    def is_cut_short(self) -> bool:
        """Whether a signal has cancelled the task."""
        return self.number != 0 and self._task is not None

    def take_over(self) -> None:
        """From now on, the command watches `stopped` itself."""
        self._task = None

    def receive(self, number: int) -> None:
        """Takes a signal. A second one changes nothing, because the first one is being obeyed."""
        is_first = not self.number
        if is_first:
            self.number = number
            self.stopped.set()
            if self._task is not None:
                self._task.cancel()
        # Obeyed first: the terminal whose end sent the signal takes no line any more.
        log.info("signal.received", signal=signal.Signals(number).name, is_first=is_first)


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Catches the signals during the block. A block that a signal cuts short ends without an exception."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    signals = StopSignals(task)
    # nohup sets SIGHUP to be ignored, and this stays so.
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, signals.receive, number)
    try:
        yield signals
    except asyncio.CancelledError:
        if not signals.is_cut_short:
            raise
        task.uncancel()
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
