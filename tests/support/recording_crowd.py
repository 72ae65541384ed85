"""A small crowd that records every cast and its acknowledgement.

Each fan is one user on one websocket. It casts seeded random choices, marks shows and artists, reconnects after a loss, and
records the outcome of each cast or mark in a ledger. tests.support.audit compares the ledger with the engines.
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

from tests.support.node_process import NodeProcess, until
from tests.support.open_shows import Show, User

SUBPROTOCOL = "mysetlist.v1"
CHOICES = ("up", "down", "none")
MARK_CHOICES = ("yes", "none")
# op -> the fields of the request for the marked show or artist, and for the mark.
MARK_FIELDS = {"attend": ("show", "going"), "follow": ("artist", "following")}
# After these errors the server may have taken the cast; after any other error it has not.
IN_DOUBT = ("unavailable", "internal")

# Enough for a later choice to overtake an earlier one, if the server has such a bug.
IN_FLIGHT_MAX = 3
# A fan rests about so long after so many casts while its test waits for something else, such as the start of a process: casts as
# fast as they can be answered would take all the CPU meanwhile, and prove nothing more.
REST_S = 0.5

# sent: no answer yet; committed, accepted: acknowledged as such; refused: without effect for sure;
# unknown: the connection broke before the answer, or the server does not know
Outcome = Literal["sent", "committed", "accepted", "refused", "unknown"]
Mark = tuple[Literal["attend", "follow"], int]  # the op, and the show or artist
Target = int | Mark  # a song to vote on, or a mark
UserTarget = tuple[int, Target]  # user, target


@dataclass(slots=True)
class Cast:
    """One cast or mark, and its outcome as its fan knows it. subject: the show, or the artist of a follow."""

    user: int
    subject: int
    votes: dict[Target, str]
    outcome: Outcome = "sent"
    at: int = 0
    code: str = ""
    was_accepted: bool = False
    ballot: dict[str, str] = field(default_factory=dict)


class Ledger:
    """All casts and marks of a crowd; for each user and target in the order they were sent."""

    def __init__(self) -> None:
        self.casts: list[Cast] = []
        self.by_user_target: dict[UserTarget, list[Cast]] = {}

    def sent(self, user: int, subject: int, votes: Mapping[int, str] | Mapping[Mark, str]) -> Cast:
        """Records a cast or a mark when it is sent."""
        cast = Cast(user, subject, dict[Target, str](votes.items()))
        self.casts.append(cast)
        for target in votes:
            self.by_user_target.setdefault((user, target), []).append(cast)
        return cast

    def count(self, *outcomes: str) -> int:
        """The number of casts with one of these outcomes."""
        return sum(cast.outcome in outcomes for cast in self.casts)

    def doubtful(self, user: int) -> list[tuple[int, Target, str]]:
        """(subject, target, choice) of a user's last choices that are not known to be committed."""
        return [
            (casts[-1].subject, target, casts[-1].votes[target])
            for (caster, target), casts in self.by_user_target.items()
            if caster == user and casts[-1].outcome in ("unknown", "accepted")
        ]

    def allowed(self, user_target: UserTarget, *, may_lose_accepted: bool) -> set[str]:
        """The choices that a user may have on a target, by its acknowledgements.

        They are the newest promised choice, and each newer choice that was not refused.
        """
        promises = ("committed",) if may_lose_accepted else ("committed", "accepted")
        choices: set[str] = set()
        for cast in reversed(self.by_user_target[user_target]):
            if cast.outcome != "refused":
                choices.add(cast.votes[user_target[1]])
            if cast.outcome in promises:
                return choices
        return choices | {"none"}


class Fan:
    """One user, on one websocket at a time."""

    def __init__(
        self, user: User, node: NodeProcess, shows: Sequence[Show], ledger: Ledger, rng: Random, *, songs_max: int
    ) -> None:
        """Takes: songs_max, in one cast."""
        self._songs_max = songs_max
        self._user = user
        self._node = node
        self._shows = shows
        self._ledger = ledger
        self._rng = rng
        self._ids = itertools.count(1)
        self._pending: dict[int, Cast] = {}
        self._accepted: list[Cast] = []
        self._paused_until_s = 0.0
        self._rests_until_s = 0.0
        self.is_casting = True
        self.is_hurried = False
        self.is_confirming = False
        self.is_connected = False
        self.drains: list[dict[str, Any]] = []
        self.close_codes: list[int | None] = []

    @property
    def is_quiet(self) -> bool:
        """Connected, and every cast is answered."""
        return self.is_connected and not self._pending

    @property
    def is_sure(self) -> bool:
        """Every last choice is known to be committed."""
        return self.is_quiet and not self._ledger.doubtful(self._user.id)

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Casts until cancelled."""
        while True:
            try:
                async with http.ws_connect(f"{self._node.url}/ws", protocols=[SUBPROTOCOL]) as socket:
                    await self._talk(socket)
                    self.close_codes.append(socket.close_code)
            except (aiohttp.ClientError, OSError):
                # The node is down; its port will answer again.
                pass
            finally:
                self.is_connected = False
                for cast in self._pending.values():
                    cast.outcome = "unknown"
                self._pending.clear()
                self._accepted.clear()
            await asyncio.sleep(0.05 + 0.1 * self._rng.random())

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_json({"id": 0, "op": "hello", "token": self._user.token})
        while True:
            try:
                message = await socket.receive(timeout=0.05)
            except TimeoutError:
                # No message to read: send the next casts.
                await self._send_casts(socket)
                continue
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            self._take(json.loads(message.data))
            if self.is_connected:
                await self._send_casts(socket)

    async def _send_casts(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        now_s = asyncio.get_running_loop().time()
        if not self.is_connected or now_s < self._paused_until_s:
            return
        if self.is_casting and not self.is_hurried:
            if now_s < self._rests_until_s:
                return
            self._rests_until_s = now_s + REST_S * (0.5 + self._rng.random())
        while len(self._pending) < IN_FLIGHT_MAX:
            doubts = self._ledger.doubtful(self._user.id) if not self.is_casting or self._rng.random() < 0.2 else []
            if doubts and (self.is_casting or self.is_confirming):
                subject, target, choice = self._rng.choice(doubts)
                votes: dict[Any, str] = {target: choice}
            elif self.is_casting:
                subject, votes = self._choose()
            else:
                return
            number = next(self._ids)
            self._pending[number] = self._ledger.sent(self._user.id, subject, votes)
            await socket.send_json({"id": number, **request_of(subject, votes)})

    def _choose(self) -> tuple[int, dict[Any, str]]:
        """A random subject, and its votes (three times out of four) or its mark."""
        show = self._rng.choice(self._shows)
        if self._rng.random() < 0.75:
            songs = self._rng.sample(show.songs, self._rng.randint(1, min(self._songs_max, len(show.songs))))
            return show.id, {song: self._rng.choice(CHOICES) for song in songs}
        mark = self._rng.choice((("attend", show.id), ("follow", show.artist)))
        return mark[1], {mark: self._rng.choice(MARK_CHOICES)}

    def _take(self, message: dict[str, Any]) -> None:
        if "drain" in message:
            self.drains.append(message["drain"])
        elif "committed" in message:
            durable = message["committed"]
            for cast in self._accepted:
                # A show and an artist with the same id are in the same log.
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
                # A tenth of the requested time: an impatient crowd finds more errors.
                self._paused_until_s = asyncio.get_running_loop().time() + error["retry_after_ms"] / 10_000
            return
        cast.at = message["ok"]["at"]
        cast.ballot = message["ok"].get("ballot", {})
        cast.outcome = message["ok"]["durability"]
        if cast.outcome == "accepted":
            cast.was_accepted = True
            self._accepted.append(cast)


def request_of(subject: int, votes: dict[Any, str]) -> dict[str, Any]:
    """The request of a cast or a mark."""
    target, choice = next(iter(votes.items()))
    if isinstance(target, int):
        return {"op": "cast", "show": subject, "votes": list(votes.items())}
    marked, wanted = MARK_FIELDS[target[0]]
    return {"op": target[0], marked: subject, wanted: choice == "yes"}


class Watcher:
    """Watches shows and their artists through one node, keeps their counts, and records positions that go back.

    tallies: song -> (up, down); mark_counts: mark -> count
    """

    def __init__(self, node: NodeProcess, shows: Iterable[Show]) -> None:
        self._node = node
        self._channels = [
            name for show in shows for name in (f"votes:{show.id}", f"attendance:{show.id}", f"followers:{show.artist}")
        ]
        self.at: dict[str, int] = {}
        self.tallies: dict[int, tuple[int, int]] = {}
        self.mark_counts: dict[Mark, int] = {}
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
                return False  # the state cannot be read now: reconnect
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
            self.mark_counts["attend", int(subject)] = state["going"]
        else:
            self.mark_counts["follow", int(subject)] = state["followers"]


class Crowd:
    """Fans, and one watcher for each node. Build it with `voting`."""

    def __init__(
        self, nodes: Sequence[NodeProcess], shows: Sequence[Show], users: Sequence[User], seed: int, songs_max: int
    ) -> None:
        self.ledger = Ledger()
        self.shows = shows
        self.users = users
        self.fans = [
            Fan(user, nodes[index % len(nodes)], shows, self.ledger, Random(seed * 1000 + index), songs_max=songs_max)
            for index, user in enumerate(users)
        ]
        self.watchers = [Watcher(node, shows) for node in nodes]

    @classmethod
    @asynccontextmanager
    async def voting(
        cls,
        nodes: Sequence[NodeProcess],
        shows: Sequence[Show],
        users: Sequence[User],
        *,
        seed: int = 1,
        songs_max: int = 3,
    ) -> AsyncIterator[Crowd]:
        """Runs a crowd; its watchers start before its fans."""
        crowd = cls(nodes, shows, users, seed, songs_max)
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

    async def more(self, count: int = 60, *outcomes: str) -> None:
        """Lets the fans cast without a rest until `count` more casts are committed, or have one of `outcomes`."""
        outcomes = outcomes or ("committed",)
        goal = self.ledger.count(*outcomes) + count
        for fan in self.fans:
            fan.is_hurried = True
        await until(lambda: self.ledger.count(*outcomes) >= goal, f"{count} more casts {outcomes}", timeout_s=30)
        for fan in self.fans:
            fan.is_hurried = False

    async def stop(self) -> None:
        """Stops casting, and waits until every cast is answered."""
        for fan in self.fans:
            fan.is_casting = False
        await until(lambda: all(fan.is_quiet for fan in self.fans), "every cast is answered", timeout_s=30)

    def resume(self) -> None:
        """Casts again after `stop` and `confirm`."""
        for fan in self.fans:
            fan.is_casting, fan.is_confirming = True, False

    async def confirm(self) -> None:
        """Lets every fan repeat its doubtful choices until they are committed."""
        for fan in self.fans:
            fan.is_confirming = True
        await until(lambda: all(fan.is_sure for fan in self.fans), "every doubt is settled", timeout_s=30)
