"""One simulation: two nodes, both engines, fans, watchers and faults, all from one seed; and what must hold."""

from __future__ import annotations

import asyncio
import random as global_random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from random import Random
from typing import Any

from server.errors import MysetlistError
from tests.simulation.clients import Attempt, View, Vote, vote_often
from tests.simulation.faults import Faults
from tests.simulation.hot_copy import HotShow
from tests.simulation.loop import SimulationLoop
from tests.simulation.nodes import SimulatedNode
from tests.simulation.postgres_model import StoredShow, Tables
from tests.simulation.postgres_server import Postgres
from tests.simulation.seen import Seen
from tests.simulation.valkey_server import Valkey

SHARDS = 2
SETTLE_S = 25.0
LOOK_EVERY_S = 0.2


class Violation(AssertionError):
    """Something that must always hold did not."""


class World:
    """A simulation of one seed. `run` plays it."""

    def __init__(self, seed: int, seen: Seen, *, is_traced: bool = False) -> None:
        self.seed = seed
        self.seen = seen
        self.random = Random(seed)
        self.loop = SimulationLoop(self.random, is_traced=is_traced)
        self.loop.world = self  # type: ignore[attr-defined]  # the models find their world by the loop that runs
        self.violation = ""
        self.votes: list[Vote] = []
        self.attempts: list[Attempt] = []
        self.committed: dict[tuple[int, int], None] = {}  # (shard, position) of entries in PostgreSQL
        self.applied: dict[tuple[int, int, int], None] = {}  # (show, user, order) of casts in PostgreSQL
        self.shown: dict[tuple[int, int], dict[int, tuple[int, int]]] = {}  # (show, position) -> its counts
        self.locked: set[int] = set()  # shows whose lock was answered
        self.closed_ms: dict[int, int] = {}  # show -> its end, once its closing by staff was answered
        self.was_changed_by_hand = False  # whether somebody has changed rules past the service
        self.changing: dict[int, SimulatedNode] = {}  # show -> the node where staff changes its lock
        self.is_settled = False
        self.pause_s = self.random.choice((0.03, 0.1, 0.3))
        self.chance_of_cut_client = self.random.choice((0.0, 0.1))
        self.chance_of_coming_back = self.random.choice((0.0, 0.0, 0.3))
        self._make_engines()
        self.nodes = [self._new_node(number) for number in (1, 2)]
        self.views = [View(self, self.show_ids[:2]), View(self, self.show_ids[1:])]
        self._fans_left = 3

    def _make_engines(self) -> None:
        random, loop = self.random, self.loop
        start_ms = 1_800_000_000_000 + 1_000_000
        shows = [
            StoredShow(4, (41, 42), budget=random.choice((0, 1, 2))),
            StoredShow(5, (51, 52, 53), budget=random.choice((0, 2))),
            StoredShow(6, (61, 62), closes_ms=random.choice((1 << 45, start_ms + random.randrange(200, 1_500)))),
        ]
        self.show_ids = [show.id for show in shows]
        # Most seeds begin with shards that a node has opened long ago: to open them takes a tenth of a run.
        first = 0 if random.random() < 0.3 else start_ms - 1_000 << 10
        positions = dict.fromkeys(range(SHARDS), (first, first))
        tables = Tables(positions, {show.id: show for show in shows}, frozenset({1, 2, 3}))
        self.postgres = Postgres(loop, self.seen, tables)
        self.postgres.on_commit = self._on_commit
        self.valkey = Valkey(loop, self.seen, SHARDS)
        if first:
            for hot in self.valkey.data.shards:
                hot.last = hot.barrier = first
            self.valkey.save()
        self.valkey.on_logged = self._on_logged
        self.valkey.on_trim = self._on_trim
        self.valkey.on_reset = self._on_reset
        self.valkey.on_cool = self._on_cool
        if random.random() < 0.5:
            self.postgres.clock.ahead_ms, self.valkey.clock.ahead_ms = (
                random.randrange(-80, 80),
                random.randrange(-80, 80),
            )

    def _new_node(self, number: int) -> SimulatedNode:
        return SimulatedNode(self, number, self.random.randrange(-50, 50))

    def shard_of(self, show_id: int) -> int:
        """The shard of a show."""
        return show_id % SHARDS

    def fail(self, what: str) -> None:
        """Something did not hold: the run ends after this step."""
        if not self.violation:
            self.violation = what
            self.loop.note(f"VIOLATION: {what}")

    # ── playing

    def run(self) -> None:
        """Plays the seed to its end. Raises: Violation."""
        state = global_random.getstate()
        global_random.seed(self.seed)
        try:
            self.loop.later(0, self._begin)
            is_over = self.loop.run_until(lambda: bool(self.violation) or self.is_settled or bool(self.loop.reports))
            if self.loop.reports:
                self.fail(f"asyncio reported: {self.loop.reports[0]}")
            if not is_over:
                self.fail(f"it did not end after {self.loop.step} steps: {self._why_unsettled()}")
            if not self.violation:
                self._check_end()
        finally:
            violation = f"seed {self.seed}, step {self.loop.step}: {self.violation}" if self.violation else ""
            global_random.setstate(state)
            self.loop.stop_all()
        if violation:
            raise Violation(violation)

    def _begin(self) -> None:
        for user in (1, 2, 3):
            self.loop.spawn(self._fan(user), None, f"fan {user}")
        self.faults = Faults(self)
        self.loop.spawn(self.faults.run(), None, "faults")
        self.loop.spawn(self._look(), None, "look")

    async def _fan(self, user: int) -> None:
        await vote_often(self, user, self.random.randrange(3, 8))
        self._fans_left -= 1

    async def _look(self) -> None:
        """Connects watchers again whose node has died or who leave, and sees when all is settled."""
        end_s = None
        while True:
            for view in self.views:
                leaves = bool(self.chance_of_coming_back) and self.random.random() < self.chance_of_coming_back
                if view.node is None or view.node.process.is_dead or leaves:
                    up = [node for node in self.nodes if node.is_up]
                    if up:
                        view.attach(self.random.choice(up))
            if self.faults.are_over and not self._fans_left:
                end_s = end_s or self.loop.time() + SETTLE_S
                why = self._why_unsettled()
                if not why:
                    self.is_settled = True
                    return
                if self.loop.time() > end_s:
                    self.fail(f"it does not settle: {why}")
            await asyncio.sleep(LOOK_EVERY_S)

    def crash(self, node: SimulatedNode, down_s: float) -> None:
        """Kills a node, and starts it again after a time."""
        if node.process.is_dead:
            return
        self.loop.note(f"{node.process.name} is killed")
        node.process.is_dead = True
        self.postgres.cut(node.process)
        self.valkey.cut_all(node.process)
        for attempt in self.attempts:
            if attempt.node is node:
                attempt._hear("cut")
        self.loop.later(down_s, self._start_again, node.number)

    def _start_again(self, number: int) -> None:
        self.nodes[number - 1] = self._new_node(number)

    async def change_lock(self, show_id: int, *, is_locked: bool) -> bool:
        """Staff locks or unlocks a show. Gives: whether a node has answered that it did."""
        self.locked.discard(show_id)
        is_done = await self._change(show_id, lambda node: node.lock(show_id, is_locked=is_locked))
        if is_done and is_locked and self.postgres.tables.shows[show_id].is_locked:
            self.locked.add(show_id)
            self.seen.add("a show was locked")
        return is_done

    async def close_show(self, show_id: int) -> None:
        """Staff ends the voting of a show."""
        if await self._change(show_id, lambda node: node.close(show_id)):
            self.closed_ms[show_id] = self.postgres.tables.shows[show_id].closes_ms
            self.seen.add("a show was closed by staff")

    async def _change(self, show_id: int, act: Callable[[SimulatedNode], Coroutine[Any, Any, None]]) -> bool:
        """Changes the rules of a show through one of the nodes, in its process. Gives: whether it has answered."""
        node = next((node for node in self.nodes if node.is_up), None)
        other = self.changing.get(show_id)
        if node is None or (other is not None and not other.process.is_dead):
            return False
        self.changing[show_id] = node
        answered: asyncio.Future[bool] = self.loop.create_future()

        async def change() -> None:
            try:
                await act(node)
            except MysetlistError:
                answered.set_result(False)
            else:
                answered.set_result(True)
            finally:
                self.changing.pop(show_id, None)

        self.loop.spawn(change(), node.process, "staff")
        return await answered

    # ── what must always hold

    def _on_logged(self, shard: int, position: int, casts: Sequence[list[int]]) -> None:
        late = {show_id for show_id, closed_ms in self.closed_ms.items() if position >> 10 >= closed_ms}
        if wrong := [cast for cast in casts if cast[0] in self.locked | late]:
            self.fail(f"casts were taken after the change was answered: {wrong} at {shard}/{position}")

    def _on_trim(self, shard: int, position: int, casts: Sequence[list[int]]) -> None:
        if casts and (shard, position) not in self.committed:
            self.fail(f"entry {shard}/{position} was taken out of the log before it was in PostgreSQL")

    def _on_reset(self, shard: int, position: int) -> None:
        if 0 < self.postgres.tables.positions[shard][0] < position:
            self.fail(f"shard {shard} goes on from {position}, and PostgreSQL does not have this position yet")

    def _on_cool(self, shard: int, shows: Mapping[int, HotShow]) -> None:
        """Valkey forgets shows. What it has counted until then was right, if its log is in PostgreSQL to its end."""
        tables = self.postgres.tables
        if self.valkey.data.shards[shard].last != tables.positions[shard][0]:
            return
        for show_id, show in shows.items():
            counts = {song: (up, down) for song, (up, down) in show.tally.items()}
            has_refused = any(refused[0] == show_id for refused in self.postgres.refused)
            if counts != tables.counts(show_id) and not has_refused:
                self.fail(f"Valkey forgets show {show_id} with {counts}, the rows say {tables.counts(show_id)}")

    def _on_commit(self, shards: Sequence[int], entries: Sequence[str]) -> None:
        if self.postgres.refused and not self.was_changed_by_hand:
            self.fail(f"PostgreSQL refused {self.postgres.refused}, and nobody has changed the rules past the service")
        for shard, packed in zip(shards, entries, strict=True):
            for position in map(int, packed.split(",")):
                if (shard, position) in self.committed:
                    self.fail(f"entry {shard}/{position} was committed twice")
                self.committed[shard, position] = None
                if (shard, position) not in self.valkey.logged:
                    self.fail(f"entry {shard}/{position} was committed and never logged")
                    return
                for cast in self.valkey.logged[shard, position]:
                    if (cast[0], cast[1], position >> 10) not in self.postgres.refused:
                        self.applied[cast[0], cast[1], -cast[-4]] = None

    def check_answer(self, vote: Vote, at: int, durability: str) -> None:
        """Checks an answer at the moment when a node gives it."""
        key = (self.shard_of(vote.show_id), at)
        casts = self.valkey.logged.get(key, [])
        if not any((cast[0], cast[1], -cast[-4]) == (vote.show_id, vote.user, vote.order) for cast in casts):
            self.fail(f"answered {durability} by an entry without the vote: {vote} at {at}")
        elif durability == "committed" and (vote.show_id, vote.user, at >> 10) in self.postgres.refused:
            self.fail(f"answered committed, and the database has refused it: {vote} at {at}")
        elif durability == "committed":
            vote.fate = "taken"
            if key not in self.committed:
                self.fail(f"answered committed before it was in PostgreSQL: {vote} at {at}")

    def _why_unsettled(self) -> str:
        tables = self.postgres.tables
        for node in self.nodes:
            if not node.is_up or node.process.is_stopped:
                return f"{node.process.name} is not up"
            assert node.intake is not None
            if not node.intake._is_idle:
                return f"{node.process.name} has casts under way"
            if node.intake.why_not_ready:
                return f"{node.process.name}: {node.intake.why_not_ready}"
        for shard, hot in enumerate(self.valkey.data.shards):
            if hot.last is not None and hot.last != tables.positions[shard][0]:
                return f"the log of shard {shard} ends at {hot.last}, PostgreSQL is at {tables.positions[shard]}"
        if to_reset := tables.shards_to_reset(list(range(SHARDS))):
            return f"{to_reset} count votes that PostgreSQL has refused"
        for view in self.views:
            for show_id in view.shows:
                if show_id not in view.held:
                    return f"a watcher has no state of show {show_id}"
                if view.held[show_id][1] != tables.counts(show_id):
                    return (
                        f"a watcher holds {view.held[show_id]} of show {show_id}, the rows say {tables.counts(show_id)}"
                    )
        return ""

    def _check_end(self) -> None:
        tables = self.postgres.tables
        for shard, hot in enumerate(self.valkey.data.shards):
            for show_id, show in hot.shows.items():
                counts = {song: tuple(pair) for song, pair in show.tally.items()}
                if counts != tables.counts(show_id):
                    self.fail(
                        f"Valkey counts {counts} in show {show_id} of shard {shard}, the rows say {tables.counts(show_id)}"
                    )
                empty = dict.fromkeys(tables.users if show.is_new else (), (False, 0, dict[int, str]()))
                for user, (_, _, ballot) in (empty | show.ballots).items():
                    rows = {s: c[0] for (s, u), (w, c, _) in tables.votes.items() if u == user and w == show_id}
                    if ballot != rows:
                        self.fail(f"Valkey's ballot of user {user} in show {show_id} is {ballot}, the rows are {rows}")
        self._check_votes()
        for stored in tables.shows.values():
            for user in tables.users:
                self._check_fan(stored, user)

    def _check_votes(self) -> None:
        for vote in self.votes:
            if vote.fate == "taken" and (vote.show_id, vote.user, vote.order) not in self.applied:
                self.fail(f"a vote that was acknowledged is lost: {vote}")
            for (shard, at), node in vote.accepted.items():
                if node.process.is_dead or (shard, at) in self.committed:
                    continue
                self.seen.add("a vote that was accepted was lost with Valkey")
                if not self.valkey.has_lost:
                    self.fail(f"a vote that was accepted is lost, and Valkey is not: {vote} at {shard}/{at}")

    def _check_fan(self, show: StoredShow, user: int) -> None:
        tables = self.postgres.tables
        held = {
            song: choice
            for (song, voter), (of_show, choice, _) in tables.votes.items()
            if (voter, of_show) == (user, show.id)
        }
        if show.budget and len(held) > show.budget:
            self.fail(f"user {user} holds {held} in show {show.id}, whose budget is {show.budget}")
        if any(refused[:2] == (show.id, user) for refused in self.postgres.refused):
            # Somebody changed the rules by hand. A fold may then end with a cast that is refused, and miss an earlier one.
            return
        votes = sorted((v for v in self.votes if (v.user, v.show_id) == (user, show.id)), key=lambda vote: vote.order)
        for song in show.songs:
            allowed = {"none"}
            for vote in votes:
                choice = dict(vote.votes).get(song)
                if choice is None or (vote.fate == "refused" and not vote.is_unsure):
                    continue
                allowed = {choice} if vote.fate == "taken" or self._is_applied(vote) else allowed | {choice}
            if held.get(song, "none") not in allowed:
                self.fail(f"user {user} holds {held.get(song)} for song {song}, and it may only be {allowed}: {votes}")

    def _is_applied(self, vote: Vote) -> bool:
        return (vote.show_id, vote.user, vote.order) in self.applied


def play(seed: int, seen: Seen, *, is_traced: bool = False, tell: Callable[[str], Any] = print) -> None:
    """Plays one seed. Raises: Violation, after it has played the seed again and told the last steps."""
    try:
        World(seed, seen, is_traced=is_traced).run()
    except Violation as violation:
        world = World(seed, Seen(), is_traced=True)
        try:
            world.run()
        except Violation as again:
            if str(again) != str(violation):
                raise Violation(f"{violation}; played again it became: {again}") from violation
        assert world.loop.trace is not None
        for step, now_s, what in world.loop.trace[-200:]:
            tell(f"{step:6} {now_s - 1000:9.4f} s  {what}")
        raise
