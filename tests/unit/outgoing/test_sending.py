"""How the loop of a sender stops."""

from __future__ import annotations

import asyncio

import pytest

from server.outgoing.sending import keep_sending


async def test_a_loop_that_stops_waits_for_tasks_that_it_cancels() -> None:
    """Such a task may be storing the result of its post, and would find its database closed."""
    sending: set[asyncio.Task[None]] = set()
    begun, is_stored = asyncio.Event(), False

    async def deliver() -> None:
        nonlocal is_stored
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            is_stored = True

    async def start_due() -> None:
        if not sending:
            sending.add(asyncio.create_task(deliver()))

    loop = asyncio.create_task(keep_sending(start_due, sending, waiting="test.waiting", stop_grace_s=0.0))
    await begun.wait()
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
    assert is_stored
