"""Reads take turns: a flood of one client delays only that client."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from server.errors import Refused
from server.store.turns import Turns


class Readers:
    """Reads that go on until a test ends them. running: whose reads run, the oldest first."""

    def __init__(self, turns: Turns, tasks: asyncio.TaskGroup) -> None:
        self.turns = turns
        self.tasks = tasks
        self.running: list[tuple[str, asyncio.Event]] = []
        self.refused: list[str] = []
        self.refusals: list[tuple[str, int | None]] = []

    async def begin(self, *clients: str) -> None:
        """One read of each client."""
        for client in clients:
            self.tasks.create_task(self._read(client))
        await settled()

    async def end_oldest(self) -> None:
        """Ends the read that has run for the longest time."""
        self.running.pop(0)[1].set()
        await settled()

    async def end_all(self) -> list[str]:
        """Ends every read, and gives whose they were."""
        seen = []
        while self.running:
            seen.append(self.running[0][0])
            await self.end_oldest()
        return seen

    async def _read(self, client: str) -> None:
        ended = asyncio.Event()
        try:
            async with self.turns.turn(client):
                self.running.append((client, ended))
                await ended.wait()
        except Refused as error:
            self.refused.append(client)
            self.refusals.append((error.code, error.retry_after_ms))


async def settled() -> None:
    """Lets every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_turns_go_round_the_clients() -> None:
    """Two run at once. Behind a flood, the first read of another client comes second, not last."""
    async with asyncio.TaskGroup() as tasks:
        readers = Readers(Turns("test", 2), tasks)
        await readers.begin(*"aaaaaa", "b", "c")
        assert [client for client, _ in readers.running] == ["a", "a"]
        assert await readers.end_all() == [*"aa", *"abc", *"aaa"]
        await readers.begin(*"dd")
        assert len(readers.running) == 2, "all turns are free again"
        await readers.end_all()
    assert readers.refused == []


async def test_a_full_queue_refuses_the_client_with_the_most() -> None:
    """A newcomer takes the place of the newest read of the flood; the flood itself gets no more places."""
    async with asyncio.TaskGroup() as tasks:
        readers = Readers(Turns("test", 1, waiting_max=3), tasks)
        await readers.begin(*"aaaa", "a")
        assert readers.refused == ["a"]
        await readers.begin("b", "c")
        assert readers.refused == ["a"] * 3
        await readers.begin("b")
        assert readers.refused == ["a"] * 3 + ["b"]
        assert set(readers.refusals) == {("overloaded", 1_000)}
        assert await readers.end_all() == ["a", "a", "b", "c"]


async def test_a_wait_has_an_end() -> None:
    """A read that waits too long is refused, and its place is free."""
    turns = Turns("test", 1, wait_s=0.01)
    async with turns.turn("a"):
        with pytest.raises(Refused, match="Try again in a second"):
            async with turns.turn("b"):
                raise AssertionError("two at once")
    async with turns.turn("b"):
        pass


async def test_cancelled_reads_leave_nothing_behind() -> None:
    """Reads that end while they wait, or in the instant in which their turn comes, give the turn on."""
    turns = Turns("test", 1)
    for _ in range(2):
        async with asyncio.TaskGroup() as tasks:
            readers = Readers(turns, tasks)
            await readers.begin("a")
            waiting = [asyncio.create_task(readers._read(client)) for client in "bcd"]
            await settled()
            waiting[2].cancel()
            await settled()
            readers.running.pop(0)[1].set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            waiting[0].cancel()
            with suppress(asyncio.CancelledError):
                await waiting[0]
            await settled()
            assert await readers.end_all() in (["c"], ["b", "c"])
            await asyncio.gather(*waiting[1:], return_exceptions=True)
    assert turns._free == 1
    assert not turns._waiting
    assert turns._waiting_count == 0
