"""Turns at PostgreSQL: how many reads of a kind run at once, and which client's read comes next."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from server.errors import Refused, ReplicaLost
from server.protocol.codes import Code
from server.protocol.identity import Identity
from server.telemetry import LIMITED, TURN_WAIT_SECONDS

Result = TypeVar("Result")

# As long as a request waits for a connection of a pool.
WAIT_S = 5.0
# About as many reads as a node answers in WAIT_S.
WAITING_MAX = 2_500
RETRY_AFTER_MS = 1_000


def client_of(identity: Identity | None, address: str) -> str:
    """The client whose turn a read takes: the user, or the address when there is no user."""
    return address if identity is None else f"user {identity.user_id}"


class Turns:
    """A few reads run at once. The others wait, and the turns go round the clients: a flood delays only its own client.

    Takes: name, in metrics; at_once_max; waiting_max, how many reads may wait: beyond it, the newest read of the client with
           the most waiting reads is refused; wait_s, the longest wait
    """

    def __init__(self, name: str, at_once_max: int, *, waiting_max: int = WAITING_MAX, wait_s: float = WAIT_S) -> None:
        self._name = name
        self._free = at_once_max
        self._waiting_max = waiting_max
        self._wait_s = wait_s
        self._waiting_count = 0
        # Client -> its reads, the oldest first. The first client is the next one; then it becomes the last one.
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._wait_seconds = TURN_WAIT_SECONDS.labels(name)

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """Waits for a turn of this client, and passes the turn on at the end.

        Takes:  client, as `client_of` gives it
        Raises: Refused: overloaded, it waited too long, or too many wait
        """
        if self._free:
            self._free -= 1
        else:
            started_s = time.monotonic()
            await self._wait(client)
            self._wait_seconds.observe(time.monotonic() - started_s)
        try:
            yield
        finally:
            self._pass_on()

    async def read(self, client: str, read: Callable[[], Awaitable[Result]]) -> Result:
        """Reads in the client's turn, and gives the result. When a replica is lost during the read, the primary answers.

        Raises: Refused: as `turn`
        """
        async with self.turn(client):
            try:
                return await read()
            except ReplicaLost:
                return await read()

    async def _wait(self, client: str) -> None:
        if self._waiting_count >= self._waiting_max:
            self._refuse_newest(client)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        self._waiting_count += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on()  # the turn came in the same instant
            elif client in self._waiting and turn in self._waiting[client]:
                self._waiting[client].remove(turn)
                self._left(client)
            if isinstance(error, TimeoutError):
                raise self._refusal() from None
            raise

    def _pass_on(self) -> None:
        """Gives this turn to the next client."""
        while self._waiting:
            client, reads = next(iter(self._waiting.items()))
            turn = reads.popleft()
            self._waiting.move_to_end(client)
            self._left(client)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _refuse_newest(self, client: str) -> None:
        """Makes room. Raises: Refused: no other client has more reads that wait."""
        most = max(self._waiting, key=lambda each: len(self._waiting[each]))
        if len(self._waiting.get(client, ())) >= len(self._waiting[most]):
            raise self._refusal()
        turn = self._waiting[most].pop()
        self._left(most)
        if not turn.done():
            turn.set_exception(self._refusal())

    def _left(self, client: str) -> None:
        self._waiting_count -= 1
        if not self._waiting[client]:
            del self._waiting[client]

    def _refusal(self) -> Refused:
        LIMITED.labels(f"turns_{self._name}").inc()
        return Refused(
            Code.OVERLOADED, "Too many ask at the same time. Try again in a second.", retry_after_ms=RETRY_AFTER_MS
        )
