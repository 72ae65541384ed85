"""A child process of a crowd, and its pipe."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec
import orjson

from server.load.process import PollSpec, ProcessOptions
from tests.support.engines import unused_port

TIMEOUT_S = 20.0


async def test_a_child_ends_with_its_pipe_in_the_middle_of_a_call() -> None:
    """A parent that is killed closes the pipe; a child that still tries to connect ends with it."""
    options = ProcessOptions(f"http://127.0.0.1:{unused_port()}", [PollSpec(7, [1], None)], seed=1, watchers=3)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "server.load.child_process",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(orjson.dumps({"call": "open", "arguments": [msgspec.to_builtins(options)]}) + b"\n")
        async with asyncio.timeout(TIMEOUT_S):
            message: dict[str, Any] = orjson.loads(await child.stdout.readline())
            assert message["progress"]["connected"] == 0
            child.stdin.close()
            assert await child.wait() == 0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
