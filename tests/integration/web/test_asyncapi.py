"""The messages over `/ws` are those of `/api/asyncapi.json`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]  # it has no types

from server.live.websocket import EXPIRY_NOTICE_MS
from server.node.node import Node
from server.people.sessions import mint_token
from server.protocol.replies import KINDS, OPERATIONS
from server.web.asyncapi import PATH, describe
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET
from tests.support.socket_client import Message, SocketClient

DOCUMENT: dict[str, Any] = {**describe()}
NOTICES = {"committed", "drain", "expiring", "unsubscribed"}


def closed(node: Any) -> Any:
    """A schema that refuses unnamed fields, so that a field which is sent but not described is found."""
    if isinstance(node, dict):
        told = {name: closed(value) for name, value in node.items()}
        if "properties" in told and isinstance(told.get("required"), list):
            told.setdefault("additionalProperties", False)
        return told
    return [closed(value) for value in node] if isinstance(node, list) else node


COMPONENTS = closed(DOCUMENT["components"])
VALIDATORS = {
    name: Draft202012Validator(message["payload"] | {"components": COMPONENTS})
    for name, message in COMPONENTS["messages"].items()
}


def check(message: Message, ops: dict[int, str]) -> str:
    """Validates a message, and gives its name in the document. Takes: ops, by the id of their request."""
    op = ops.get(message.get("re", -1))
    if "error" in message:
        name = "error"
        assert op is None or message["error"]["code"] in DOCUMENT["operations"][op]["x-codes"]
    elif op is not None:
        name = f"{op}_reply"
    elif "ch" in message:
        name = f"{message['ch'].partition(':')[0]}_push"
    else:
        (name,) = NOTICES & message.keys()
    VALIDATORS[name].validate(message)
    for channel, joined in message.get("ok", {}).get("channels", {}).items():
        if "state" in joined:
            state = KINDS[channel.partition(":")[0]].state.__name__
            Draft202012Validator({"$ref": f"#/components/schemas/{state}", "components": COMPONENTS}).validate(
                joined["state"]
            )
    return name


class Noted(SocketClient):
    """A client that remembers its requests."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        super().__init__(socket)
        self.ops: dict[int, str] = {}

    async def send(self, op: str, **fields: Any) -> int:
        """Sends a request and validates it."""
        request_id = await super().send(op, **fields)
        self.ops[request_id] = op
        if op in OPERATIONS:
            VALIDATORS[op].validate({"id": request_id, "op": op} | json.loads(json.dumps(fields)))
        return request_id


async def test_every_message_is_in_the_document(node: Node, factory: RowFactory) -> None:
    """Every kind of request, reply, refusal, push and notice."""
    show = await factory.show(7, budget=2)
    await factory.show(23, is_locked=True)
    (user_id,) = await factory.users(1)
    admin_id = await factory.sql.fetchval("insert into users (role) values ('admin') returning id")
    async with Noted.connect(node.url) as fan, Noted.connect(node.url) as admin:
        assert isinstance(fan, Noted)
        assert isinstance(admin, Noted)
        await admin.hello(mint_token(SECRET, admin_id, "admin"))
        await admin.watch("overview")
        await admin.push("overview")
        await fan.ok("hello")
        assert await fan.refusal("cast", show=7, votes=[[show.first, "up"]]) == "unauthenticated"
        await fan.hello(mint_token(SECRET, user_id, "user", ttl_s=EXPIRY_NOTICE_MS // 1000 - 1))
        subjects = {"show": ":7", "song": f":{show.first}", "artist": ":1", None: ""}
        names = [f"{kind}{subjects[told.subject]}" for kind, told in KINDS.items() if kind != "overview"]
        states = await fan.watch(*names, "votes:999")
        await fan.watch("votes:7", since={"votes:7": states["votes:7"]["at"]})
        await fan.cast(7, (show.songs[0], "up"), (show.songs[1], "down"))
        await fan.push("votes:7")
        await fan.push(f"song:{show.first}")
        await fan.ok("attend", show=7, going=True)
        await fan.push("attendance:7", lambda push: push["going"] == 1)
        await fan.ok("follow", artist=1, following=True)
        await fan.push("followers:1")
        assert await fan.refusal("follow", artist=999, following=True) == "not_found"
        await fan.ok("ballot", show=7)
        assert await fan.refusal("cast", show=7, votes=[[show.songs[2], "up"]]) == "budget"
        assert await fan.refusal("cast", show=23, votes=[[1, "up"]]) == "locked"
        assert await fan.refusal("ballot", show=999) == "not_found"
        await factory.sql.execute("update setlist_songs set played_at = now() where id = $1", show.first)
        await factory.sql.execute("update shows set status = 'live' where id = 7")
        await fan.push("setlist:7", lambda push: push["setlists"][0]["songs"][0]["played_at"] is not None)
        await fan.push("status:7", lambda push: push["now_playing"] == show.first)
        await fan.push("activity")
        await factory.sql.execute("select update_trending_scores()")
        await fan.push("trending", lambda push: bool(push["shows"]))
        async with factory.sql.transaction():
            # PostgreSQL is slow: the cast is answered before it is durable.
            await factory.sql.execute("lock table log_positions in exclusive mode")
            slow = await fan.cast(7, (show.songs[1], "up"))
        assert slow["durability"] == "accepted"
        await fan.next(lambda message: "committed" in message)
        await factory.sql.execute("update shows set results = 'after_closing' where id = 7")
        await fan.push("status:7", lambda push: push["results"] == "after_closing")
        assert (await fan.watch("votes:7"))["votes:7"]["error"]["code"] == "forbidden"
        await factory.sql.execute("update shows set results = 'live' where id = 7")
        await fan.push("status:7", lambda push: push["results"] == "live")
        await fan.watch("votes:7")
        await fan.ok("ping")
        await fan.ok("unsubscribe", channels=["votes:7"])
        await fan.socket.send_str("{}")
        await fan.next(lambda message: message.get("re", 0) is None)
        if not any("expiring" in message for message in fan.heard):
            await fan.next(lambda message: "expiring" in message)
        draining = asyncio.create_task(node.rooms.sockets.drain())
        assert await fan.close_code() == 4000
        await draining
        said = {check(message, fan.ops) for message in fan.heard}
        said |= {check(message, admin.ops) for message in admin.heard}
    assert said == VALIDATORS.keys() - set(OPERATIONS)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"ch": "votes:7", "at": 1, "tally": [[1, 2]], "total": 0},
        {"ch": "votes:7", "at": 1, "tally": [], "total": 0, "more": 1},
        {"ch": "votes:7", "tally": [], "total": 0},
        {"re": 1, "error": {"code": "so what", "message": "", "retry_after_ms": None}},
        {"committed": {"show": 7}},
    ],
)
def test_an_undescribed_message_is_found(spoilt: Message) -> None:
    """One field too many, one too few, a wrong one."""
    with pytest.raises(ValidationError):
        check(spoilt, {})


async def test_the_document_is_served(node: Node) -> None:
    """Unchanged, as JSON."""
    async with aiohttp.ClientSession() as http, http.get(f"{node.url}{PATH}") as response:
        assert response.content_type == "application/json"
        assert await response.json() == json.loads(json.dumps(DOCUMENT))
