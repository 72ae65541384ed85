"""Every operation and every kind of channel of the websocket × every role. A new one without a line here fails."""

from __future__ import annotations

from typing import Any

import pytest

from server.node.node import Node
from server.protocol.channels import SUBJECTS
from server.protocol.messages import OPS
from tests.support import one_node
from tests.support.people import People
from tests.support.row_factory import RowFactory, Show
from tests.support.socket_client import SocketClient

database_url, redis_url, node, factory = one_node.database_url, one_node.redis_url, one_node.node, one_node.factory
people = one_node.people

ROLES = ("anyone", "user", "moderator", "admin")

# The least role that may join: while everybody may see a show's counts, and while they are hidden.
CHANNELS = {
    "votes": ("anyone", "moderator"),
    "song": ("anyone", "moderator"),
    "setlist": ("anyone", "anyone"),
    "status": ("anyone", "anyone"),
    "attendance": ("anyone", "anyone"),
    "followers": ("anyone", "anyone"),
    "trending": ("anyone", "anyone"),
    "activity": ("anyone", "anyone"),
    "overview": ("admin", "admin"),
}
# The least role that may ask for it, and what is asked.
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "subscribe": ("anyone", {"channels": ["trending"]}),
    "unsubscribe": ("anyone", {"channels": ["trending"]}),
    "ping": ("anyone", {}),
    "cast": ("user", {"show": "{show}", "votes": [["{song}", "up"]]}),
    "ballot": ("user", {"show": "{show}"}),
    "attend": ("user", {"show": "{show}", "going": True}),
    "follow": ("user", {"artist": 1, "following": True}),
    # Its token says who asks: without one it has nothing to do.
    "hello": ("user", {"token": "{token}"}),
}


def filled(value: Any, places: dict[str, Any]) -> Any:
    """A value with the places filled in."""
    if isinstance(value, dict):
        return {key: filled(each, places) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, places) for each in value]
    return places.get(value, value) if isinstance(value, str) else value


async def show_of(factory: RowFactory, number: int, *, is_hidden: bool = False) -> Show:
    """An open show, made once, in which nobody needs a vote to see the counts."""
    if not await factory.sql.fetchval("select exists (select from shows where id = $1)", number):
        await factory.show(number)
    songs = await factory.sql.fetch("select id from setlist_songs where show_id = $1 order by id", number)
    if is_hidden:
        await factory.sql.execute("update shows set results = 'after_closing' where id = $1", number)
    return Show(number, [row[0] for row in songs])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("is_hidden", [False, True])
@pytest.mark.parametrize("kind", SUBJECTS)
async def test_channels(node: Node, people: People, kind: str, is_hidden: bool, role: str) -> None:
    """A channel is joined by those who may, and refused to all others."""
    assert kind in CHANNELS, f"CHANNELS does not say who may join {kind}"
    show = await show_of(people.factory, 8 if is_hidden else 7, is_hidden=is_hidden)
    subject = {"show": show.id, "song": show.first, "artist": 1, None: 0}[SUBJECTS[kind]]
    name = kind if SUBJECTS[kind] is None else f"{kind}:{subject}"
    least = CHANNELS[kind][is_hidden]
    async with SocketClient.connect(node.url) as client:
        if role != "anyone":
            token = (await people.person(role)).token
            assert token is not None
            await client.hello(token)
        state = (await client.watch(name))[name]
    assert ("error" not in state) == (ROLES.index(role) >= ROLES.index(least)), state


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("op", OPS)
async def test_operations(node: Node, people: People, op: str, role: str) -> None:
    """An operation is done for those who may, and refused as `unauthenticated` to all others."""
    least, fields = ASKED[op]
    show = await show_of(people.factory, 7)
    async with SocketClient.connect(node.url) as client:
        token = None if role == "anyone" else (await people.person(role)).token
        if token is not None and op != "hello":
            await client.hello(token)
        places = {"{show}": show.id, "{song}": show.first, "{token}": token or ""}
        reply = await client.ask(op, **filled(fields, places))
    if ROLES.index(role) >= ROLES.index(least):
        assert "ok" in reply, reply
    else:
        assert reply["error"]["code"] == "unauthenticated", reply
