"""A running program of PostgreSQL, such as pg_dump: writes its input, reads its output and errors, and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable

from server.errors import SetupError

CHUNK_BYTES = 1 << 18
# The time for an interrupted program to cancel its statement on the server and end.
STOP_TIMEOUT_S = 5.0
LINE_CHARS_MAX = 300


class Gone(Exception):
    """A program ended before it had read all its input; its error on stderr says why."""

    def __init__(self, running: Running) -> None:
        super().__init__()
        self.running = running


class Running:
    """One running program."""

    def __init__(self, name: str, process: Process) -> None:
        self._name = name
        self._process = process

    async def write(self, data: bytes, *, is_last: bool = False) -> None:
        """Writes part of the input.

        Raises: Gone
        """
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        try:
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise Gone(self) from None
        if is_last:
            self._process.stdin.close()

    async def chunk(self) -> bytes:
        """Reads the next part of the output; empty: the output has ended."""
        assert self._process.stdout is not None
        return await self._process.stdout.read(CHUNK_BYTES)

    async def read(self) -> str:
        """Reads all the output.

        Raises: SetupError: the program failed
        """
        printed: list[bytes] = []

        async def collect() -> None:
            while chunk := await self.chunk():
                printed.append(chunk)

        await self.finished(meanwhile=collect)
        return b"".join(printed).decode(errors="replace")

    async def finished(
        self, heard: Callable[[str], None] | None = None, *, meanwhile: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Waits until the program has succeeded.

        Takes:  heard, which gets each line of stderr; meanwhile, which writes the input or reads the output
        Raises: SetupError: the program failed; the message is its first error; the exceptions of `meanwhile`
        """
        errors: list[str] = []

        async def listen() -> None:
            assert self._process.stderr is not None
            while raw := await self._process.stderr.readline():
                line = raw.decode(errors="replace").strip()
                if heard is not None:
                    heard(line)
                if re.search(r"\b(error|ERROR|FATAL|fatal|PANIC):", line):
                    errors.append(line)

        listening = asyncio.create_task(listen(), name=f"{self._name} stderr")
        try:
            if meanwhile is not None:
                try:
                    await meanwhile()
                except Gone as gone:
                    if gone.running is not self:
                        raise
            await listening
            code = await self._process.wait()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        if code != 0 or errors:
            ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
            message = re.sub(r"^psql:<stdin>:\d+: ", "", errors[0]) if errors else ended
            raise SetupError(f"{self._name}: {message.removeprefix(f'{self._name}: ')}"[:LINE_CHARS_MAX])

    async def end(self) -> None:
        """Ends the program: interrupts it, so that the server stops its statement, and kills it after STOP_TIMEOUT_S."""
        if self._process.stdin is not None:
            # This is safe in a transaction: psql does not commit an open transaction when its input ends.
            self._process.stdin.close()
        for number in (signal.SIGINT, signal.SIGKILL):
            if self._process.returncode is not None:
                break
            self._process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await self._process.wait()
        await input_closed(self._process)
        for output in (self._process.stdout, self._process.stderr):
            # A reader that has paused, because nobody read, finds the end of its pipe and closes it only when it is read on.
            while output is not None and await output.read(CHUNK_BYTES):
                pass


async def input_closed(process: Process) -> None:
    """Waits until the input of an ended program is closed. Before 3.11.4, Python reports a broken pipe as lost when nobody does."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            await process.stdin.wait_closed()
