"""What this node tells of itself once a second, through Valkey: the second's numbers, facts for verdicts, newest failures.

Owns:    the questions to the engines, a connection to Valkey
Threads: event loop only; it reads what other parts count anyway, so no vote and no push waits for it
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
import structlog

import server
from server.admin.ring import Ring
from server.cache.cluster import connection_to
from server.cache.engine import clocks_ahead_ms
from server.cache.keys import VITALS_KEY
from server.clock import Clock, utc_now
from server.errors import CacheError, StoreError, WritesRefused
from server.node.measures import Measures
from server.protocol.instants import from_ms
from server.protocol.vitals import ErrorGroup, Fact, NodeVitals, State
from server.store.database import Database, translated
from server.store.engine import clock_ahead_ms as postgres_ahead_ms
from server.telemetry import FAILURES

log = structlog.get_logger()

EVERY_S = 1.0
# An engine that has not answered a question for this long does not answer.
PATIENCE_S = 1.0
# A node that is silent for longer is forgotten.
SILENT_S_MAX = 600
PRUNE_EVERY_S = 60.0
ERRORS_TOLD_MAX = 10
# In its first seconds a node is not ready, and this is no news.
STARTING_S = 5.0


class Answers:
    """Whether an engine answers: one question a second. ahead_ms: its clock minus ours; trouble: why the last one failed."""

    def __init__(self, clock: Clock, ask: Callable[[], Awaitable[float]]) -> None:
        """Takes: ask, which asks once and gives the engine's clock minus ours [ms]; raises StoreError, CacheError."""
        self._clock = clock
        self._ask = ask
        self._asked_s = self._answered_s = clock.monotonic_s()
        self.trouble = ""
        self.ahead_ms = 0.0

    async def run(self) -> None:
        """Asks until cancelled."""
        while True:
            self._asked_s = self._clock.monotonic_s()
            try:
                ahead_ms = await self._ask()
            except (StoreError, CacheError) as error:
                self.trouble = str(error)
            else:
                self._answered_s, self.trouble = self._clock.monotonic_s(), ""
                if self._answered_s - self._asked_s < PATIENCE_S:
                    # A slow answer may have been made at any time of its way.
                    self.ahead_ms = ahead_ms
            await asyncio.sleep(EVERY_S)

    def away_s(self) -> float:
        """For how long it has not answered; 0: it answers."""
        now_s = self._clock.monotonic_s()
        is_waiting = self._asked_s > self._answered_s and now_s - self._asked_s > PATIENCE_S
        return now_s - self._answered_s if self.trouble or is_waiting else 0.0


class Vitals:
    """Measures and tells once a second.

    Takes: node, its name; redis_url, of Valkey; database, whose pool is seldom busy; ring, which gets every second; measures, of this node's
           parts; why_not_ready, the reasons why this node should get no traffic; is_draining, whether it stops; held_count,
           gives the shards that its writer holds; why_key_refused, gives a reason by provider that refuses our key
    """

    def __init__(
        self,
        node: str,
        redis_url: str,
        database: Database,
        clock: Clock,
        *,
        ring: Ring,
        measures: Measures,
        why_not_ready: Callable[[], list[str]],
        is_draining: Callable[[], bool],
        is_listening: Callable[[], bool],
        held_count: Callable[[], int],
        why_key_refused: Callable[[], dict[str, str]],
    ) -> None:
        self.node = node
        self._database = database
        self._clock = clock
        self._ring = ring
        self._measures = measures
        self._why_not_ready = why_not_ready
        self._is_draining = is_draining
        self._is_listening = is_listening
        self._held_count = held_count
        self._why_key_refused = why_key_refused
        self._valkey = connection_to(redis_url)
        self._started_s = self._listened_s = clock.monotonic_s()
        self._started_at = utc_now(clock)
        self._why_no_writes = ""
        self._pruned_s = 0.0
        self._postgres = Answers(clock, self._ask_postgres)
        self._valkey_answers = Answers(clock, self._tell)
        self._newest = self._measure()

    async def run(self) -> None:
        """Measures and tells until cancelled; then tells that this node has stopped."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._postgres.run(), name="vitals-postgres")
                tasks.create_task(self._valkey_answers.run(), name="vitals-valkey")
                tasks.create_task(self._keep_measuring(), name="vitals")
        finally:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    facts = [Fact("node_draining", 1.0, self.node)]
                    self._newest = msgspec.structs.replace(self._newest, state="stopped", facts=facts)
                    await self._tell()
            except (CacheError, TimeoutError) as error:
                log.info("fleet.not_told", error=str(error))
            await self._valkey.close()

    async def fetch(self) -> tuple[list[NodeVitals], bool]:
        """What all nodes told last, this one first, and whether the others could be asked."""
        told: list[NodeVitals] | None = None
        if self._valkey.is_cluster or not self._valkey_answers.away_s():
            with suppress(CacheError, TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    told = await self._fetch_told()
        # Now, and not before: it may have waited.
        own = msgspec.structs.replace(self._newest, seen_at=self.now())
        if told is None:
            return [own], False
        return [own, *(vitals for vitals in told if vitals.node != self.node)], True

    def now(self) -> dt.datetime:
        """The present instant by Valkey's clock, as far as it is known."""
        return from_ms(self._clock.now_ms() + round(self._valkey_answers.ahead_ms))

    # ── measuring

    async def _keep_measuring(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            self._newest = self._measure()
            self._ring.add(self._clock.now_ms() // 1000, self._newest.second)

    def _measure(self) -> NodeVitals:
        now_s = self._clock.monotonic_s()
        reasons = self._why_not_ready()
        if reasons and now_s - self._started_s < STARTING_S:
            reasons = []
        state: State = "draining" if self._is_draining() else "not ready" if reasons else "ready"
        second = self._measures.second()
        facts = [*self._own_facts(state, reasons), *self._measures.facts()]
        return NodeVitals(
            node=self.node,
            version=server.__version__,
            seen_at=self.now(),
            started_at=self._started_at,
            state=state,
            reasons=reasons,
            shards_held=self._held_count(),
            connection_count=self._measures.connection_count(),
            second=second,
            # What is zero says nothing.
            facts=[msgspec.structs.replace(fact, subject=fact.subject or self.node) for fact in facts if fact.value],
            errors=[
                ErrorGroup(
                    action=failure.action,
                    detail=failure.detail,
                    count=failure.count,
                    last_at=dt.datetime.fromtimestamp(failure.last_at_s, dt.UTC),
                    request_id=failure.request_id,
                    trace_id=failure.trace_id,
                )
                for failure in FAILURES.newest(ERRORS_TOLD_MAX)
            ],
        )

    def _own_facts(self, state: State, reasons: list[str]) -> list[Fact]:
        now_s, postgres_s = self._clock.monotonic_s(), self._postgres.away_s()
        if self._is_listening() or postgres_s:
            # Without PostgreSQL it cannot listen, and that is not its fault.
            self._listened_s = now_s
        clocks = {"PostgreSQL": self._postgres.ahead_ms / 1000, "Valkey": self._valkey_answers.ahead_ms / 1000}
        readings = [0.0, *clocks.values()]
        differing = ", ".join(
            f"{name} is {abs(s):.0f} s {'ahead' if s > 0 else 'behind'}" for name, s in clocks.items()
        )
        return [
            Fact("postgres_away_s", postgres_s, detail=self._postgres.trouble),
            Fact("valkey_away_s", self._valkey_answers.away_s(), detail=self._valkey_answers.trouble),
            Fact(
                "valkey_refuses",
                float(bool(self._why_no_writes)),
                detail=f"Valkey takes no writes: {self._why_no_writes}",
            ),
            Fact(
                "clock_difference_s",
                round(max(readings) - min(readings), 3),
                detail=f"{differing}, by this node's clock.",
            ),
            Fact("listener_away_s", now_s - self._listened_s),
            Fact("node_draining", float(state == "draining")),
            Fact("node_not_ready", float(state == "not ready"), detail="; ".join(reasons)),
            *(Fact("key_refused", 1.0, service, reason) for service, reason in self._why_key_refused().items()),
        ]

    async def _ask_postgres(self) -> float:
        with translated():
            async with self._database.connection() as connection:
                return await postgres_ahead_ms(connection)

    # ── telling

    async def _tell(self) -> float:
        """Writes what was measured last; gives Valkey's clock minus ours [ms].

        Raises: CacheError
        """
        # All nodes take the same server's clock, so that they agree which of them were seen when.
        ahead_ms = next(iter((await clocks_ahead_ms(self._valkey)).values()), 0.0)
        told = msgspec.json.encode(msgspec.structs.replace(self._newest, seen_at=self.now()))
        try:
            await self._valkey.ask([("HSET", VITALS_KEY, self.node, told), ("EXPIRE", VITALS_KEY, SILENT_S_MAX)])
            self._why_no_writes = ""
        except WritesRefused as error:
            self._why_no_writes = str(error)
        if self._clock.monotonic_s() - self._pruned_s > PRUNE_EVERY_S:
            self._pruned_s = self._clock.monotonic_s()
            await self._forget_silent()
        if self._valkey.is_cluster:
            # One server took this; each of them has to answer.
            await self._valkey.probe()
        return ahead_ms

    async def _fetch_told(self) -> list[NodeVitals]:
        (pairs,) = await self._valkey.ask([("HGETALL", VITALS_KEY)])
        found = []
        for document in pairs[1::2]:
            try:
                found.append(msgspec.json.decode(document, type=NodeVitals))
            except msgspec.DecodeError as error:
                # Of another version: a rolling update is under way.
                log.info("fleet.not_understood", reason=str(error))
        return sorted(found, key=lambda vitals: vitals.node)

    async def _forget_silent(self) -> None:
        silent_since = self.now() - dt.timedelta(seconds=SILENT_S_MAX)
        silent = [vitals.node for vitals in await self._fetch_told() if vitals.seen_at < silent_since]
        if silent:
            await self._valkey.ask([("HDEL", VITALS_KEY, *silent)])
