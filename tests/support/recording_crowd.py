"""A small crowd that writes down what it was promised.

Every fan is one user on one websocket, casts random choices (seeded), says where it goes and whom it follows, comes
back after a loss, and notes for each cast or mark what became of it. What the notes allow is compared with the engines by tests.support.audit.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

import aiohttp

from tests.support.node import NodeProcess, until
from tests.support.open_shows import Show, User

SUBPROTOCOL = "mysetlist.v1"
CHOICES = ("up", "down", "none")
MARK_CHOICES = ("yes", "none")
# By op: the fields of the request that say what is marked, and whether.
MARK_FIELDS = {"attend": ("show", "going"), "follow": ("artist", "following")}
# After these the vote may or may not have arrived; after any other error it has not.
IN_DOUBT = ("unavailable", "internal")

# Enough for changes of mind that overtake each other, if anything lets them.
IN_FLIGHT_MAX = 3

# sent: no answer yet; committed, accepted: so acknowledged; refused: certainly without effect;
# unknown: the connection broke first, or the server said it does not know
Outcome = Literal["sent", "committed", "accepted", "refused", "unknown"]
Mark = tuple[Literal["attend", "follow"], int]  # what is done with a show or an artist
Thing = int | Mark  # something to vote on, or to mark
Pair = tuple[int, Thing]  # user, thing


@dataclass(slots=True)
class Cast:
    """One cast or mark and what its fan knows of it. subject: the show; of a follow the artist."""

    user: int
    subject: int
    votes: dict[Thing, str]
    outcome: Outcome = "sent"
    at: int = 0
    code: str = ""
    was_accepted: bool = False
    ballot: dict[str, str] = field(default_factory=dict)


class Ledger:
    """All casts and marks of a crowd, for each user and thing in the order they were sent."""

    def __init__(self) -> None:
        self.casts: list[Cast] = []
        self.by_pair: dict[Pair, list[Cast]] = {}

    def sent(self, user: int, subject: int, votes: Mapping[int, str] | Mapping[Mark, str]) -> Cast:
        """Notes a cast or a mark the moment it is sent."""
        cast = Cast(user, subject, {**votes})
        self.casts.append(cast)
        for thing in votes:
            self.by_pair.setdefault((user, thing), []).append(cast)
        return cast

    def count(self, *outcomes: str) -> int:
        """How many casts ended so."""
        return sum(cast.outcome in outcomes for cast in self.casts)

    def doubtful(self, user: int) -> list[tuple[int, Thing, str]]:
        """(subject, thing, choice) of what a user said last of a thing and does not know to be committed."""
        return [
            (casts[-1].subject, thing, casts[-1].votes[thing])
            for (who, thing), casts in self.by_pair.items()
            if who == user and casts[-1].outcome in ("unknown", "accepted")
        ]

    def allowed(self, pair: Pair, *, may_lose_accepted: bool) -> set[str]:
        """The choices a user may hold on a thing, by what the user was told.

        The newest promise stands, or anything newer that was not refused.
        """
        promises = ("committed",) if may_lose_accepted else ("committed", "accepted")
        choices: set[str] = set()
        for cast in reversed(self.by_pair[pair]):
            if cast.outcome != "refused":
                choices.add(cast.votes[pair[1]])
            if cast.outcome in promises:
                return choices
        return choices | {"none"}


class Fan:
    """One user on one websocket at a time."""

    def __init__(self, user: User, node: NodeProcess, shows: Sequence[Show], ledger: Ledger, rng: Random) -> None:
        self._user = user
        self._node = node
        self._shows = shows
        self._ledger = ledger
        self._rng = rng
        self._ids = itertools.count(1)
        self._pending: dict[int, Cast] = {}
        self._accepted: list[Cast] = []
        self._paused_until_s = 0.0
        self.is_casting = True
        self.is_confirming = False
        self.is_connected = False
        self.drains: list[dict[str, Any]] = []
        self.close_codes: list[int | None] = []

    @property
    def is_quiet(self) -> bool:
        """Connected, and nothing under way."""
        return self.is_connected and not self._pending

    @property
    def is_sure(self) -> bool:
        """Everything it wants is known to be committed."""
        return self.is_quiet and not self._ledger.doubtful(self._user.id)

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Casts until cancelled."""
        while True:
            try:
                async with http.ws_connect(f"{self._node.url}/ws", protocols=[SUBPROTOCOL]) as socket:
                    await self._converse(socket)
                    self.close_codes.append(socket.close_code)
            except (aiohttp.ClientError, OSError):
                # The node is down; its port answers again later.
                pass
            finally:
                self.is_connected = False
                for cast in self._pending.values():
                    cast.outcome = "unknown"
                self._pending.clear()
                self._accepted.clear()
            await asyncio.sleep(0.02 + 0.05 * self._rng.random())

    async def _converse(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_json({"id": 0, "op": "hello", "token": self._user.token})
        while True:
            try:
                message = await socket.receive(timeout=0.05)
            except TimeoutError:
                # Nothing to read: a look at whether there is something to say.
                await self._speak(socket)
                continue
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            self._hear(json.loads(message.data))
            if self.is_connected:
                await self._speak(socket)

    async def _speak(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        if not self.is_connected or asyncio.get_running_loop().time() < self._paused_until_s:
            return
        while len(self._pending) < IN_FLIGHT_MAX:
            doubts = self._ledger.doubtful(self._user.id) if not self.is_casting or self._rng.random() < 0.2 else []
            if doubts and (self.is_casting or self.is_confirming):
                subject, thing, choice = self._rng.choice(doubts)
                votes: dict[Any, str] = {thing: choice}
            elif self.is_casting:
                subject, votes = self._choose()
            else:
                return
            number = next(self._ids)
            self._pending[number] = self._ledger.sent(self._user.id, subject, votes)
            await socket.send_json({"id": number, **request_of(subject, votes)})

    def _choose(self) -> tuple[int, dict[Any, str]]:
        """A subject, and what is said of it: votes three times, then a mark."""
        show = self._rng.choice(self._shows)
        if self._rng.random() < 0.75:
            songs = self._rng.sample(show.songs, self._rng.randint(1, 3))
            return show.id, {song: self._rng.choice(CHOICES) for song in songs}
        mark = self._rng.choice((("attend", show.id), ("follow", show.artist)))
        return mark[1], {mark: self._rng.choice(MARK_CHOICES)}

    def _hear(self, message: dict[str, Any]) -> None:
        if "drain" in message:
            self.drains.append(message["drain"])
        elif "committed" in message:
            durable = message["committed"]
            for cast in self._accepted:
                # A show and an artist of the same number lie in the same log.
                if cast.subject == durable.get("show", durable.get("artist")) and cast.at == durable["at"]:
                    cast.outcome = "committed"
            self._accepted = [cast for cast in self._accepted if cast.outcome == "accepted"]
        elif message.get("re") == 0:
            self.is_connected = "ok" in message
            assert self.is_connected, message
        else:
            self._answered(self._pending.pop(message["re"]), message)

    def _answered(self, cast: Cast, message: dict[str, Any]) -> None:
        if "error" in message:
            error = message["error"]
            cast.code = error["code"]
            cast.outcome = "unknown" if cast.code in IN_DOUBT else "refused"
            if error["retry_after_ms"] is not None:
                # A tenth of what was asked: a crowd that is less patient finds more.
                self._paused_until_s = asyncio.get_running_loop().time() + error["retry_after_ms"] / 10_000
            return
        cast.at = message["ok"]["at"]
        cast.ballot = message["ok"].get("ballot", {})
        cast.outcome = message["ok"]["durability"]
        if cast.outcome == "accepted":
            cast.was_accepted = True
            self._accepted.append(cast)


def request_of(subject: int, votes: dict[Any, str]) -> dict[str, Any]:
    """A cast or a mark as it is sent."""
    thing, choice = next(iter(votes.items()))
    if isinstance(thing, int):
        return {"op": "cast", "show": subject, "votes": list(votes.items())}
    marked, wanted = MARK_FIELDS[thing[0]]
    return {"op": thing[0], marked: subject, wanted: choice == "yes"}


class Watcher:
    """Watches shows and their artists through one node, and holds what it is told; positions must never go back.

    tallies: song -> (up, down); crowds: mark -> how many
    """

    def __init__(self, node: NodeProcess, shows: Iterable[Show]) -> None:
        self._node = node
        self._channels = [
            name for show in shows for name in (f"votes:{show.id}", f"attendance:{show.id}", f"followers:{show.artist}")
        ]
        self.at: dict[str, int] = {}
        self.tallies: dict[int, tuple[int, int]] = {}
        self.crowds: dict[Mark, int] = {}
        self.totals: dict[str, int] = {}
        self.went_back: list[str] = []
        self.is_watching = False
        self.push_count = 0

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Watches until cancelled."""
        while True:
            try:
                async with http.ws_connect(f"{self._node.url}/ws", protocols=[SUBPROTOCOL]) as socket:
                    await socket.send_json({"id": 1, "op": "subscribe", "channels": self._channels, "since": self.at})
                    async for message in socket:
                        if not self._take(json.loads(message.data)):
                            break
            except (aiohttp.ClientError, OSError):
                pass
            finally:
                self.is_watching = False
            await asyncio.sleep(0.05)

    def _take(self, message: dict[str, Any]) -> bool:
        if "ch" in message:
            self.push_count += 1
            self._state(message["ch"], message["at"], message)
        elif "re" in message:
            replies = message["ok"]["channels"]
            if any("error" in reply for reply in replies.values()):
                return False  # cannot be read right now: come back
            for channel, reply in replies.items():
                self._state(channel, reply["at"], reply.get("state"))
            self.is_watching = True
        return True

    def _state(self, channel: str, at: int, state: dict[str, Any] | None) -> None:
        if at < self.at.get(channel, 0):
            self.went_back.append(f"{channel} from {self.at[channel]} to {at}")
        self.at[channel] = at
        if state is None:
            return
        kind, _, subject = channel.partition(":")
        if kind == "votes":
            self.tallies |= {song: (up, down) for song, up, down in state["tally"]}
            self.totals[channel] = state["total"]
        elif kind == "attendance":
            self.crowds["attend", int(subject)] = state["going"]
        else:
            self.crowds["follow", int(subject)] = state["followers"]


class Crowd:
    """Fans and one watcher a node. Build it with `voting`."""

    def __init__(self, nodes: Sequence[NodeProcess], shows: Sequence[Show], users: Sequence[User], seed: int) -> None:
        self.ledger = Ledger()
        self.shows = shows
        self.users = users
        self.fans = [
            Fan(user, nodes[index % len(nodes)], shows, self.ledger, Random(seed * 1000 + index))
            for index, user in enumerate(users)
        ]
        self.watchers = [Watcher(node, shows) for node in nodes]

    @classmethod
    @asynccontextmanager
    async def voting(
        cls, nodes: Sequence[NodeProcess], shows: Sequence[Show], users: Sequence[User], *, seed: int = 1
    ) -> AsyncIterator[Crowd]:
        """A crowd at work, watchers first."""
        crowd = cls(nodes, shows, users, seed)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            tasks = [asyncio.create_task(watcher.run(http), name="watcher") for watcher in crowd.watchers]
            await until(lambda: all(watcher.is_watching for watcher in crowd.watchers), "the watchers watch")
            tasks += [asyncio.create_task(fan.run(http), name="fan") for fan in crowd.fans]
            try:
                yield crowd
                for task in tasks:
                    if task.done():
                        task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def more(self, count: int = 150, *outcomes: str) -> None:
        """Returns once so many further casts were acknowledged as committed (or ended in one of `outcomes`)."""
        outcomes = outcomes or ("committed",)
        goal = self.ledger.count(*outcomes) + count
        await until(lambda: self.ledger.count(*outcomes) >= goal, f"{count} more casts {outcomes}", timeout_s=30)

    async def stop(self) -> None:
        """No new casts; returns once every cast under way is answered."""
        for fan in self.fans:
            fan.is_casting = False
        await until(lambda: all(fan.is_quiet for fan in self.fans), "every cast is answered", timeout_s=30)

    async def confirm(self) -> None:
        """Has every fan send again what is in doubt, until it is committed."""
        for fan in self.fans:
            fan.is_confirming = True
        await until(lambda: all(fan.is_sure for fan in self.fans), "every doubt is settled", timeout_s=30)
