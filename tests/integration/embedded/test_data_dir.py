"""A look at the lock of a data dir disturbs nobody."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from server.embedded.engines import _running_addresses
from server.embedded.folders import DataDirLock


def test_commands_that_look_at_the_lock_keep_no_node_from_starting(tmp_path: Path) -> None:
    """They may look at any moment, and as many as they want."""
    (tmp_path / "engines.json").write_text('{"database_url": null, "redis_url": null}')
    is_done = threading.Event()

    async def look() -> None:
        while not is_done.is_set():
            await _running_addresses(tmp_path)

    lookers = [threading.Thread(target=lambda: asyncio.run(look())) for _ in range(3)]
    for looker in lookers:
        looker.start()
    lock = DataDirLock(tmp_path)
    try:
        for _ in range(300):
            assert lock.acquire()
            lock.release()
    finally:
        is_done.set()
        for looker in lookers:
            looker.join()
