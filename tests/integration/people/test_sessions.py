"""Sessions: what is renewed ends with its parent, what is signed out is refused, and a sign-in link works once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import asyncpg
import jwt
import pytest
import pytest_asyncio
from aiohttp.test_utils import make_mocked_request

from server.clock import SystemClock
from server.errors import Refused
from server.node.node import Node
from server.people.ended_sessions import EndedSessions
from server.people.sessions import create_link, create_user, device_of, mint_token, verify_token
from server.protocol.codes import CLOSE_BAD_TOKEN, Code
from server.protocol.identity import COOKIE, SECURE_COOKIE, Identity
from server.store.database import Database
from server.web.identity import make_identify
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET, running_node, until
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, other, factory = one_node.node, one_node.other, one_node.emptied
database, sql = one_node.database, one_node.sql

HOUR_S = 3600
KEEP = {"keep": True}
FIREFOX = "Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"


@pytest_asyncio.fixture(loop_scope="module")
async def http(node: Node, factory: RowFactory) -> AsyncIterator[aiohttp.ClientSession]:
    """A client without a cookie jar: each request says what it sends."""
    async with aiohttp.ClientSession(node.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def by_token(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def by_cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={token}"}


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def sign_in(http: aiohttp.ClientSession, **headers: str) -> str:
    async with http.post("/api/session", headers=headers) as response:
        answer = await response.json()
    return str(answer["token"])


async def renew(http: aiohttp.ClientSession, token: str) -> str:
    async with http.post("/api/session", json=KEEP, headers=by_token(token)) as response:
        assert response.status == 201, await response.text()
        answer = await response.json()
    return str(answer["token"])


async def status_of(http: aiohttp.ClientSession, token: str) -> int:
    async with http.get("/api/me", headers=by_token(token)) as response:
        return response.status


async def open_link(http: aiohttp.ClientSession, link: str, headers: Any = None, **body: Any) -> tuple[int, Any]:
    """What the button of the page does."""
    (token,) = parse_qs(urlsplit(link).fragment)["token"]
    async with http.post("/signin", json={"token": token, **body}, headers=headers) as response:
        return response.status, await response.json()


# ───────────────────────────────────────────────────────────────────────── renewal


async def test_a_renewed_token_ends_with_its_parent(http: aiohttp.ClientSession, database: Database) -> None:
    """A token of the command line cannot be made to last longer, whatever its role; and no older one of staff can."""
    for role in ("user", "moderator", "admin"):
        token = await create_user(database, SECRET, role, HOUR_S, "a test")
        renewed = await renew(http, await renew(http, token))
        assert claims_of(renewed)["exp"] <= claims_of(token)["exp"]
        assert claims_of(renewed)["sub"] == claims_of(token)["sub"]
    for role, ttl_s in (("admin", HOUR_S), ("user", HOUR_S), ("admin", 90 * 24 * HOUR_S)):
        user_id = verify_token(SECRET, await create_user(database, SECRET, role, HOUR_S, "a test")).user_id
        old = mint_token(SECRET, user_id, role, ttl_s)
        assert claims_of(await renew(http, old))["exp"] <= claims_of(old)["exp"]


async def test_the_session_of_a_fan_is_extended(http: aiohttp.ClientSession, database: Database) -> None:
    """A fan who comes back keeps the account; a fan who became staff is signed in only until the end of that session."""
    token = await sign_in(http)
    session_id = claims_of(token)["sid"]
    async with database.connection() as connection:
        await connection.execute("update sessions set expires_at = now() + interval '2 days'")
        renewed = await renew(http, token)
        assert claims_of(renewed)["exp"] > claims_of(token)["iat"] + 89 * 24 * HOUR_S
        assert claims_of(renewed)["sid"] == session_id
        await connection.execute("update sessions set expires_at = now() + interval '2 days'")
        await connection.execute("update users set role = 'admin'")
        as_staff = claims_of(await renew(http, token))
        assert (as_staff["role"], as_staff["sid"]) == ("admin", session_id)
        assert as_staff["exp"] < claims_of(token)["iat"] + 3 * 24 * HOUR_S


async def test_a_token_of_an_older_version_gets_a_session(http: aiohttp.ClientSession, database: Database) -> None:
    """The fan stays the same, and the session is in the list."""
    user_id = verify_token(SECRET, await sign_in(http)).user_id
    renewed = claims_of(await renew(http, mint_token(SECRET, user_id, "user")))
    assert int(renewed["sub"]) == user_id
    assert renewed["exp"] > renewed["iat"] + 89 * 24 * HOUR_S
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from sessions where id = $1 and kind = 'fan'", renewed["sid"])


# ──────────────────────────────────────────────────────────────────────── sign-out


async def test_signing_out_ends_the_token(
    http: aiohttp.ClientSession, node: Node, other: Node, database: Database
) -> None:
    """By cookie or header, renewed tokens included, on every node, on open sockets, and after a restart."""
    token, stays = await sign_in(http), await sign_in(http)
    renewed = await renew(http, token)
    async with SocketClient.connect(node.url) as fan, SocketClient.connect(other.url) as elsewhere:
        await fan.hello(token)
        await elsewhere.hello(renewed)
        async with http.delete("/api/session", headers=by_cookie(token)) as response:
            assert response.status == 204
            assert response.cookies[COOKIE].value == ""
        assert [await status_of(http, one) for one in (token, renewed, stays)] == [401, 401, 200]
        assert await fan.close_code() == CLOSE_BAD_TOKEN
        assert await elsewhere.close_code() == CLOSE_BAD_TOKEN
    async with aiohttp.ClientSession(other.url) as there:

        async def is_refused_there() -> bool:
            return await status_of(there, token) == 401

        await until(is_refused_there)
        assert await status_of(there, stays) == 200
    restarted = EndedSessions(database, SystemClock())
    await restarted.load()
    assert [restarted.holds(verify_token(SECRET, one)) for one in (token, stays)] == [True, False]
    # Signing out twice is no error, and a stranger may sign out too.
    for headers in (by_cookie(token), {}):
        async with http.delete("/api/session", headers=headers) as response:
            assert response.status == 204


async def test_signing_out_ends_tokens_of_an_older_version(http: aiohttp.ClientSession) -> None:
    """They name no session, so all of them of this account end; a session stays."""
    session = await sign_in(http)
    user_id = verify_token(SECRET, session).user_id
    old, older = mint_token(SECRET, user_id, "user"), mint_token(SECRET, user_id, "user", HOUR_S)
    async with http.delete("/api/session", headers=by_token(old)) as response:
        assert response.status == 204
    assert [await status_of(http, one) for one in (old, older, session)] == [401, 401, 200]


async def test_the_list_of_sessions(http: aiohttp.ClientSession, database: Database) -> None:
    """A user sees the own ones, ends one of them or all, and cannot touch those of others."""
    link = await create_link(database, SECRET, "moderator", "http://page", "a test")
    status, opened = await open_link(http, link, {"User-Agent": FIREFOX})
    assert status == 201
    first, user_id = opened["token"], opened["user"]["id"]
    async with database.connection() as connection:
        second_id = await connection.fetchval(
            "insert into sessions (user_id, kind, expires_at) values ($1, 'command', now() + interval '1 day') returning id", user_id
        )  # fmt: skip
    second = mint_token(SECRET, user_id, "moderator", session_id=second_id)
    stranger = await sign_in(http)
    async with http.get("/api/me/sessions", headers=by_token(first)) as response:
        listed = (await response.json())["items"]
    assert [(item["kind"], item["is_current"], item["device"]) for item in listed] == [
        ("command", False, ""), ("link", True, "Firefox on Android"),
    ]  # fmt: skip
    for token, wanted in ((stranger, 404), (first, 204), (first, 204)):
        async with http.delete(f"/api/me/sessions/{second_id}", headers=by_token(token)) as response:
            assert response.status == wanted
    assert [await status_of(http, one) for one in (first, second, stranger)] == [200, 401, 200]
    old = mint_token(SECRET, user_id, "moderator")
    async with http.delete("/api/me/sessions", headers=by_token(first)) as response:
        assert response.status == 204
        assert response.cookies[COOKIE].value == ""
    assert [await status_of(http, one) for one in (first, second, old, stranger)] == [401, 401, 401, 200]


async def test_ended_sessions_are_asked_of_memory(http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request of a fan reads no session from the database."""
    token = await sign_in(http)
    asked: list[object] = []
    acting = Database.acting

    def counting(self: Database, identity: Identity | None, **more: Any) -> Any:
        asked.append(identity)
        return acting(self, identity, **more)

    monkeypatch.setattr(Database, "acting", counting)
    async with http.get("/api/trending", headers=by_token(token)) as response:
        assert response.status == 200
    assert asked == []


async def test_the_memory_is_limited(database: Database) -> None:
    """Past its limit the fans who signed out first are forgotten, and staff are not."""
    async with database.connection() as connection:
        await connection.execute(
            "insert into users (id) overriding system value values (1);"
            "insert into sessions (id, user_id, kind, expires_at, ended_at) overriding system value"
            " select n, 1, (case when n = 1 then 'link' else 'fan' end)::session_kind, now() + interval '1 day',"
            " now() - interval '1 hour' * (10 - n) from generate_series(1, 5) n"
        )
    ended = EndedSessions(database, SystemClock(), count_max=3)
    await ended.load()
    assert [ended.holds(Identity(1, "user", session_id=n)) for n in range(1, 6)] == [True, False, False, True, True]


# ──────────────────────────────────────────────────────────────────── sign-in links


async def test_a_sign_in_link_works_once(http: aiohttp.ClientSession, database: Database) -> None:
    """The page changes nothing, the button signs in, and of two at once one does; the audit log has it."""
    link = await create_link(database, SECRET, "admin", "http://page", "a test")
    assert urlsplit(link).query == ""
    async with http.get("/signin") as response:
        assert response.status == 200
        assert not response.cookies
    answers = await asyncio.gather(*(open_link(http, link) for _ in range(4)))
    assert sorted(status for status, _ in answers) == [201, 401, 401, 401]
    (token,) = [answer["token"] for status, answer in answers if status == 201]
    assert claims_of(token)["role"] == "admin"
    assert await status_of(http, token) == 200
    async with database.connection() as connection:
        rows = await connection.fetch("select actor_id, action from audit_log order by id")
    assert [(row["actor_id"], row["action"]) for row in rows] == [
        (None, "user.make"), (int(claims_of(token)["sub"]), "session.open_link"),
    ]  # fmt: skip


async def test_what_is_no_link_signs_nobody_in(http: aiohttp.ClientSession, database: Database) -> None:
    """A token of a session opens no link, a link is no token, and a link that is over is refused."""
    token = await create_user(database, SECRET, "admin", HOUR_S, "a test")
    assert (await open_link(http, f"http://page/signin#token={token}"))[0] == 401
    link = await create_link(database, SECRET, "admin", "http://page", "a test")
    (of_link,) = parse_qs(urlsplit(link).fragment)["token"]
    assert await status_of(http, of_link) == 401
    async with database.connection() as connection:
        await connection.execute("update sessions set expires_at = now()")
    assert (await open_link(http, link))[0] == 401


async def test_a_link_replaces_no_session_silently(http: aiohttp.ClientSession, database: Database) -> None:
    """Somebody who is signed in is named and asked; a replaced session has ended."""
    fan = await sign_in(http)
    fan_id = verify_token(SECRET, fan).user_id
    link = await create_link(database, SECRET, "admin", "http://page", "a test")
    for body in ({}, {"replaces": fan_id + 1}):
        status, problem = await open_link(http, link, by_cookie(fan), **body)
        assert (status, problem["code"]) == (409, "conflict")
        assert f"Account {fan_id}" in problem["detail"]
    assert (await open_link(http, link, by_cookie(fan), replaces=fan_id))[0] == 201
    assert await status_of(http, fan) == 401


# ──────────────────────────────────────────────────────────────────────────── TLS


async def test_cookies_behind_a_tls_proxy(database_url: str, redis_url: str, database: Database) -> None:
    """A trusted proxy says https: the cookie is Secure with the prefix __Host-, and HSTS is set; another peer says nothing."""
    trusted = running_node(database_url, redis_url, trusted_proxies=(ip_network("127.0.0.0/8"),))
    https = {"X-Forwarded-Proto": "https"}
    async with trusted as node, aiohttp.ClientSession(node.url, cookie_jar=aiohttp.DummyCookieJar()) as http:
        async with http.post("/api/session", headers=https) as response:
            cookie, token = response.cookies[SECURE_COOKIE], (await response.json())["token"]
            assert response.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")
        cookies = {"Cookie": f"{SECURE_COOKIE}={token}"}
        async with http.get("/api/me", headers=https | cookies) as response:
            assert response.status == 200
        # A fan who signed in before TLS stays; staff have to sign in again, because the host beside us may set that cookie.
        admin = await create_user(database, SECRET, "admin", HOUR_S, "a test")
        for plain, wanted in ((token, 200), (admin, 401)):
            async with http.get("/api/me", headers=https | by_cookie(plain)) as response:
                assert response.status == wanted
        async with http.delete("/api/session", headers=https | cookies) as response:
            assert {name for name, morsel in response.cookies.items() if not morsel.value} == {COOKIE, SECURE_COOKIE}
        async with http.get("/healthz") as response:
            assert "Strict-Transport-Security" not in response.headers
    async with (
        running_node(database_url, redis_url) as node,
        aiohttp.ClientSession(node.url) as http,
        http.post("/api/session", headers=https) as response,
    ):
        assert not response.cookies[COOKIE]["secure"]
        assert "Strict-Transport-Security" not in response.headers


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (FIREFOX, "Firefox on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("curl/8.5.0", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_a_device_is_named(user_agent: str, device: str) -> None:
    """By its program and its system, as far as they are known."""
    assert device_of(user_agent) == device


async def test_a_cookie_that_cannot_be_judged_signs_nobody_out() -> None:
    """The keys of the identity provider are not known for a moment: the request is told so, and not served to a stranger."""

    async def authenticate(token: str) -> Identity:
        raise Refused(Code.UNAUTHENTICATED if token == "stale" else Code.UNAVAILABLE, "x")

    identify = make_identify(authenticate, lambda _: False)
    stale = make_mocked_request("GET", "/", headers={"Cookie": f"{COOKIE}=stale"})
    assert await identify(stale) is None
    with pytest.raises(Refused) as refused:
        await identify(make_mocked_request("GET", "/", headers={"Cookie": f"{COOKIE}=unknown"}))
    assert refused.value.code == "unavailable"


async def test_the_metrics_can_be_closed(database_url: str, redis_url: str) -> None:
    """With a token only its holders read them; load balancers still ask the probes."""
    async with (
        running_node(database_url, redis_url, metrics_token="prometheus-reads") as node,
        aiohttp.ClientSession(node.url) as http,
    ):
        for given, wanted in (
            ("", 401),
            ("Bearer other", 401),
            ("Basic prometheus-reads", 401),
            ("Bearer prometheus-reads", 200),
        ):
            async with http.get("/metrics", headers={"Authorization": given} if given else {}) as response:
                assert response.status == wanted, given
        async with http.get("/readyz") as response:
            assert response.status == 200


async def test_the_logs_of_staff_cannot_be_emptied(sql: Any) -> None:
    """Rows are only added: neither a change nor TRUNCATE takes one away."""
    await sql.execute("insert into audit_log (actor_id, action) values (7, 'show.lock')")
    for table in ("audit_log", "moderation_log"):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await sql.execute(f"truncate {table}")
    with pytest.raises(asyncpg.RestrictViolationError):
        await sql.execute("update audit_log set actor_id = null")
    assert await sql.fetchval("select actor_id from audit_log") == 7
