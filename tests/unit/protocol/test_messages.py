"""Decoding of clients' messages, well formed and malformed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.errors import Refused
from server.protocol.channels import SUBJECTS, parse_channel
from server.protocol.http.parameters import parse_body
from server.protocol.messages import (
    CHANNELS_PER_REQUEST_MAX,
    INBOUND_BYTES_MAX,
    OPS,
    TOKEN_CHARS_MAX,
    VOTES_PER_CAST_MAX,
    Attend,
    BadRequest,
    Ballot,
    Cast,
    Follow,
    Hello,
    Ping,
    Request,
    Subscribe,
    Unsubscribe,
    VotesBody,
    decode_request,
)

BIG = 2**53

REQUESTS = [
    ('{"id":1,"op":"hello","token":"abc"}', Hello(1, "abc")),
    ('{"id":1,"op":"hello"}', Hello(1, None)),
    ('{"id":1,"op":"hello","token":null}', Hello(1, None)),
    ('{"id":2,"op":"subscribe","channels":["votes:7"]}', Subscribe(2, ["votes:7"], {})),
    (
        '{"id":2,"op":"subscribe","channels":["votes:7","status:7"],"since":{"votes:7":123}}',
        Subscribe(2, ["votes:7", "status:7"], {"votes:7": 123}),
    ),
    ('{"id":3,"op":"unsubscribe","channels":["votes:7"]}', Unsubscribe(3, ["votes:7"])),
    ('{"id":4,"op":"cast","show":7,"votes":[[101,"up"],[102,"none"]]}', Cast(4, 7, [(101, "up"), (102, "none")])),
    ('{"id":5,"op":"ballot","show":7}', Ballot(5, 7)),
    ('{"id":6,"op":"attend","show":7,"going":true}', Attend(6, 7, True)),
    ('{"id":7,"op":"follow","artist":3,"following":false}', Follow(7, 3, False)),
    ('{"id":8,"op":"ping"}', Ping(8)),
    ('{"id":0,"op":"ping"}', Ping(0)),
    ('{"id":8,"op":"ping","more":{"than":["we",1,null]},"weight":1e400}', Ping(8)),
    ('  {"op" : "ping", "id" : 8}\n', Ping(8)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "request_"), REQUESTS)
def test_every_request_is_decoded(text: str, request_: Request) -> None:
    """Each op with its fields; unknown fields are ignored."""
    assert decode_request(text) == request_
    assert decode_request(text.encode()) == request_


def test_every_op_has_an_example_here() -> None:
    """No op is missing in this file."""
    assert {json.loads(text)["op"] for text, _ in REQUESTS[:-2]} == set(OPS)


def cast(votes: Any, show: Any = 7) -> str:
    return json.dumps({"id": 4, "op": "cast", "show": show, "votes": votes})


WITH_ID = [
    '{"id":4}',
    '{"id":4,"op":"dance"}',
    '{"id":4,"op":""}',
    '{"id":4,"op":null}',
    '{"id":4,"op":5}',
    '{"id":4,"op":["cast"]}',
    '{"id":4,"op":{}}',
    '{"id":4,"op":"PING "}',
    '{"id":4,"op":"cast"}',
    '{"id":4,"op":"cast","show":7}',
    '{"id":4,"op":"ballot"}',
    '{"id":4,"op":"ballot","show":"7"}',
    '{"id":4,"op":"ballot","show":0}',
    '{"id":4,"op":"ballot","show":-7}',
    '{"id":4,"op":"ballot","show":7.5}',
    '{"id":4,"op":"ballot","show":true}',
    '{"id":4,"op":"ballot","show":null}',
    f'{{"id":4,"op":"ballot","show":{BIG}}}',
    f'{{"id":4,"op":"ballot","show":{"9" * 400}}}',
    '{"id":4,"op":"ballot","show":1e400}',
    cast([]),
    cast("up"),
    cast({"101": "up"}),
    cast([101, "up"]),
    cast([[101]]),
    cast([[101, "up", 1]]),
    cast([["101", "up"]]),
    cast([[101, "UP"]]),
    cast([[101, "sideways"]]),
    cast([[101, None]]),
    cast([[101, True]]),
    cast([[101, "up"], [BIG, "up"]]),
    cast([[0, "up"]]),
    cast([[-1, "up"]]),
    cast([[1.5, "up"]]),
    cast([[101, "up"]], show="7"),
    cast([[song, "up"] for song in range(1, VOTES_PER_CAST_MAX + 2)]),
    cast([[song, "up"] for song in range(1, 501)]),
    '{"id":4,"op":"hello","token":5}',
    json.dumps({"id": 4, "op": "hello", "token": "x" * (TOKEN_CHARS_MAX + 1)}),
    '{"id":4,"op":"subscribe"}',
    '{"id":4,"op":"subscribe","channels":[]}',
    '{"id":4,"op":"subscribe","channels":"votes:7"}',
    '{"id":4,"op":"subscribe","channels":[7]}',
    '{"id":4,"op":"subscribe","channels":[""]}',
    '{"id":4,"op":"subscribe","channels":["votes:7"],"since":[1]}',
    '{"id":4,"op":"subscribe","channels":["votes:7"],"since":{"votes:7":-1}}',
    f'{{"id":4,"op":"subscribe","channels":["votes:7"],"since":{{"votes:7":{BIG}}}}}',
    '{"id":4,"op":"subscribe","channels":["votes:7"],"since":{"votes:7":"1"}}',
    json.dumps({"id": 4, "op": "subscribe", "channels": ["x" * 65]}),
    json.dumps({"id": 4, "op": "unsubscribe", "channels": ["votes:7"] * (CHANNELS_PER_REQUEST_MAX + 1)}),
]


@pytest.mark.parametrize("text", WITH_ID, ids=lambda text: text[:60])
def test_a_bad_request_is_refused_under_its_id(text: str) -> None:
    """Where the id can be read, the refusal has it, so that the client knows its request."""
    with pytest.raises(BadRequest) as refusal:
        decode_request(text)
    assert (refusal.value.code, refusal.value.request_id) == ("bad_request", 4)
    assert len(refusal.value.message) < 250


WITHOUT_ID = [
    "",
    " ",
    "{",
    "}",
    "null",
    "true",
    "7",
    '"ping"',
    "[]",
    '[{"id":4,"op":"ping"}]',
    "{'id':4,'op':'ping'}",
    '{"id":4,"op":"ping"',
    '{"id":4,"op":"ping"}}',
    '{"id":4,"op":"ping"}{"id":5,"op":"ping"}',
    '{"id":4,"op":"ping",}',
    '{"id":NaN,"op":"ping"}',
    '{"op":"ping"}',
    '{"id":null,"op":"ping"}',
    '{"id":"4","op":"ping"}',
    '{"id":4.5,"op":"ping"}',
    '{"id":true,"op":"ping"}',
    '{"id":-1,"op":"ping"}',
    f'{{"id":{BIG},"op":"ping"}}',
    f'{{"id":{"9" * 5000},"op":"ping"}}',
    '{"id":4,"op":"hello","token":"\\ud800"}',
    '{"id":4,"op":"hello","token":"\\udfff\\ud800"}',
    '{"id":4,"op":"hello","token":"\x00"}',
    "\x00",
    "\ufeff" + '{"id":4,"op":"ping"}',
    "[" * 100_000,
    '{"a":' * 20_000,
    "[" * 8_000 + "]" * 8_000,
    '{"id":4,"op":"ping","x":' + "[" * 8_000 + "]" * 8_000 + "}",
    '{"id":4,"op":"ping","x":' + '{"x":' * 2_700 + "1" + "}" * 2_700 + "}",
    '{"id":4,"op":"cast","show":7,"votes":' + "[" * 8_000 + "]" * 8_000 + "}",
]


@pytest.mark.parametrize("text", WITHOUT_ID, ids=lambda text: text[:40].encode("unicode_escape").decode())
def test_malformed_messages_are_refused_without_an_id(text: str) -> None:
    """Malformed JSON, deep nesting, a bad id: refused, and nothing else happens."""
    with pytest.raises(BadRequest) as refusal:
        decode_request(text)
    assert refusal.value.request_id is None
    assert len(refusal.value.message) < 250


@pytest.mark.parametrize("data", [b"\xff", b'{"id":4,"op":"hello","token":"\xff\xfe"}', b"\xed\xa0\x80", b"\x00"])
def test_invalid_utf_8_is_refused(data: bytes) -> None:
    """It can reach the decoder in bodies."""
    with pytest.raises(BadRequest):
        decode_request(data)
    with pytest.raises(Refused):
        parse_body(data, VotesBody)


@pytest.mark.parametrize(
    "text", ['{"id":4,"op":"hello","token":"s3cret-token"', '{"id":4,"op":"hello","token":["s3cret-token"]}']
)
def test_a_refusal_never_repeats_what_was_sent(text: str) -> None:
    """Messages are logged and shown, and tokens must not be."""
    with pytest.raises(BadRequest) as refusal:
        decode_request(text)
    assert "s3cret" not in refusal.value.message


@given(st.text(max_size=200) | st.binary(max_size=200))
@example("[" * INBOUND_BYTES_MAX)
def test_noise_is_refused(data: str | bytes) -> None:
    """For any input the decoder gives a request or a refusal."""
    try:
        decode_request(data)
    except BadRequest:
        pass
    except UnicodeEncodeError:
        assert isinstance(data, str), "a lone surrogate cannot come off the wire"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("id", "op", "show", "votes", "channels", "since", "token"), JSON_VALUES)
        | {"op": st.sampled_from(OPS)},
    )
)
def test_wrong_types_never_get_past_the_decoder(fields: dict[str, Any]) -> None:
    """Known names with arbitrary values: every decoded request has the declared types and bounds."""
    try:
        request = decode_request(json.dumps(fields))
    except (BadRequest, UnicodeEncodeError):
        return
    assert type(request.id) is int
    assert 0 <= request.id < BIG
    if isinstance(request, Cast):
        assert all(type(song) is int and 0 < song < BIG for song, _ in request.votes)
        assert all(choice in ("up", "down", "none") for _, choice in request.votes)


def test_a_body_of_votes_is_decoded() -> None:
    """The same list as in a cast."""
    assert parse_body(b'{"votes":[[101,"up"]],"more":1}', VotesBody).votes == [(101, "up")]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"votes":[]}', b'{"votes":[[1,"maybe"]]}', b'{"votes":' + b"[" * 10_000, b"votes=1"]
)
def test_a_bad_body_is_refused(body: bytes) -> None:
    """The same bounds as in a cast."""
    with pytest.raises(Refused) as refusal:
        parse_body(body, VotesBody)
    assert refusal.value.code == "bad_request"


@pytest.mark.parametrize("kind", [kind for kind, subject in SUBJECTS.items() if subject is None])
def test_a_channel_without_a_subject_has_no_id(kind: str) -> None:
    """There is one such channel of the kind."""
    assert parse_channel(kind) == (kind, 0)


@pytest.mark.parametrize("kind", [kind for kind, subject in SUBJECTS.items() if subject is not None])
def test_a_channel_is_named_by_kind_and_id(kind: str) -> None:
    """Every such kind, with a small and the largest id."""
    assert parse_channel(f"{kind}:7") == (kind, 7)
    assert parse_channel(f"{kind}:{BIG - 1}") == (kind, BIG - 1)


@pytest.mark.parametrize(
    "name",
    ["", ":", "votes", "votes:", "votes:x", "votes:0", "votes:07", "votes:-7", "votes:7 ", " votes:7", "votes:7:7",
     "votes:7.0", "VOTES:7", "votes :7", "votes:٧", "votes:²", "votes:\x007", "votes:7\x00", f"votes:{BIG}",
     "votes:" + "9" * 58, "dreams:7", "7:votes", "trending:", "trending:7", "activity:0", "followers", "song"],
)  # fmt: skip
def test_any_other_name_is_not_found(name: str) -> None:
    """Two spellings of one channel would be two channels with half the watchers each."""
    with pytest.raises(Refused) as refusal:
        parse_channel(name)
    assert refusal.value.code == "not_found"
