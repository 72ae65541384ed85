"""An event loop without sockets, threads or real time: one seed decides the order of everything.

A step is one callback. Among those that are ready, the seed chooses the next one. When none is ready, time jumps to the next timer.
So a run costs no waiting, and the same seed gives the same steps.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import events
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from random import Random
from typing import Any

from server.clock import Arguments

STEPS_MAX = 60_000


class Process:
    """What runs together and dies together: its callbacks have its context. One that is dead runs nothing more, not even `finally`.

    is_stopped: it is alive and runs nothing, as after SIGSTOP
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.is_stopped = False
        self.kept: list[Any] = []  # callbacks that did not run because it is dead or stopped
        self.context = Context()
        self.context.run(PROCESS.set, self)


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


_NOBODY = Context()


class SimulationLoop(asyncio.BaseEventLoop):
    """Runs callbacks in an order that its seed decides. trace: (step, instant, what ran), when it is wanted."""

    def __init__(self, random: Random, *, is_traced: bool = False) -> None:
        super().__init__()
        self.random = random
        self.now_s = 1_000.0
        self.step = 0
        self.trace: list[tuple[int, float, str]] | None = [] if is_traced else None
        self.reports: list[str] = []  # what asyncio reports instead of raising
        self._ready: list[events.Handle] = []
        self._timers: list[tuple[float, int, events.TimerHandle]] = []
        self._timer_count = 0
        self._spawned: list[tuple[asyncio.Task[Any], Process | None]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._new_task)
        self.set_exception_handler(
            lambda _, context: self.reports.append(str(context.get("exception") or context["message"]))
        )

    def time(self) -> float:
        """Virtual seconds."""
        return self.now_s

    def call_soon(  # type: ignore[override]
        self, callback: Any, *arguments: Any, context: Context | None = None
    ) -> events.Handle:
        """As every loop, but the order among those that are ready is the seed's."""
        handle = events.Handle(callback, arguments, self, context)
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *arguments: Any, context: Context | None = None
    ) -> events.TimerHandle:
        """As every loop."""
        timer = events.TimerHandle(when, callback, arguments, self, context)
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, timer))
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *arguments: Any, context: Context | None = None
    ) -> events.TimerHandle:
        """As every loop."""
        return self.call_at(self.now_s + delay, callback, *arguments, context=context)

    def note(self, what: str) -> None:
        """Adds a line to the trace."""
        if self.trace is not None:
            self.trace.append((self.step, self.now_s, what))

    def _new_task(self, _loop: Any, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=self, **options)
        self._tasks.append(task)
        task.set_name(f"task {len(self._tasks)}")  # Python's own numbers go on from run to run
        return task

    def spawn(self, coroutine: Coroutine[Any, Any, Any], process: Process | None, name: str) -> asyncio.Task[Any]:
        """Starts a task of a process. None: of nobody, it cannot die."""
        task = self.create_task(coroutine, name=name, context=Context() if process is None else process.context)
        self._spawned.append((task, process))
        return task

    def later(
        self, delay_s: float, callback: Callable[..., Any], *arguments: Any, process: Process | None = None
    ) -> None:
        """Calls back in the context of a process; None: of nobody."""
        self.call_at(
            self.now_s + delay_s, callback, *arguments, context=_NOBODY if process is None else process.context
        )

    def go_on(self, process: Process) -> None:
        """Lets a stopped process run again."""
        process.is_stopped = False
        self._ready += process.kept
        process.kept = []

    def run_until(self, is_over: Callable[[], bool]) -> bool:
        """Runs steps. Gives: whether it is over; False: nothing is left to run, or it takes more than STEPS_MAX."""
        events._set_running_loop(self)
        try:
            while not is_over():
                if not self._run_step():
                    return False
            return True
        finally:
            events._set_running_loop(None)

    def _run_step(self) -> bool:
        ready, timers = self._ready, self._timers
        while True:
            while timers and (timers[0][0] <= self.now_s or timers[0][2]._cancelled):
                timer = heapq.heappop(timers)[2]
                if not timer._cancelled:
                    ready.append(timer)
            if ready:
                break
            if not timers:
                return False
            self.now_s = timers[0][0]
        # Swapped with the last one: taking one out of the middle would move all that follow.
        place = int(self.random.random() * len(ready))
        handle = ready[place]
        ready[place] = ready[-1]
        ready.pop()
        if handle._cancelled:
            return True
        context: Context = handle._context  # type: ignore[attr-defined]
        process = context.get(PROCESS)
        if process is not None and (process.is_dead or process.is_stopped):
            process.kept.append(handle)
            return True
        self.step += 1
        if self.step > STEPS_MAX:
            return False
        if self.trace is not None:
            self.note(_name_of(handle, process))
        handle._run()
        return True

    def stop_all(self) -> None:
        """Ends the run: no task goes on, and none reports that it was not awaited."""
        left = [(task, process) for task, process in self._spawned if process is not None and not task.done()]
        for task, process in left:
            # Python would run what is left of it when it is collected. So it ends here, as if its process had not been killed.
            process.is_dead = False
            self.go_on(process)
            task.cancel()
        (step, self.step), (trace, self.trace) = (self.step, 0), (self.trace, None)
        self.run_until(lambda: all(task.done() for task, _ in left))
        self.step, self.trace = step, trace
        events._set_running_loop(self)
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine: Any = task.get_coro()
            for _ in range(5):  # a `finally` may wait for something, which ends its closing but not the coroutine
                try:
                    coroutine.close()
                except (RuntimeError, ValueError):
                    continue
                break
            if task.done() and not task.cancelled():
                task.exception()
        events._set_running_loop(None)
        self.close()


def _name_of(handle: events.Handle, process: Process | None) -> str:
    callback = handle._callback  # type: ignore[attr-defined]
    owner = getattr(callback, "__self__", None)
    name = (
        owner.get_name()
        if isinstance(owner, asyncio.Task)
        else getattr(callback, "__qualname__", type(callback).__name__)
    )
    return f"{process.name if process else 'world'}: {name}"


class SimulatedClock:
    """The clock of a process: the loop's time, and that in milliseconds, which may differ from the clocks of others.

    Takes: ahead_ms, of the true time
    """

    def __init__(self, loop: SimulationLoop, ahead_ms: int = 0) -> None:
        self._loop = loop
        self.ahead_ms = ahead_ms

    def monotonic_s(self) -> float:
        """Seconds that only grow."""
        return self._loop.now_s

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return 1_800_000_000_000 + int(self._loop.now_s * 1000) + self.ahead_ms

    def call_later(self, delay_s: float, callback: Callable[[*Arguments], object], *arguments: *Arguments) -> None:
        """Calls back once."""
        self._loop.call_later(delay_s, callback, *arguments)
