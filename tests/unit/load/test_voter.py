"""Voters and lines over a transport that only remembers: answers, refusals, losses, new sessions."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import msgspec
import orjson
import pytest
from picows import WSMsgType

from server.cli.scoreboard import Scoreboard, Update, bar
from server.client import websocket as line_module
from server.client import wire
from server.client.http import Session, Setlist, Show, Song, Unreachable, in_turns
from server.client.websocket import Line, websocket_url
from server.errors import Refused
from server.load.counts import Counts
from server.load.plan import Plan, make_poll
from server.load.view import Views
from server.load.voter import Voter
from server.load.watcher import Watcher

SONGS = [101, 102, 103, 104]
SETTLED_S = 2.0


class Transport:
    """Remembers what was sent; `answer` makes the server's replies."""

    close_handshake = None

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.is_open = True

    def send(self, _: WSMsgType, payload: bytes) -> None:
        """A frame leaves."""
        self.sent.append(orjson.loads(payload))

    def send_close(self) -> None:
        """The close frame leaves."""
        self.is_open = False

    def disconnect(self, graceful: bool = True) -> None:  # picows' own signature
        """The socket closes."""
        self.is_open = False


class Frame:
    """A text frame."""

    msg_type = WSMsgType.TEXT

    def __init__(self, message: dict[str, Any]) -> None:
        self._payload = orjson.dumps(message)

    def get_payload_as_bytes(self) -> bytes:
        """The JSON."""
        return self._payload


class ApiClient:
    """A server's side: every connection made, hello answered by itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.transports: list[Transport] = []
        self.connected = asyncio.Event()
        self.refuse_count = 0
        monkeypatch.setattr(line_module, "ws_connect", self._connect)
        monkeypatch.setattr(line_module, "BACKOFF_FIRST_S", 0.001)

    async def _connect(self, factory: Any, *_: Any, **__: Any) -> tuple[Transport, Line]:
        if self.refuse_count:
            self.refuse_count -= 1
            raise ConnectionRefusedError("not yet")
        line = factory()
        transport = Transport()
        self.transports.append(transport)
        asyncio.get_running_loop().call_soon(self._greet, line, transport)
        return transport, line

    def _greet(self, line: Line, transport: Transport) -> None:
        answered = 0
        for request in transport.sent:
            if request["op"] == "hello":
                self.say(line, {"re": request["id"], "ok": {"user": None, "role": "user"}})
                answered += 1
            elif request["op"] == "subscribe":
                channels = {
                    name: {"at": 5, "state": {"tally": [[101, 1, 0]], "total": 1}} for name in request["channels"]
                }
                self.say(line, {"re": request["id"], "ok": {"channels": channels}})
        if line.is_ready and line.transport is transport:
            self.connected.set()
        elif line.transport is transport or not answered:
            asyncio.get_running_loop().call_soon(self._greet, line, transport)

    @staticmethod
    def say(line: Line, message: dict[str, Any]) -> None:
        """The server sends a message."""
        line.on_ws_frame(line.transport, Frame(message))  # type: ignore[arg-type]  # a stand-in

    async def open(self, line: Line) -> None:
        """The first connection."""
        await line.open()
        async with asyncio.timeout(SETTLED_S):
            await self.connected.wait()

    async def lose(self, line: Line) -> None:
        """The connection breaks; returns when the line is back."""
        self.connected.clear()
        line.on_ws_disconnected(line.transport)  # type: ignore[arg-type]  # a stand-in
        async with asyncio.timeout(SETTLED_S):
            await self.connected.wait()


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    return ApiClient(monkeypatch)


def _session(number: int) -> Session:
    return msgspec.convert({"token": f"t{number}", "user": {"id": number}}, Session)


class Party:
    """A voter, what it counts, and its frames."""

    def __init__(self, *, in_flight_max: int = 1, held_max: int | None = None) -> None:
        self.counts = Counts()
        self.free: list[Voter] = []
        self.sessions = iter(range(2, 100))
        self.voter = Voter(
            "ws://nowhere/ws",
            _session(1),
            rng=Random(1),
            plan=Plan([make_poll(7, SONGS, held_max, 1)], index=0, seed=1, votes_per_cast=1),
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
        """Sends one cast and gives its frame."""
        assert self.voter.cast()
        return self.last()

    def last(self) -> dict[str, Any]:
        """The last frame of the present connection."""
        assert isinstance(self.voter.transport, Transport)
        return self.voter.transport.sent[-1]

    def choices(self) -> dict[int, str]:
        """What the model says the present user holds."""
        return {song: choice for _, model in self.voter.models() for song, choice in model.choices.items()}


async def test_an_acknowledged_cast_is_in_the_model(api: ApiClient) -> None:
    """A committed cast is counted, timed, sampled and held."""
    party = Party()
    await api.open(party.voter)
    cast = party.cast()
    assert not party.voter.cast()  # one in flight is all it may have
    api.say(party.voter, {"re": cast["id"], "ok": {"at": 9, "durability": "committed", "ballot": {}, "remaining": 3}})
    [[song, choice]] = cast["votes"]
    assert party.choices() == {song: choice}
    assert (party.counts.sent, party.counts.committed, party.counts.votes) == (1, 1, 1)
    assert party.counts.samples[0][:2] == (7, 9)
    assert party.free == [party.voter, party.voter]  # once when it entered, once when it was answered


async def test_a_refused_cast_is_undone(api: ApiClient) -> None:
    """After `closed` the model holds what it held before, and the show is left."""
    party = Party()
    await api.open(party.voter)
    cast = party.cast()
    api.say(party.voter, {"re": cast["id"], "error": {"code": "closed", "message": "", "retry_after_ms": None}})
    assert party.choices() == {}
    assert party.voter.plan.polls == []
    assert party.counts.errors == {"closed": 1}
    assert not party.voter.cast()


async def test_a_cast_refused_for_now_is_sent_again_after_the_pause(api: ApiClient) -> None:
    """`rate_limited` is honoured: nothing is sent before retry_after_ms, then the same votes are."""
    party = Party(in_flight_max=2)
    await api.open(party.voter)
    cast = party.cast()
    api.say(party.voter, {"re": cast["id"], "error": {"code": "rate_limited", "message": "", "retry_after_ms": 60_000}})
    assert not party.voter.cast()
    assert party.last() == cast
    party.voter._resume()
    again = party.last()
    assert (again["votes"], party.counts.resent) == (cast["votes"], 1)
    assert again["id"] != cast["id"]


async def test_unanswered_casts_are_sent_again_after_a_loss(api: ApiClient) -> None:
    """A lost connection comes back, and what was under way is said once more; both answers leave one choice."""
    party = Party(in_flight_max=2)
    await api.open(party.voter)
    first, second = party.cast(), party.cast()
    api.refuse_count = 3
    await api.lose(party.voter)
    assert [request["op"] for request in api.transports[1].sent] == ["hello", "cast", "cast"]
    assert [request["votes"] for request in api.transports[1].sent[1:]] == [first["votes"], second["votes"]]
    assert party.counts.reconnects == 1
    for request in api.transports[1].sent[1:]:
        api.say(party.voter, {"re": request["id"], "ok": {"at": 9, "durability": "committed"}})
    assert party.choices() == dict([*first["votes"], *second["votes"]])
    assert party.voter.is_settled


async def test_an_unanswered_cast_is_in_doubt(api: ApiClient) -> None:
    """What was sent and never answered may be held or not, and the model says so."""
    party = Party()
    await api.open(party.voter)
    [[song, choice]] = party.cast()["votes"]
    [(_, model)] = party.voter.models()
    assert model.doubts == {song: frozenset({choice, "none"})}


async def test_a_cast_refused_after_a_loss_stays_in_doubt_until_voted_anew(api: ApiClient) -> None:
    """The attempt before the loss may have been taken, so only a ballot or a newer cast can tell."""
    party = Party()
    await api.open(party.voter)
    [[song, choice]] = party.cast()["votes"]
    await api.lose(party.voter)
    again = party.last()
    api.say(party.voter, {"re": again["id"], "error": {"code": "internal", "message": "", "retry_after_ms": None}})
    [(_, model)] = party.voter.models()
    assert model.doubts == {song: frozenset({choice, "none"})}
    party.voter._resume()
    for _ in range(30):
        cast = party.cast()
        api.say(party.voter, {"re": cast["id"], "ok": {"at": 9, "durability": "committed"}})
    assert party.voter.models()[0][1].doubts == {}


async def test_accepted_casts_wait_for_their_commit(api: ApiClient) -> None:
    """An accepted cast settles with the `committed` of its own show and position only."""
    party = Party()
    await api.open(party.voter)
    cast = party.cast()
    api.say(party.voter, {"re": cast["id"], "ok": {"at": 9, "durability": "accepted"}})
    api.say(party.voter, {"committed": {"show": 7, "at": 8}})
    assert party.voter.unsettled() == (0, 1)
    api.say(party.voter, {"committed": {"show": 7, "at": 9}})
    assert party.voter.is_settled
    assert (party.counts.accepted, party.counts.confirmed) == (1, 1)


async def test_accepted_casts_are_sent_again_after_a_loss_unless_newer_ones_replaced_them(api: ApiClient) -> None:
    """Sending an accepted state again is how its durability is learnt; an outdated one must not come back."""
    party = Party(held_max=1)  # with room for one, the second cast is about the same song
    await api.open(party.voter)
    first = party.cast()
    api.say(party.voter, {"re": first["id"], "ok": {"at": 9, "durability": "accepted"}})
    second = party.cast()
    assert second["votes"][0][0] == first["votes"][0][0]
    api.say(party.voter, {"re": second["id"], "ok": {"at": 10, "durability": "accepted"}})
    await api.lose(party.voter)
    assert [request["votes"] for request in api.transports[1].sent[1:]] == [second["votes"]]
    assert party.counts.orphaned == 2


async def test_a_spent_budget_makes_a_new_session(api: ApiClient) -> None:
    """After `budget` the voter goes on as another user, and the first one's ballot is still to be compared."""
    party = Party()
    await api.open(party.voter)
    cast = party.cast()
    api.say(party.voter, {"re": cast["id"], "ok": {"at": 9, "durability": "committed"}})
    [[song, choice]] = cast["votes"]
    api.connected.clear()
    refused = party.cast()
    api.say(party.voter, {"re": refused["id"], "error": {"code": "budget", "message": "", "retry_after_ms": None}})
    async with asyncio.timeout(SETTLED_S):
        await api.connected.wait()
    assert api.transports[1].sent[0]["token"] == "t2"
    assert [(identity.session.token, dict(model.choices)) for identity, model in party.voter.models()] == [
        ("t1", {song: choice}),
    ]
    assert party.voter.can_cast


async def test_a_close_code_of_4400_and_up_ends_a_line(api: ApiClient) -> None:
    """Who is told not to come back does not."""
    party = Party()
    await api.open(party.voter)

    class Info:
        code = 4403

    class Handshake:
        recv = Info

    assert isinstance(party.voter.transport, Transport)
    party.voter.transport.close_handshake = Handshake  # type: ignore[assignment]  # a stand-in
    party.voter.on_ws_disconnected(party.voter.transport)  # type: ignore[arg-type]  # likewise
    assert party.voter.is_finished
    assert party.counts.errors == {"close_4403": 1}
    assert len(api.transports) == 1


async def test_a_watcher_says_what_it_holds_when_it_comes_back(api: ApiClient) -> None:
    """After a loss the subscribe carries the position held, and the pushes go on from there."""
    views, counts = Views(), Counts()
    watcher = Watcher("ws://nowhere/ws", Random(1), counts, views, views.open(7, "one"))
    await api.open(watcher)
    assert "since" not in api.transports[0].sent[1]
    api.say(watcher, {"ch": "votes:7", "at": 6, "tally": [[101, 2, 0]], "total": 2})
    await api.lose(watcher)
    assert api.transports[1].sent[1]["since"] == {"votes:7": 6}
    assert counts.frames == 1


async def test_a_hello_refused_for_good_is_not_repeated(api: ApiClient) -> None:
    """A bad token is counted and ends the line instead of hammering the server."""
    party = Party()
    asked = asyncio.create_task(party.voter.keep_open())
    while party.voter.transport is None or not party.last():
        await asyncio.sleep(0)
    api.say(party.voter, {"re": 1, "error": {"code": "unauthenticated", "message": "", "retry_after_ms": None}})
    await asked
    assert party.voter.is_finished
    assert party.counts.errors == {"unauthenticated": 1}


async def test_asking_a_lost_line_fails_at_once(api: ApiClient) -> None:
    """A question under way when the connection breaks is answered with ConnectionError, not with a timeout."""
    party = Party()
    await api.open(party.voter)
    question = asyncio.create_task(party.voter.ask(lambda number: wire.ballot_frame(number, 7)))
    await asyncio.sleep(0)
    await api.lose(party.voter)
    with pytest.raises(ConnectionError):
        await question
    answered = asyncio.create_task(party.voter.ask(lambda number: wire.ballot_frame(number, 7)))
    await asyncio.sleep(0)
    api.say(party.voter, {"re": party.last()["id"], "error": {"code": "not_found", "message": "no"}})
    with pytest.raises(Refused):
        await answered


def test_cast_frames_are_what_the_protocol_decodes() -> None:
    """A frame formatted by hand is the request it is meant to be."""
    from server.protocol.messages import Ballot, Cast, Hello, Subscribe, decode_request

    assert decode_request(wire.cast_frame(4, 7, [(101, "up"), (102, "none")])) == Cast(
        id=4, show=7, votes=[(101, "up"), (102, "none")]
    )
    assert decode_request(wire.hello_frame(1, 't"1')) == Hello(id=1, token='t"1')
    assert decode_request(wire.ballot_frame(5, 7)) == Ballot(id=5, show=7)
    assert decode_request(wire.subscribe_frame(2, ["votes:7"], {"votes:7": 3})) == Subscribe(
        id=2, channels=["votes:7"], since={"votes:7": 3}
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://a:1", "ws://a:1/ws"), ("https://a/", "wss://a/ws"), ("http://a/base", "ws://a/base/ws")],
)
def test_the_websocket_address_follows_from_the_server_s(url: str, expected: str) -> None:
    """Http becomes ws and https wss, below the same path."""
    assert websocket_url(url) == expected


def test_an_address_without_a_scheme_is_refused() -> None:
    """A host alone says nothing about how to speak to it."""
    with pytest.raises(ValueError, match="http"):
        websocket_url("localhost:8080")


async def test_turns_are_bounded_and_ordered() -> None:
    """Never more at once than allowed, results in the items' order, the first failure ends it."""
    running, most = 0, 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        if number == 99:
            raise Unreachable("99")
        return number * 2

    assert await in_turns(range(20), work, 3) == [number * 2 for number in range(20)]
    assert most == 3
    with pytest.raises(Unreachable):
        await in_turns([1, 99, 2], work, 2)
    assert await in_turns([], work, 2) == []


def _board() -> Scoreboard:
    songs = [Song(101, 3, 1, "Airbag"), Song(102, 5, 0, "Lucky")]
    return Scoreboard(Show(7, voting="open", status="live", name="Radiohead", setlists=[Setlist(songs)]))


def test_a_board_tells_each_change_once() -> None:
    """A push gives one line for what it changes and none for what it repeats; an old one changes nothing."""
    board = _board()
    push = Update(at=9, tally=[(101, 4, 1), (102, 5, 0)], total=10)
    assert board.apply("votes:7", push) == ["Airbag: 4 up, 1 down"]
    assert board.apply("votes:7", push) == []
    assert board.apply("votes:7", Update(at=8, tally=[(101, 0, 0)])) == []
    assert board.apply("status:7", Update(at=1, voting="closed")) == ["Radiohead: live, voting closed"]
    assert (board.tally[101], board.total) == ((4, 1), 10)


def test_a_board_is_drawn_with_the_favourite_on_top() -> None:
    """Songs are ordered by their ups, what does not fit is counted, the connection is named."""
    from rich.console import Console

    board = _board()
    assert board.connected("live") == ["connection: live"]
    console = Console(width=120, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(board.draw(1))
    text = capture.get()
    assert "Lucky" in text
    assert "Airbag" not in text
    assert "and 1 more" in text
    assert "● live" in text


def test_bars_are_measured_against_the_longest() -> None:
    """The longest bar fills its room, half of it half the room, nothing none."""
    assert len(bar(5, 5, 10).plain) == 32
    assert len(bar(5, 0, 10).plain) == 16
    assert bar(0, 0, 0).plain == ""
