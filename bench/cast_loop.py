"""Voters in C (bench/cast_loop.c): they cast as fast as they are acknowledged, for a few µs of CPU a vote, and draw what a crowd draws.

Their casts are drawn and written before the run, by the plan of `mysetlist crowd`. A voter that reads n answers at once sends n casts at once.
"""

from __future__ import annotations

import ctypes
import itertools
import socket
import struct
import time
from base64 import b64encode
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import measure  # noqa: F401  # makes this checkout importable
from send_loop import compiled

from server.client.http import HttpClient, Session, Tally
from server.client.wire import SUBPROTOCOL, hello_frame
from server.load.crowd import compare_tallies
from server.load.histogram import Histogram
from server.load.plan import Choice, Held, Plan, Poll, set_choice
from server.load.requests import SIGN_INS_AT_ONCE_MAX, bounded_map, sign_in_many
from server.load.verify import (
    Difference,
    ExpectedBallot,
    ballot_differences,
    tally_changes,
)
from server.load.wire import cast_frame

CONNECT_TIMEOUT_S = 15.0
TALLIES_TIMEOUT_S = 10.0

_UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
)

_POINTER, _NUMBER = ctypes.c_void_p, ctypes.c_int

Cast = tuple[int, list[tuple[int, Choice]]]  # show, its votes


@dataclass(frozen=True, slots=True)
class Voter:
    """A connected voter with its casts in order, as choices and as frames. `ends`: where each frame ends in `frames`."""

    session: Session
    socket: socket.socket
    casts: list[Cast]
    frames: bytes
    ends: list[int]


class CastFailed(Exception):
    """A voter got something else than the acknowledgement of a committed cast. The message is what it got."""


def cast_library() -> ctypes.CDLL:
    """The compiled loop. Raises: SystemExit: this machine has no compiler."""
    library = compiled(Path(__file__).with_suffix(".c").read_text())
    if library is None:
        raise SystemExit("voters in C need gcc or cc (Debian: the package gcc)")
    library.crowd_open.restype = _POINTER
    library.crowd_run.argtypes, library.crowd_run.restype = [_POINTER, ctypes.c_double, _NUMBER], ctypes.c_long
    library.crowd_committed.argtypes, library.crowd_committed.restype = [_POINTER], ctypes.c_long
    library.crowd_latencies_s.argtypes = [_POINTER]
    library.crowd_latencies_s.restype = ctypes.POINTER(ctypes.c_float)
    library.crowd_trouble.argtypes, library.crowd_trouble.restype = [_POINTER], ctypes.c_char_p
    library.crowd_sent.argtypes = [_POINTER, _NUMBER]
    return library


class CastLoop:
    """All voters of a run, in C. Takes: library, see cast_library()."""

    def __init__(self, library: ctypes.CDLL, voters: Sequence[Voter], in_flight: int) -> None:
        count, casts = len(voters), len(voters[0].casts)
        ends = [(_NUMBER * casts)(*voter.ends) for voter in voters]
        # The loop reads these until the process ends.
        self._arrays = (
            (_NUMBER * count)(*(voter.socket.fileno() for voter in voters)),
            (ctypes.c_char_p * count)(*(voter.frames for voter in voters)),
            (ctypes.POINTER(_NUMBER) * count)(*(ctypes.cast(one, ctypes.POINTER(_NUMBER)) for one in ends)),
        )
        self._library = library
        self._voters = voters
        self._crowd = library.crowd_open(count, *self._arrays, casts, in_flight)
        if not self._crowd:
            raise MemoryError("no memory for the voters in C, or no epoll")

    def cast(self, seconds: float) -> None:
        """Casts for this time; casts may be unanswered at the end.

        Raises: CastFailed
        """
        self._run(seconds, is_casting=True)

    def settle(self, timeout_s: float) -> int:
        """Waits for the answers to all casts. Gives: the casts that have none after `timeout_s`."""
        return self._run(timeout_s, is_casting=False)

    def _run(self, seconds: float, *, is_casting: bool) -> int:
        left = int(self._library.crowd_run(self._crowd, seconds, is_casting))
        if left < 0:
            raise CastFailed(self._library.crowd_trouble(self._crowd).decode(errors="replace"))
        return left

    def committed(self) -> int:
        """The casts that were acknowledged as committed so far."""
        return int(self._library.crowd_committed(self._crowd))

    def latencies(self, first: int, last: int) -> Histogram:
        """The latencies of the acknowledgements from number `first` to before `last`."""
        histogram = Histogram()
        for seconds in self._library.crowd_latencies_s(self._crowd)[first:last]:
            histogram.record(seconds)
        return histogram

    def expected_ballots(self) -> list[tuple[Session, ExpectedBallot]]:
        """The ballot of each voter in each of its shows, if all casts that were sent are counted once."""
        expected: list[tuple[Session, ExpectedBallot]] = []
        for number, voter in enumerate(self._voters):
            ballots: dict[int, dict[int, Held]] = {}
            for show_id, votes in itertools.islice(voter.casts, self._library.crowd_sent(self._crowd, number)):
                for song, choice in votes:
                    set_choice(ballots.setdefault(show_id, {}), song, choice)
            user_id = voter.session.user.id
            expected += [(voter.session, ExpectedBallot(user_id, show, ballot)) for show, ballot in ballots.items()]
        return expected


async def open_voters(
    url: str, polls: Sequence[Poll], count: int, *, seed: int, casts: int, in_flight: int
) -> list[Voter]:
    """Signs voters in, connects them, and writes this number of casts for each."""
    http = HttpClient(url)
    try:
        sessions = await sign_in_many(http, count)
    finally:
        await http.close()
    first_order = round(time.time() * 1000)
    voters: list[Voter] = []
    for index, session in enumerate(sessions):
        plan = Plan(polls, index=index, seed=seed, votes_per_cast=1)
        drawn = _draw(plan, casts, in_flight)
        frames = [
            client_frame(cast_frame(number, show, votes, first_order + number))
            for number, (show, votes) in enumerate(drawn, 1)
        ]
        ends = list(itertools.accumulate(map(len, frames)))
        voters.append(Voter(session, _connected(url, session.token), drawn, b"".join(frames), ends))
    return voters


def _draw(plan: Plan, count: int, in_flight: int) -> list[Cast]:
    """The next casts of a plan. As in a crowd, a voter seldom changes a song whose last cast is not answered."""
    drawn: list[Cast] = []
    ballots: dict[int, dict[int, Held]] = {}
    unanswered: deque[int] = deque(maxlen=in_flight - 1)
    while len(drawn) < count:
        found = plan.draw(ballots, unanswered) or plan.draw(ballots, ())
        assert found is not None
        poll, votes = found
        for song, choice in votes:
            set_choice(ballots.setdefault(poll.show_id, {}), song, choice)
            unanswered.append(song)
        drawn.append((poll.show_id, votes))
    return drawn


def client_frame(payload: bytes) -> bytes:
    """A text message of a client. Its mask is zeros, which changes nothing."""
    length = len(payload)
    head = bytes((0x81, 0x80 | length)) if length < 126 else struct.pack("!BBH", 0x81, 0x80 | 126, length)
    return head + bytes(4) + payload


def _connected(url: str, token: str) -> socket.socket:
    """A websocket whose hello is answered."""
    address = urlsplit(url)
    assert address.hostname is not None
    opened = socket.create_connection((address.hostname, address.port or 80), CONNECT_TIMEOUT_S)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = b64encode(struct.pack("!QQ", 0, opened.fileno())).decode()
    opened.sendall(_UPGRADE.format(host=address.netloc, key=key, subprotocol=SUBPROTOCOL).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _received(opened)
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise CastFailed(answer.decode(errors="replace"))
    opened.sendall(client_frame(hello_frame(1, token)))
    reply = _received(opened)
    if b'"ok"' not in reply:
        raise CastFailed(reply.decode(errors="replace"))
    return opened


def _received(opened: socket.socket) -> bytes:
    received = opened.recv(4096)
    if not received:
        raise CastFailed("the server closed a connection")
    return received


async def differences(
    url: str, before: Mapping[int, Tally], expected: Sequence[tuple[Session, ExpectedBallot]]
) -> list[Difference]:
    """Compares all ballots and tallies of the server with the expected ballots; tallies have TALLIES_TIMEOUT_S to arrive."""
    http = HttpClient(url)
    try:
        ballots = await bounded_map(
            expected, lambda one: http.ballot(one[1].show_id, one[0].token), SIGN_INS_AT_ONCE_MAX
        )
        pairs = [(ballot, held) for (_, ballot), held in zip(expected, ballots, strict=True)]
        found = [one for ballot, held in pairs for one in ballot_differences(ballot, held)]
        changes = tally_changes(pairs)
        _, wrong = await compare_tallies(http, before, changes, shared=False, timeout_s=TALLIES_TIMEOUT_S)
        return found + wrong
    finally:
        await http.close()
