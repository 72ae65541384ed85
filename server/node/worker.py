"""One worker: a child process that runs a node. It is started again when it dies, and replaced by its successor in an upgrade."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client.multiprocess import mark_process_dead

from server.errors import SetupError
from server.node.descriptor_channel import ChannelClosed, DescriptorChannel
from server.node.handover_messages import FROM_WORKER, Begin, HandedOver, HandOver, HandOverFailed
from server.telemetry import METRICS_FOLDER

log = structlog.get_logger(__name__)

READY_LINE = "listening on "
# The time for a successor that has failed to stop. It serves nobody.
END_TIMEOUT_S = 10.0
# A node that lives answers before: it waits for its successor no longer than READY_TIMEOUT_S (hand_over.py), and a minute for each answer.
HAND_OVER_TIMEOUT_S = 1_200.0

# Has the node that serves now hand over to the process at the other end. Raises: HandOverFailed
HandsOver = Callable[[socket.socket], Awaitable[HandedOver]]


class WorkerProcess:
    """One process of a worker. Takes: on_ready, called with its ready line."""

    def __init__(
        self, process: asyncio.subprocess.Process, control: DescriptorChannel, on_ready: Callable[[str], None]
    ) -> None:
        self.pid = process.pid
        self._process = process
        self._control = control
        self._unanswered_count = 0  # hand-overs that were asked for
        self._output = asyncio.create_task(self._forward_output(on_ready), name=f"output of {process.pid}")

    @classmethod
    async def start(
        cls,
        command: list[str],
        environment: dict[str, str],
        begin: Begin,
        on_ready: Callable[[str], None],
        predecessor: socket.socket | None = None,
    ) -> WorkerProcess:
        """Starts it. Takes: predecessor, to the node whose sockets it takes over; None: it opens its own."""
        ours, theirs = socket.socketpair()
        with theirs:
            # The worker has a session of its own, so that Ctrl-C reaches only the parent.
            process = await asyncio.create_subprocess_exec(
                *command, "--control", str(theirs.fileno()),
                env=environment, stdout=asyncio.subprocess.PIPE, start_new_session=True, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        started = cls(process, DescriptorChannel(ours), on_ready)
        # One that has ended already is noticed by its end.
        with contextlib.suppress(ChannelClosed):
            await started._control.send(begin, [] if predecessor is None else [predecessor.fileno()])
        return started

    async def hand_over(self, connected: socket.socket) -> HandedOver:
        """Asks the node to hand over to the process at the other end, and waits for it.

        Raises: HandOverFailed: the node goes on, has died, or does not answer within HAND_OVER_TIMEOUT_S
        """
        try:
            async with asyncio.timeout(HAND_OVER_TIMEOUT_S):
                with connected:
                    await self._control.send(HandOver(), [connected.fileno()])
                self._unanswered_count += 1
                # A node that hung for a while first answers what nobody waits for any more.
                while self._unanswered_count:
                    done, _ = await self._control.receive(FROM_WORKER)
                    self._unanswered_count -= 1
        except TimeoutError as error:
            raise HandOverFailed(
                f"the old process does not answer; if it serves nobody, end it with kill -9 {self.pid}, and another one starts"
            ) from error
        except ChannelClosed as error:
            raise HandOverFailed(f"the old process has died: {error}") from error
        if done.reason:
            raise HandOverFailed(done.reason)
        return done

    async def ended(self) -> int:
        """Waits for the end; gives the exit code."""
        await self._output
        code = await self._process.wait()
        self._control.close()
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def _forward_output(self, on_ready: Callable[[str], None]) -> None:
        """Prints its lines, except the ready line: every worker prints it, and the parent prints it once."""
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            if line.startswith(READY_LINE):
                on_ready(line)
            else:
                print(line, flush=True)  # noqa: T201  a worker's own line


class Worker:
    """One place among the workers. Its process serves until another one takes its place.

    Takes: command, `mysetlist serve` on the port; has_own_database, whether PostgreSQL belongs to our own engines
    ready: the ready line of its first process
    """

    def __init__(
        self,
        number: int,
        command: list[str],
        environment: dict[str, str],
        *,
        restart_delay_s: float,
        has_own_database: bool = False,
    ) -> None:
        self.number = number
        self.ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._restart_delay_s = restart_delay_s
        self._command = command
        self._environment = environment
        self._begin = Begin(has_own_database=has_own_database)
        self._process: WorkerProcess | None = None  # that serves
        self._processes: set[WorkerProcess] = set()  # that run
        self._stop_asked = asyncio.Event()

    async def run(self) -> None:
        """Runs until `stop`.

        Raises: SetupError: the worker ended before it was ready; its message is on stderr
        """
        while not self._stop_asked.is_set():
            process = self._process or await self._start()
            self._process = process
            code = await self._ended(process)
            if self._stop_asked.is_set():
                return
            if self._process is not process:
                # Its successor serves.
                continue
            self._process = None
            if not self.ready.done():
                raise SetupError(
                    f"worker {self.number} ended with code {code} before it was ready; its message is above"
                )
            log.error("worker.died", worker=self.number, code=code)
            await asyncio.sleep(self._restart_delay_s)

    async def replace(self, hand_over: HandsOver) -> HandedOver:
        """Starts a successor, has the node that serves hand over to it, and makes it this worker's process.

        Raises: HandOverFailed: the node goes on, and the successor has ended
        Cancel: as after a failure
        """
        try:
            ours, theirs = socket.socketpair()
            with theirs:
                successor = await self._start(theirs)
        except OSError as error:
            raise HandOverFailed(f"a new process cannot be started: {error.strerror}") from error
        log.info("successor.started", worker=self.number, pid=successor.pid)
        try:
            done = await hand_over(ours)
        except BaseException:
            await asyncio.shield(self._end(successor))
            raise
        if not self.ready.done():
            self.ready.set_result("")
        self._process = successor
        return done

    async def upgrade(self) -> HandedOver:
        """Replaces this worker's process. Raises: HandOverFailed."""
        if self._process is None:
            raise HandOverFailed("the worker is not running")
        return await self.replace(self._process.hand_over)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Sends a signal to its processes, and prevents another start."""
        self._stop_asked.set()
        for process in self._processes:
            process.send_signal(number)

    async def _start(self, predecessor: socket.socket | None = None) -> WorkerProcess:
        process = await WorkerProcess.start(
            self._command, self._environment, self._begin, self._note_ready, predecessor
        )
        self._processes.add(process)
        if self._stop_asked.is_set():
            self.stop()
        return process

    async def _end(self, process: WorkerProcess) -> None:
        """Stops a process, by force when it does not obey: an upgrade and a stop must not wait for one that hangs."""
        process.send_signal(signal.SIGTERM)
        ended = asyncio.create_task(self._ended(process))
        await asyncio.wait([ended], timeout=END_TIMEOUT_S)
        if not ended.done():
            log.warning("successor.killed", worker=self.number, pid=process.pid)
            process.send_signal(signal.SIGKILL)
        await ended

    async def _ended(self, process: WorkerProcess) -> int:
        code = await process.ended()
        self._processes.discard(process)
        if METRICS_FOLDER in self._environment:
            mark_process_dead(process.pid, self._environment[METRICS_FOLDER])  # type: ignore[no-untyped-call]
        return code

    def _note_ready(self, line: str) -> None:
        if not self.ready.done():
            self.ready.set_result(line)
