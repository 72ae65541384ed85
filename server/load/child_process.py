"""A part of the crowd in a process of its own, told what to do over a pipe, one JSON object a line.

parent -> child   {"call": "open" | "begin" | …, "arguments": […]}     the first call carries the options
child  -> parent  {"result": …} | {"error": "one line"}                in the order of the calls
                  {"progress": {…}}                                    in between
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any, Protocol, TypeVar

import msgspec
import orjson
import uvloop

from server.client.http import Tally
from server.errors import MysetlistError
from server.load.local_process import Audit, Looks, Part, PartOptions

PROGRESS_S = 0.5
STOP_TIMEOUT_S = 10.0
_LINE_BYTES_MAX = 256 * 1024 * 1024

Value = TypeVar("Value")


class CrowdPart(Protocol):
    """What the whole asks of a part, wherever it runs; the steps of Part."""

    async def open(self) -> None:
        """Signs in and connects everybody."""

    async def begin(self) -> None:
        """Casting begins."""

    async def warmed_up(self) -> None:
        """Counting begins anew."""

    async def settle(self, patience_s: float) -> None:
        """Casting ends; waits for the last answers."""

    async def audit(self) -> Audit:
        """Compares ballots with what was promised."""

    async def look(self, after: dict[int, Tally], patience_s: float) -> Looks:
        """Compares watchers' states with the tallies."""

    async def result(self) -> dict[str, Any]:
        """Everything that was counted."""

    def progress(self) -> dict[str, int]:
        """A few numbers for a progress line."""

    async def close(self) -> None:
        """Closes every connection."""


class PartFailed(MysetlistError):
    """A child process ended, or could not do its step; one line."""


class RemotePart:
    """A part in a child process.

    Owns:   the process, from `open` to `close`; a child whose pipe ends stops by itself
    """

    def __init__(self, options: PartOptions) -> None:
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._results: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=16)
        self._progress: dict[str, int] = {}

    async def open(self) -> None:
        """Starts the process and connects everybody in it."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "server.load.child_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES_MAX,
        )
        self._reading = asyncio.create_task(self._read(self._process), name="crowd.part")
        await self._call("open", msgspec.to_builtins(self._options))

    async def begin(self) -> None:
        """Casting begins."""
        await self._call("begin")

    async def warmed_up(self) -> None:
        """Counting begins anew."""
        await self._call("warmed_up")

    async def settle(self, patience_s: float) -> None:
        """Casting ends."""
        await self._call("settle", patience_s)

    async def audit(self) -> Audit:
        """Compares ballots."""
        return _converted(await self._call("audit"), Audit)

    async def look(self, after: dict[int, Tally], patience_s: float) -> Looks:
        """Compares watchers' states."""
        return _converted(await self._call("look", msgspec.to_builtins(after, str_keys=True), patience_s), Looks)

    async def result(self) -> dict[str, Any]:
        """Everything that was counted."""
        return _converted(await self._call("result"), dict[str, Any])

    def progress(self) -> dict[str, int]:
        """The numbers last heard of."""
        return self._progress

    async def close(self) -> None:
        """Ends the process."""
        process = self._process
        if process is None:
            return
        self._process = None
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._reading is not None:
            await self._reading

    async def _call(self, name: str, *arguments: Any) -> Any:
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing():
            raise PartFailed("a process of the crowd has ended")
        process.stdin.write(orjson.dumps({"call": name, "arguments": arguments}) + b"\n")
        try:
            await process.stdin.drain()
        except ConnectionError as error:
            raise PartFailed("a process of the crowd has ended") from error
        answer = await self._results.get()
        if "error" in answer:
            raise PartFailed(answer["error"])
        return answer["result"]

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            message = orjson.loads(line)
            if "progress" in message:
                self._progress = message["progress"]
            else:
                await self._results.put(message)
        if not self._results.full():
            self._results.put_nowait({"error": "a process of the crowd ended before its work was done"})


def _converted(value: Any, kind: type[Value]) -> Value:
    return msgspec.convert(value, kind, strict=False)


# ── the child's side


async def serve_part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Does what the lines say until they end.

    Cancel: the part's connections are closed
    """
    part: Part | None = None
    telling: asyncio.Task[None] | None = None
    try:
        while line := await reader.readline():
            call = orjson.loads(line)
            try:
                if call["call"] == "open":
                    part = Part(msgspec.convert(call["arguments"][0], PartOptions))
                    telling = asyncio.create_task(_tell_progress(part, writer), name="crowd.progress")
                    call["arguments"] = []
                assert part is not None
                answer = {"result": msgspec.to_builtins(await _step(part, call), str_keys=True)}
            except MysetlistError as error:
                answer = {"error": str(error)}
            writer.write(orjson.dumps(answer) + b"\n")
            await writer.drain()
    finally:
        if telling is not None:
            telling.cancel()
        if part is not None:
            await part.close()


async def _step(part: Part, call: dict[str, Any]) -> Any:
    arguments = call["arguments"]
    match call["call"]:
        case "look":
            return await part.look(msgspec.convert(arguments[0], dict[int, Tally], strict=False), arguments[1])
        case "settle":
            return await part.settle(arguments[0])
        case "open" | "begin" | "warmed_up" | "audit" | "result" as name:
            return await getattr(part, name)()
        case name:
            raise PartFailed(f"no step is called {name}")


async def _tell_progress(part: Part, writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(PROGRESS_S)
        writer.write(orjson.dumps({"progress": part.progress()}) + b"\n")


async def _main() -> None:
    loop = asyncio.get_running_loop()
    # Ctrl-C reaches the whole group of processes; the parent says when this one ends, by closing the pipe.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    reader = asyncio.StreamReader(limit=_LINE_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(lambda: asyncio.streams.FlowControlMixin(loop=loop), sys.stdout)
    await serve_part(reader, asyncio.StreamWriter(transport, protocol, None, loop))


if __name__ == "__main__":
    uvloop.run(_main())
