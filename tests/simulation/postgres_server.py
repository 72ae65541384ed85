"""The server around postgres_model.py: sessions, transactions, locks, notifications, and what can go wrong.

Statements are atomic. A session that ends takes its transaction, its locks and its leases with it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from server.errors import StoreUnavailable
from tests.simulation.loop import PROCESS, Process, SimulatedClock, SimulationLoop
from tests.simulation.postgres_model import Notice, Tables
from tests.simulation.seen import Seen

LATENCY_S = 0.004
LATE_S_MAX = 0.6
_SETTINGS = SimpleNamespace(in_hot_standby="off", default_transaction_read_only="off")
# What a statement does: gets the rows that it sees, gives its answer.
Statement = Callable[[Tables], Any]


class Postgres:
    """One server. chance_of_fault: that a statement fails, before or after its effect; chance_of_late: that it is long on its way
    while others overtake it, as on a connection that loses packets.

    committed: every entry that a commit has named: (shard, position) -> how many times
    """

    def __init__(self, loop: SimulationLoop, seen: Seen, tables: Tables) -> None:
        self.loop = loop
        self.seen = seen
        self.tables = tables
        self.clock = SimulatedClock(loop)
        self.is_up = True
        self.chance_of_fault = 0.0
        self.chance_of_late = 0.0
        self.chance_of_lost_notice = 0.0
        self.slow_s = 0.0
        self.sessions: list[Session] = []
        self.locked: dict[int, Session] = {}  # shard -> who has its row of log_positions
        self.waiting: list[_Request] = []
        self.leases: dict[int, Session] = {}
        self.writers: dict[int, Process | None] = {}  # shard -> who committed last
        self.refused: set[tuple[int, int, int]] = set()  # show, user, cast_ms of votes that no rule allowed
        self.on_commit: Callable[[Sequence[int], Sequence[str]], None] = lambda _shards, _entries: None

    # ── what happens to it

    def restart(self, down_s: float) -> None:
        """Dies, and comes back with all that was committed."""
        if not self.is_up:
            return
        self.loop.note("PostgreSQL restarts")
        self.seen.add("PostgreSQL restarted")
        self.is_up = False
        for session in self.sessions[:]:
            session.end()
        self.loop.later(down_s, self._come_up)

    def _come_up(self) -> None:
        self.is_up = True

    def cut(self, process: Process, name: str = "") -> None:
        """Ends the sessions of a process, or those with this name."""
        for session in self.sessions[:]:
            if session.process is process and (not name or session.name == name):
                session.end()

    # ── statements

    def delay_s(self) -> float:
        """How long a statement and its answer are on their way."""
        return self.slow_s + LATENCY_S * self.loop.random.random()

    def arrive(self, request: _Request) -> None:
        """Runs a statement, or lets it wait for a lock."""
        session = request.session
        if not self.is_up or (session.is_over and not request.commits):
            request.fail("the connection is closed")
            return
        if any(self.locked.get(shard, session) is not session for shard in request.shards):
            self.waiting.append(request)
            self.seen.add("a statement waited for a shard's row")
            return
        fault = self.loop.random.random() if self.chance_of_fault else 1.0
        if fault < self.chance_of_fault / 2:
            session.end()
            request.fail("the connection was cut")
            return
        answer = request.statement(session.view())
        if request.holds:
            self.locked |= dict.fromkeys(request.shards, session)
        if fault < self.chance_of_fault:
            if request.commits:
                self.seen.add("a commit whose answer was lost")
            session.end()
            request.fail("the connection was cut")
            return
        if self.slow_s and request.commits:
            self.loop.later(self.delay_s(), request.answer, answer)
        else:
            request.answer(answer)

    def release(self, session: Session) -> None:
        """Gives up the rows that a session holds."""
        held = [shard for shard, holder in self.locked.items() if holder is session]
        for shard in held:
            del self.locked[shard]
        if held and self.waiting:
            waiting, self.waiting = self.waiting, []
            for request in waiting:
                self.arrive(request)

    def notify(self, notices: Sequence[Notice]) -> None:
        """Sends the notifications of one transaction to all sessions that listen."""
        for session in self.sessions:
            if session.listeners and notices:
                session.send(notices)


class _Request:
    """A statement under way. holds: whether it keeps the rows of its shards; commits: whether it ends a transaction that writes."""

    __slots__ = ("answered", "commits", "holds", "session", "shards", "statement")

    def __init__(
        self, session: Session, statement: Statement, shards: Iterable[int], *, holds: bool, commits: bool
    ) -> None:
        self.session = session
        self.statement = statement
        self.shards = shards
        self.holds = holds
        self.commits = commits
        self.answered: asyncio.Future[Any] = session.server.loop.create_future()

    def answer(self, value: Any) -> None:
        if not self.answered.done():
            self.answered.set_result(value)

    def fail(self, why: str) -> None:
        if not self.answered.done():
            self.answered.set_exception(StoreUnavailable(why))


class Session:
    """Stands for asyncpg's Connection."""

    def __init__(self, server: Postgres, name: str = "") -> None:
        self.server = server
        self.name = name
        self.process = PROCESS.get()
        self.is_over = False
        self.is_snapshot = False
        self.changes: list[Statement] = []  # of its transaction
        self.notices: list[Notice] = []
        self.listeners: dict[str, Callable[[Any, int, str, Any], None]] = {}
        self.node: int | None = None  # the number that it announces
        self._snapshot: Tables | None = None
        self._on_end: list[Callable[[Any], None]] = []
        self._underway: list[_Request] = []
        self._coming: deque[Sequence[Notice]] = deque()
        server.sessions.append(self)

    async def run(
        self, statement: Statement, shards: Iterable[int] = (), *, holds: bool = False, commits: bool = False
    ) -> Any:
        """Runs a statement. Takes: shards, whose rows of log_positions it waits for."""
        server = self.server
        if self.is_over:
            raise StoreUnavailable("the connection is closed")
        if self._snapshot is not None and not server.chance_of_fault:
            # Nothing can change what it reads, so no other order of steps gives anything else.
            return statement(self._snapshot)
        request = _Request(self, statement, shards, holds=holds, commits=commits)
        self._underway.append(request)
        delay_s, random = server.delay_s(), server.loop.random
        if server.chance_of_late and random.random() < server.chance_of_late:
            server.seen.add("a statement was overtaken by later ones")
            delay_s += LATE_S_MAX * random.random()
        server.loop.later(delay_s, server.arrive, request)
        try:
            return await request.answered
        finally:
            self._underway.remove(request)

    def view(self) -> Tables:
        """The rows that its next statement sees."""
        if self.is_snapshot:
            if self._snapshot is None:
                self._snapshot = self.server.tables.copy()
            return self._snapshot
        if not self.changes:
            return self.server.tables
        tables = self.server.tables.copy()
        for change in self.changes:
            change(tables)
        return tables

    async def commit(self) -> None:
        """Ends its transaction."""
        await self.run(self._commit, commits=bool(self.changes))

    def _commit(self, _: Tables) -> None:
        for change in self.changes:
            change(self.server.tables)
        notices, self.notices, self.changes = self.notices, [], []
        self.server.notify(notices)
        self.server.release(self)

    def end(self) -> None:
        """Ends the session, whoever wants it."""
        if self.is_over:
            return
        self.is_over = True
        server = self.server
        server.sessions.remove(self)
        server.leases = {shard: holder for shard, holder in server.leases.items() if holder is not self}
        for request in self._underway:
            request.fail("the connection was closed")
        self.changes = []
        server.waiting = [request for request in server.waiting if request.session is not self]
        server.release(self)
        for callback in self._on_end:
            server.loop.later(0, callback, self, process=self.process)

    terminate = end

    def get_settings(self) -> Any:
        """What the server told of itself."""
        return _SETTINGS

    # ── notifications

    async def add_listener(self, channel: str, callback: Callable[[Any, int, str, Any], None]) -> None:
        """LISTEN."""
        if self.is_over:
            raise StoreUnavailable("the connection is closed")
        self.listeners[channel] = callback

    def add_termination_listener(self, callback: Callable[[Any], None]) -> None:
        """Calls back when it ends."""
        self._on_end.append(callback)

    def send(self, notices: Sequence[Notice]) -> None:
        """Sends the notifications of a transaction. They may be lost, or come twice, or in another order, but not in part."""
        server, random = self.server, self.server.loop.random
        times = 1
        if server.chance_of_lost_notice and random.random() < server.chance_of_lost_notice:
            times = random.choice((0, 2))
            server.seen.add("a notification came twice" if times else "a notification was lost")
        for _ in range(times):
            self._coming.append(notices)
            server.loop.later(server.delay_s(), self._deliver, process=self.process)
        if times and len(self._coming) > 1 and server.chance_of_lost_notice and random.random() < 0.2:
            self._coming.rotate(1)
            server.seen.add("notifications came in another order")

    def _deliver(self) -> None:
        notices = self._coming.popleft()
        if self.is_over:
            return
        for channel, payload in notices:
            if channel in self.listeners:
                self.listeners[channel](self, 0, channel, payload)


class SimulatedDatabase:
    """Stands for store.database.Database."""

    url = "postgresql:"

    def __init__(self, server: Postgres) -> None:
        self._server = server

    def connection(self) -> _Block:
        """A session for a few statements."""
        return _Block(self._server)

    def snapshot(self) -> _Block:
        """A session whose statements see one instant."""
        return _Block(self._server, is_snapshot=True)

    def transaction(self) -> _Block:
        """A session that commits at its end."""
        return _Block(self._server, is_transaction=True)


class _Block:
    def __init__(self, server: Postgres, *, is_snapshot: bool = False, is_transaction: bool = False) -> None:
        self._server = server
        self._is_snapshot = is_snapshot
        self._is_transaction = is_transaction

    async def __aenter__(self) -> Session:
        if not self._server.is_up:
            await asyncio.sleep(self._server.delay_s())
            if not self._server.is_up:
                raise StoreUnavailable("the server is away")
        self._session = Session(self._server)
        self._session.is_snapshot = self._is_snapshot
        return self._session

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if self._is_transaction and kind is None:
                await self._session.commit()
        finally:
            self._session.end()
