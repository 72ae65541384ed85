"""The sweep over all sockets, and one connection's way of writing, with a clock that only moves when told."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import Any

import pytest

from server.errors import Disconnect, Refused
from server.live.connection import PING_INTERVAL_S
from server.live.connection_limits import ConnectionLimits
from server.live.hub import Hub
from server.live.services import Services
from server.live.sockets import DRAIN_SLICE_SOCKETS, PONG_TIMEOUT_S, SWEEP_INTERVAL_S, Sockets
from server.live.states import State
from server.live.websocket import EXPIRY_NOTICE_MS, PENDING_PER_CONNECTION_MAX, WebsocketConnection
from server.protocol.frames import ping_frame
from server.protocol.identity import Identity
from server.protocol.limits import DEFAULT_LIMITS, Limits
from server.voting.rules import ballot_json
from tests.support.clock import FakeClock
from tests.support.transport import RecordingTransport

LIMITS = Limits(connections_per_user=3, requests_per_s=10, requests_per_s_of_user=20)


class Room:
    """Sockets on a standing clock. casts: what was submitted, with its waiter."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sockets = Sockets(self.clock)
        self.banned: dict[int, str] = {}
        self.entries: list[int] = []
        self.casts: list[tuple[int, int, list[tuple[int, str]], Any]] = []
        self.marks: list[tuple[str, int, int, bool, Any]] = []
        self.hub = Hub(self._load, self.clock)
        self.services = Services(
            hub=self.hub,
            connection_limits=ConnectionLimits(LIMITS),
            clock=self.clock,
            node="node",
            submit=lambda *cast: self.casts.append(cast),
            mark=self._mark,
            authenticate=self._authenticate,
            why_banned=self.banned.get,
            count_entry=self._count_entry,
            has_voted=self._has_voted,
            ballot_json=ballot_json,
        )

    async def _has_voted(self, _show: int, _user: int) -> bool:
        return False

    async def _load(self, _kind: str, _subject: int) -> State | None:
        return None

    async def _mark(self, marked: str, subject: int, user: int, waiter: Any, *, wanted: bool) -> None:
        self.marks.append((marked, subject, user, wanted, waiter))

    async def _count_entry(self, user_id: int) -> None:
        self.entries.append(user_id)

    async def _authenticate(self, token: str) -> Identity:
        """A token here is a user and for how many seconds from now it is good."""
        user, _, ttl_s = token.partition(" ")
        return Identity(int(user), "user", expires_ms=self.clock.now_ms() + int(ttl_s) * 1000)

    def enter(self) -> tuple[WebsocketConnection, RecordingTransport]:
        """One more connection, signed in."""
        transport = RecordingTransport()
        socket: Any = SimpleNamespace(close_code=None)
        connection = WebsocketConnection(socket, transport, self.services, Identity(42, "user"))
        connection.has_asked = True
        self.sockets.add(connection)
        return connection, transport

    def sweep_for(self, seconds: float) -> None:
        """Sweeps as often as the loop would."""
        for _ in range(int(seconds / SWEEP_INTERVAL_S)):
            self.clock.advance(SWEEP_INTERVAL_S)
            self.sockets.sweep()


@pytest.fixture
async def room() -> Room:
    """An empty room."""
    return Room()


async def test_a_quiet_socket_is_pinged_once_an_interval(room: Room) -> None:
    """Home routers forget connections that are silent for longer."""
    connection, transport = room.enter()
    room.sweep_for(PING_INTERVAL_S - SWEEP_INTERVAL_S)
    assert transport.frames == []
    room.sweep_for(SWEEP_INTERVAL_S)
    assert transport.frames == [ping_frame()]
    connection.heard_s = room.clock.monotonic_s()
    room.sweep_for(PING_INTERVAL_S)
    assert transport.frames == [ping_frame()] * 2
    assert not transport.end


async def test_who_talks_is_not_pinged(room: Room) -> None:
    """Whatever is heard proves that somebody is there."""
    connection, transport = room.enter()
    for _ in range(10):
        room.sweep_for(PING_INTERVAL_S - 2 * SWEEP_INTERVAL_S)
        connection.heard_s = room.clock.monotonic_s()
    assert transport.frames == []


async def test_who_does_not_answer_is_stale(room: Room) -> None:
    """After a ping without a pong the socket is closed with 4002; the others stay."""
    _, silent = room.enter()
    alive, there = room.enter()
    room.sweep_for(PING_INTERVAL_S + PONG_TIMEOUT_S)
    assert not silent.end
    alive.heard_s = room.clock.monotonic_s()
    room.sweep_for(SWEEP_INTERVAL_S)
    assert (silent.close_code(), silent.end) == (4002, "closed")
    assert not there.end


async def test_who_takes_nothing_is_cut_off(room: Room) -> None:
    """Whatever it says, and at once: a goodbye would wait behind what is not taken. Who takes a little now and then stays."""
    connection, transport = room.enter()
    slow, taking = room.enter()
    transport.backed_up = taking.backed_up = 1_000
    for _ in range(LIMITS.stalled_s + 1):
        connection.heard_s = slow.heard_s = room.clock.monotonic_s()
        room.sweep_for(1.0)
        taking.backed_up -= 1
    assert not transport.end
    transport.backed_up += 1_000
    room.sweep_for(SWEEP_INTERVAL_S)
    assert (transport.end, transport.frames, taking.end) == ("aborted", [], "")


async def test_who_takes_no_goodbye_is_cut_off(room: Room) -> None:
    """A connection that was sent away would wait for ever behind what the other side does not take."""
    connection, transport = room.enter()
    transport.backed_up = 1_000
    room.sweep_for(SWEEP_INTERVAL_S)
    connection.hang_up(4000, "drain")
    room.sweep_for(LIMITS.stalled_s)
    assert transport.end == "closed"
    room.sweep_for(SWEEP_INTERVAL_S)
    assert transport.end == "aborted"


async def test_who_is_gone_is_swept_no_more(room: Room) -> None:
    """Connections are counted in and out, and out twice does no harm."""
    connection, transport = room.enter()
    assert len(room.sockets) == 1
    room.sockets.remove(connection)
    room.sockets.remove(connection)
    room.sweep_for(PING_INTERVAL_S * 3)
    assert (len(room.sockets), transport.frames) == (0, [])


async def test_draining_sends_everybody_away(room: Room) -> None:
    """Each is told when to come back, then closed with 4000; one that is closing already is left alone."""
    people = [room.enter() for _ in range(DRAIN_SLICE_SOCKETS + 5)]
    people[0][1].close()
    await room.sockets.drain(slice_pause_s=0)
    assert room.sockets.is_draining
    assert people[0][1].frames == []
    for _, transport in people[1:]:
        assert len(transport.frames) == 2
        notice = json.loads(transport.frames[0][2:])["drain"]
        assert 0 < notice["min_ms"] < notice["max_ms"]
        assert (transport.close_code(), transport.end) == (4000, "closed")


async def test_nothing_is_written_past_the_end(room: Room) -> None:
    """An answer that comes after the socket is gone is dropped."""
    connection, transport = room.enter()
    transport.close()
    connection.reply(1, b"{}")
    connection.reply_error(1, Refused("closed", "Closed."))
    assert transport.frames == []


async def test_who_does_not_read_replies_is_cut_off(room: Room) -> None:
    """Replies cannot be skipped as states can, so past a limit the socket goes."""
    connection, transport = room.enter()
    transport.backed_up = LIMITS.reply_buffer_bytes
    connection.reply(1, b"{}")
    assert not transport.end
    transport.backed_up += 1
    connection.reply(2, b"{}")
    assert transport.end == "aborted"
    assert len(transport.frames) == 1


async def test_outcomes_of_a_cast_as_they_are_told(room: Room) -> None:
    """Committed; accepted and later durable; refused with or without a hint when to come back."""
    connection, transport = room.enter()
    request = '{"id":%d,"op":"cast","show":7,"votes":[[101,"up"]]}'
    for number in (1, 2, 3):
        await connection._take(request % number)
    assert [cast[:3] for cast in room.casts] == [(7, 42, [(101, "up")])] * 3
    assert connection.pending_count == 3
    first, second, third = [cast[3] for cast in room.casts]
    first.answered(131, "committed", "101u102d", 3)
    ballot = {"101": "up", "102": "down"}
    assert transport.messages()[-1] == {
        "re": 1,
        "ok": {"at": 131, "durability": "committed", "ballot": ballot, "remaining": 3},
    }
    second.answered(132, "accepted", "", None)
    assert transport.messages()[-1] == {
        "re": 2,
        "ok": {"at": 132, "durability": "accepted", "ballot": {}, "remaining": None},
    }
    second.committed(7, 132)
    assert transport.messages()[-1] == {"committed": {"show": 7, "at": 132}}
    third.refused(Refused("unavailable", "Away.", retry_after_ms=1000))
    assert transport.messages()[-1] == {
        "re": 3, "error": {"code": "unavailable", "message": "Away.", "retry_after_ms": 1000},
    }  # fmt: skip
    assert connection.pending_count == 0


async def test_too_many_unanswered_casts(room: Room) -> None:
    """Past the limit a connection is told to wait, and goes on as soon as one is answered."""
    connection, transport = room.enter()
    request = '{"id":1,"op":"cast","show":7,"votes":[[101,"up"]]}'
    for _ in range(PENDING_PER_CONNECTION_MAX + 1):
        await connection._take(request)
    assert len(room.casts) == PENDING_PER_CONNECTION_MAX
    assert transport.messages()[-1]["error"]["code"] == "overloaded"
    assert transport.messages()[-1]["error"]["retry_after_ms"] > 0
    room.casts[0][3].answered(1, "committed", "", None)
    await connection._take(request)
    assert len(room.casts) == PENDING_PER_CONNECTION_MAX + 1


async def test_a_cast_that_is_refused_at_once_is_not_pending(room: Room) -> None:
    """The place it would have taken is free."""
    connection, transport = room.enter()

    def refuse(*_: Any) -> None:
        raise Refused("overloaded", "Full.", retry_after_ms=1000)

    object.__setattr__(room.services, "submit", refuse)
    await connection._take('{"id":9,"op":"ballot","show":7}')
    assert transport.messages()[-1] == {
        "re": 9,
        "error": {"code": "overloaded", "message": "Full.", "retry_after_ms": 1000},
    }
    assert connection.pending_count == 0


async def _hello(connection: WebsocketConnection, token: str) -> None:
    await connection._take(json.dumps({"id": 1, "op": "hello", "token": token}))


async def test_a_token_that_ends_is_announced_once_and_then_closes(room: Room) -> None:
    """A minute before, the client is told; at the end it is told why, and closed with 4401; others stay."""
    connection, transport = room.enter()
    _, other = room.enter()
    await _hello(connection, "42 3600")
    connection.heard_s = math.inf  # alive, and not pinged
    said = len(transport.frames)
    room.sweep_for(3600 - EXPIRY_NOTICE_MS / 1000 - SWEEP_INTERVAL_S)
    assert len(transport.frames) == said
    room.sweep_for(SWEEP_INTERVAL_S)
    assert transport.messages()[said:] == [{"expiring": {"in_ms": EXPIRY_NOTICE_MS}}]
    room.sweep_for(EXPIRY_NOTICE_MS / 1000 - SWEEP_INTERVAL_S)
    assert len(transport.frames) == said + 1
    assert not transport.end
    room.sweep_for(SWEEP_INTERVAL_S)
    assert transport.messages()[-1]["error"]["code"] == "unauthenticated"
    assert (transport.close_code(), transport.end) == (4401, "closed")
    assert 4401 not in (frame[2:4] for frame in other.frames)


async def test_a_second_hello_refreshes(room: Room) -> None:
    """With a newer token the connection lives on, and is warned before the end of that one; another user may take over."""
    connection, transport = room.enter()
    connection.heard_s = math.inf
    await _hello(connection, "42 61")
    room.sweep_for(2)
    assert "expiring" in transport.messages()[-1]
    await _hello(connection, "42 3600")
    said = len(transport.frames)
    room.sweep_for(3600 - EXPIRY_NOTICE_MS / 1000 - SWEEP_INTERVAL_S)
    assert (len(transport.frames), transport.end) == (said, "")
    await connection._take('{"id":2,"op":"cast","show":7,"votes":[[101,"up"]]}')
    await _hello(connection, "43 30")
    await connection._take('{"id":3,"op":"cast","show":7,"votes":[[101,"up"]]}')
    assert [cast[1] for cast in room.casts] == [42, 43]
    room.sweep_for(SWEEP_INTERVAL_S)
    assert transport.messages()[-1] == {"expiring": {"in_ms": 29_000}}


async def test_who_is_banned_cannot_say_hello(room: Room) -> None:
    """Refused with the reason, and closed with 4403."""
    connection, transport = room.enter()
    room.banned[43] = "You are banned for good: x"
    with pytest.raises(Disconnect) as end:
        await _hello(connection, "43 3600")
    assert transport.messages()[-1]["error"]["message"] == "You are banned for good: x"
    assert end.value.close_code == 4403
    assert connection.identity == Identity(42, "user")


async def test_who_is_dismissed(room: Room) -> None:
    """Every connection of an identity, with the reason; nobody else's, and not one whose rights are others."""
    connections = [room.enter() for _ in range(3)]
    connections[2][0].sign_in(Identity(42, "moderator"))
    assert room.sockets.identities() == {Identity(42, "user"), Identity(42, "moderator")}
    room.sockets.dismiss({Identity(42, "user"): Disconnect(4403, "You are banned for good: " + "x" * 1000)})
    for _, transport in connections[:2]:
        assert transport.messages()[-1]["error"]["message"].startswith("You are banned")
        assert (transport.close_code(), transport.end) == (4403, "closed")
    assert not connections[2][1].end


async def test_who_connects_and_asks_nothing(room: Room) -> None:
    """Closed with 4002 after a while; a single request is enough to stay, and so is a malformed one."""
    silent, transport = room.enter()
    asking, there = room.enter()
    silent.has_asked = asking.has_asked = False
    await asking._take("{")
    room.sweep_for(DEFAULT_LIMITS.hello_s)
    assert not transport.end
    room.sweep_for(SWEEP_INTERVAL_S)
    assert (transport.close_code(), transport.end) == (4002, "closed")
    assert not there.end


async def test_a_hello_takes_a_seat_and_leaves_one(room: Room) -> None:
    """Counted once a user, however often they say hello; whoever is refused a seat keeps the one they had."""
    limits = room.services.connection_limits
    connections = [room.enter()[0] for _ in range(LIMITS.connections_per_user + 1)]
    for connection in connections[:-1]:
        await _hello(connection, "7 3600")
        await _hello(connection, "7 3600")
    await _hello(connections[-1], "8 3600")
    assert room.entries == [7] * LIMITS.connections_per_user + [8]
    with pytest.raises(Disconnect) as end:
        await _hello(connections[-1], "7 3600")
    assert end.value.close_code == 4003
    assert connections[-1].identity == Identity(8, "user")
    assert {user: bucket.holder_count for user, bucket in limits._users.items()} == {7: 3, 8: 1}
    await _hello(connections[0], "8 3600")
    assert {user: bucket.holder_count for user, bucket in limits._users.items()} == {7: 2, 8: 2}
