"""The connection to a Valkey Cluster or Redis Cluster: one line to each primary that holds a key of ours (docs/adr/0040).

A server of the cluster tells which primary holds which keys (the map). MOVED and a lost connection make the map stale. A task then
reads the map again and reconnects lost lines, beside the callers. Until then, the keys that moved or were on a lost line are
unavailable; all others stay available. Replicas are never asked, and ASK is never followed.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from redis.crc import key_slot

from server.cache.connection import (
    PROBE_KEPT_S,
    REPLY_TIMEOUT_S,
    Command,
    Connection,
    Line,
    Reserved,
    checked,
)
from server.cache.keys import shard_prefix
from server.errors import CacheError, CacheUnavailable, NothingRan, StoreError

SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
# A question to all shards waits at most this long for a primary that has just fallen silent.
SHARD_TIMEOUT_S = 1.0
MAP_TIMEOUT_S = 1.0
MEND_PAUSE_S = 0.05
MEND_PAUSE_S_MAX = 1.0

_PROBE_SCRIPT = "redis.call('SET', KEYS[1] .. 'probe', '', 'EX', ARGV[1])"
_WITHOUT_KEY = frozenset({"PING", "TIME", "INFO", "CLUSTER"})


def connection_to(url: str, *, on_connect: Callable[[Line], Awaitable[None]] | None = None) -> Connection:
    """A connection to the Valkey of an address, which connects when it is first used.

    Takes: url; on_connect, called on every new connection to a server before any other command is sent to it
    """
    if urlsplit(url).scheme in SCHEMES:
        return ClusterConnection(url, on_connect=on_connect)
    return Line(url, on_connect=on_connect)


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """The parts of an address: "redis+cluster://user:password@h1:p1,h2:p2?ssl_ca_certs=…".

    seeds: servers that tell of the others, as "host:port"; before, after: the address around the name of a server
    """

    seeds: tuple[str, ...]
    before: str
    after: str

    @classmethod
    def parse(cls, url: str) -> ClusterAddress:
        """Takes apart an address that settings.py has checked."""
        parts = urlsplit(url)
        identity, at, hosts = parts.netloc.rpartition("@")
        after = f"?{parts.query}" if parts.query else ""
        return cls(tuple(hosts.split(",")), f"{SCHEMES[parts.scheme]}://{identity}{at}", after)

    def url_of(self, server: str) -> str:
        """The address of one server of the cluster."""
        return f"{self.before}{server}{self.after}"


@dataclass(frozen=True, slots=True)
class SlotMap:
    """Which primary holds which slots: firsts[i] to lasts[i] are held by servers[i]."""

    firsts: list[int]
    lasts: list[int]
    servers: list[str]

    @classmethod
    def parse(cls, slots: list[Any], asked: str) -> SlotMap:
        """Takes: slots, the answer to CLUSTER SLOTS; asked, the server that gave it: it may leave out its own host."""
        ranges = []
        for first, last, (host, port, *_), *_replicas in slots:
            name = host.decode() if host else asked.rpartition(":")[0].strip("[]")
            ranges.append((first, last, f"[{name}]:{port}" if ":" in name else f"{name}:{port}"))
        ranges.sort()
        return cls(*([list(column) for column in zip(*ranges, strict=True)] or [[], [], []]))

    def server_of(self, slot: int) -> str | None:
        """The primary that holds a slot; None: no server holds it."""
        place = bisect_right(self.firsts, slot) - 1
        return self.servers[place] if place >= 0 and slot <= self.lasts[place] else None


class ClusterConnection(Connection):
    """The connection to a cluster.

    Threads: event loop; callers of one server wait for their turn, others do not
    """

    is_cluster = True

    def __init__(self, url: str, *, on_connect: Callable[[Line], Awaitable[None]] | None = None) -> None:
        """Takes: as connection_to."""
        self._address = ClusterAddress.parse(url)
        self._on_connect = on_connect
        self._map: SlotMap | None = None
        self._map_turn = asyncio.Lock()
        self._lines: dict[str, Line] = {}
        self._troubles: dict[str, str] = {}  # server -> why it is unavailable
        self._mending: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether any server answered the last call."""
        return any(line.is_ready for line in self._lines.values())

    async def ask(self, commands: Sequence[Command], *, timeout_s: float = REPLY_TIMEOUT_S) -> list[Any]:
        """As Connection says."""
        return checked(await self._ask_all(commands, timeout_s))

    async def ask_shards(self, commands: Sequence[Command]) -> list[Any]:
        """As Connection says."""
        answers = await self._ask_all(commands, SHARD_TIMEOUT_S)
        if all(isinstance(answer, CacheError) for answer in answers):
            # NothingRan may be raised only if none of the commands ran.
            checked([answer for answer in answers if not isinstance(answer, NothingRan)] or answers)
        return answers

    async def ask_servers(self, command: Command) -> dict[str, Any]:
        """As Connection says."""
        servers = sorted(set((await self._current_map()).servers))
        answers = await asyncio.gather(*(self._ask_server(server, [command], SHARD_TIMEOUT_S) for server in servers))
        return {server: answer for server, (answer,) in zip(servers, answers, strict=True)}

    @asynccontextmanager
    async def reserved(self, key: str) -> AsyncIterator[Reserved]:
        """As Connection says."""
        server = (await self._current_map()).server_of(key_slot(key.encode()))
        if server is None or self._is_away(server):
            raise self._unavailable(server)
        line = self._line(server)
        try:
            async with line.reserved() as reserved:
                yield reserved
        finally:
            if not line.is_ready:
                self._mend_soon()

    def server_of(self, key: str) -> str:
        """As Connection says."""
        server = None if self._map is None else self._map.server_of(key_slot(key.encode()))
        line = self._lines.get(server or "")
        return "" if line is None else line.server

    async def probe(self, shards: Sequence[int] = ()) -> dict[int, CacheError]:
        """As Connection says."""
        if not shards:
            checked(list((await self.ask_servers(("PING",))).values()))
            return {}
        # A script, because it is refused exactly when casts are. A plain SET would still write a key that has not moved yet.
        answers = await self.ask_shards(
            [("EVAL", _PROBE_SCRIPT, 1, shard_prefix(shard), PROBE_KEPT_S) for shard in shards]
        )
        return {shard: answer for shard, answer in zip(shards, answers, strict=True) if isinstance(answer, CacheError)}

    async def close(self) -> None:
        """As Connection says."""
        if self._mending is not None:
            self._mending.cancel()
            with suppress(asyncio.CancelledError):
                await self._mending
            self._mending = None
        for line in self._lines.values():
            await line.close()

    # ── asking

    async def _ask_all(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        """The answers, in order; a CacheError in place of each that is missing."""
        current = await self._current_map()
        places: dict[str | None, list[int]] = {}
        for place, command in enumerate(commands):
            key = _key_of(command)
            server = self._any_server(current) if key is None else current.server_of(key_slot(key))
            places.setdefault(server, []).append(place)
        answers: list[Any] = [None] * len(commands)

        async def ask(server: str | None, own: list[int]) -> None:
            own_answers = await self._ask_server(server, [commands[place] for place in own], timeout_s)
            for place, answer in zip(own, own_answers, strict=True):
                answers[place] = answer

        if len(places) == 1:
            await ask(*places.popitem())
        else:
            await asyncio.gather(*(ask(server, own) for server, own in places.items()))
        return answers

    async def _ask_server(self, server: str | None, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        if server is None or self._is_away(server):
            return [self._unavailable(server)] * len(commands)
        line = self._line(server)
        try:
            answers = await line.ask_all(commands, timeout_s=timeout_s)
            self._troubles.pop(server, None)
        except (CacheUnavailable, StoreError) as error:
            # StoreError: opening a line needs PostgreSQL. Its failure must not hold up the other servers either.
            self._troubles.setdefault(server, str(error))
            answers = [CacheUnavailable(f"{server}: {error}")] * len(commands)
        if not line.is_ready or any(isinstance(one, NothingRan) and str(one).startswith("MOVED") for one in answers):
            self._mend_soon()
        return answers

    def _unavailable(self, server: str | None) -> NothingRan:
        if server is None:
            self._mend_soon()
            return NothingRan("no server of the cluster holds this key")
        return NothingRan(f"{server}: {self._troubles[server]}")

    def _holds(self, server: str, key: str) -> bool:
        return self._map is not None and self._map.server_of(key_slot(key.encode())) == server

    def _is_away(self, server: str) -> bool:
        """Whether the server has failed, and its line is being reconnected."""
        is_mending = self._mending is not None and not self._mending.done()
        return is_mending and server in self._troubles and not self._line(server).is_ready

    def _any_server(self, current: SlotMap) -> str | None:
        """A server for a command without a key: one that answered, or else one that has not failed just now."""
        ready = [name for name, line in self._lines.items() if line.is_ready]
        others = [server for server in current.servers if not self._is_away(server)]
        return next(iter([*ready, *others, *current.servers]), None)

    def _line(self, server: str) -> Line:
        line = self._lines.get(server)
        if line is None:
            line = self._lines[server] = Line(
                self._address.url_of(server), on_connect=self._on_connect, holds=lambda key: self._holds(server, key)
            )
        return line

    # ── the map

    async def _current_map(self) -> SlotMap:
        """The map; it is read when there is none yet.

        Raises: CacheUnavailable
        """
        async with self._map_turn:
            if self._map is None:
                self._map = await self._read_map()
            return self._map

    async def _read_map(self) -> SlotMap:
        """Asks servers for the map until one answers.

        Raises: CacheUnavailable: none of them does
        """
        ready = [name for name, line in self._lines.items() if line.is_ready]
        trouble = ""
        # A primary that was cut off from the others tells an old map, so servers whose lines work come first.
        for server in dict.fromkeys([*ready, *self._address.seeds, *self._lines]):
            line = self._lines[server] if server in ready else Line(self._address.url_of(server))
            try:
                async with asyncio.timeout(MAP_TIMEOUT_S):
                    (slots,) = await line.ask([("CLUSTER", "SLOTS")])
            except (CacheError, TimeoutError) as error:
                # A server without a cluster refuses the question.
                trouble = f"{server}: {str(error) or 'no answer'}"
                continue
            finally:
                if server not in ready:
                    await line.close()
            if slots:
                return SlotMap.parse(slots, server)
            trouble = f"{server}: its cluster has no slots"
        raise CacheUnavailable(trouble)

    def _mend_soon(self) -> None:
        if self._mending is None or self._mending.done():
            self._mending = asyncio.create_task(self._mend(), name="cluster-mending")

    async def _mend(self) -> None:
        """Repeats until all lines are ready: reads the map, and reconnects broken lines."""
        pause_s = MEND_PAUSE_S
        while True:
            with suppress(CacheUnavailable):
                self._map = await self._read_map()
                await self._close_lines(self._lines.keys() - set(self._map.servers))
            broken = [(server, line) for server, line in self._lines.items() if not line.is_ready]
            await asyncio.gather(*(self._try(server, line) for server, line in broken))
            await asyncio.sleep(pause_s)
            if all(line.is_ready for line in self._lines.values()):
                return
            pause_s = min(2 * pause_s, MEND_PAUSE_S_MAX)

    async def _try(self, server: str, line: Line) -> None:
        try:
            await line.ask([("PING",)])
        except (CacheError, StoreError) as error:
            self._troubles[server] = str(error)
        else:
            self._troubles.pop(server, None)

    async def _close_lines(self, servers: Iterable[str]) -> None:
        """Closes the lines to servers that hold nothing any more."""
        for server in servers:
            await self._lines.pop(server).close()
            self._troubles.pop(server, None)


def _key_of(command: Command) -> bytes | None:
    """The first key of a command; None: it has none. All keys of a command have one hash tag."""
    name = command[0]
    if name in _WITHOUT_KEY:
        return None
    if name in ("EVAL", "EVALSHA"):
        key = command[3]
    elif name == "XREAD":
        key = command[command.index("STREAMS") + 1]
    else:
        key = command[1]
    return key if isinstance(key, bytes) else str(key).encode()
