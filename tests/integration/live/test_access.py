"""Bans, roles, erased accounts and tokens close open sockets on every node."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from server.node.node import Node
from server.people.sessions import mint_token
from server.protocol.identity import COOKIE
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET, running_node, until
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people, moderator = one_node.node, one_node.emptied, one_node.people, one_node.moderator


def by_header(person: Person) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {person.token}"}}


def by_cookie(person: Person) -> dict[str, Any]:
    return {"headers": {"Cookie": f"{COOKIE}={person.token}"}}


async def ban(moderator: Person, person: Person, kind: str) -> int:
    body = {"kind": kind, "reason": "Sold votes"}
    made = await moderator.ok("POST", f"/api/admin/users/{person.id}/bans", body, status=201)
    return int(made["id"])


async def test_a_ban_from_everything_closes_on_every_node(
    node: Node, people: People, factory: RowFactory, database_url: str, redis_url: str
) -> None:
    """Open sockets get the reason and are closed with 4403, new ones are refused; readers and other fans stay."""
    show = await factory.show(7)
    ann, ben, cat, moderator = [*await people.persons(3), await people.person("moderator")]
    async with (
        running_node(database_url, redis_url) as second,
        SocketClient.connect(node.url, **by_header(ann)) as here,
        SocketClient.connect(second.url, **by_cookie(ann)) as there,
        SocketClient.connect(second.url) as said_hello,
        SocketClient.connect(node.url, **by_header(ben)) as voteless,
        SocketClient.connect(node.url, **by_header(cat)) as other,
        SocketClient.connect(node.url) as reader,
    ):
        await said_hello.hello(ann.token or "")
        await ban(moderator, ben, "vote")
        ban_id = await ban(moderator, ann, "all")
        for client in (here, there, said_hello):
            assert await client.close_code() == 4403
            error = client.heard[-1]["error"]
            assert (error["code"], error["message"]) == ("forbidden", "You are banned permanently. Reason: Sold votes")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            async with SocketClient.connect(node.url, **by_header(ann)):
                pass
        assert refusal.value.status == 403
        async with SocketClient.connect(node.url, **by_cookie(ann)) as again:
            assert await again.close_code() == 4403
            assert again.heard[-1]["error"]["message"] == "You are banned permanently. Reason: Sold votes"
        assert await reader.refusal("hello", token=ann.token) == "forbidden"
        assert await reader.close_code() == 4403
        # A ban from voting keeps the connection open; other fans are not affected.
        assert await voteless.refusal("cast", show=7, votes=[[show.first, "up"]]) == "forbidden"
        assert "state" in (await voteless.watch("votes:7"))["votes:7"]
        await other.cast(7, (show.first, "up"))
        await moderator.ask("DELETE", f"/api/admin/users/{ann.id}/bans/{ban_id}")

        async def is_back() -> bool:
            async with SocketClient.connect(second.url) as client:
                return "ok" in await client.ask("hello", token=ann.token)

        await until(is_back)


async def test_a_role_taken_away_and_an_account_erased(
    node: Node, people: People, factory: RowFactory, database_url: str, redis_url: str
) -> None:
    """A lower role than the socket's: 4401, on another node too; a higher one: it stays; erased: 1000."""
    lowered, raised, erased, admin = [await people.person(role) for role in ("moderator", "moderator", "user", "admin")]
    async with (
        running_node(database_url, redis_url) as second,
        SocketClient.connect(second.url, **by_header(lowered)) as losing,
        SocketClient.connect(second.url, **by_header(raised)) as rising,
        SocketClient.connect(second.url, **by_header(erased)) as leaving,
    ):
        assert (await losing.ok("hello"))["role"] == "moderator"
        for person, role in ((lowered, "user"), (raised, "admin")):
            await admin.ok("PATCH", f"/api/admin/users/{person.id}", {"role": role})
        await erased.ask("DELETE", "/api/me")
        assert await losing.close_code() == 4401
        assert await leaving.close_code() == 1000
        assert leaving.heard[-1]["error"]["code"] == "unauthenticated"
        assert await rising.is_alive()


async def test_a_token_ends_while_connected(node: Node, factory: RowFactory) -> None:
    """A client that is warned and sends hello with a new one stays; another is closed with 4401."""
    users = await factory.users(2)
    async with SocketClient.connect(node.url) as renewing, SocketClient.connect(node.url) as idle:
        await renewing.hello(mint_token(SECRET, users[0], "user", ttl_s=30))
        warning = await renewing.next(lambda message: "expiring" in message)
        assert 0 < warning["expiring"]["in_ms"] <= 30_000
        await renewing.hello(mint_token(SECRET, users[0], "user"))
        await idle.hello(mint_token(SECRET, users[1], "user", ttl_s=1))
        assert await idle.close_code() == 4401
        assert idle.heard[-1]["error"]["code"] == "unauthenticated"
        assert await renewing.is_alive()
