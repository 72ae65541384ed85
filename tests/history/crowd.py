"""Fans and watchers of one process, which record all that they send and hear.

    python -m tests.history.crowd '{"nodes": ["http://…"], …}'

Commands on stdin, a line each: `go` casts, `pause` ends with every cast answered or given up, `settle {"7": 123}` with every
watcher of show 7 at this position or later and everything written, `quit`. Each answers with one JSON line on stdout.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import orjson
import uvloop
from picows import WSFrame, WSTransport

from server.cli.terminal import raise_file_limit
from server.client import wire
from server.client.websocket import TEXT, ReconnectingWebsocket, websocket_url
from server.load.wire import cast_frame, decode_subscribe_reply
from tests.history.records import (
    ACCEPTED,
    COMMITTED,
    LOST,
    NEVER_NS,
    PUSH,
    REFUSED,
    RESUMED,
    SUBSCRIBED,
    UNKNOWN,
    Recorder,
)  # fmt: skip

CHOICES = ("none", "up", "down")
# After these errors the server may have taken the cast; after any other error it has not.
IN_DOUBT = ("unavailable", "internal")
IN_FLIGHT_MAX = 4
# Of so many answers the ballot of one is recorded.
READ_EVERY = 16
TICK_S = 0.005
FLUSH_S = 0.5
QUIET_TIMEOUT_S = 30.0
SETTLE_TIMEOUT_S = 15.0
# A watcher leaves after a random number of pushes, so that some subscribe at every moment.
PUSHES_MAX = 200
# A fan leaves after at most so long, while casts are under way: these may come late.
STAY_S_MAX = 40
# Clients of nodes that come back may come at once.
PAUSE_S_MAX = 0.5

now_ns = time.monotonic_ns


class Options(msgspec.Struct):
    """nodes: addresses; shows: id -> songs; users: id and token; first: number of the first watcher; rate_per_s: of votes."""

    folder: str
    nodes: list[str]
    shows: dict[int, list[int]]
    users: list[tuple[int, str]]
    watchers: int
    first: int
    rate_per_s: float
    votes_per_cast: int
    seed: int


class _Ballot(msgspec.Struct):
    ballot: dict[int, str] = {}


class _Answer(msgspec.Struct):
    ok: _Ballot


_decode_ballot = msgspec.json.Decoder(_Answer).decode


class Crowd(ReconnectingWebsocket):
    """What fans and watchers share: after a loss they come back to any of the nodes."""

    def __init__(self, nodes: list[str], token: str | None, rng: Random, counts: Counts) -> None:
        super().__init__(rng.choice(nodes), token, rng, counts)
        self._nodes = nodes
        self._coming_back: asyncio.Task[None] | None = None

    def leave(self) -> None:
        """Goes away, whatever is under way, and comes back at once, to any node."""
        self.on_lost()
        self.disconnect()
        self._coming_back = asyncio.get_running_loop().create_task(self.open_with_retries(), name="coming back")

    def on_lost(self) -> None:
        """Goes elsewhere."""
        self._url = self._rng.choice(self._nodes)


class Counts:
    """The numbers of one process."""

    def __init__(self) -> None:
        self.reconnects = 0
        self.errors: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()

    def count_error(self, code: str) -> None:
        """Counts one error by its code."""
        self.errors[code] += 1


class Fan(Crowd):
    """One user on one websocket at a time, who casts random choices; several casts may be under way at once."""

    def __init__(
        self, options: Options, user: int, token: str, rng: Random, *, counts: Counts, recorder: Recorder
    ) -> None:
        super().__init__(options.nodes, token, rng, counts)
        self._user = user
        self._counts = counts
        self._recorder = recorder
        self._votes_max = options.votes_per_cast
        # A few shows a fan: a ballot stays as small as those of people.
        self._shows = rng.sample(list(options.shows.items()), min(2, len(options.shows)))
        self.pending: dict[int, tuple[int, list[tuple[int, int]], int, int]] = {}
        self._order = 0
        self._answer_count = 0
        self._paused_until_ns = 0
        self._leaves_ns = now_ns() + int(rng.uniform(1, STAY_S_MAX) * 1e9)

    def cast(self) -> int:
        """Sends one cast; gives the number of its votes, 0: it cannot now."""
        transport, invoked_ns = self.transport, now_ns()
        if not self.is_ready or transport is None:
            return 0
        if invoked_ns > self._leaves_ns:
            self._leaves_ns = invoked_ns + int(self._rng.uniform(1, STAY_S_MAX) * 1e9)
            self.leave()
            return 0
        if len(self.pending) >= IN_FLIGHT_MAX or invoked_ns < self._paused_until_ns:
            return 0
        rng = self._rng
        show, songs = self._shows[int(rng.random() * len(self._shows))]
        count = 1 + int(rng.random() * self._votes_max)
        votes = [(song, int(rng.random() * 3)) for song in rng.sample(songs, min(count, len(songs)))]
        self._order = order = max(self._order + 1, time.time_ns() // 1_000_000)
        self._request_id = request_id = self._request_id + 1
        self.pending[request_id] = show, votes, order, invoked_ns
        frame = cast_frame(request_id, show, [(song, CHOICES[choice]) for song, choice in votes], order)
        transport.send(TEXT, frame)
        return len(votes)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Takes a frame; nearly every one is an answer to a cast."""
        payload = frame.get_payload_as_bytes()
        try:
            message = wire.decode_inbound(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            super().on_ws_frame(transport, frame)
            return
        cast = self.pending.pop(message.re, None) if message.re is not None else None
        if cast is None:
            self.on_message(payload)
        elif message.ok is not None:
            outcome = COMMITTED if message.ok.durability == "committed" else ACCEPTED
            self._note(cast, outcome, message.ok.at)
            self._answer_count += 1
            if not self._answer_count % READ_EVERY:
                self._note_ballot(cast, payload)
        elif message.error is not None:
            self._counts.count_error(message.error.code)
            self._note(cast, UNKNOWN if message.error.code in IN_DOUBT else REFUSED)
            pause_s = min(PAUSE_S_MAX, (message.error.retry_after_ms or 0) / 1000)
            self._paused_until_ns = now_ns() + int(pause_s * 1e9 * self._rng.random())

    def _note(self, cast: tuple[int, list[tuple[int, int]], int, int], outcome: int, at: int = 0) -> None:
        show, votes, order, invoked_ns = cast
        answered_ns = NEVER_NS if outcome == UNKNOWN else now_ns()
        for song, choice in votes:
            self._recorder.cast((self._user, show, song, order, invoked_ns, answered_ns, at, choice, outcome))
        self._counts.outcomes[("", "committed", "accepted", "refused", "unknown")[outcome]] += len(votes)

    def _note_ballot(self, cast: tuple[int, list[tuple[int, int]], int, int], payload: bytes) -> None:
        show, _, order, _ = cast
        ballot = _decode_ballot(payload).ok.ballot
        for song in dict(self._shows)[show]:
            self._recorder.read((self._user, show, song, order, CHOICES.index(ballot.get(song, "none"))))

    def on_notice(self, message: wire.Inbound) -> None:
        """Takes `committed` after `accepted`."""
        if message.committed is not None and message.committed.show is not None:
            self._recorder.confirmed((self._user, message.committed.show, message.committed.at, now_ns()))

    def on_lost(self) -> None:
        """Nobody will answer what is under way."""
        super().on_lost()
        self.give_up()

    def give_up(self) -> None:
        """What is not answered yet will not be."""
        for cast in self.pending.values():
            self._note(cast, UNKNOWN)
        self.pending.clear()


class Watcher(Crowd):
    """Watches the votes of one show, leaves now and then, and comes back with its position or as a new client."""

    def __init__(
        self, options: Options, number: int, show: int, rng: Random, *, counts: Counts, recorder: Recorder
    ) -> None:
        super().__init__(options.nodes, None, rng, counts)
        self.show = show
        self._number = number
        self._recorder = recorder
        self._channel = f"votes:{show}"
        self._prefix = f'{{"ch":"{self._channel}"'.encode()
        self._last = b""
        self._at = 0
        self._is_resuming = False
        self._pushes_left = 0

    @property
    def at(self) -> int:
        """The position that it holds."""
        if self._last:
            self._at, self._last = orjson.loads(self._last)["at"], b""
        return self._at

    def channels(self) -> list[str]:
        """The one channel."""
        return [self._channel]

    def positions(self) -> dict[str, int]:
        """Its position; None: it comes as a new client."""
        self._is_resuming = self.at > 0 and self._rng.random() < 0.5
        return {self._channel: self.at} if self._is_resuming else {}

    def on_subscribed(self, reply: bytes) -> None:
        """Records the state."""
        told = decode_subscribe_reply(reply).ok.channels[self._channel]
        if told.error is not None:
            raise told.error.refused()
        self._at, self._last = told.at, b""
        self._pushes_left = self._rng.randrange(1, PUSHES_MAX)
        self._record(reply, RESUMED if self._is_resuming else SUBSCRIBED)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Records a push."""
        payload = frame.get_payload_as_bytes()
        if not payload.startswith(self._prefix):
            super().on_ws_frame(transport, frame)
        elif transport is self.transport:
            self._record(payload, PUSH)
            self._last = payload
            self._pushes_left -= 1
            if not self._pushes_left:
                self.leave()

    def _record(self, payload: bytes, kind: int) -> None:
        self._recorder.frame((self._number, self._recorder.payload(payload), now_ns(), kind))

    def on_lost(self) -> None:
        """Records the loss."""
        super().on_lost()
        self._recorder.frame((self._number, -1, now_ns(), LOST))


class Part:
    """The fans and watchers of this process."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._rng = Random(f"{options.seed}:{options.first}")
        self._recorder = Recorder(Path(options.folder))
        self._counts = Counts()
        options.nodes = [websocket_url(url) for url in options.nodes]
        self._fans = [
            Fan(
                options, user, token, Random(f"{options.seed}:fan:{user}"), counts=self._counts, recorder=self._recorder
            )
            for user, token in options.users
        ]
        shows = list(options.shows)
        self._watchers = [
            Watcher(
                options, number, shows[number % len(shows)], Random(f"{options.seed}:watcher:{number}"),
                counts=self._counts, recorder=self._recorder,
            )
            for number in range(options.first, options.first + options.watchers)
        ]  # fmt: skip
        self._is_casting = False

    async def open(self) -> None:
        """Connects everybody."""
        everybody: list[Crowd] = [*self._watchers, *self._fans]
        for begin in range(0, len(everybody), 64):
            await asyncio.gather(*(one.open_with_retries() for one in everybody[begin : begin + 64]))

    async def cast(self) -> None:
        """Casts at the wanted rate while `go` was the last command; runs until cancelled."""
        fans, owed, last_ns = self._fans, 0.0, now_ns()
        while True:
            await asyncio.sleep(TICK_S)
            now = now_ns()
            # What could not be cast in time is not owed later: an outage is no reason for a burst.
            owed = min(owed + (now - last_ns) / 1e9 * self._options.rate_per_s, self._options.rate_per_s * 0.05)
            last_ns = now
            tries = 0
            while self._is_casting and owed > 0 and tries < len(fans):
                votes = fans[int(self._rng.random() * len(fans))].cast()
                owed -= votes
                tries = 0 if votes else tries + 1

    async def flush(self) -> None:
        """Writes what was recorded, again and again."""
        while True:
            await asyncio.sleep(FLUSH_S)
            self._recorder.flush()

    async def obey(self, command: str, argument: str) -> dict[str, Any]:
        """Runs one command; gives its answer."""
        if command == "go":
            self._is_casting = True
        elif command == "pause":
            self._is_casting = False
            is_quiet = await _until(
                lambda: all(fan.is_ready and not fan.pending for fan in self._fans), QUIET_TIMEOUT_S
            )
            for fan in self._fans:
                fan.give_up()
            return {"is_quiet": is_quiet}
        elif command == "settle":
            wanted = {int(show): at for show, at in orjson.loads(argument).items()}
            is_there = await _until(
                lambda: all(one.is_ready and one.at >= wanted.get(one.show, 0) for one in self._watchers),
                SETTLE_TIMEOUT_S,
            )
            self._recorder.flush()
            counts = self._counts
            return {
                "is_there": is_there,
                "outcomes": counts.outcomes,
                "errors": counts.errors,
                "reconnects": counts.reconnects,
            }
        return {}

    def close(self) -> None:
        """Closes all connections."""
        for one in (*self._fans, *self._watchers):
            one.close()


async def _until(condition: Any, timeout_s: float) -> bool:
    until_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until_s:
            return False
        await asyncio.sleep(0.02)
    return True


async def main(options: Options) -> None:
    """Obeys until `quit` or the end of stdin."""
    part = Part(options)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await part.open()
    tasks = [asyncio.create_task(part.cast(), name="cast"), asyncio.create_task(part.flush(), name="flush")]
    try:
        print(orjson.dumps({"open": True}).decode(), flush=True)
        while line := (await reader.readline()).decode().strip():
            command, _, argument = line.partition(" ")
            if command == "quit":
                break
            for task in tasks:
                if task.done():
                    task.result()
            print(orjson.dumps(await part.obey(command, argument)).decode(), flush=True)
    finally:
        for task in tasks:
            task.cancel()
        part.close()


if __name__ == "__main__":
    raise_file_limit()
    uvloop.run(main(msgspec.json.decode(sys.argv[1].encode(), type=Options)))
