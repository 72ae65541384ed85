"""The sweep over all connections, and one websocket's requests and replies, with a clock that a test moves."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from server.errors import Disconnect, Refused
from server.live.connection import PING_INTERVAL_S
from server.live.connection_limits import ConnectionLimits
from server.live.hub import Hub
from server.live.pusher import Pusher
from server.live.services import Services
from server.live.sockets import DRAIN_SLICE_SOCKETS, PONG_TIMEOUT_S, SWEEP_INTERVAL_S, Sockets
from server.live.states import State
from server.live.watchers import WatcherCounts
from server.live.websocket import EXPIRY_NOTICE_MS, PENDING_PER_CONNECTION_MAX, WebsocketConnection
from server.protocol.codes import Code
from server.protocol.embargo import Audience
from server.protocol.frames import ping_frame
from server.protocol.identity import Identity
from server.protocol.limits import DEFAULT_LIMITS, Limits
from server.protocol.outcomes import Marked, Waiter
from server.store.turns import Turns
from server.voting.rules import ballot_json
from tests.support.clock import FakeClock
from tests.support.transport import RecordingTransport

LIMITS = Limits(connections_per_user=3, requests_per_s=10, requests_per_s_of_user=20)


class Room:
    """Sockets with a fake clock. casts and marks: all that were submitted, each with its waiter."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sockets = Sockets(self.clock)
        self.banned: dict[int, str] = {}
        self.entries: list[int] = []
        self.casts: list[tuple[int, int, list[tuple[int, str]], Waiter]] = []
        self.marks: list[tuple[Marked, int, int, bool, Waiter]] = []
        self.hub = Hub(self._load, WatcherCounts(), Pusher(self.clock), self.clock)
        self.services = Services(
            hub=self.hub,
            connection_limits=ConnectionLimits(LIMITS),
            clock=self.clock,
            node="node",
            installation="installation",
            submit=self._submit,
            mark=self._mark,
            authenticate=self._authenticate,
            why_banned=self.banned.get,
            count_entry=self._count_entry,
            why_hidden=self._why_hidden,
            load_turns=Turns("channels", 2),
            ballot_json=ballot_json,
        )

    def _submit(
        self, show: int, user: int, votes: Sequence[tuple[int, str]], waiter: Waiter, _order: int | None
    ) -> None:
        self.casts.append((show, user, [*votes], waiter))

    async def _why_hidden(self, audience: Audience, _show: int, _identity: Identity | None) -> Refused | None:
        return None if audience is Audience.EVERYONE else Refused(Code.FORBIDDEN, "Hidden.")

    async def _load(self, _kind: str, _subject: int) -> State | None:
        return None

    async def _mark(self, marked: Marked, subject: int, user: int, waiter: Waiter, *, wanted: bool) -> None:
        self.marks.append((marked, subject, user, wanted, waiter))

    async def _count_entry(self, user_id: int) -> None:
        self.entries.append(user_id)

    async def _authenticate(self, token: str) -> Identity:
        """A token here is a user id and the seconds for which it is good."""
        user, _, ttl_s = token.partition(" ")
        return Identity(int(user), "user", expires_ms=self.clock.now_ms() + int(ttl_s) * 1000)

    def enter(self) -> tuple[WebsocketConnection, RecordingTransport]:
        """Opens one more connection, signed in."""
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


async def test_a_talking_client_is_not_pinged(room: Room) -> None:
    """Every received frame proves that the client is alive."""
    connection, transport = room.enter()
    for _ in range(10):
        room.sweep_for(PING_INTERVAL_S - 2 * SWEEP_INTERVAL_S)
        connection.heard_s = room.clock.monotonic_s()
    assert transport.frames == []


async def test_a_client_without_pongs_is_stale(room: Room) -> None:
    """After a ping without a pong the socket is closed with 4002; the others stay."""
    _, silent = room.enter()
    alive, there = room.enter()
    room.sweep_for(PING_INTERVAL_S + PONG_TIMEOUT_S)
    assert not silent.end
    alive.heard_s = room.clock.monotonic_s()
    room.sweep_for(SWEEP_INTERVAL_S)
    assert (silent.close_code(), silent.end) == (4002, "closed")
    assert not there.end


async def test_a_client_that_reads_nothing_is_cut(room: Room) -> None:
    """Even if it talks, and without a close frame, which would wait behind the unread bytes. A client that reads slowly stays."""
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


async def test_a_client_that_reads_no_close_frame_is_cut(room: Room) -> None:
    """Its connection would otherwise wait for ever behind the unread bytes."""
    connection, transport = room.enter()
    transport.backed_up = 1_000
    room.sweep_for(SWEEP_INTERVAL_S)
    connection.hang_up(4000, "drain")
    room.sweep_for(LIMITS.stalled_s)
    assert transport.end == "closed"
    room.sweep_for(SWEEP_INTERVAL_S)
    assert transport.end == "aborted"


async def test_a_removed_connection_is_not_swept(room: Room) -> None:
    """Connections are added and removed, and a second removal does no harm."""
    connection, transport = room.enter()
    assert len(room.sockets) == 1
    room.sockets.remove(connection)
    room.sockets.remove(connection)
    room.sweep_for(PING_INTERVAL_S * 3)
    assert (len(room.sockets), transport.frames) == (0, [])


async def test_draining_sends_all_clients_away(room: Room) -> None:
    """Each gets the time to come back and is closed with 4000; a connection that closes already is left alone."""
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


async def test_nothing_is_written_after_the_end(room: Room) -> None:
    """A reply after the end of the socket is dropped."""
    connection, transport = room.enter()
    transport.close()
    connection.reply(1, b"{}")
    connection.reply_error(1, Refused("closed", "Closed."))
    assert transport.frames == []


async def test_a_client_that_does_not_read_replies_is_cut(room: Room) -> None:
    """Replies cannot be skipped as states can, so the socket is cut past a limit."""
    connection, transport = room.enter()
    ends = []
    for backed_up in (LIMITS.reply_buffer_bytes, LIMITS.reply_buffer_bytes + 1):
        transport.backed_up = backed_up
        connection.reply(1, b"{}")
        ends.append(transport.end)
    assert ends == ["", "aborted"]
    assert len(transport.frames) == 1


async def test_the_replies_to_a_cast(room: Room) -> None:
    """Committed; accepted and later durable; refused with or without the time to come back."""
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
    """Past the limit a connection is refused, until one of its casts is answered."""
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
    """It does not count against the limit of unanswered casts."""
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
    """A minute before, the client is warned; at the end it gets the reason and is closed with 4401; others stay."""
    connection, transport = room.enter()
    staying, other = room.enter()
    await _hello(connection, "42 3600")
    connection.heard_s = staying.heard_s = math.inf  # alive, and not pinged
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
    assert (other.frames, other.end) == ([], "")


async def test_a_second_hello_refreshes(room: Room) -> None:
    """A newer token keeps the connection open until a warning before its own end; another user may sign in instead."""
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


async def test_a_banned_user_cannot_sign_in(room: Room) -> None:
    """Refused with the reason, and closed with 4403."""
    connection, transport = room.enter()
    room.banned[43] = "You are banned for good: x"
    with pytest.raises(Disconnect) as end:
        await _hello(connection, "43 3600")
    assert transport.messages()[-1]["error"]["message"] == "You are banned for good: x"
    assert end.value.close_code == 4403
    assert connection.identity == Identity(42, "user")


async def test_dismissals_by_identity(room: Room) -> None:
    """Every connection of an identity is closed with the reason, but not one with the same user and other rights."""
    connections = [room.enter() for _ in range(3)]
    connections[2][0].sign_in(Identity(42, "moderator"))
    assert room.sockets.identities() == {Identity(42, "user"), Identity(42, "moderator")}
    room.sockets.dismiss({Identity(42, "user"): Disconnect(4403, "You are banned for good: " + "x" * 1000)})
    for _, transport in connections[:2]:
        assert transport.messages()[-1]["error"]["message"].startswith("You are banned")
        assert (transport.close_code(), transport.end) == (4403, "closed")
    assert not connections[2][1].end


async def test_a_client_without_requests_is_closed(room: Room) -> None:
    """Closed with 4002 after a while; a single request, even a malformed one, keeps the connection open."""
    silent, transport = room.enter()
    asking, there = room.enter()
    silent.has_asked = asking.has_asked = False
    await asking._take("{")
    room.sweep_for(DEFAULT_LIMITS.hello_s)
    assert not transport.end
    room.sweep_for(SWEEP_INTERVAL_S)
    assert (transport.close_code(), transport.end) == (4002, "closed")
    assert not there.end


async def test_a_hello_counts_the_connection_for_its_user(room: Room) -> None:
    """Counted once, however many hellos it sends; a refused hello leaves the connection with its user before."""
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
