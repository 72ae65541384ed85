"""A child process of a crowd, and the pipe to it: one JSON object a line.

parent -> child   {"call": "open" | "start_casting" | …, "arguments": […]}     the first call carries the options
child  -> parent  {"result": …} | {"error": "one line"}                        in the order of the calls
                  {"progress": {…}}                                            at any time between them
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any, TypeVar

import msgspec
import orjson
import uvloop

from server.client.http import Tally
from server.errors import MysetlistError
from server.load.local_process import LocalProcess
from server.load.process import BallotAudit, ProcessOptions, ViewAudit
from server.store.running import input_closed

PROGRESS_S = 0.5
STOP_TIMEOUT_S = 10.0
_LINE_BYTES_MAX = 256 * 1024 * 1024

Value = TypeVar("Value")


class ProcessFailed(MysetlistError):
    """A child process ended, or failed in a step. The message is one line."""


class ChildProcess:
    """A CrowdProcess that runs as a LocalProcess in a child process.

    Owns:   the child, from `open` to `close`; a child whose pipe ends stops by itself
    Raises: ProcessFailed: in every step
    """

    def __init__(self, options: ProcessOptions) -> None:
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._results: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=16)
        self._progress: dict[str, int] = {}

    async def open(self) -> None:
        """Starts the child, which signs in and connects all voters and watchers."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "server.load.child_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES_MAX,
        )
        self._reading = asyncio.create_task(self._read(self._process), name="crowd.process")
        await self._call("open", msgspec.to_builtins(self._options))

    async def start_casting(self) -> None:
        """Starts casting."""
        await self._call("start_casting")

    async def clear_counts(self) -> None:
        """Counts from zero."""
        await self._call("clear_counts")

    async def settle(self, timeout_s: float) -> None:
        """Stops casting, and waits for the last answers."""
        await self._call("settle", timeout_s)

    async def audit_ballots(self) -> BallotAudit:
        """Compares ballots with the acknowledgements."""
        return _converted(await self._call("audit_ballots"), BallotAudit)

    async def audit_views(self, after: dict[int, Tally], timeout_s: float) -> ViewAudit:
        """Compares views with the final tallies."""
        tallies = msgspec.to_builtins(after, str_keys=True)
        return _converted(await self._call("audit_views", tallies, timeout_s), ViewAudit)

    async def result(self) -> dict[str, Any]:
        """The measurements so far."""
        return _converted(await self._call("result"), dict[str, Any])

    def progress(self) -> dict[str, int]:
        """The numbers that the child sent last."""
        return self._progress

    async def close(self) -> None:
        """Ends the child: by closing its pipe, or with SIGKILL after STOP_TIMEOUT_S."""
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
        await input_closed(process)
        if self._reading is not None:
            await self._reading

    async def _call(self, name: str, *arguments: Any) -> Any:
        process = self._process
        if process is None or process.stdin is None or process.stdin.is_closing():
            raise ProcessFailed("a process of the crowd has ended")
        process.stdin.write(orjson.dumps({"call": name, "arguments": arguments}) + b"\n")
        try:
            await process.stdin.drain()
        except ConnectionError as error:
            raise ProcessFailed("a process of the crowd has ended") from error
        answer = await self._results.get()
        if "error" in answer:
            raise ProcessFailed(answer["error"])
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


# ── inside the child


async def serve_calls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Runs the calls of the parent until the pipe ends, which also ends a running call.

    Cancel: the connections of the process are closed
    """
    calls: asyncio.Queue[bytes] = asyncio.Queue()  # at most one: the parent waits for each result
    reading = asyncio.create_task(_read_calls(reader, calls), name="crowd.read")
    running = asyncio.create_task(_run_calls(calls, writer), name="crowd.run")
    try:
        await asyncio.wait([reading, running], return_when=asyncio.FIRST_COMPLETED)
    finally:
        reading.cancel()
        running.cancel()
        await asyncio.wait([reading, running])
    if not running.cancelled():
        running.result()


async def _read_calls(reader: asyncio.StreamReader, calls: asyncio.Queue[bytes]) -> None:
    while line := await reader.readline():
        calls.put_nowait(line)


async def _run_calls(calls: asyncio.Queue[bytes], writer: asyncio.StreamWriter) -> None:
    process: LocalProcess | None = None
    sending: asyncio.Task[None] | None = None
    try:
        while True:
            call = orjson.loads(await calls.get())
            try:
                if call["call"] == "open":
                    process = LocalProcess(msgspec.convert(call["arguments"][0], ProcessOptions))
                    sending = asyncio.create_task(_send_progress(process, writer), name="crowd.progress")
                    call["arguments"] = []
                assert process is not None
                answer = {"result": msgspec.to_builtins(await _run(process, call), str_keys=True)}
            except MysetlistError as error:
                answer = {"error": str(error)}
            writer.write(orjson.dumps(answer) + b"\n")
            await writer.drain()
    finally:
        if sending is not None:
            sending.cancel()
        if process is not None:
            await process.close()


async def _run(process: LocalProcess, call: dict[str, Any]) -> Any:
    arguments = call["arguments"]
    match call["call"]:
        case "audit_views":
            after = msgspec.convert(arguments[0], dict[int, Tally], strict=False)
            return await process.audit_views(after, arguments[1])
        case "settle":
            return await process.settle(arguments[0])
        case "open" | "start_casting" | "clear_counts" | "audit_ballots" | "result" as name:
            return await getattr(process, name)()
        case name:
            raise ProcessFailed(f"{name!r} is no step of a crowd process")


async def _send_progress(process: LocalProcess, writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(PROGRESS_S)
        writer.write(orjson.dumps({"progress": process.progress()}) + b"\n")


async def _main() -> None:
    loop = asyncio.get_running_loop()
    # Ctrl-C reaches the whole process group. This process ends when the parent closes the pipe.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    reader = asyncio.StreamReader(limit=_LINE_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(lambda: asyncio.streams.FlowControlMixin(loop=loop), sys.stdout)
    await serve_calls(reader, asyncio.StreamWriter(transport, protocol, None, loop))


if __name__ == "__main__":
    uvloop.run(_main())
