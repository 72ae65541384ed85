"""API keys: creation, use, list, revocation, and what a key must not do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from server.errors import Refused, StoreUnavailable
from server.node.node import Node
from server.people.authenticator import LOOKUP_TTL_S, Authenticator
from server.people.keys import hash_key
from server.people.queries import access_monitor
from server.people.sessions import mint_token, verify_token
from server.protocol.identity import Identity
from server.store.database import REQUEST_ROLE, Database
from tests.support import one_node
from tests.support.clock import FakeClock
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET, running_node, until_a_lock_is_awaited
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people, database = one_node.node, one_node.emptied, one_node.people, one_node.database

PATH = "/api/admin/api-keys"
BAD_KEYS = (
    "msk_", "msk_" + "x" * 42, "msk_" + "x" * 44, "msk_" + "x" * 43, "msk_" + "x" * 4000, "MSK_" + "x" * 43,
    "msk_' or true --" + "x" * 31, "msk_" + "_" * 43,
)  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def admin(people: People) -> Person:
    """The administrator who creates the keys."""
    return await people.person("admin")


async def create_key(admin: Person, **body: Any) -> tuple[Person, int]:
    """Gives a program with a new key, and the id of the key."""
    made = await admin.ok("POST", PATH, {"name": "a program", **body}, status=201)
    return replace(admin, token=made["key"]), made["id"]


async def test_a_key_is_shown_once(admin: Person, factory: RowFactory) -> None:
    """It is long and random, acts as its creator, and only its hash is stored."""
    first = await admin.ok("POST", PATH, {"name": "Board 🎸", "role": "moderator"}, status=201)
    second = await admin.ok("POST", PATH, {"name": "Board 🎸", "expires_in_days": 3650}, status=201)
    assert re.fullmatch(r"msk_[A-Za-z0-9_-]{43}", first["key"])
    assert first["key"] != second["key"]
    assert (first["user_id"], first["role"], first["expires_at"]) == (admin.id, "moderator", None)
    assert (second["role"], second["last_used_at"], second["revoked_at"]) == ("user", None, None)
    assert second["expires_at"] > second["created_at"]
    listed = await admin.ok("GET", PATH)
    assert listed == {
        "items": [{name: made[name] for name in made if name != "key"} for made in (second, first)],
        "next": None,
    }
    rows = await factory.sql.fetch("select k::text from api_keys k")
    assert not any(made["key"] in row[0] for made in (first, second) for row in rows)
    audited = await factory.sql.fetch("select actor_id, action, subject, detail from audit_log order by id")
    assert [tuple(row) for row in audited] == [
        (admin.id, "api_key.make", f"api_key:{first['id']}", '{"role": "moderator"}'),
        (admin.id, "api_key.make", f"api_key:{second['id']}", '{"role": "user"}'),
    ]


async def test_keys_are_paged(admin: Person) -> None:
    """Every page size gives each key once, newest first."""
    ids = [(await create_key(admin))[1] for _ in range(5)]
    for limit in (1, 2, 5, 100):
        assert [item["id"] for item in await admin.pages(PATH, limit)] == ids[::-1]


async def test_a_key_acts_as_its_creator_with_its_own_role(people: People, admin: Person, factory: RowFactory) -> None:
    """It votes as its creator. A request that needs a higher role than the key has is forbidden."""
    show = await factory.show(7)
    program, _ = await create_key(admin)
    assert (await program.ok("GET", "/api/me"))["id"] == admin.id
    await program.ok("POST", "/api/shows/7/votes", {"votes": [[show.first, "up"]]})
    assert await factory.sql.fetchval("select user_id from votes") == admin.id
    assert await program.refused("GET", "/api/admin/moderation") == "forbidden"
    assert await program.refused("GET", PATH) == "forbidden"
    moderator, _ = await create_key(admin, role="moderator")
    await moderator.ok("GET", "/api/admin/moderation")
    assert await moderator.refused("GET", PATH) == "forbidden"
    full, _ = await create_key(admin, role="admin")
    await full.ok("GET", PATH)


async def test_a_key_never_has_more_rights_than_its_creator(admin: Person, factory: RowFactory) -> None:
    """When the creator loses a role, the key loses it at its next use."""
    program, _ = await create_key(admin, role="admin")
    await factory.sql.execute("update users set role = 'moderator' where id = $1", admin.id)
    await program.ok("GET", "/api/admin/moderation")
    assert await program.refused("GET", PATH) == "forbidden"


async def test_a_token_of_staff_never_has_more_rights_than_its_account(
    authenticator: Authenticator, clock: FakeClock, admin: Person, factory: RowFactory
) -> None:
    """A lost role is gone after a second, whatever the token says. A new role needs a new token."""
    assert await authenticator.identify(admin.token or "") == admin.identity
    await factory.sql.execute("update users set role = 'moderator' where id = $1", admin.id)
    clock.advance(LOOKUP_TTL_S + 0.01)
    assert await authenticator.identify(admin.token or "") == Identity(admin.id, "moderator")
    await factory.sql.execute("update users set role = 'admin' where id = $1", admin.id)
    clock.advance(LOOKUP_TTL_S + 0.01)
    assert await authenticator.identify(mint_token(SECRET, admin.id, "moderator")) == Identity(admin.id, "moderator")


async def test_only_administrators_create_and_list_keys(people: People, admin: Person) -> None:
    """Other roles are refused. A key cannot create keys or sessions, or erase its account."""
    program, key_id = await create_key(admin, role="admin")
    for person in (await people.person(), await people.person("moderator")):
        assert await person.refused("GET", PATH) == "forbidden"
        assert await person.refused("POST", PATH, {"name": "mine"}) == "forbidden"
        assert await person.refused("DELETE", f"{PATH}/{key_id}") == "forbidden"
    assert await people.nobody().refused("POST", PATH, {"name": "mine"}) == "unauthenticated"
    assert await program.refused("POST", PATH, {"name": "mine"}) == "forbidden"
    assert await program.refused("POST", "/api/session", {"keep": True}) == "forbidden"
    assert await program.refused("DELETE", "/api/me") == "forbidden"
    assert await program.refused("DELETE", f"/api/admin/users/{admin.id}") == "forbidden"
    assert (await admin.ok("GET", "/api/me"))["id"] == admin.id


async def test_an_unknown_key_is_refused(people: People) -> None:
    """Every malformed or unknown key gives `unauthenticated`."""
    for key in BAD_KEYS:
        stranger = replace(people.nobody(), token=key)
        assert await stranger.refused("GET", "/api/me") == "unauthenticated", key
        assert await stranger.refused("GET", "/api/shows") == "unauthenticated", key


async def test_an_expired_key_is_refused(admin: Person, factory: RowFactory) -> None:
    """It gives `unauthenticated`, and its use is not recorded."""
    program, key_id = await create_key(admin, expires_in_days=1)
    await factory.sql.execute("update api_keys set expires_at = now() where id = $1", key_id)
    assert await program.refused("GET", "/api/me") == "unauthenticated"
    assert await factory.sql.fetchval("select last_used_at from api_keys") is None


async def test_a_revoked_key_is_refused_on_every_node(
    people: People, admin: Person, factory: RowFactory, database_url: str, redis_url: str
) -> None:
    """Two nodes that just accepted the key refuse it soon after. Revoking twice changes nothing. Both are logged."""
    program, key_id = await create_key(admin, role="moderator")
    other_admin = await people.person("admin")
    async with running_node(database_url, redis_url) as second:
        there = replace(program, url=second.url)
        for person in (program, there):
            await person.ok("GET", "/api/me")
        # Another administrator revokes it.
        assert await other_admin.ask("DELETE", f"{PATH}/{key_id}") == (204, None)
        for person in (program, there):
            # Two seconds are promised, but the test must not depend on the speed of this machine.
            async with asyncio.timeout(20):
                while (await person.ask("GET", "/api/me"))[0] != 401:
                    await asyncio.sleep(0.05)
    revoked_at = (await admin.ok("GET", PATH))["items"][0]["revoked_at"]
    assert revoked_at is not None
    assert await admin.ask("DELETE", f"{PATH}/{key_id}") == (204, None)
    assert (await admin.ok("GET", PATH))["items"][0]["revoked_at"] == revoked_at
    for wanted in ("0", "-1", "1000000000", "9" * 30, "x", "1%20or%201=1"):
        assert await admin.refused("DELETE", f"{PATH}/{wanted}") == "not_found"
    rows = await factory.sql.fetch(
        "select actor_id, subject from audit_log where action = 'api_key.revoke' order by id"
    )
    assert [tuple(row) for row in rows] == [(other_admin.id, f"api_key:{key_id}"), (admin.id, f"api_key:{key_id}")]


async def test_the_use_of_a_key_is_recorded_once_a_minute(admin: Person, factory: RowFactory) -> None:
    """A second request within the minute does not write."""
    program, key_id = await create_key(admin)
    sql = factory.sql
    for ago, is_moved in (("59 seconds", False), ("61 seconds", True)):
        before = await sql.fetchval(
            "update api_keys set last_used_at = now() - $1::text::interval where id = $2 returning last_used_at",
            ago,
            key_id,
        )
        keys_hash = hash_key(program.token or "")
        assert await sql.fetchval("select user_id from use_api_key($1)", keys_hash) == admin.id
        assert (await sql.fetchval("select last_used_at from api_keys") != before) is is_moved


async def test_nodes_that_record_the_use_of_the_same_keys_do_not_deadlock(
    admin: Person, factory: RowFactory, database: Database
) -> None:
    """Each node knows the keys of its connections in an order of its own; all lock them in one order."""
    made = [await create_key(admin) for _ in range(2)]
    first, last = sorted(hash_key(program.token or "") for program, _ in made)
    await factory.sql.execute("update api_keys set last_used_at = now() - interval '1 hour'")

    async def use(connection: Any, *keys: bytes) -> list[Any]:
        return [row async for row in access_monitor.current_key_roles(connection, key_hashes=keys)]

    async def use_both() -> None:
        async with database.transaction() as connection:
            assert len(await use(connection, last, first)) == 2

    async with asyncio.TaskGroup() as tasks, database.transaction() as connection:
        await use(connection, first)
        tasks.create_task(use_both())
        await until_a_lock_is_awaited(factory.sql, "use_api_key")
        await use(connection, last)


async def test_bad_bodies_are_refused(admin: Person, factory: RowFactory) -> None:
    """Each gives `bad_request` and creates no key."""
    bodies: tuple[Any, ...] = (
        {}, [], None, {"name": ""}, {"name": "x" * 81}, {"name": "nul \x00"}, {"name": 7}, {"name": "x", "role": "owner"},
        {"name": "x", "role": None}, *({"name": "x", "expires_in_days": days} for days in (0, -1, 3651, 10**9, 2**64, 1.5, "1")),
        b"{", b'{"name": "\xff"}', b'{"name": "\\ud800"}',
    )  # fmt: skip
    for body in bodies:
        assert await admin.refused("POST", PATH, b"null" if body is None else body) == "bad_request", body
    assert await admin.refused("GET", f"{PATH}?limit=0") == "bad_request"
    assert await admin.refused("GET", f"{PATH}?cursor=x") == "bad_request"
    assert await factory.sql.fetchval("select count(*) from api_keys") == 0
    for name in ("'; drop table api_keys; --", "🎸 שלום \u202e!", "é" * 80):
        assert (await admin.ok("POST", PATH, {"name": name}, status=201))["name"] == name


async def test_a_key_opens_a_websocket(
    admin: Person, node: Node, factory: RowFactory, database_url: str, redis_url: str
) -> None:
    """The key works in the header and in `hello`. Every node closes the websocket when the key is revoked or expires."""
    show = await factory.show(7)
    revoked, key_id = await create_key(admin, role="moderator")
    over, over_id = await create_key(admin, expires_in_days=1)
    lasting, _ = await create_key(admin)
    async with (
        running_node(database_url, redis_url) as second,
        SocketClient.connect(node.url, headers={"Authorization": f"Bearer {revoked.token}"}) as by_header,
        SocketClient.connect(second.url) as by_hello,
        SocketClient.connect(node.url) as ending,
        SocketClient.connect(node.url) as staying,
        SocketClient.connect(node.url) as of_creator,
    ):
        assert (await by_header.ok("hello"))["role"] == "moderator"
        assert (await by_hello.hello(revoked.token or ""))["user"] == {"id": admin.id, "role": "moderator"}
        for talker, person in ((ending, over), (staying, lasting), (of_creator, admin)):
            await talker.hello(person.token or "")
        await by_header.cast(7, (show.first, "up"))
        assert (await staying.ok("ballot", show=7))["ballot"] == {str(show.first): "up"}
        await admin.ask("DELETE", f"{PATH}/{key_id}")
        await factory.sql.execute("update api_keys set expires_at = now() where id = $1", over_id)
        for talker in (by_header, by_hello, ending):
            assert await talker.close_code() == 4401
            assert talker.heard[-1]["error"]["code"] == "unauthenticated"
        assert await staying.is_alive()
        assert await of_creator.is_alive()


async def test_a_revoked_key_opens_no_websocket(admin: Person, node: Node) -> None:
    """It is refused in `hello` and at the upgrade."""
    program, key_id = await create_key(admin)
    await admin.ask("DELETE", f"{PATH}/{key_id}")
    async with SocketClient.connect(node.url) as talker:
        assert await talker.refusal("hello", token=program.token) == "unauthenticated"
        assert await talker.close_code() == 4401
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with SocketClient.connect(node.url, headers={"Authorization": f"Bearer {program.token}"}):
            pass
    assert refusal.value.status == 401


async def test_a_websocket_survives_a_failed_lookup_of_its_key(
    admin: Person, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While PostgreSQL is down, `hello` gives `unavailable`, and the connection stays open for another try."""
    program, _ = await create_key(admin)

    async def away(*_: Any) -> Identity:
        raise StoreUnavailable("away")

    async with SocketClient.connect(node.url) as talker:
        with monkeypatch.context() as patch:
            patch.setattr("server.people.authenticator.fetch_key_identity", away)
            assert await talker.refusal("hello", token=program.token) == "unavailable"
        assert (await talker.hello(program.token or ""))["role"] == "user"


# ──────────────────────────────────────────────────────────── lookups and how long they are reused


@pytest_asyncio.fixture(loop_scope="module")
async def clock() -> FakeClock:
    """A clock that only the test moves."""
    return FakeClock()


@pytest_asyncio.fixture(loop_scope="module")
async def authenticator(database_url: str, clock: FakeClock) -> AsyncIterator[Authenticator]:
    """An authenticator like that of a node."""
    database = await Database.open(database_url, role=REQUEST_ROLE)
    yield Authenticator(database, clock, lambda token: verify_token(SECRET, token), has_ended=lambda _: False)
    await database.close()


async def test_a_lookup_is_reused_for_a_second(
    authenticator: Authenticator, clock: FakeClock, admin: Person, factory: RowFactory
) -> None:
    """After a second the database is asked again, and the erased account is refused."""
    program, _ = await create_key(admin)
    assert program.token is not None
    assert admin.token is not None
    for token, identity in (
        (program.token, Identity(admin.id, "user", hash_key(program.token))),
        (admin.token, admin.identity),
    ):
        assert await authenticator.identify(token) == identity
    await factory.sql.execute("select erase_user($1)", admin.id)
    clock.advance(LOOKUP_TTL_S - 0.01)
    for token in (program.token, admin.token):
        assert (await authenticator.identify(token)).user_id == admin.id
    clock.advance(0.02)
    for token in (program.token, admin.token):
        with pytest.raises(Refused) as refusal:
            await authenticator.identify(token)
        assert refusal.value.code == "unauthenticated"


async def test_the_number_of_lookups_is_limited(database_url: str, clock: FakeClock, admin: Person) -> None:
    """The oldest lookups are dropped."""
    database = await Database.open(database_url, role=REQUEST_ROLE)
    authenticator = Authenticator(
        database, clock, lambda token: verify_token(SECRET, token), has_ended=lambda _: False, lookups_max=2
    )
    programs = [(await create_key(admin))[0] for _ in range(4)]
    for program in programs:
        await authenticator.identify(program.token or "")
    await database.close()
    assert list(authenticator._lookups) == [hash_key(program.token or "") for program in programs[2:]]


async def test_tokens_are_valid_while_postgresql_is_down(
    authenticator: Authenticator, admin: Person, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key cannot be looked up. Tokens are accepted by their signature, also those of staff: nothing can be written."""
    program, _ = await create_key(admin)
    fan = await people.person()
    await authenticator._database.close()

    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr(Database, "connection", away)
    with pytest.raises(StoreUnavailable):
        await authenticator.identify(program.token or "")
    assert await authenticator.identify(admin.token or "") == admin.identity
    assert await authenticator.identify(fan.token or "") == fan.identity
