"""A node of a simulation: the rooms of the vote path, connected as server/node/rooms.py connects them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from server.cache.cluster import connection_to
from server.live.channel import Subscriber
from server.live.hub import Hub
from server.live.listener import Listener
from server.live.pusher import Pusher
from server.live.watchers import WatcherCounts
from server.node.channel_refresher import ChannelRefresher
from server.node.channel_states import ChannelStates
from server.voting.commit_watch import CommitWatch
from server.voting.intake import Intake
from server.voting.queries import voting
from server.voting.rule_changes import RuleChanges
from server.voting.tallies import Tallies
from server.voting.writer import Writer
from tests.simulation.engines import change_show
from tests.simulation.loop import Process, SimulatedClock
from tests.simulation.postgres_server import SimulatedDatabase

VALKEY_URL = "redis://valkey"
VOTES_PER_DAY_MAX = 14


class SimulatedNode:
    """A process with the rooms of the vote path. Takes: world, a World; number, for its place among the leases."""

    def __init__(self, world: Any, number: int, ahead_ms: int) -> None:
        self.world = world
        self.process = Process(f"node {number}")
        self.clock = SimulatedClock(world.loop, ahead_ms)
        self.number = number
        self.intake: Intake | None = None  # None: it is starting
        world.loop.spawn(self._start(), self.process, "start")

    @property
    def is_up(self) -> bool:
        """Whether clients reach it."""
        return self.intake is not None and not self.process.is_dead

    async def _start(self) -> None:
        world, clock = self.world, self.clock
        database: Any = SimulatedDatabase(world.postgres)
        shard_count = len(world.postgres.tables.positions)
        self.database = database
        self.tallies = Tallies(VALKEY_URL, database, shard_count=shard_count)
        intake = Intake(VALKEY_URL, database, clock, shard_count=shard_count, votes_per_day_max=VOTES_PER_DAY_MAX)
        self.commit_watch = CommitWatch(VALKEY_URL, database, clock)
        self.writer = Writer(VALKEY_URL, database, clock, shard_count=shard_count, stalled=self.commit_watch.stalled)
        self.writer._leases._node = self.number
        self.rule_changes = RuleChanges(connection_to(VALKEY_URL).ask, self._reopen, shard_count=shard_count)
        states = ChannelStates(database, database, self.tallies, clock, presence=None)  # type: ignore[arg-type]
        pusher = Pusher(clock)
        self.hub = Hub(states.load, WatcherCounts(), pusher, clock)
        self.refresher = ChannelRefresher(database, self.tallies, states, self.hub, clock)
        self.listener = Listener(
            database.url, self.hub, self.refresher, clock,
            committed=intake.pending_acks.committed, refused=intake.pending_acks.refused,
            on_fleet_request=lambda _: None, fetch_positions=voting.fetch_show_positions, shard_count=shard_count,
        )  # fmt: skip
        loops = {
            "intake": intake.run, "writer": self.writer.run, "commit-watch": self.commit_watch.run, "pusher": pusher.run,
            "listener": self.listener.run,
        }  # fmt: skip
        for name, run in loops.items():
            task = asyncio.create_task(run(), name=name)
            task.add_done_callback(partial(self._on_loop_end, name))
        self.intake = intake

    def _on_loop_end(self, name: str, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self.world.fail(f"{self.process.name}: its loop {name} has ended: {error!r}")

    async def _reopen(self, _: Sequence[int]) -> None:
        raise AssertionError("no change of this simulation moves votes")

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Runs something in this process."""
        self.world.loop.spawn(coroutine, self.process, name)

    async def lock(self, show_id: int, *, is_locked: bool) -> None:
        """Staff locks or unlocks a show. Raises: MysetlistError."""
        async with self.rule_changes(self.database.transaction()) as change:
            await change.hold([show_id])
            await change_show(change.connection, show_id, is_locked=is_locked)  # type: ignore[arg-type]

    async def close(self, show_id: int) -> None:
        """Staff ends the voting of a show now. Raises: MysetlistError."""
        async with self.rule_changes(self.database.transaction()) as change:
            at = await change.hold([show_id])
            await change_show(change.connection, show_id, closes_ms=round(at.timestamp() * 1_000))  # type: ignore[arg-type]

    async def watch(self, subscriber: Subscriber, view: Any, is_gone: Callable[[], bool]) -> None:
        """Subscribes a watcher to all its shows, as a client does: until the node gives their states, or the watcher goes."""
        wanted = {f"votes:{show_id}": show_id for show_id in view.shows}
        while wanted and not is_gone():
            refused = await self.hub.prepare(list(wanted), {name: view.at(show) for name, show in wanted.items()})
            for name in list(wanted):
                if name not in refused and not is_gone() and (state := self.hub.join(subscriber, name)) is not None:
                    view.take_state(wanted.pop(name), state)
            if wanted:
                await asyncio.sleep(0.2)
