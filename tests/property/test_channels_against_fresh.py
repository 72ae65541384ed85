"""Random watchers of every kind of channel, on three nodes: in the end they hold the states that a new client gets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import orjson
import pytest
from hypothesis import strategies as st

from server.node.intervals import Intervals
from server.node.node import Node
from server.protocol.channels import ACTIVITY_EVENTS_MAX, CHANNEL_AUDIENCES, SHOW_KINDS, SUBJECTS, parse_channel
from server.protocol.codes import CLOSE_DRAIN
from server.voting import settlement
from tests.support.engines import OpenDatabase
from tests.support.examples import play_examples
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import running_node, until
from tests.support.socket_client import Message, SocketClient

NODES = 3
WATCHERS = 3
FANS = 2
SHOWS = (7, 23)  # in one shard
COUNTS = {"votes", "song"}  # kinds whose channels may be hidden
# At least one channel of each kind. `song:` has the place of the song in show 7, not its id.
CHANNELS = (
    "votes:7", "votes:23", "song:0", "song:1", "setlist:7", "status:7", "attendance:7", "attendance:23", "followers:1",
    "trending", "activity",
)  # fmt: skip


@dataclass(frozen=True)
class Watch:
    """A watcher subscribes, for the first time or again, with or without the positions it holds."""

    watcher: int
    channels: set[str]
    with_since: bool


@dataclass(frozen=True)
class Unwatch:
    """A watcher unsubscribes."""

    watcher: int
    channels: set[str]


@dataclass(frozen=True)
class Drop:
    """A watcher's connection is lost; it resumes on a node with the positions it holds."""

    watcher: int
    node: int


@dataclass(frozen=True)
class Cast:
    """A fan votes."""

    fan: int
    show: int
    place: int
    choice: str


@dataclass(frozen=True)
class Mark:
    """A fan sets or removes a mark."""

    fan: int
    op: Literal["attend", "follow"]
    show: int
    wanted: bool


@dataclass(frozen=True)
class Event:
    """A change that no fan makes: a song is played, the status changes, scores are refreshed, many events come at once."""

    kind: Literal["played", "live", "upcoming", "scores", "many"]


@dataclass(frozen=True)
class Cut:
    """The listening connections of all nodes are lost, and fans vote meanwhile."""

    meanwhile: list[Cast | Mark]


@dataclass(frozen=True)
class Drain:
    """A node sends all clients away; they resume at the next node, and the first one takes clients again."""

    node: int


@dataclass(frozen=True)
class Rule:
    """Staff sets the audience of the counts of show 7."""

    results: Literal["live", "after_closing"]


WATCHER, FAN, NODE = st.integers(0, WATCHERS - 1), st.integers(0, FANS - 1), st.integers(0, NODES - 1)
SOME = st.sets(st.sampled_from(CHANNELS), min_size=1)
UNWATCH = st.builds(Unwatch, WATCHER, SOME)
WATCH = st.builds(Watch, WATCHER, SOME, st.booleans())
CAST = st.builds(Cast, FAN, st.sampled_from(SHOWS), st.integers(0, 2), st.sampled_from(["up", "down", "none"]))
MARK = st.builds(Mark, FAN, st.sampled_from(["attend", "follow"]), st.sampled_from(SHOWS), st.booleans())
CUT = st.builds(Cut, st.lists(st.one_of(CAST, MARK, MARK), min_size=1, max_size=3))
EVENT = st.builds(Event, st.sampled_from(["played", "live", "upcoming", "scores", "scores", "many"]))
STEPS = st.lists(
    st.one_of(
        WATCH, UNWATCH, UNWATCH, st.builds(Drop, WATCHER, NODE),
        CAST, CAST, CAST, MARK, MARK, MARK, EVENT, CUT, CUT,
        st.builds(Drain, NODE), st.builds(Rule, st.sampled_from(["live", "after_closing"])),
    ),
    min_size=8,
    max_size=16,
)  # fmt: skip


class Watcher:
    """A client of a node. held: channel -> position and state, of every channel that it has ever watched."""

    def __init__(self, client: SocketClient, node: int) -> None:
        self.client = client
        self.node = node
        self.held: dict[str, tuple[int, Message]] = {}
        self.watched: set[str] = set()

    async def watch(self, channels: set[str], *, with_since: bool) -> None:
        """Subscribes, and stores the states of the reply after the pushes that came before it."""
        since = {name: self.held[name][0] for name in channels & self.held.keys()} if with_since else {}
        request_id = await self.client.send("subscribe", channels=sorted(channels), since=since)
        reply = await self.client.reply_to(request_id)
        # Messages before the reply still belong to an earlier subscription.
        self.read()
        again: set[str] = set()
        for name, answer in reply["ok"]["channels"].items():
            if answer.get("error", {}).get("code") == "unavailable":
                again.add(name)
                continue
            if "error" in answer:
                assert (answer["error"]["code"], name.partition(":")[0] in COUNTS) == ("forbidden", True)
                self.watched.discard(name)
                continue
            self.watched.add(name)
            self._check_position(name, answer["at"])
            if "state" not in answer:
                assert since[name] == answer["at"]
            self.held[name] = (answer["at"], answer.get("state") or self.held[name][1])
        if again:
            # The rule changed between the check and the join: asks again, as every client does.
            await self.watch(again, with_since=with_since)

    async def unwatch(self, channels: set[str]) -> None:
        """Unsubscribes. After the reply, no push of these channels may come."""
        await self.client.ok("unsubscribe", channels=sorted(channels))
        self.read()
        self.watched -= channels

    async def listen(self) -> None:
        """Stores the states of all messages that have come by now."""
        await self.client.ok("ping")
        self.read()

    def read(self) -> None:
        """Stores the states of the messages received so far."""
        for message in self.client.heard:
            if "ch" in message:
                self._apply_push(message["ch"], message)
            elif "unsubscribed" in message:
                gone = set(message["unsubscribed"]["channels"])
                assert {name.partition(":")[0] for name in gone} <= COUNTS
                self.watched -= gone
        self.client.heard.clear()

    def _apply_push(self, name: str, push: Message) -> None:
        assert name in self.watched, f"{name} is not watched"
        self._check_position(name, push["at"])
        news = {key: value for key, value in push.items() if key not in ("ch", "at")}
        state = self.held[name][1]
        if name.startswith("votes:"):
            tally = {row[0]: row for row in [*state["tally"], *news["tally"]]}
            news["tally"] = list(tally.values())
        elif name == "activity":
            known = [] if news.pop("gap", False) else state["events"]
            news["events"] = [*known, *news["events"]][-ACTIVITY_EVENTS_MAX:]
        self.held[name] = (push["at"], news)

    def _check_position(self, name: str, at: int) -> None:
        if name in self.held:
            assert at >= self.held[name][0], f"{name} goes back from {self.held[name][0]} to {at}"


@dataclass
class World:
    """Nodes on one database, two shows, and watchers and fans: each watcher, and each fan, is at another node."""

    nodes: list[Node]
    factory: RowFactory
    shows: dict[int, Show]
    tokens: list[str]
    fans: list[SocketClient] = field(default_factory=list)
    is_hidden: bool = False
    watchers: list[Watcher] = field(default_factory=list)

    def named(self, channels: set[str]) -> set[str]:
        """The channels, with the id of a song in place of its place in show 7."""
        return {f"song:{self.shows[7].songs[int(name[5:])]}" if name.startswith("song:") else name for name in channels}

    async def play(self, steps: list[Any]) -> None:
        """Plays one example: new watchers watch everything, then come the steps. At the end, all states must be fresh."""
        async with AsyncExitStack() as stack:
            await self._do(Rule("live"))
            self.watchers = [Watcher(await self._connect(stack, node), node) for node in range(WATCHERS)]
            self.fans = [await self._connect(stack, node) for node in range(FANS)]
            for fan, token in zip(self.fans, self.tokens, strict=True):
                await fan.hello(token)
            for watcher in self.watchers:
                await watcher.watch(self.named({*CHANNELS}), with_since=False)
            for step in steps:
                match step:
                    case Watch():
                        channels = self.named(step.channels)
                        await self.watchers[step.watcher].watch(channels, with_since=step.with_since)
                    case Unwatch():
                        await self.watchers[step.watcher].unwatch(self.named(step.channels))
                    case Drop():
                        watcher = self.watchers[step.watcher]
                        await watcher.client.socket.close()
                        await self._resume(stack, watcher, step.node)
                    case Drain():
                        await self._drain(stack, step.node)
                    case _:
                        await self._do(step)
                for watcher in self.watchers:
                    await watcher.listen()
            await self._converge()

    async def _connect(self, stack: AsyncExitStack, node: int) -> SocketClient:
        return await stack.enter_async_context(SocketClient.connect(self.nodes[node % NODES].url))

    async def _resume(self, stack: AsyncExitStack, watcher: Watcher, node: int) -> None:
        watcher.client, watcher.node = await self._connect(stack, node), node % NODES
        if watcher.watched:
            await watcher.watch(set(watcher.watched), with_since=True)

    async def _drain(self, stack: AsyncExitStack, node: int) -> None:
        sockets = self.nodes[node].rooms.sockets
        await sockets.drain(slice_pause_s=0)
        sockets.is_draining = False
        for watcher in self.watchers:
            if watcher.node == node:
                assert await watcher.client.close_code() == CLOSE_DRAIN
                watcher.read()
                await self._resume(stack, watcher, node + 1)
        if node < FANS:
            self.fans[node] = await self._connect(stack, node)
            await self.fans[node].hello(self.tokens[node])

    async def _do(self, step: Any) -> None:
        sql = self.factory.sql
        match step:
            case Cast():
                await self.fans[step.fan].cast(step.show, (self.shows[step.show].songs[step.place], step.choice))
            case Mark(op="attend"):
                await self.fans[step.fan].ok("attend", show=step.show, going=step.wanted)
            case Mark():
                await self.fans[step.fan].ok("follow", artist=1, following=step.wanted)
            case Event("played"):
                # Nobody votes on the last song: votes on a played song are refused.
                await sql.execute("update setlist_songs set played_at = now() where id = $1", self.shows[7].songs[-1])
            case Event("scores"):
                await sql.execute("select update_trending_scores()")
            case Event("many"):
                # More events than are kept, in one transaction, so that their notifications come at once too.
                await sql.execute("select add_activity('live', 7, 1, 'Show', '', n) from generate_series(1, 60) n")
            case Event():
                await sql.execute("update shows set status = $1::text::show_status where id = 7", step.kind)
            case Rule():
                self.is_hidden = step.results != "live"
                await sql.execute("update shows set results = $1::text::results_visibility where id = 7", step.results)
            case Cut():
                await self.factory.cut_listeners()
                for action in step.meanwhile:
                    await self._do(action)

    async def _converge(self) -> None:
        fresh: dict[str, Any] = {}
        hidden_but_watched: set[str] = set()

        async def is_converged() -> bool:
            for watcher in self.watchers:
                await watcher.listen()
            hidden = self.named({"votes:7", "song:0", "song:1"}) if self.is_hidden else set()
            hidden_but_watched.clear()
            hidden_but_watched.update(*(watcher.watched & hidden for watcher in self.watchers))
            if hidden_but_watched:
                return False
            for name in set().union(*(watcher.watched for watcher in self.watchers)):
                kind, subject = parse_channel(name)
                state = await self.nodes[0].rooms.channel_states.load(kind, subject)
                assert state is not None
                fresh[name] = orjson.loads(state.whole())
                if kind == "attendance":
                    fresh[name]["watching"] = self._watching(subject)
            return not self._differences(fresh)

        try:
            await until(is_converged)
        except TimeoutError:
            raise AssertionError(hidden_but_watched or self._differences(fresh)) from None

    def _differences(self, fresh: dict[str, Any]) -> list[str]:
        return [
            f"{name} shows {_sorted(watcher.held[name][1])}, is {_sorted(fresh[name])}"
            for watcher in self.watchers
            for name in watcher.watched
            if _sorted(watcher.held[name][1]) != _sorted(fresh[name])
        ]

    def _watching(self, show_id: int) -> int:
        channels = {f"{kind}:{show_id}" for kind in SHOW_KINDS}
        return sum(bool(watcher.watched & channels) for watcher in self.watchers)


def _sorted(state: Message) -> Message:
    return {**state, "tally": sorted(state["tally"])} if "tally" in state else state


@asynccontextmanager
async def open_world(new_database: OpenDatabase, new_redis: Callable[[], str]) -> AsyncIterator[World]:
    """Nodes that check for changes ten times as often as usual."""
    intervals = Intervals(tick_s=0.05, presence_s=0.1, compare_s=0.1)
    redis_url = new_redis()
    async with AsyncExitStack() as stack:
        database_url = await stack.enter_async_context(new_database())
        factory = await stack.enter_async_context(RowFactory.open(database_url))
        shows = {show_id: await factory.show(show_id, song_count=4) for show_id in SHOWS}
        nodes = [
            await stack.enter_async_context(running_node(database_url, redis_url, intervals=intervals))
            for _ in range(NODES)
        ]
        yield World(nodes, factory, shows, [await factory.token() for _ in range(FANS)])


def test_each_public_kind_is_watched() -> None:
    """CHANNELS has a channel of each kind that fans may watch."""
    watched = {name.partition(":")[0] for name in CHANNELS}
    assert watched == SUBJECTS.keys() - CHANNEL_AUDIENCES.keys(), "CHANNELS lacks a channel of a kind"


async def test_state_and_pushes_are_a_fresh_state_of_every_kind(
    new_database: OpenDatabase, new_redis: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any subscriptions, lost connections and resumptions, on any node: no position goes back, no change is missing."""
    monkeypatch.setattr(settlement, "ACCEPT_AFTER_S", 0.1)  # a cast whose notification is lost is answered after this
    await play_examples(partial(open_world, new_database, new_redis), World.play, STEPS, count=10)
