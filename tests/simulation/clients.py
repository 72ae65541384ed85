"""The clients of a simulation: fans who cast, and watchers who hold every node to what it has shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from server.errors import Refused
from server.live.channel import Subscriber
from server.live.states import State
from server.protocol.codes import Code
from tests.simulation.nodes import SimulatedNode
from tests.support.transport import decoded, whole_frames

PATIENCE_S = 8.0
ATTEMPTS_MAX = 8
_LATER = (Code.UNAVAILABLE, Code.OVERLOADED)


@dataclass
class Vote:
    """One cast of a fan: it is sent again, with the same order, until there is an answer.

    fate: "open", "taken" (it counts), or "refused"; is_unsure: an attempt of it had no answer, so it may count
    accepted: the log entries of which an answer said "accepted", and which node has yet to say "durable"
    """

    user: int
    show_id: int
    order: int
    votes: Sequence[tuple[int, str]]
    fate: str = "open"
    is_unsure: bool = False
    accepted: dict[tuple[int, int], SimulatedNode] = field(default_factory=dict, repr=False)


class Attempt:
    """Waits, as a connection does, for what a node says about a vote."""

    def __init__(self, world: Any, node: SimulatedNode, vote: Vote) -> None:
        self.world = world
        self.node = node
        self.vote = vote
        self.is_gone = False
        self.heard: asyncio.Future[str] = world.loop.create_future()
        self._has_answer = self._is_durable = False

    def answered(self, at: int, durability: str, ballot: str, remaining: int | None, order: int = 0) -> None:
        """The node says that the vote is in the log."""
        del ballot, remaining, order
        if self._has_answer:
            self.world.fail(f"answered twice: {self.vote}")
        self._has_answer = True
        self.world.check_answer(self.vote, at, durability)
        key = (self.world.shard_of(self.vote.show_id), at)
        if durability == "accepted":
            self.vote.accepted[key] = self.node
        self._hear(durability)

    def refused(self, error: Refused) -> None:
        """The node says that the vote was not taken, or that it cannot tell."""
        if self._has_answer:
            self.world.fail(f"refused after an answer: {self.vote}")
        self._has_answer = True
        if "lost in a restart" in error.message:
            self.world.seen.add("an acknowledgement for a discarded entry was refused")
        self._hear(error.code)

    def committed(self, subject_id: int, at: int) -> None:
        """The node says that an accepted vote is durable."""
        del subject_id
        if not self._has_answer or self._is_durable:
            self.world.fail(f"durable before an answer, or twice: {self.vote}")
        self._is_durable = True
        self.world.seen.add("a vote was accepted first and durable later")
        self.world.check_answer(self.vote, at, "committed")

    def miss(self) -> None:
        """No node may leave a cast without an answer."""
        if not self.heard.done():
            self.world.fail(f"no answer in {PATIENCE_S:.0f} s: {self.vote}")

    def _hear(self, code: str) -> None:
        if not self.heard.done():
            self.heard.set_result(code)


async def cast(world: Any, vote: Vote) -> None:
    """Sends a vote until there is an answer."""
    loop, random = world.loop, world.random
    for _ in range(ATTEMPTS_MAX):
        up = [node for node in world.nodes if node.is_up]
        if not up:
            await asyncio.sleep(0.1)
            continue
        attempt = Attempt(world, random.choice(up), vote)
        world.attempts.append(attempt)
        try:
            assert attempt.node.intake is not None
            attempt.node.intake.submit(vote.show_id, vote.user, vote.votes, attempt, vote.order)
        except Refused as error:
            attempt.refused(error)
        if random.random() < world.chance_of_cut_client:
            # The connection ends before the answer.
            loop.later(0.01 * random.random(), attempt._hear, "cut")
        loop.later(PATIENCE_S, attempt.miss)
        code = await attempt.heard
        attempt.is_gone = True
        world.attempts.remove(attempt)
        loop.note(f"fan {vote.user}, cast {vote.order} of show {vote.show_id}: {code}")
        if code in ("committed", "accepted"):
            return
        if code not in (*_LATER, "cut"):
            vote.fate = "refused"
            return
        vote.is_unsure = True
        if code == "cut":
            world.seen.add("a vote was sent again after its connection was cut")
        await asyncio.sleep(0.02 + 0.3 * random.random())


async def vote_often(world: Any, user: int, count: int) -> None:
    """A fan who votes, and does not always wait for the answer."""
    random = world.random
    orders: dict[int, int] = {}
    tasks = []
    for _ in range(count):
        await asyncio.sleep(random.random() * world.pause_s)
        show_id = random.choice(world.show_ids)
        songs = world.postgres.tables.shows[show_id].songs
        chosen = random.sample(songs, random.choice((1, 1, 2)))
        orders[show_id] = orders.get(show_id, 0) + 1
        vote = Vote(user, show_id, orders[show_id], [(song, random.choice(("up", "down", "none"))) for song in chosen])
        world.votes.append(vote)
        tasks.append(asyncio.create_task(cast(world, vote), name=f"fan {user}"))
        if random.random() < 0.6:
            await tasks[-1]
    for task in tasks:
        await task


class View:
    """What a watcher has been shown, at whatever node. shows: those that it watches; held: show -> position, counts."""

    def __init__(self, world: Any, shows: Sequence[int]) -> None:
        self.world = world
        self.shows = shows
        self.node: SimulatedNode | None = None
        self.wire: _Wire | None = None
        self.held: dict[int, tuple[int, dict[int, tuple[int, int]]]] = {}

    def at(self, show_id: int) -> int:
        """The position of what it holds."""
        return self.held[show_id][0] if show_id in self.held else 0

    def attach(self, node: SimulatedNode) -> None:
        """Connects to a node and subscribes."""
        self.node = node
        self.wire = wire = _Wire(self)
        node.spawn(node.watch(Subscriber(wire), self, lambda: self.wire is not wire), "watcher")  # type: ignore[arg-type]

    def take_state(self, show_id: int, state: State) -> None:
        """Takes the whole state that a subscription is answered with."""
        whole = json.loads(state.whole())
        if state.at < self.at(show_id) and self.world.valkey.has_lost:
            # Nobody knows the votes that it has seen, neither PostgreSQL nor Valkey: the truth is older (docs/simulation.md).
            self.world.seen.add("a watcher had seen votes that Valkey then lost")
            del self.held[show_id]
        self._take(show_id, state.at, {song: (up, down) for song, up, down in whole["tally"]})

    def take_push(self, push: dict[str, Any]) -> None:
        """Takes a push: the counts that have changed."""
        show_id = int(push["ch"].partition(":")[2])
        counts = dict(self.held[show_id][1]) | {song: (up, down) for song, up, down in push["tally"]}
        if sum(up + down for up, down in counts.values()) != push["total"]:
            self._doubt(f"a push of show {show_id} has total {push['total']}, its counts say {counts}")
        if push["at"] == self.at(show_id):
            self.world.fail(f"a watcher gets {push} of show {show_id}, whose state it has")
        self._take(show_id, push["at"], counts)

    def _take(self, show_id: int, at: int, counts: dict[int, tuple[int, int]]) -> None:
        if at < self.at(show_id):
            self.world.fail(f"a watcher's position of show {show_id} goes back from {self.at(show_id)} to {at}")
        self.held[show_id] = (at, counts)
        known = self.world.shown.setdefault((show_id, at), counts)
        if known != counts:
            self._doubt(f"show {show_id} has two states at {at}: {known} and {counts}")

    def _doubt(self, what: str) -> None:
        """Fails, unless Valkey has counted votes that are lost or refused, until it is read anew (docs/simulation.md)."""
        if self.world.valkey.has_lost or self.world.postgres.refused:
            self.world.seen.add("lost or refused votes were shown for a moment")
        else:
            self.world.fail(what)


class _Wire:
    """The transport of a watcher."""

    def __init__(self, view: View) -> None:
        self._view = view

    def write(self, data: bytes) -> None:
        """Takes frames."""
        if not self.is_closing():
            for frame in whole_frames(data):
                self._view.take_push(decoded(frame))

    def is_closing(self) -> bool:
        """Whether the watcher has gone, or come again."""
        return self._view.wire is not self

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0
