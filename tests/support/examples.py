"""Hypothesis: how many examples a test draws, and examples for asynchronous test functions. tests/conftest.py has the profiles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

World = TypeVar("World")
Example = TypeVar("Example")


def scaled(count: int) -> int:
    """A number for `max_examples`: half of `count` in `make check`, twenty times `count` in `make nightly`."""
    return max(1, count * settings().max_examples // 100)


def part(values: Iterable[Example], turn: int, *, of: int) -> list[Example]:
    """Every value in `make nightly`. In `make check` one of so many, from the turn-th on: who asks with another turn gets others."""
    return list(values) if Phase.shrink in settings().phases else list(values)[turn % of :: of]


async def play_examples(
    open_world: Callable[[], AbstractAsyncContextManager[World]],
    play: Callable[[World, Example], Coroutine[Any, Any, None]],
    strategy: SearchStrategy[Example],
    *,
    count: int,
) -> None:
    """Plays examples of a strategy on this loop, one after the other.

    In `make check` all examples share one world, which is quick. When Hypothesis makes a failed example smaller, each
    example has a world of its own: what it tries must not depend on what it tried before.
    """
    loop = asyncio.get_running_loop()

    async def play_alone(example: Example) -> None:
        async with open_world() as world:
            await play(world, example)

    async def play_all(play_one: Callable[[Example], Coroutine[Any, Any, None]]) -> None:
        @settings(max_examples=scaled(count), suppress_health_check=list(HealthCheck))
        @given(example=strategy)
        def examples(example: Example) -> None:
            asyncio.run_coroutine_threadsafe(play_one(example), loop).result()

        await loop.run_in_executor(None, examples)

    if Phase.shrink in settings().phases:
        await play_all(play_alone)
    else:
        async with open_world() as world:
            await play_all(lambda example: play(world, example))
