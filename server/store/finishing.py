"""Work that must not end in the middle when its task is cancelled, such as storing what cannot be found out again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

GRACE_S = 5.0


async def to_its_end(work: Coroutine[Any, Any, None], *, grace_s: float = GRACE_S) -> None:
    """Runs work to its end.

    Cancel: the work gets up to grace_s to end, then it is cancelled too
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=grace_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
