"""Signing in on another device with a code."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from server.errors import Refused
from server.node.node import Node
from server.node.rate_limits import RateLimits
from server.people.sessions import verify_token
from server.people.sign_in_codes import hash_code, plain_code
from server.protocol.identity import COOKIE
from server.protocol.limits import Limits
from tests.support import one_node
from tests.support.clock import FakeClock
from tests.support.people import People
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people, sql = one_node.node, one_node.emptied, one_node.people, one_node.sql

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile/15E148 Safari/604.1"
)


@pytest_asyncio.fixture(loop_scope="module")
async def http(node: Node, factory: RowFactory) -> AsyncIterator[aiohttp.ClientSession]:
    """A client without a cookie jar: each request says what it sends."""
    async with aiohttp.ClientSession(node.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def ask(http: aiohttp.ClientSession, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    async with http.post(path, json=body, headers=headers) as response:
        return response.status, await response.json()


async def signed_up(http: aiohttp.ClientSession) -> dict[str, str]:
    _, answer = await ask(http, "/api/session")
    return {"Authorization": f"Bearer {answer['token']}"}


async def made_code(http: aiohttp.ClientSession, fan: dict[str, str]) -> str:
    status, answer = await ask(http, "/api/me/sign-in-code", **fan)
    assert status == 201, answer
    return str(answer["code"])


async def test_a_code_signs_in_on_another_device_once(
    http: aiohttp.ClientSession, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """It is read out in any form, gives the same account a session of its own that is renewed like any other, and is over then."""
    fan = await signed_up(http)
    code = await made_code(http, fan)
    assert re.fullmatch(r"[2-9A-HJKMNP-TV-Z]{4}-[2-9A-HJKMNP-TV-Z]{4}", code)
    (stored,) = await sql.fetch(
        "select kind::text, code_hash, expires_at - created_at as life from sessions where code_hash is not null"
    )
    assert (stored["kind"], stored["code_hash"]) == ("link", hash_code(SECRET, code.replace("-", "")))
    assert stored["life"].total_seconds() == 300
    typed = f" {code.lower().replace('-', ' ')} "
    async with http.post("/api/session/code", json={"code": typed}, headers={"User-Agent": IPHONE}) as response:
        assert response.status == 201
        answer = await response.json()
        assert response.cookies[COOKIE].value == answer["token"]
    first = verify_token(SECRET, fan["Authorization"].removeprefix("Bearer "))
    second = verify_token(SECRET, answer["token"])
    assert (second.user_id, second.role) == (first.user_id, "user")
    assert second.session_id != first.session_id
    async with http.get("/api/me/sessions", headers=fan) as response:
        items = (await response.json())["items"]
    assert [(item["kind"], item["device"], item["is_current"]) for item in items] == [
        ("fan", "Safari on iPhone", False), ("fan", "", True),
    ]  # fmt: skip
    status, renewed = await ask(http, "/api/session", {"keep": True}, Authorization=f"Bearer {answer['token']}")
    assert (status, renewed["user"]["id"]) == (201, first.user_id)
    assert (await ask(http, "/api/session/code", {"code": code}))[0] == 401


async def test_only_one_of_two_devices_gets_a_code(http: aiohttp.ClientSession) -> None:
    """Two that type it at the same moment: one is signed in."""
    code = await made_code(http, await signed_up(http))
    answers = await asyncio.gather(*(ask(http, "/api/session/code", {"code": code}) for _ in range(4)))
    assert sorted(status for status, _ in answers) == [201, 401, 401, 401]


async def test_a_code_that_is_over(http: aiohttp.ClientSession, sql: asyncpg.Connection[asyncpg.Record]) -> None:
    """A newer code, five minutes, and signing out everywhere end it; what cannot be a code is told apart."""
    fan = await signed_up(http)
    older, newer = await made_code(http, fan), await made_code(http, fan)
    assert (await ask(http, "/api/session/code", {"code": older}))[1]["code"] == "unauthenticated"
    await sql.execute("update sessions set expires_at = now() where code_hash is not null")
    assert (await ask(http, "/api/session/code", {"code": newer}))[0] == 401
    last = await made_code(http, fan)
    async with http.delete("/api/me/sessions", headers=fan) as response:
        assert response.status == 204
    assert (await ask(http, "/api/session/code", {"code": last}))[0] == 401
    for typed in ("ABCD-EFG", "ABCD-EFG0", "ABCD-EFGI", "ABCDEFGHJ", "ünïcödé!"):
        assert (await ask(http, "/api/session/code", {"code": typed}))[1]["code"] == "bad_request", typed


async def test_a_code_replaces_nobody_silently(http: aiohttp.ClientSession) -> None:
    """Somebody who is signed in on the other device is named and asked; then their session there has ended."""
    code = await made_code(http, await signed_up(http))
    other = await signed_up(http)
    user_id = verify_token(SECRET, other["Authorization"].removeprefix("Bearer ")).user_id
    for body in ({"code": code}, {"code": code, "replaces": user_id + 1}):
        status, problem = await ask(http, "/api/session/code", body, **other)
        assert (status, problem["code"]) == (409, "conflict")
        assert f"Account {user_id}" in problem["detail"]
    assert (await ask(http, "/api/session/code", {"code": code, "replaces": user_id}, **other))[0] == 201
    async with http.get("/api/me", headers=other) as response:
        assert response.status == 401


async def test_staff_and_programs_get_no_code(http: aiohttp.ClientSession, people: People) -> None:
    """Somebody could be talked into reading a code out, so accounts of staff sign in by links; an account that becomes one of
    staff keeps no code.
    """
    moderator = await people.person("moderator")
    assert await moderator.refused("POST", "/api/me/sign-in-code") == "forbidden"
    assert await people.nobody().refused("POST", "/api/me/sign-in-code") == "unauthenticated"
    fan = await signed_up(http)
    code = await made_code(http, fan)
    await people.factory.sql.execute("update users set role = 'admin' where role = 'user'")
    assert (await ask(http, "/api/session/code", {"code": code}))[0] == 401


async def test_wrong_codes_are_limited(redis_url: str) -> None:
    """An address has a budget of wrong codes, and so have all addresses together."""
    limits = RateLimits(redis_url, FakeClock(), Limits(wrong_sign_in_codes_per_address=2, wrong_sign_in_codes=3))
    try:
        for address in ("192.0.2.1", "192.0.2.1"):
            await limits.check_sign_in_code(address)
            await limits.count_wrong_sign_in_code(address)
        with pytest.raises(Refused, match="Too many wrong codes"):
            await limits.check_sign_in_code("192.0.2.1")
        await limits.check_sign_in_code("192.0.2.2")
        await limits.count_wrong_sign_in_code("192.0.2.2")
        with pytest.raises(Refused, match="Too many wrong codes"):
            await limits.check_sign_in_code("192.0.2.3")
    finally:
        await limits.close()


def test_a_typed_code_is_read_as_it_was_meant() -> None:
    """Case, spaces and hyphens do not matter."""
    assert plain_code(" 7k3m - 9qxd\n") == "7K3M9QXD"
