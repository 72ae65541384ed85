"""The server around valkey_model.py: connections, the disk, and what can go wrong.

The nodes use their own connection code (server/cache/connection.py). Only the driver under it is replaced.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any

from redis.exceptions import ConnectionError as DriverConnectionError
from redis.exceptions import NoScriptError, OutOfMemoryError, ResponseError

from server.protocol.positions import from_stream_id, stream_id
from server.voting import log
from server.voting.casts import ScriptCode
from tests.simulation.hot_copy import HotShard, HotShow, ScriptError
from tests.simulation.loop import PROCESS, Process, SimulatedClock, SimulationLoop
from tests.simulation.seen import Seen
from tests.simulation.valkey_model import HotData, _decode, _encode

LATENCY_S = 0.002
Command = tuple[Any, ...]


@cache
def _shard(key: Any) -> int:
    """The shard of a key "{7}:log"."""
    text = key.decode() if isinstance(key, bytes) else key
    return int(text[1 : text.index("}")])


class Valkey:
    """One server. chance_of_fault: that a call is cut, before or after its effect.

    logged: every entry that the log has ever had: (shard, position) -> its casts
    """

    def __init__(self, loop: SimulationLoop, seen: Seen, shard_count: int) -> None:
        self.loop = loop
        self.seen = seen
        self.clock = SimulatedClock(loop)
        self.data = HotData([HotShard() for _ in range(shard_count)])
        self.saved = self.data.copy()
        self.logged: dict[tuple[int, int], list[list[int]]] = {}
        self.on_logged: Callable[[int, int, list[list[int]]], None] = lambda _shard, _position, _casts: None
        self.on_trim: Callable[[int, int, list[list[int]]], None] = lambda _shard, _position, _casts: None
        self.on_reset: Callable[[int, int], None] = lambda _shard, _position: None
        self.on_cool: Callable[[int, dict[int, HotShow]], None] = lambda _shard, _shows: None
        self.has_lost = False  # whether it has ever come back without some of its data
        self.has_script = False
        self.is_up = True
        self.is_full = False
        self.chance_of_fault = 0.0
        self.slow_s = 0.0
        self.connections: list[Driver] = []
        self.readers: list[
            tuple[Driver, dict[int, int], int]
        ] = []  # XREAD BLOCK: after these positions, at most so many
        self._commands: dict[Any, Callable[[Command], Any]] = {
            "EVALSHA": self._cast, "EVAL": self._eval, "HGET": self._last, "HMGET": lambda c: [self._last(c), None],
            "XTRIM": self._trim, "TIME": self._time, "SCRIPT": self._load, "PING": lambda _: b"PONG", "SET": lambda _: b"OK",
            "SMEMBERS": lambda c: [b"%d" % show for show in self.data.shards[_shard(c[1])].shows],
        }  # fmt: skip
        self._scripts: dict[bytes, Callable[[int, Command], Any]] = {
            log.RESET_SCRIPT: self._reset,
            log.HOLD_SCRIPT: lambda shard, a: self.data.hold(shard, a[4], self.clock.now_ms()),
            log.REVISE_SCRIPT: lambda shard, a: self.data.revise(shard, a[4], self.clock.now_ms()),
            log.ADVANCE_SCRIPT: lambda shard, a: self.data.advance(shard, int(a[4])),
            log.TALLY_SCRIPT: lambda shard, a: self.data.tally(shard, int(a[4])),
            log.COOL_SCRIPT: self._cool,
        }

    # ── what happens to it

    def save(self) -> None:
        """Writes everything to the disk."""
        self.saved = self.data.copy()

    def restart(self, down_s: float) -> None:
        """Dies, and comes back with what was on its disk."""
        if not self.is_up:
            return
        lost = [hot.last for hot in self.data.shards] != [hot.last for hot in self.saved.shards]
        self.has_lost = self.has_lost or lost
        self.seen.add("Valkey restarted with an older log" if lost else "Valkey restarted and lost nothing")
        self.loop.note(f"Valkey restarts{', with an older log' if lost else ''}")
        self.is_up = self.has_script = False
        self.cut_all()
        self.data = self.saved.copy()
        self.loop.later(down_s, self._come_up)

    def flush(self) -> None:
        """FLUSHALL."""
        self.has_lost = True
        self.seen.add("Valkey was emptied")
        self.data = HotData([HotShard() for _ in self.data.shards])

    def _come_up(self) -> None:
        self.is_up = True

    def cut_all(self, process: Process | None = None) -> None:
        """Cuts all connections, or those of one process."""
        for connection in self.connections[:]:
            if process is None or connection.process is process:
                connection.cut()

    # ── commands

    def delay_s(self) -> float:
        """How long bytes are on their way."""
        return self.slow_s + LATENCY_S * self.loop.random.random()

    def receive(self, connection: Driver, commands: list[Command]) -> None:
        """Runs the commands of one write, one after the other."""
        if connection.is_cut or not self.is_up:
            connection.cut()
            return
        fault = self.loop.random.random() if self.chance_of_fault else 1.0
        if fault < self.chance_of_fault / 2:
            self.seen.add("a call of Valkey was cut before it ran")
            connection.cut()
            return
        before = [hot.last for hot in self.data.shards] if fault < self.chance_of_fault else None
        for command in commands:
            connection.reply(self._run(connection, command))
        if before is not None:
            if before != [hot.last for hot in self.data.shards]:
                self.seen.add("casts were logged and the answer was lost")
            connection.cut()
        if self.readers:
            self._wake_readers()

    def _run(self, connection: Driver, command: Command) -> Any:
        name = command[0]
        if self.is_full and name in ("EVAL", "EVALSHA", "SET") and command[1] != log.TALLY_SCRIPT:
            self.seen.add("Valkey was full and refused a write")
            return OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
        if name == "XREAD":
            return self._read(connection, command)
        return self._commands[name](command)

    def _last(self, command: Command) -> bytes | None:
        last = self.data.shards[_shard(command[1])].last
        return None if last is None else b"%d" % last

    def _trim(self, command: Command) -> int:
        shard, least = _shard(command[1]), from_stream_id(command[3].encode())
        hot = self.data.shards[shard]
        kept = [entry for entry in hot.log if entry[0] >= least]
        if not self.has_lost:
            for position, _, casts in hot.log[: len(hot.log) - len(kept)]:
                self.on_trim(shard, position, casts)
        hot.log = kept
        return 0

    def _time(self, _: Command) -> list[bytes]:
        seconds, ms = divmod(self.clock.now_ms(), 1000)
        return [b"%d" % seconds, b"%d" % (ms * 1000)]

    def _load(self, _: Command) -> bytes:
        self.has_script = True
        return b"OK"

    def _cast(self, command: Command) -> Any:
        if not self.has_script:
            return NoScriptError("NOSCRIPT No matching script.")
        shard = _shard(command[3])
        hot = self.data.shards[shard]
        before = hot.stream_last
        try:
            reply = self.data.cast(shard, command[4], self.clock.now_ms())
        except ScriptError as error:
            return ResponseError(str(error))
        self._note_appended(shard, before)
        self._note_cast(shard, command[4], reply)
        return reply

    def _note_cast(self, shard: int, argument: bytes, reply: bytes) -> None:
        _, show_rows, _, casts = _decode(argument)
        _, _, answers = _decode(reply)
        hot = self.data.shards[shard]
        if any(row[1] < hot.barrier for row in show_rows):
            self.seen.add("a warm-up older than the barrier was refused")
        codes = {answer[0] for answer in answers}
        if ScriptCode.COLD_SHOW in codes and show_rows:
            self.seen.add("a show became cold again before its cast came back")
        if len({tuple(cast[:2]) for cast in casts}) < len(casts):
            self.seen.add("two casts of a fan were in one batch")
        for code in (
            ScriptCode.HELD,
            ScriptCode.OVERTAKEN,
            ScriptCode.SHOW_BUDGET,
            ScriptCode.DAY_BUDGET,
            ScriptCode.LOCKED,
        ):
            if code in codes:
                self.seen.add(f"a cast was answered {code.name}")

    def _eval(self, command: Command) -> Any:
        shard = _shard(command[3])
        before = self.data.shards[shard].stream_last
        try:
            reply = self._scripts[command[1]](shard, command)
        except ScriptError as error:
            return ResponseError(str(error))
        self._note_appended(shard, before)
        return reply

    def _note_appended(self, shard: int, before: int) -> None:
        hot = self.data.shards[shard]
        if hot.stream_last > before:
            position, _, casts = hot.log[-1]
            self.logged[shard, position] = casts
            self.on_logged(shard, position, casts)
            self.loop.note(f"Valkey: entry {shard}/{position % 10**8} of {casts}")

    def _reset(self, shard: int, command: Command) -> Any:
        base, expected, is_new = command[5], command[6], command[7]
        expected = expected.encode() if isinstance(expected, str) else expected
        answer = self.data.reset(shard, int(base), expected, is_new=is_new == 1)
        if answer is None:
            self.seen.add("a reset came too late")
            return None
        self.seen.add("a shard was reset")
        if is_new != 1:
            self.on_reset(shard, int(base))
        return list(answer)

    def _cool(self, shard: int, command: Command) -> int:
        position, idle_ms, over_ms = command[5:8]
        shows = self.data.shards[shard].shows
        before = dict(shows)
        count = self.data.cool(shard, position, idle_ms, over_ms, self.clock.now_ms())
        if count:
            self.on_cool(shard, {show_id: show for show_id, show in before.items() if show_id not in shows})
            self.loop.note(f"Valkey: {count} shows of shard {shard} become cold")
            self.seen.add("a show became cold")
        return count

    # ── reading the logs

    def _read(self, connection: Driver, command: Command) -> Any:
        count = command[2]
        streams = command.index("STREAMS") + 1
        names = (len(command) - streams) // 2
        after = {
            _shard(key): from_stream_id(entry_id.encode())
            for key, entry_id in zip(command[streams : streams + names], command[streams + names :], strict=True)
        }
        found = self._found(after, count)
        if found is None and command[3] == "BLOCK":
            reader = (connection, after, count)
            self.readers.append(reader)
            self.loop.later(command[4] / 1000, self._give_up, reader)
            return NOT_YET
        return found

    def _found(self, after: dict[int, int], count: int) -> list[Any] | None:
        found = []
        for shard, position in after.items():
            entries = [entry for entry in self.data.shards[shard].log if entry[0] > position][:count]
            if entries:
                packed = [
                    [stream_id(at).encode(), [b"p", b"%d" % previous, b"e", _encode(casts)]]
                    for at, previous, casts in entries
                ]
                found.append([f"{{{shard}}}:log".encode(), packed])
        return found or None

    def _wake_readers(self) -> None:
        for reader in self.readers[:]:
            connection, after, count = reader
            if (found := self._found(after, count)) is not None:
                self.readers.remove(reader)
                connection.reply(found)

    def _give_up(self, reader: tuple[Driver, dict[int, int], int]) -> None:
        if reader in self.readers:
            self.readers.remove(reader)
            reader[0].reply(None)


NOT_YET = object()


class Driver:
    """Stands for redis.asyncio's Connection: what server/cache/connection.py uses of it."""

    def __init__(self, server: Valkey) -> None:
        self.server = server
        self.process = PROCESS.get()
        self.is_cut = True
        self.is_closed = True
        self._replies: deque[Any] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._generation = 0
        self._reader = self._writer = self

    def at_eof(self) -> bool:
        """Whether the server has closed the connection."""
        return self.is_cut

    def is_closing(self) -> bool:
        """Whether this end has."""
        return self.is_closed

    async def connect(self) -> None:
        """Connects."""
        await asyncio.sleep(self.server.delay_s())
        if not self.server.is_up:
            raise DriverConnectionError("Connection refused.")
        self.is_cut = self.is_closed = False
        self._replies.clear()
        self._generation += 1
        self.server.connections.append(self)

    async def disconnect(self, *, nowait: bool) -> None:
        """Closes."""
        del nowait
        self.is_closed = True
        self.cut()

    def cut(self) -> None:
        """The connection is gone."""
        self.is_cut = True
        if self in self.server.connections:
            self.server.connections.remove(self)
        self.server.readers = [reader for reader in self.server.readers if reader[0] is not self]
        self._wake()

    def pack_commands(self, commands: list[Command]) -> list[Command]:
        """The commands as they are: nothing reads bytes here."""
        return commands

    async def send_packed_command(self, commands: list[Command], *, check_health: bool) -> None:
        """Sends. A connection that the server has cut raises what uvloop raises, which the driver does not translate."""
        del check_health
        if self.is_cut:
            raise RuntimeError("the handler is closed")
        self.server.loop.later(self.server.delay_s(), self._arrive, commands, self._generation)

    def _arrive(self, commands: list[Command], generation: int) -> None:
        if generation == self._generation:
            self.server.receive(self, commands)

    def reply(self, answer: Any) -> None:
        """Takes an answer of the server."""
        if answer is not NOT_YET:
            self._replies.append(answer)
            self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        self._waiting = None

    async def read_response(self, *, disable_decoding: bool, timeout: float) -> Any:
        """The next answer."""
        del disable_decoding, timeout
        while not self._replies:
            if self.is_cut:
                raise DriverConnectionError("Connection closed by server.")
            self._waiting = self.server.loop.create_future()
            await self._waiting
        answer = self._replies.popleft()
        if isinstance(answer, ResponseError):
            raise answer
        return answer
