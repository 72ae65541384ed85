"""What reads bytes of strangers, and what it may answer: each target takes any bytes and raises when the reader does what it may not."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http import WebSocketReader

from server.catalog.cursors import DistanceCursor, ShowCursor, SlugCursor
from server.errors import Refused, SetupError
from server.game.leaderboards import PointsCursor
from server.moderation.queue import QueueCursor
from server.protocol.channels import parse_channel
from server.protocol.frames import WHOLE_TEXT
from server.protocol.http.cursors import Cursor, IdCursor, InstantCursor, decode_cursor, encode_cursor
from server.protocol.messages import INBOUND_BYTES_MAX, Cast, Subscribe, decode_request, request_id_of
from server.sync.clients import musicbrainz, setlistfm, spotify, ticketmaster
from server.sync.clients.responses import WAIT_S_MAX, Response, classify_response, decode
from server.sync.file_parser import read_file
from server.voting.rules import pack_cast
from server.web.upgraded import Upgraded

CURSORS: tuple[type[Cursor], ...] = (
    IdCursor, InstantCursor, ShowCursor, SlugCursor, DistanceCursor, QueueCursor, PointsCursor,
)  # fmt: skip
ANSWERS: tuple[Any, ...] = (
    setlistfm.Page, setlistfm.Setlist, setlistfm.Artist, musicbrainz.Artist, musicbrainz._Found, spotify.Artist, spotify._Search,
    spotify._TrackList, ticketmaster.Event, ticketmaster.Venue, ticketmaster._Found, ticketmaster._Errors, str,
)  # fmt: skip
_STATUSES = (200, 200, 200, 200, 304, 404, 429, 503)
_NOW = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
_MESSAGES = tuple(
    json.dumps(message).encode()
    for message in (
        {"op": "hello", "id": 1, "token": "abc.def"},
        {"op": "subscribe", "id": 2, "channels": ["votes:7", "status:7", "trending"], "since": {"votes:7": 17}},
        {"op": "unsubscribe", "id": 3, "channels": ["setlist:7"]},
        {"op": "cast", "id": 4, "show": 7, "votes": [[71, "up"], [72, "down"], [73, "none"]], "order": 5},
        {"op": "ballot", "id": 5, "show": 7},
        {"op": "attend", "id": 6, "show": 7, "going": True},
        {"op": "follow", "id": 7, "artist": 8, "following": False},
        {"op": "ping", "id": 8},
    )
)


@dataclass(frozen=True)
class Target:
    """A reader. run takes an input, and raises when something is wrong; seeds: good inputs."""

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]


# ── frames and messages


class _Wire:
    """The transport and the protocol before, and the registry of connections, as far as a connection asks for them."""

    writing_paused = _reading_paused = False

    def __init__(self) -> None:
        self.transport = self
        self.written = 0

    def set_protocol(self, _protocol: Any) -> None:
        """Nothing reads from it."""

    def is_closing(self) -> bool:
        """It stays open."""
        return False

    def write(self, data: bytes) -> None:
        """Counts what is sent."""
        self.written += len(data)

    def pause_reading(self) -> None:
        """Nothing reads from it."""

    resume_reading = pause_reading

    def lost(self, _upgraded: Upgraded) -> None:
        """Nothing counts connections."""


def _read_frames(data: bytes) -> None:
    """The bytes of one websocket, in pieces: its messages are within the limit, and what is kept of an unfinished one is too."""
    wire: Any = _Wire()
    queue = WebSocketDataQueue(wire, 1 << 16, loop=asyncio.get_running_loop())
    reader = WebSocketReader(queue, INBOUND_BYTES_MAX + 1, compress=False, decode_text=True)
    upgraded = Upgraded(wire, reader, b"", wire, "")
    upgraded.take_at_once = _take_at_once
    piece = 1 + data[0] * 8 if data else 1
    for begin in range(1, len(data), piece):
        upgraded.data_received(data[begin : begin + piece])
    while queue._buffer:
        message, _ = queue._buffer.popleft()
        if message.type is WSMsgType.TEXT:
            _read_message(message.data if isinstance(message.data, bytes) else message.data.encode())
    upgraded.connection_lost(None)


def _take_at_once(payload: bytes) -> bool:
    _read_message(payload)
    return len(payload) % 2 == 0


def _read_message(data: bytes) -> None:
    """One message: it is a request within its limits, or gets an answer that a person understands."""
    request_id_of(data)
    try:
        request = decode_request(data)
    except Refused as refused:
        _check_message(refused.message)
        return
    if isinstance(request, Subscribe):
        for name in (*request.channels, *request.since):
            _allow(Refused, parse_channel, name)
    elif isinstance(request, Cast):
        _allow(Refused, pack_cast, request.show, 1, request.votes, request.order)


def _check_message(message: str) -> None:
    assert 0 < len(message) < 400


def _allow(error: type[Exception], call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except error:
        return None


def _frame(payload: bytes, first: int = WHOLE_TEXT) -> bytes:
    head = (
        bytes((first, 0x80 | len(payload)))
        if len(payload) < 126
        else bytes((first, 0x80 | 126)) + len(payload).to_bytes(2)
    )
    return head + bytes(4) + payload


_FRAMES = (
    *(b"\xff" + _frame(message) for message in _MESSAGES),
    b"\x00" + _frame(_MESSAGES[0][:9], 0x01) + _frame(b"", 0x89) + _frame(_MESSAGES[0][9:], 0x80),
    b"\x05" + b"".join(map(_frame, _MESSAGES)),
    b"\x40" + _frame(b"x" * 300) + _frame(b"\x03\xe8bye", 0x88),
    b"\xff" + bytes((0x81, 0xFF)) + (1 << 40).to_bytes(8) + bytes(40),
)


# ── cursors


def _read_cursor(data: bytes) -> None:
    """The cursor in a query: refused, or the same when it is written again."""
    text = data[1:].decode("utf-8", "replace")
    kind = CURSORS[data[0] % len(CURSORS) if data else 0]
    cursor = _allow(Refused, decode_cursor, text, kind)
    if cursor is not None:
        assert decode_cursor(encode_cursor(cursor), kind) == cursor
        if isinstance(cursor, ShowCursor):
            assert cursor.place_in_group is not None


_CURSOR_VALUES: tuple[Any, ...] = (
    [7], [1_700_000_000_000_000, 7], [2, 1_700_000_000_000_000, 7], ["the-night"], [12.5, 7], [3, 1_700_000_000_000_000, 1, 7], [120, 7],
)  # fmt: skip


# ── files and answers of providers


class _Files:
    """Reads an input as a file, of the kind that its first byte says. Takes: folder, for it."""

    def __init__(self, folder: Path) -> None:
        self._paths = (folder / "songs.csv", folder / "all.json")

    def read(self, data: bytes) -> None:
        """Every record is taken or refused with its line and its reason, or the whole file with a reason."""
        path = self._paths[data[:1] == b"j"]
        path.write_bytes(data[1:])
        parsed = _allow(SetupError, read_file, path)
        if parsed is not None:
            assert all(refusal.line > 0 and refusal.message for refusal in parsed.refusals)
            msgspec.json.encode(parsed.stages)


_FILES = (
    b"cshow,title,position,encore\n2026-09-05 The Night at Hall,Alpha,1,no\n",
    b'cartist;venue;date;time zone\r\nThe Night;"Hall; Berlin";2026-09-05;Europe/Berlin\r\n',
    b"csep=|\nartist|title|duration\nThe Night|Alpha|3:20\n",
    b'cname,latitude,longitude,capacity\nHall,52.5,13.4,"1,200"\n',
    b'cname,genres\n"The ""Night""",rock\n',
    b"c" + "name,country\nMötley,Österreich\n".encode("utf-16"),
    b'j{"artists":[{"name":"The Night"}],"songs":[{"artist":"The Night","title":"Alpha"}],"shows":[{"artist":"The Night","venue":"Hall","date":"2026-09-05"}]}',
    b'j{"setlists":[{"show":"the-night-hall-2026-09-05","songs":["Alpha",{"title":"Beta","encore":true}]}]}',
)  # fmt: skip


def _read_answer(data: bytes) -> None:
    """A provider's answer: good, or a failure with a reason; what is good can be read again, whatever its items are."""
    head, _, body = data[1:].partition(b"\n")
    into = ANSWERS[data[0] % len(ANSWERS) if data else 0]
    status = _STATUSES[data[0] // 32 if data else 0]
    value = head.translate(None, b"\r\0")
    response = Response("/x", status, httpx.Headers([(b"Retry-After", value), (b"Date", value)]), body)
    failure = classify_response(response, into, has_etag=True, now=_NOW, redact=str)
    if failure is not None:
        assert failure.reason
        assert failure.wait_s is None or 0 <= failure.wait_s <= WAIT_S_MAX
    elif status == httpx.codes.OK:
        _look_at(decode(body, into, []))


def _look_at(value: Any) -> None:
    """Asks every part of an answer for everything that it works out."""
    if isinstance(value, msgspec.Struct):
        for name, member in vars(type(value)).items():
            if isinstance(member, property):
                getattr(value, name)
        for name in value.__struct_fields__:
            _look_at(getattr(value, name))
    elif isinstance(value, list | tuple):
        for item in value:
            _look_at(item)


_ANSWERS = (
    (
        b'\x00120\n{"setlist":[{"id":"63de4613","versionId":"g1","eventDate":"05-09-2026","artist":{"mbid":"a","name":"A &amp; B"},"venue":{"id":"v",'
        b'"city":{"coords":{"lat":1.5,"long":2.5},"country":{"code":"DE"}}},"tour":{"name":"T"},"sets":{"set":[{"song":[{"name":"Alpha","cover":{"mbid":"b"}}],'
        b'"encore":1}]}}],"total":1,"page":1,"itemsPerPage":20}'
    ),
    b'\x03Sun, 06 Nov 1994 08:49:37 GMT\n{"id":"a","name":"A","relations":[{"type":"setlistfm","url":{"resource":"https://x"}}],"genres":[{"name":"rock"}]}',
    b'\x06\n{"artists":{"items":[{"id":"s","name":"A","external_urls":{"spotify":"u"}}]},"tracks":{"items":[{"id":"t","name":"Alpha","popularity":5}]}}',
    (
        b'\x08\n{"id":"e","name":"A","dates":{"start":{"localDate":"2027-03-12","localTime":"20:00:00"},"timezone":"Europe/Berlin","status":{"code":"onsale"}},'
        b'"_embedded":{"venues":[{"id":"v","timezone":"Europe/Berlin","location":{"latitude":"52.5","longitude":"13.4"}}],"attractions":[{"id":"a"}]}}'
    ),
    b'\x0a\n{"_embedded":{"events":[{"id":"e","name":"A"}]},"page":{"totalElements":1,"totalPages":1}}',
    b'\xcb30\n{"errors":[{"code":"DIS1004","detail":"x"}]}',
    b"\x0c\nplain text",
)


def targets(folder: Path) -> dict[str, Target]:
    """All of them. Takes: folder, for files that are read. To be run inside an event loop."""
    return {
        "frames": Target(_read_frames, _FRAMES),
        "messages": Target(_read_message, _MESSAGES),
        "cursors": Target(
            _read_cursor,
            [bytes([number]) + _packed(value) for number, value in enumerate(_CURSOR_VALUES)],
        ),
        "files": Target(_Files(folder).read, _FILES),
        "answers": Target(_read_answer, _ANSWERS),
    }


def _packed(value: Any) -> bytes:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(value)).rstrip(b"=")
