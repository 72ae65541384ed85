"""The loop of a sender: it starts the tasks that are due, once a second and whenever a task has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from server.clock import backoff_s
from server.errors import StoreError

log = structlog.get_logger()

POLL_INTERVAL_S = 1.0
STOP_GRACE_S = 5.0
BACKOFF_S = 1.0
BACKOFF_S_MAX = 60.0


async def keep_sending(
    start_due: Callable[[], Awaitable[object]],
    sending: set[asyncio.Task[None]],
    *,
    waiting: str,
    gather_s: float = 0.0,
    stop_grace_s: float = STOP_GRACE_S,
) -> None:
    """Sends until cancelled. While PostgreSQL is away, it waits.

    Takes:  start_due, one pass, which adds its tasks to `sending` and may raise StoreError; waiting, the event of the log while it waits; gather_s, a
            pause after the end of a task, so that one pass sees all tasks that end in one moment
    Cancel: the started tasks get up to stop_grace_s to end, then they are cancelled; they have ended when this ends
    """
    failures = 0
    try:
        while True:
            delay_s = POLL_INTERVAL_S
            try:
                await start_due()
                failures = 0
            except StoreError as error:
                failures += 1
                delay_s = backoff_s(failures, first_s=BACKOFF_S, max_s=BACKOFF_S_MAX)
                log.warning(waiting, error=str(error), retry_s=delay_s)
            if sending and not failures:
                # The end of a task makes room, so the next pass does not wait for the whole delay.
                await asyncio.wait(sending, timeout=delay_s, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(gather_s)
            else:
                await asyncio.sleep(delay_s)
    finally:
        if sending:
            _, late = await asyncio.wait(sending, timeout=stop_grace_s)
            for task in late:
                task.cancel()
            # One of them may be storing the result of its post.
            await asyncio.gather(*late, return_exceptions=True)
