"""Runs Hypothesis with an asynchronous test function."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

Example = TypeVar("Example")


async def play_examples(
    play: Callable[[Example], Coroutine[Any, Any, None]],
    strategy: SearchStrategy[Example],
    *,
    count: int,
    phases: tuple[Phase, ...] = (Phase.generate,),
) -> None:
    """Runs `play` on this loop with examples of a strategy, one after the other; each run has the same examples."""
    loop = asyncio.get_running_loop()

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    @given(example=strategy)
    def examples(example: Example) -> None:
        asyncio.run_coroutine_threadsafe(play(example), loop).result()

    await loop.run_in_executor(None, examples)
