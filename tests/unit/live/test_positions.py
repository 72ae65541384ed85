"""Positions of pushes only grow and belong to one state, at any point of a push that is written in slices."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable

import pytest

from server.live.pusher import BUFFER_BYTES_MAX, PUSH_INTERVAL_S
from server.live.states import TallyState
from tests.support.hub_rig import Rig, Watcher


async def sliced_push(rig: Rig) -> tuple[list[Watcher], Callable[[], Watcher]]:
    """Six watchers in slices of one, stopped after the first write of a push at 101; gives one not written to yet."""
    watchers = await rig.half_pushed()
    return watchers, lambda: next(watcher for watcher in watchers if not watcher.wire.frames)


@pytest.mark.parametrize("rig", [1], indirect=True)
@pytest.mark.parametrize("how", ["join", "leave and join", "subscribe again"])
async def test_a_push_under_way_never_follows_a_newer_state(rig: Rig, how: str) -> None:
    """A subscriber that gets the state at 105 while a push at 101 is being written does not get that push."""
    _, waiting = await sliced_push(rig)
    rig.vote(105, (1, 5, 0))
    watcher = Watcher() if how == "join" else waiting()
    if how == "leave and join":
        rig.hub.leave(watcher, "votes:7")
    state = await rig.watch(watcher)
    assert state.at == 105
    await rig.pass_time(PUSH_INTERVAL_S * 3)
    assert all(position >= 105 for position in watcher.positions())
    rig.vote(106, (1, 6, 0))
    await rig.pass_time(PUSH_INTERVAL_S * 2)
    assert watcher.positions()[-1] == 106


class Crowd:
    """Watchers of show 7 that come, go and get stuck, and the counts that each must hold."""

    def __init__(self, rig: Rig, rng: random.Random) -> None:
        self.rig = rig
        self.rng = rng
        self.watchers = [Watcher() for _ in range(9)]
        self.counts = {1: [0, 0], 2: [0, 0]}
        self.at = 100
        self._held: dict[Watcher, dict[int, list[int]]] = {}
        self._seen = dict.fromkeys(self.watchers, 0)
        self._history: dict[int, dict[int, list[int]]] = {}  # position -> the counts
        self._store()

    @property
    def total(self) -> int:
        """The number of votes."""
        return sum(map(sum, self.counts.values()))

    def read(self, watcher: Watcher) -> None:
        """Takes over the pushes; no position may be older than the one before."""
        for push in watcher.pushes():
            assert push["at"] > self._seen[watcher]
            self._seen[watcher] = push["at"]
            if watcher in self._held:
                self._held[watcher].update({song: [up, down] for song, up, down in push["tally"]})
                assert self._held[watcher] == self._history[push["at"]]
                assert push["total"] == sum(map(sum, self._held[watcher].values()))
        watcher.wire.frames.clear()

    def vote(self, _: Watcher) -> None:
        """One vote."""
        before, song = self.at, self._count()
        up, down = self.counts[song]
        self.rig.hub.publish_tally(7, self.at, self.total, [(song, up, down)], after=before)

    def lost_vote(self, _: Watcher) -> None:
        """One vote whose notification is lost; the next one follows it."""
        self._count()

    def _count(self) -> int:
        song = self.rng.choice([1, 2])
        self.counts[song][self.rng.choice([0, 1])] += 1
        self.at += self.rng.randint(1, 3)
        self._store()
        return song

    def _store(self) -> None:
        """Keeps the state for the history, and for the loader."""
        self._history[self.at] = {song: list(counts) for song, counts in self.counts.items()}
        rows = [(song, up, down) for song, (up, down) in self.counts.items()]
        self.rig.states["votes", 7] = TallyState(self.at, self.total, rows)

    def late_vote(self, _: Watcher) -> None:
        """A very late notification."""
        self.rig.hub.publish_tally(7, 99, 999, [(1, 999, 999)], after=98)

    async def join(self, watcher: Watcher) -> None:
        """Subscribes, also when it is subscribed already."""
        state = await self.rig.watch(watcher)
        self.read(watcher)
        assert state.at >= self._seen[watcher]
        self._seen[watcher] = state.at
        self._held[watcher] = {song: [up, down] for song, up, down in json.loads(state.whole())["tally"]}

    def leave(self, watcher: Watcher) -> None:
        """Unsubscribes."""
        self.rig.hub.leave(watcher, "votes:7")
        self.read(watcher)
        self._held.pop(watcher, None)

    def get_stuck(self, watcher: Watcher) -> None:
        """Stops or resumes reading."""
        watcher.back_up(self.rng.choice([0, BUFFER_BYTES_MAX + 1]))

    async def yield_once(self, _: Watcher) -> None:
        """Lets a push get one slice further."""
        await asyncio.sleep(0)

    async def wait(self, _: Watcher) -> None:
        """Lets time pass."""
        await self.rig.pass_time(self.rng.random() * 0.2)

    def check(self) -> None:
        """Every watcher holds the current counts."""
        for watcher in self.watchers:
            self.read(watcher)
            assert self._held.get(watcher, self.counts) == self.counts


@pytest.mark.parametrize("rig", [2], indirect=True)
@pytest.mark.parametrize("seed", range(20))
async def test_every_push_is_a_state_that_was_and_all_watchers_converge(rig: Rig, seed: int) -> None:
    """Random votes, lost notifications, joins, leaves, repeated subscriptions and stuck sockets, at every point of a sliced
    push.
    """
    rng = random.Random(seed)
    crowd = Crowd(rig, rng)
    moves = [crowd.vote, crowd.vote, crowd.lost_vote, crowd.late_vote, crowd.join, crowd.join, crowd.leave, crowd.get_stuck,
             crowd.yield_once, crowd.yield_once, crowd.wait]  # fmt: skip
    for _ in range(300):
        done = rng.choice(moves)(rng.choice(crowd.watchers))
        if done is not None:
            await done
    for watcher in crowd.watchers:
        watcher.back_up(0)
    crowd.vote(crowd.watchers[0])
    await rig.pass_time(PUSH_INTERVAL_S * 4)
    crowd.check()
