"""A program of PostgreSQL that is ended midway leaves nothing open."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process

import psutil
import pytest

from server.store.running import Running

TALKING = r"""
import os, time
os.write(1, b"x" * 4_000)
os.write(2, b"began\n")
time.sleep(60)
"""


async def started(script: str) -> Process:
    """Its reader keeps so little that it pauses after the first bytes."""
    return await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=PIPE, stderr=PIPE, limit=16)


async def test_the_pipes_of_an_interrupted_program_are_closed() -> None:
    """Also when nobody has read what it printed last."""
    # The event loop opens files of its own for its first program.
    silent = Running("silent", await started(""))
    await silent.finished()
    await silent.end()
    open_before = psutil.Process().num_fds()
    running = Running("talking", await started(TALKING))

    def interrupt(line: str) -> None:
        assert line == "began"
        waiting.cancel()

    waiting = asyncio.create_task(running.finished(interrupt))
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await running.end()
    async with asyncio.timeout(5):
        while psutil.Process().num_fds() > open_before:
            await asyncio.sleep(0.01)
