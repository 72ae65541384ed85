"""Voters and watchers on a fake transport: answers, refusals, lost connections, new users."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any, cast

import msgspec
import orjson
import pytest
from picows import WSMsgType

from server.client import websocket as websocket_module
from server.client import wire as client_wire
from server.client.http import Session
from server.client.websocket import ReconnectingWebsocket
from server.errors import Refused
from server.load import wire
from server.load.counts import Counts
from server.load.plan import Plan, make_poll
from server.load.view import Views
from server.load.voter import Voter
from server.load.watcher import Watcher

SONGS = [101, 102, 103, 104]
SETTLED_S = 2.0


class Transport:
    """Keeps the sent messages."""

    close_handshake: Any = None

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.is_open = True

    def send(self, _: WSMsgType, payload: bytes) -> None:
        """Keeps a message."""
        self.sent.append(orjson.loads(payload))

    def send_close(self) -> None:
        """Marks the transport as closed."""
        self.is_open = False

    def disconnect(self, graceful: bool = True) -> None:  # picows' own signature
        """Marks the transport as closed."""
        self.is_open = False


class Frame:
    """A text frame."""

    msg_type = WSMsgType.TEXT

    def __init__(self, message: dict[str, Any]) -> None:
        self._payload = orjson.dumps(message)

    def get_payload_as_bytes(self) -> bytes:
        """The JSON of the message."""
        return self._payload


class FakeServer:
    """The server side of each connection; it answers hello and subscribe by itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.transports: list[Transport] = []
        self.connected = asyncio.Event()
        self.refuse_count = 0
        monkeypatch.setattr(websocket_module, "ws_connect", self._connect)
        monkeypatch.setattr(websocket_module, "BACKOFF_FIRST_S", 0.001)

    async def _connect(self, factory: Any, *_: Any, **__: Any) -> tuple[Transport, ReconnectingWebsocket]:
        if self.refuse_count:
            self.refuse_count -= 1
            raise ConnectionRefusedError("not yet")
        connection = factory()
        transport = Transport()
        self.transports.append(transport)
        asyncio.get_running_loop().call_soon(self._greet, connection, transport)
        return transport, connection

    def _greet(self, connection: ReconnectingWebsocket, transport: Transport) -> None:
        answered = 0
        for request in transport.sent:
            if request["op"] == "hello":
                self.send(connection, {"re": request["id"], "ok": {"user": None, "role": "user"}})
                answered += 1
            elif request["op"] == "subscribe":
                channels = {
                    name: {"at": 5, "state": {"tally": [[101, 1, 0]], "total": 1}} for name in request["channels"]
                }
                self.send(connection, {"re": request["id"], "ok": {"channels": channels}})
        is_current = cast("Any", connection.transport) is transport
        if connection.is_ready and is_current:
            self.connected.set()
        elif is_current or not answered:
            asyncio.get_running_loop().call_soon(self._greet, connection, transport)

    @staticmethod
    def send(connection: ReconnectingWebsocket, message: dict[str, Any]) -> None:
        """Sends a message to the client."""
        connection.on_ws_frame(connection.transport, Frame(message))  # type: ignore[arg-type]  # a stand-in

    async def open(self, connection: ReconnectingWebsocket) -> None:
        """Opens the first connection."""
        await connection.open()
        async with asyncio.timeout(SETTLED_S):
            await self.connected.wait()

    async def lose(self, connection: ReconnectingWebsocket) -> None:
        """Breaks the connection; returns when it is open again."""
        self.connected.clear()
        connection.on_ws_disconnected(connection.transport)  # type: ignore[arg-type]  # a stand-in
        async with asyncio.timeout(SETTLED_S):
            await self.connected.wait()


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    return FakeServer(monkeypatch)


def _session(number: int) -> Session:
    return msgspec.convert({"token": f"t{number}", "user": {"id": number}}, Session)


class VoterCase:
    """A voter, its counts and its frames."""

    def __init__(self, *, in_flight_max: int = 1, votes_max: int | None = None) -> None:
        self.counts = Counts()
        self.free: list[Voter] = []
        self.sessions = iter(range(2, 100))
        self.voter = Voter(
            "ws://nowhere/ws",
            _session(1),
            rng=Random(1),
            plan=Plan([make_poll(7, SONGS, votes_max, 1)], index=0, seed=1, votes_per_cast=1),
            counts=self.counts,
            views=Views(),
            watching=(),
            in_flight_max=in_flight_max,
            sign_in=self._sign_in,
            on_free=self.free.append,
        )

    async def _sign_in(self) -> Session:
        return _session(next(self.sessions))

    def cast(self) -> dict[str, Any]:
        """Sends a cast; gives its frame."""
        assert self.voter.cast()
        return self.last()

    def last(self) -> dict[str, Any]:
        """The last frame on the present connection."""
        return self.transport().sent[-1]

    def transport(self) -> Transport:
        """The fake transport of the present connection."""
        return cast("Transport", self.voter.transport)

    def choices(self) -> dict[int, str]:
        """The expected choices of all users of the voter."""
        return {
            song: choice for _, expected in self.voter.expected_ballots() for song, choice in expected.choices.items()
        }


async def test_an_acknowledged_cast_is_expected(server: FakeServer) -> None:
    """A committed cast is counted, timed, sampled and in the expected ballot."""
    case = VoterCase()
    await server.open(case.voter)
    sent = case.cast()
    assert not case.voter.cast()  # only one cast in flight is allowed
    server.send(
        case.voter, {"re": sent["id"], "ok": {"at": 9, "durability": "committed", "ballot": {}, "remaining": 3}}
    )
    [[song, choice]] = sent["votes"]
    assert case.choices() == {song: choice}
    assert (case.counts.sent, case.counts.committed, case.counts.votes) == (1, 1, 1)
    assert case.counts.samples[0][:2] == (7, 9)
    assert case.free == [case.voter, case.voter]  # when it was ready, and when it was answered


async def test_a_refused_cast_is_undone(server: FakeServer) -> None:
    """After `closed` the expected ballot is as before the cast, and the voter leaves the show."""
    case = VoterCase()
    await server.open(case.voter)
    sent = case.cast()
    server.send(case.voter, {"re": sent["id"], "error": {"code": "closed", "message": "", "retry_after_ms": None}})
    assert case.choices() == {}
    assert case.voter.plan.polls == []
    assert case.counts.errors == {"closed": 1}
    assert not case.voter.cast()


async def test_a_cast_refused_for_now_is_sent_again_after_the_pause(server: FakeServer) -> None:
    """After `rate_limited` nothing is sent before retry_after_ms; then the same votes are sent."""
    case = VoterCase(in_flight_max=2)
    await server.open(case.voter)
    sent = case.cast()
    server.send(
        case.voter, {"re": sent["id"], "error": {"code": "rate_limited", "message": "", "retry_after_ms": 60_000}}
    )
    assert not case.voter.cast()
    assert case.last() == sent
    case.voter._resume()
    again = case.last()
    assert (again["votes"], case.counts.resent) == (sent["votes"], 1)
    assert again["id"] != sent["id"]


async def test_unanswered_casts_are_sent_again_after_a_loss(server: FakeServer) -> None:
    """After a reconnect unanswered casts are sent once more, in their order, and their answers settle them."""
    case = VoterCase(in_flight_max=2)
    await server.open(case.voter)
    first, second = case.cast(), case.cast()
    server.refuse_count = 3
    await server.lose(case.voter)
    assert [request["op"] for request in server.transports[1].sent] == ["hello", "cast", "cast"]
    assert [request["votes"] for request in server.transports[1].sent[1:]] == [first["votes"], second["votes"]]
    assert case.counts.reconnects == 1
    for request in server.transports[1].sent[1:]:
        server.send(case.voter, {"re": request["id"], "ok": {"at": 9, "durability": "committed"}})
    assert case.choices() == dict([*first["votes"], *second["votes"]])
    assert case.voter.is_settled


async def test_an_unanswered_cast_is_in_doubt(server: FakeServer) -> None:
    """A sent cast without an answer may have been taken or not; the expected ballot allows both."""
    case = VoterCase()
    await server.open(case.voter)
    [[song, choice]] = case.cast()["votes"]
    [(_, expected)] = case.voter.expected_ballots()
    assert expected.doubts == {song: frozenset({choice, "none"})}


async def test_a_cast_refused_after_a_loss_stays_in_doubt_until_the_next_vote(server: FakeServer) -> None:
    """The server may have taken the attempt before the loss; only a ballot or a newer cast settles it."""
    case = VoterCase()
    await server.open(case.voter)
    [[song, choice]] = case.cast()["votes"]
    await server.lose(case.voter)
    again = case.last()
    server.send(case.voter, {"re": again["id"], "error": {"code": "internal", "message": "", "retry_after_ms": None}})
    [(_, expected)] = case.voter.expected_ballots()
    assert expected.doubts == {song: frozenset({choice, "none"})}
    case.voter._resume()
    for _ in range(30):
        sent = case.cast()
        server.send(case.voter, {"re": sent["id"], "ok": {"at": 9, "durability": "committed"}})
    assert case.voter.expected_ballots()[0][1].doubts == {}


async def test_accepted_casts_wait_for_their_commit(server: FakeServer) -> None:
    """Only a `committed` with its show and position settles an accepted cast."""
    case = VoterCase()
    await server.open(case.voter)
    sent = case.cast()
    server.send(case.voter, {"re": sent["id"], "ok": {"at": 9, "durability": "accepted"}})
    server.send(case.voter, {"committed": {"show": 7, "at": 8}})
    assert case.voter.unsettled() == (0, 1)
    server.send(case.voter, {"committed": {"show": 7, "at": 9}})
    assert case.voter.is_settled
    assert (case.counts.accepted, case.counts.confirmed) == (1, 1)


async def test_accepted_casts_are_sent_again_after_a_loss_unless_newer_ones_replaced_them(server: FakeServer) -> None:
    """Repeating an accepted cast tells whether it is committed; an outdated choice must not be repeated."""
    case = VoterCase(votes_max=1)  # with one vote allowed, the second cast is on the same song
    await server.open(case.voter)
    first = case.cast()
    server.send(case.voter, {"re": first["id"], "ok": {"at": 9, "durability": "accepted"}})
    second = case.cast()
    assert second["votes"][0][0] == first["votes"][0][0]
    server.send(case.voter, {"re": second["id"], "ok": {"at": 10, "durability": "accepted"}})
    await server.lose(case.voter)
    assert [request["votes"] for request in server.transports[1].sent[1:]] == [second["votes"]]
    assert case.counts.cut_off == 2


async def test_a_spent_budget_makes_a_new_user(server: FakeServer) -> None:
    """After `budget` the voter goes on as a new user; the first user's ballot is still expected."""
    case = VoterCase()
    await server.open(case.voter)
    sent = case.cast()
    server.send(case.voter, {"re": sent["id"], "ok": {"at": 9, "durability": "committed"}})
    [[song, choice]] = sent["votes"]
    server.connected.clear()
    refused = case.cast()
    server.send(case.voter, {"re": refused["id"], "error": {"code": "budget", "message": "", "retry_after_ms": None}})
    async with asyncio.timeout(SETTLED_S):
        await server.connected.wait()
    assert server.transports[1].sent[0]["token"] == "t2"
    assert [(user.session.token, dict(expected.choices)) for user, expected in case.voter.expected_ballots()] == [
        ("t1", {song: choice}),
    ]
    assert case.voter.can_cast


async def test_a_close_code_of_4400_and_up_ends_a_connection(server: FakeServer) -> None:
    """A client that is told not to come back does not reconnect."""
    case = VoterCase()
    await server.open(case.voter)

    class Info:
        code = 4403

    class Handshake:
        recv = Info

    case.transport().close_handshake = Handshake
    case.voter.on_ws_disconnected(case.transport())  # type: ignore[arg-type]  # a stand-in
    assert case.voter.is_finished
    assert case.counts.errors == {"close_4403": 1}
    assert len(server.transports) == 1


async def test_a_watcher_sends_its_position_when_it_reconnects(server: FakeServer) -> None:
    """After a loss the subscribe carries the position of the view."""
    views, counts = Views(), Counts()
    watcher = Watcher("ws://nowhere/ws", Random(1), counts, views, views.open(7, "one"))
    await server.open(watcher)
    assert "since" not in server.transports[0].sent[1]
    server.send(watcher, {"ch": "votes:7", "at": 6, "tally": [[101, 2, 0]], "total": 2})
    await server.lose(watcher)
    assert server.transports[1].sent[1]["since"] == {"votes:7": 6}
    assert counts.frames == 1


async def test_a_hello_refused_for_good_is_not_repeated(server: FakeServer) -> None:
    """A bad token is counted, and the client does not try again."""
    case = VoterCase()
    asked = asyncio.create_task(case.voter.open_with_retries())
    while case.voter.transport is None or not case.last():
        await asyncio.sleep(0)
    server.send(case.voter, {"re": 1, "error": {"code": "unauthenticated", "message": "", "retry_after_ms": None}})
    await asked
    assert case.voter.is_finished
    assert case.counts.errors == {"unauthenticated": 1}


async def test_a_request_on_a_lost_connection_fails_at_once(server: FakeServer) -> None:
    """A running request gets a ConnectionError when the connection breaks, not a timeout."""
    case = VoterCase()
    await server.open(case.voter)
    question = asyncio.create_task(
        case.voter.ask(lambda number: client_wire.request_frame(number, "ballot", {"show": 7}))
    )
    await asyncio.sleep(0)
    await server.lose(case.voter)
    with pytest.raises(ConnectionError):
        await question
    answered = asyncio.create_task(
        case.voter.ask(lambda number: client_wire.request_frame(number, "ballot", {"show": 7}))
    )
    await asyncio.sleep(0)
    server.send(case.voter, {"re": case.last()["id"], "error": {"code": "not_found", "message": "no"}})
    with pytest.raises(Refused):
        await answered


def test_the_protocol_decodes_the_frames() -> None:
    """The server decodes each frame of the client and the crowd as the intended request."""
    from server.protocol.messages import Ballot, Cast, Hello, Subscribe, decode_request

    assert decode_request(wire.cast_frame(4, 7, [(101, "up"), (102, "none")], 9)) == Cast(
        id=4, show=7, votes=[(101, "up"), (102, "none")], order=9
    )
    assert decode_request(client_wire.hello_frame(1, 't"1')) == Hello(id=1, token='t"1')
    assert decode_request(client_wire.request_frame(5, "ballot", {"show": 7})) == Ballot(id=5, show=7)
    assert decode_request(client_wire.subscribe_frame(2, ["votes:7"], {"votes:7": 3})) == Subscribe(
        id=2, channels=["votes:7"], since={"votes:7": 3}
    )
