"""Voting and sessions over HTTP: the same rules as on the socket, and every error is a problem with a code."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from server.node.node import Node
from server.people.sessions import mint_token
from server.protocol.identity import COOKIE
from tests.support import one_node
from tests.support.engines import OpenDatabase
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import SECRET, running_node
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.factory
SHOW_IDS = itertools.count(7)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[Any]]:
    """The server's log; at the end no record may be an error or have a traceback."""
    with capture_logs() as entries:
        yield entries
    assert [entry for entry in entries if entry["log_level"] in ("error", "critical") or "exc_info" in entry] == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest_asyncio.fixture(loop_scope="module")
async def http(logged: list[Any], node: Node) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the node, without cookies."""
    async with aiohttp.ClientSession(node.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="module")
async def show(factory: RowFactory) -> Show:
    """An open show with a budget of two."""
    return await factory.show(next(SHOW_IDS), budget=2)


@pytest_asyncio.fixture(loop_scope="module")
async def bearer(factory: RowFactory) -> dict[str, str]:
    """The headers of a signed-in fan."""
    return {"Authorization": f"Bearer {await factory.token()}"}


async def problem(response: aiohttp.ClientResponse) -> tuple[int, str]:
    """Status and code of a refusal, which must be a complete problem."""
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    body = await response.json(content_type=None)
    assert body["status"] == response.status
    assert body["type"] == "about:blank"
    assert body["title"]
    assert body["detail"]
    assert "Traceback" not in body["detail"]
    return response.status, body["code"]


async def post(http: aiohttp.ClientSession, show: Any, votes: Any, headers: dict[str, str]) -> aiohttp.ClientResponse:
    return await http.post(f"/api/shows/{show}/votes", json={"votes": votes}, headers=headers)


async def test_votes_and_ballot(
    http: aiohttp.ClientSession, node: Node, factory: RowFactory, show: Show, bearer: dict[str, str]
) -> None:
    """A cast by id or by slug gets the same reply; the ballot and a watcher's state agree with it."""
    response = await post(http, show.id, [[show.songs[0], "up"], [show.songs[1], "down"]], bearer)
    answer = await response.json()
    ballot = {str(show.songs[0]): "up", str(show.songs[1]): "down"}
    assert response.status == 200
    assert answer == {"at": answer["at"], "durability": "committed", "ballot": ballot, "remaining": 0}
    response = await http.get(f"/api/shows/{show.id}/ballot", headers=bearer)
    assert await response.json() == {"ballot": ballot, "remaining": 0}
    slug = await factory.sql.fetchval("select slug from shows where id = $1", show.id)
    again = await (await post(http, slug, [[show.songs[0], "none"]], bearer)).json()
    assert again["ballot"] == {str(show.songs[1]): "down"}
    assert (await (await post(http, show.id, [[show.songs[0], "up"]], bearer)).json())["ballot"] == ballot
    response = await http.get(f"/api/shows/{slug}/ballot", headers=bearer)
    assert await response.json() == {"ballot": ballot, "remaining": 0}
    async with SocketClient.connect(node.url) as watcher:
        state = (await watcher.watch(f"votes:{show.id}"))[f"votes:{show.id}"]
        assert state["at"] >= answer["at"]
        assert state["state"]["total"] == 2


async def test_a_session(http: aiohttp.ClientSession, node: Node, show: Show) -> None:
    """Signing in gives a token and an HttpOnly cookie for the same user; signing out removes the cookie."""
    response = await http.post("/api/session")
    body = await response.json()
    cookie = response.cookies[COOKIE]
    assert response.status == 201
    assert body["user"]["role"] == "user"
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert response.headers["Cache-Control"] == "no-store"
    by_cookie, by_token = {"Cookie": f"{COOKIE}={cookie.value}"}, {"Authorization": f"Bearer {body['token']}"}
    assert (await post(http, show.id, [[show.first, "up"]], by_cookie)).status == 200
    ballot = await (await http.get(f"/api/shows/{show.id}/ballot", headers=by_token)).json()
    assert ballot["ballot"] == {str(show.first): "up"}
    async with SocketClient.connect(node.url, headers=by_cookie) as fan:
        assert (await fan.ok("hello"))["user"] == body["user"]
    response = await http.delete("/api/session", headers=by_cookie)
    assert response.status == 204
    assert response.cookies[COOKIE].value == ""


async def test_refusals_of_the_rules(
    http: aiohttp.ClientSession, factory: RowFactory, show: Show, bearer: dict[str, str]
) -> None:
    """Each rule has its own code and status."""
    closed = await factory.show(next(SHOW_IDS), opens_in_s=60)
    locked = await factory.show(next(SHOW_IDS), is_locked=True)
    votes = [[song, "up"] for song in show.songs]
    for show_id, cast, expected in (
        (show.id, votes, (409, "budget")),
        (closed.id, [[closed.first, "up"]], (409, "closed")),
        (locked.id, [[locked.first, "up"]], (409, "locked")),
        (show.id, [[closed.first, "up"]], (404, "not_found")),
        (999, votes, (404, "not_found")),
        (show.id, [[show.first, "up"], [show.first, "up"]], (400, "bad_request")),
    ):
        assert await problem(await post(http, show_id, cast, bearer)) == expected
    assert await factory.counted(show.id) == [[song, 0, 0] for song in show.songs]


BODIES = [
    b"", b"{", b"null", b"[]", b"{}", b"votes=up", b"\x00", b"\xff\xfe", b'{"votes":[]}', b'{"votes":[[1,"maybe"]]}',
    b'{"votes":[["1","up"]]}', b'{"votes":[[9007199254740992,"up"]]}', b'{"votes":[[-1,"up"]]}', b'{"votes":"up"}',
    b'{"votes":' + b"[" * 8_000 + b"]" * 8_000 + b"}", b"[" * 16_000,
    json.dumps({"votes": [[song, "up"] for song in range(1, 501)]}).encode(),
    b'{"votes":[[1,"\\ud800"]]}',
]  # fmt: skip


async def test_bad_bodies(http: aiohttp.ClientSession, show: Show, bearer: dict[str, str]) -> None:
    """A malformed body of any content type gets bad_request."""
    for body in BODIES:
        for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            headers = bearer | {"Content-Type": kind}
            assert await problem(await http.post(f"/api/shows/{show.id}/votes", data=body, headers=headers)) == (
                400,
                "bad_request",
            )


@pytest.mark.parametrize("size", [16 * 1024 + 1, 1024 * 1024])
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_bodies_that_are_too_large(
    http: aiohttp.ClientSession, show: Show, bearer: dict[str, str], size: int, is_chunked: bool
) -> None:
    """A body over the limit gets too_large, with or without a length."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(0, size, 1024):
            yield b" " * 1024
        yield b'{"votes":[[1,"up"]]}'

    body = pieces() if is_chunked else b" " * size
    response = await http.post(f"/api/shows/{show.id}/votes", data=body, headers=bearer)
    assert await problem(response) == (413, "too_large")


SHOWS = [
    "0", "-7", "7.0", "7a", "x", "0x7", "%00", "7%00", "%FF", "٧", "9007199254740992", "9" * 30, "9" * 5000,
    "00000000000000001" + "9" * 40, "00000000000000001" + "9" * 5000, "1e3", "%2e%2e", "7%2F8",
]  # fmt: skip


async def test_unknown_shows(
    http: aiohttp.ClientSession, node: Node, show: Show, bearer: dict[str, str], logged: list[Any]
) -> None:
    """A path without a show gets not_found or bad_request, and the node keeps working."""
    for text in SHOWS:
        for response in (
            await http.get(f"/api/shows/{text}/ballot", headers=bearer),
            await post(http, text, [[show.first, "up"]], bearer),
        ):
            assert (await problem(response))[1] in ("not_found", "bad_request"), text
    assert not node.failed.done()
    assert (await post(http, show.id, [[show.first, "up"]], bearer)).status == 200


async def test_an_unknown_client_may_not_vote(http: aiohttp.ClientSession, show: Show) -> None:
    """Without a session, or with a stale cookie or a bad, expired or forged token: unauthenticated."""
    for headers in (
        {},
        {"Cookie": f"{COOKIE}=stale"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer x"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": f"Bearer {mint_token(SECRET, 1, 'user', ttl_s=-1)}"},
        {"Authorization": f"Bearer {mint_token('another secret, just as long as ours', 1, 'admin')}"},
        {"Authorization": "Bearer \udcff".encode("utf-8", "surrogateescape").decode("latin-1")},
    ):
        assert await problem(await post(http, show.id, [[show.first, "up"]], headers)) == (401, "unauthenticated")
        response = await http.get(f"/api/shows/{show.id}/ballot", headers=headers)
        assert await problem(response) == (401, "unauthenticated")


async def test_another_sites_page_may_not_change_anything(
    http: aiohttp.ClientSession, node: Node, show: Show, bearer: dict[str, str]
) -> None:
    """A POST from another origin is forbidden, from our own or a program it is not; reads are always allowed."""
    votes = [[show.first, "up"]]
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://[", node.url.replace("http", "ftp")):
        assert await problem(await post(http, show.id, votes, bearer | {"Origin": origin})) == (403, "forbidden")
        assert await problem(await http.post("/api/session", headers={"Origin": origin})) == (403, "forbidden")
        assert await problem(await http.delete("/api/session", headers={"Origin": origin})) == (403, "forbidden")
        assert (await http.get(f"/api/shows/{show.id}", headers={"Origin": origin})).status == 200
    assert (await post(http, show.id, votes, bearer | {"Origin": node.url})).status == 200
    assert (await post(http, show.id, votes, bearer)).status == 200


async def test_unknown_routes_and_methods(http: aiohttp.ClientSession, show: Show) -> None:
    """An unknown route is not_found; a wrong method keeps its status and names the right ones."""
    for path in ("/api/nothing", "/api/shows/7/votes/", "/static/nothing.js"):
        assert await problem(await http.get(path)) == (404, "not_found")
    for method, path in (
        ("GET", f"/api/shows/{show.id}/votes"),
        ("PUT", "/api/session"),
        ("POST", "/healthz"),
        ("PATCH", "/api/shows"),
    ):
        response = await http.request(method, path)
        assert await problem(response) == (405, "bad_request")
        assert response.headers["Allow"]


async def test_ws_without_an_upgrade(http: aiohttp.ClientSession) -> None:
    """A plain GET of the socket's path gets an explanation."""
    assert await problem(await http.get("/ws")) == (400, "bad_request")


async def test_probes_and_headers(http: aiohttp.ClientSession) -> None:
    """A ready node says so, has metrics, and sends its security headers with every answer."""
    for path in ("/healthz", "/readyz", "/metrics", "/", "/api/shows", "/api/nothing"):
        response = await http.get(path)
        assert response.status == (404 if path == "/api/nothing" else 200)
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    metrics = await (await http.get("/metrics")).text()
    assert "mysetlist_votes_committed_total" in metrics


async def test_the_budget_of_a_day(new_database: OpenDatabase, new_redis: Callable[[], str], logged: list[Any]) -> None:
    """The budget holds across shows, over HTTP and websocket; a withdrawal is free, and each user has their own."""
    async with (
        new_database() as database_url,
        RowFactory.open(database_url) as factory,
        running_node(database_url, new_redis(), votes_per_day_max=4) as node,
        aiohttp.ClientSession(node.url) as http,
        SocketClient.connect(node.url) as fan,
    ):
        shows = [await factory.show(show_id) for show_id in (1, 2, 17)]
        token = await factory.token()
        bearer = {"Authorization": f"Bearer {token}"}
        await fan.hello(token)
        await fan.cast(1, (shows[0].songs[0], "up"), (shows[0].songs[1], "up"))
        assert (await post(http, 2, [[shows[1].first, "up"]], bearer)).status == 200
        assert await problem(await post(http, 17, [[song, "up"] for song in shows[2].songs], bearer)) == (409, "budget")
        await fan.cast(17, (shows[2].first, "down"))
        assert await fan.refusal("cast", show=1, votes=[[shows[0].songs[0], "down"]]) == "budget"
        assert (await fan.cast(1, (shows[0].songs[0], "none")))["ballot"] == {str(shows[0].songs[1]): "up"}
        assert (await fan.cast(1, (shows[0].songs[1], "up")))["ballot"] == {str(shows[0].songs[1]): "up"}
        other = {"Authorization": f"Bearer {await factory.token()}"}
        assert (await post(http, 1, [[shows[0].first, "up"]], other)).status == 200
        spent = await factory.sql.fetch("select sum(spent)::int from user_vote_limits group by user_id order by 1")
    assert spent == [(1,), (4,)]


async def test_many_at_once(http: aiohttp.ClientSession, factory: RowFactory, show: Show) -> None:
    """Two hundred requests at once are all answered and counted."""
    tokens = [mint_token(SECRET, user, "user") for user in await factory.users(200)]
    responses = await asyncio.gather(
        *(post(http, show.id, [[show.first, "up"]], {"Authorization": f"Bearer {token}"}) for token in tokens)
    )
    assert {response.status for response in responses} == {200}
    assert (await factory.tally(show.id))[0] == [show.first, 200, 0]
