"""What goes wrong in a simulation. Each seed draws some kinds of faults, so that others stay away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any


class Faults:
    """Lets things go wrong for a time, and then lets everything be well. are_over: since when it is."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.random = world.random
        self.are_over = False
        kinds: list[Callable[[], Any]] = [
            self._crash, self._stop, self._restart_valkey, self._cut_valkey, self._flush, self._fill_valkey, self._slow_valkey,
            self._fault_valkey, self._restart_postgres, self._fault_postgres, self._slow_postgres, self._late_postgres,
            self._cut_listener, self._cut_leases, self._lock, self._close, self._close_by_hand,
        ]  # fmt: skip
        # Those that make each other worse: what is logged and not committed is what a restart of Valkey loses.
        pairs = [
            (self._restart_valkey, self._slow_postgres, self._slow_postgres), (self._restart_valkey, self._lock), (self._restart_valkey, self._crash),
            (self._restart_valkey, self._fault_postgres, self._slow_postgres), (self._flush, self._slow_postgres),
            (self._stop, self._cut_leases, self._slow_postgres), (self._lock, self._crash), (self._lock, self._fault_valkey),
            (self._restart_postgres, self._restart_valkey), (self._restart_postgres, self._restart_valkey, self._crash),
            (self._close_by_hand, self._slow_postgres, self._cut_listener), (self._fault_valkey, self._fault_postgres),
            (self._close, self._slow_postgres), (self._late_postgres, self._restart_valkey), (self._lose_lock,),
            (self._lose_shown,), (self._close_by_hand, self._slow_postgres),
        ]  # fmt: skip
        if self.random.random() < 0.6:
            self.kinds = list(self.random.choice(pairs))
        else:
            self.kinds = self.random.sample(kinds, self.random.choice((0, 1, 2, 3, 4)))

    async def run(self) -> None:
        """Faults for about two seconds."""
        world, random = self.world, self.random
        world.postgres.chance_of_lost_notice = random.choice((0.0, 0.0, 0.1))
        if self.kinds:
            for _ in range(random.randrange(2, 7)):
                await asyncio.sleep(random.random() * 0.4)
                fault = random.choice(self.kinds)
                world.loop.note(f"fault: {fault.__name__}")
                fault()
        await asyncio.sleep(0.3)
        self._end()
        self.are_over = True

    def _end(self) -> None:
        world = self.world
        world.valkey.chance_of_fault = world.postgres.chance_of_fault = world.postgres.chance_of_lost_notice = 0.0
        world.valkey.slow_s = world.postgres.slow_s = world.postgres.chance_of_late = 0.0
        world.chance_of_coming_back = 0.0
        world.valkey.is_full = False
        world.chance_of_cut_client = 0.0

    def _node(self) -> Any:
        return self.random.choice(self.world.nodes)

    def _crash(self) -> None:
        self.world.crash(self._node(), 0.05 + 0.4 * self.random.random())

    def _stop(self) -> None:
        node = self._node()
        node.process.is_stopped = True
        self.world.loop.later(0.1 + self.random.random(), self.world.loop.go_on, node.process)

    def _restart_valkey(self) -> None:
        valkey, random = self.world.valkey, self.random
        if random.random() < 0.7:
            valkey.save()
        self.world.loop.later(0.2 * random.random(), valkey.restart, 0.02 + 0.2 * random.random())

    def _cut_valkey(self) -> None:
        self.world.valkey.cut_all(self._node().process)

    def _flush(self) -> None:
        self.world.valkey.flush()

    def _fill_valkey(self) -> None:
        self.world.valkey.is_full = not self.world.valkey.is_full

    def _slow_valkey(self) -> None:
        self.world.valkey.slow_s = self.random.choice((0.0, 0.05, 0.2))

    def _fault_valkey(self) -> None:
        self.world.valkey.chance_of_fault = self.random.choice((0.0, 0.1))

    def _restart_postgres(self) -> None:
        self.world.postgres.restart(self.random.choice((0.05, 0.3, 0.9)))

    def _fault_postgres(self) -> None:
        self.world.postgres.chance_of_fault = self.random.choice((0.0, 0.1))

    def _slow_postgres(self) -> None:
        self.world.postgres.slow_s = self.random.choice((0.0, 0.05, 0.2, 0.4))

    def _late_postgres(self) -> None:
        self.world.postgres.chance_of_late = self.random.choice((0.0, 0.1, 0.3))

    def _cut_listener(self) -> None:
        self.world.seen.add("a listening connection was cut")
        self.world.postgres.cut(self._node().process, "mysetlist listener")

    def _cut_leases(self) -> None:
        self.world.postgres.cut(self._node().process, "mysetlist leases")

    def _lock(self) -> None:
        show_id = self.random.choice(self.world.show_ids)
        is_locked = not self.world.postgres.tables.shows[show_id].is_locked
        self.world.loop.spawn(self.world.change_lock(show_id, is_locked=is_locked), None, "staff")

    def _close(self) -> None:
        self.world.loop.spawn(self.world.close_show(self.random.choice(self.world.show_ids)), None, "staff")

    def _lose_lock(self) -> None:
        self.world.loop.spawn(self._lock_and_lose(self.random.choice(self.world.show_ids)), None, "staff")

    async def _lock_and_lose(self, show_id: int) -> None:
        """Valkey restarts without a lock that it had."""
        valkey = self.world.valkey
        valkey.save()
        if await self.world.change_lock(show_id, is_locked=True):
            valkey.restart(0.02)

    def _lose_shown(self) -> None:
        self.world.loop.spawn(self._show_and_lose(), None, "faults")

    async def _show_and_lose(self) -> None:
        """While PostgreSQL is away, counts with new votes are shown; then Valkey restarts without these votes."""
        world, valkey = self.world, self.world.valkey
        valkey.save()
        world.postgres.restart(0.9)
        for _ in range(40):
            await asyncio.sleep(0.02)
            ends = [hot.last or 0 for hot in valkey.saved.shards]
            if any(at > ends[world.shard_of(show_id)] for show_id, at in world.shown):
                world.seen.add("counts were shown whose votes Valkey then lost")
                valkey.restart(0.02)
                return

    def _close_by_hand(self) -> None:
        """Somebody changes a row by other means than the server: Valkey takes votes that the database will refuse."""
        tables, show_id = self.world.postgres.tables, self.random.choice(self.world.show_ids)
        self.world.was_changed_by_hand = True
        show = tables.shows[show_id]
        closes_ms = self.world.postgres.clock.now_ms() + self.random.randrange(-50, 100)
        tables.shows[show_id] = replace(show, closes_ms=min(show.closes_ms, closes_ms), revision=show.revision + 1)
        self.world.postgres.notify([("shows", str(show_id))])
