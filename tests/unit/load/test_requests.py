"""Bounded concurrency of a crowd's requests."""

from __future__ import annotations

import asyncio

import pytest

from server.client.http import Unreachable
from server.load.requests import bounded_map


async def test_a_bounded_map_is_bounded_and_ordered() -> None:
    """No more runs at a time than allowed, results in the order of the items, and the first error is raised."""
    running, most = 0, 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        if number == 99:
            raise Unreachable("99")
        return number * 2

    assert await bounded_map(range(20), work, 3) == [number * 2 for number in range(20)]
    assert most == 3
    with pytest.raises(Unreachable):
        await bounded_map([1, 99, 2], work, 2)
    assert await bounded_map([], work, 2) == []
