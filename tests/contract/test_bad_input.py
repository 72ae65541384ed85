"""Bad input in every place of every operation: refused with a documented code, never a fault of the server."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from server.protocol.codes import HTTP_STATUS
from server.protocol.http.endpoints import Endpoint
from server.protocol.identity import ROLES
from server.web.openapi import codes_of
from server.web.origins import FROM_ANYWHERE
from tests.support.bad_values import CURSORS, NUMBER_WORDS, bad_values, places, replaced, sample
from tests.support.contract import DOCUMENT, ENDPOINTS, Api, path_values, query_values, title
from tests.support.examples import part

# Few enough that no request waits too long for a connection of the smallest pool.
REQUESTS_AT_ONCE = 4

# Parameters of one name and schema are read by the same code. Their bad values are dealt out over the endpoints that have them, in
# so many hands at most.
HANDS = 12
# The same code reads the same kind of value everywhere. So `make test` sends each place of a query one value of three and each place of a
# body one of four, the next place others, and each path some of the methods that it does not have. `make nightly` sends all.
OF_QUERY, OF_BODY, OF_METHODS = 3, 4, 3

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
PATHS = list(dict.fromkeys(endpoint.path for endpoint in ENDPOINTS))

# An id that nothing has.
UNKNOWN = 999_999_999

# They need a signed token of their own.
LINKS = ("/signin", "/confirm-email", "/unsubscribe")
# A page has this path too.
PAGES = ("/signin",)


def operation_of(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    return operation


def parameters_of(endpoint: Endpoint, kind: str) -> list[dict[str, Any]]:
    return [found for found in operation_of(endpoint).get("parameters", []) if found["in"] == kind]


def body_schema(endpoint: Endpoint) -> dict[str, Any]:
    schema: dict[str, Any] = operation_of(endpoint)["requestBody"]["content"]["application/json"]["schema"]
    return schema


def takes_number(schema: dict[str, Any]) -> bool:
    """Whether a number is right in a place. In all other places one code refuses it, so each gets one of the odd ones."""
    choices = schema.get("anyOf", [schema])
    return any(choice.get("type") in ("integer", "number") for choice in choices)


one_loop = pytest.mark.asyncio(loop_scope="module")  # so all tests share the connections of the client


def each(endpoints: Iterable[Endpoint]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    parametrized = pytest.mark.parametrize("endpoint", list(endpoints), ids=title)
    return lambda test: one_loop(parametrized(test))


def query_names(endpoint: Endpoint) -> set[str]:
    return {parameter["name"] for parameter in parameters_of(endpoint, "query")}


def dealt(values: Iterable[Any], endpoint: Endpoint, parameter: dict[str, Any]) -> list[Any]:
    """The values of a parameter that this endpoint gets: all, if no other endpoint has the same parameter, and of those a part."""
    having = [other for other in ENDPOINTS if parameter in operation_of(other).get("parameters", [])]
    hands = min(len(having), HANDS)
    hand = list(dict.fromkeys(values))[having.index(endpoint) % hands :: hands]
    return part(hand, ENDPOINTS.index(endpoint), of=OF_QUERY)


class Asker:
    """Sends requests to one endpoint and checks every answer. detail: of the last refusal."""

    def __init__(self, session: aiohttp.ClientSession, api: Api, endpoint: Endpoint) -> None:
        self.session = session
        self.endpoint = endpoint
        self.headers = api.headers(endpoint)
        self.detail = ""  # of the last refusal
        self._slots = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._bodies = {"data": json.dumps(sample(body_schema(endpoint), DOCUMENT))} if endpoint.body else {}

    def url(self, query: str = "", **path: str) -> URL:
        """The endpoint's address, with existing ids in the path and the required parameters in the query."""
        where = self.endpoint.path
        for name, value in path_values(self.endpoint).items():
            where = where.replace(f"{{{name}}}", path.get(name, str(value)))
        values = {
            parameter["name"]: str(sample(parameter["schema"], DOCUMENT))
            for parameter in parameters_of(self.endpoint, "query")
            if parameter["required"]
        } | query_values(self.endpoint)
        needed = [f"{name}={quote(value)}" for name, value in values.items() if not query.startswith(f"{name}=")]
        return URL(f"{where}?{'&'.join([*needed, query])}", encoded=True)

    async def ask(self, what: str, url: URL | None = None, **request: Any) -> int:
        """Sends a request; gives the status, which must be documented."""
        options: dict[str, Any] = {**self._bodies, "headers": self.headers, "allow_redirects": False, **request}
        async with (
            self._slots,
            self.session.request(self.endpoint.method, url or self.url(), **options) as response,
        ):
            text = (await response.read()).decode(errors="replace")
            said = f"{title(self.endpoint)}, {what[:300]}: {response.status} {text[:300]}"
            if response.status < 400:
                assert str(response.status) in operation_of(self.endpoint)["responses"], said
                return response.status
            assert response.content_type == "application/problem+json", said
            problem = await response.json(content_type=None)
            self.detail = problem["detail"]
            # Input that makes an engine look away is a fault of the server; an overloaded server is not.
            assert response.status < 500 or problem["code"] == "overloaded", said
            assert problem["code"] in codes_of(self.endpoint), said
            assert HTTP_STATUS[problem["code"]] == problem["status"] == response.status, said
            return response.status

    async def ask_all(self, asked: Iterator[tuple[str, dict[str, Any]]]) -> list[int]:
        """Sends all requests; gives their statuses."""
        return await asyncio.gather(*(self.ask(what, **request) for what, request in asked))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(api: Api) -> AsyncIterator[aiohttp.ClientSession]:
    """A client without cookies."""
    async with aiohttp.ClientSession(api.url, cookie_jar=aiohttp.DummyCookieJar()) as opened:
        yield opened


def _encoded(value: Any) -> str:
    if isinstance(value, str):
        return quote(value.encode("utf-8", "surrogatepass"), safe="")
    return quote(json.dumps(value), safe="")


@each(ENDPOINTS)
async def test_queries(session: aiohttp.ClientSession, api: Api, endpoint: Endpoint) -> None:
    """Every parameter of every query."""
    asker = Asker(session, api, endpoint)

    def asked() -> Iterator[tuple[str, dict[str, Any]]]:
        for parameter in parameters_of(endpoint, "query"):
            name = parameter["name"]
            values = [*bad_values(parameter["schema"], DOCUMENT, name), *NUMBER_WORDS]
            sent = dealt([*map(_encoded, values), "%", "%zz", "%ff", "%ed%a0%80", "a+b%2B"], endpoint, parameter)
            # Each endpoint has cursors of its own.
            sent += map(_encoded, CURSORS if name == "cursor" else ())
            for value in sent:
                query = f"{name}={value}"
                yield query, {"url": asker.url(query)}
            yield name, {"url": asker.url(name)}
            value = quote(str(sample(parameter["schema"], DOCUMENT)))
            yield f"{name} twice", {"url": asker.url(f"{name}={value}&{name}={value}")}
        yield "unknown", {"url": asker.url("%00=%00&&=&=x&unheard-of=1&unheard-of=2")}

    await asker.ask_all(asked())


@each(endpoint for endpoint in ENDPOINTS if {"from", "to"} <= query_names(endpoint))
async def test_ranges(session: aiohttp.ClientSession, api: Api, endpoint: Endpoint) -> None:
    """A range of dates that is reversed is refused."""
    asker = Asker(session, api, endpoint)
    assert await asker.ask("reversed", asker.url("from=2026-11-24&to=2026-11-23")) == 400


@each(endpoint for endpoint in ENDPOINTS if "{" in endpoint.path)
async def test_paths(session: aiohttp.ClientSession, api: Api, endpoint: Endpoint) -> None:
    """Every name in every path: an unknown one is not found."""
    asker = Asker(session, api, endpoint)
    for parameter in parameters_of(endpoint, "path"):
        values = [
            "%00", "%ff", "%zz", "%2e%2e%2f", "%20", "a%2fb", "٣", "+1", "1e3", "007.0", "0", "999999999999", "x" * 7_000,
        ]  # fmt: skip
        values += [_encoded(value) for value in bad_values(parameter["schema"], DOCUMENT) if value != ""]

        def asked(name: str, values: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
            # A path that is too long and one with a parent folder are other requests. Sample bodies make an artist and a venue x.
            for value in values:
                if len(value) < 8_000 and value not in (".", "..", "1", "1.0", "true", "x"):
                    yield f"{name} = {value}", {"url": asker.url(**{name: value})}

        sent = dealt(values, endpoint, parameter)
        # Each endpoint looks an id up in a way of its own; one that reads no database takes every id.
        takes_all = endpoint.read == "free"
        sent += [] if takes_all else [str(UNKNOWN)]
        statuses = await asker.ask_all(asked(parameter["name"], sent))
        assert set(statuses) <= {404, 400} | ({200} if takes_all else set())


@each(endpoint for endpoint in ENDPOINTS if "{" in endpoint.path)
async def test_slugs(session: aiohttp.ClientSession, api: Api, endpoint: Endpoint) -> None:
    """A slug is taken where the document says so, and is not found elsewhere."""
    asker = Asker(session, api, endpoint)
    for name in path_values(endpoint):
        status = await asker.ask(f"{name} by slug", asker.url(**{name: api.slugs.get(name, "a-slug")}))
        # Another id in the path may be missing: another endpoint removes it.
        is_unknown = status == 404 and asker.detail.startswith(f"No such {name.replace('_', ' ')}")
        assert is_unknown != (name in endpoint.slugs), asker.detail


@each(endpoint for endpoint in ENDPOINTS if endpoint.body is not None)
async def test_bodies(session: aiohttp.ClientSession, api: Api, endpoint: Endpoint) -> None:
    """Every place of every body, and malformed bodies."""
    asker = Asker(session, api, endpoint)
    schema = body_schema(endpoint)
    whole = sample(schema, DOCUMENT)

    bodies = {
        json.dumps(replaced(whole, path, value)): f"{path} = {value!r:.60}"
        for path, place in places(schema, DOCUMENT)
        for value in bad_values(place, DOCUMENT, str(path[-1]) if path else "")
    } | {
        json.dumps(replaced(whole, path, "@")).replace('"@"', word): f"{path} = {word}"
        for number, (path, place) in enumerate(places(schema, DOCUMENT))
        for word in (NUMBER_WORDS if takes_number(place) else NUMBER_WORDS[number % len(NUMBER_WORDS) :][:1])
    }

    def asked() -> Iterator[tuple[str, dict[str, Any]]]:
        for body, what in part(bodies.items(), ENDPOINTS.index(endpoint), of=OF_BODY):
            yield f"{what}: {body}", {"data": body.encode()}
        malformed = (b"null", b"[]", b"{", b'"', b"\xff\xfe", b"{}{}", b"[" * 30_000, b'{"a":' * 9_000, b"\x00", b" ")
        for data in part(malformed, ENDPOINTS.index(endpoint), of=OF_BODY):
            yield f"{data[:20]!r}", {"data": data}

    await asker.ask_all(asked())
    assert await asker.ask("oversize", data=b" " * (endpoint.body_bytes_max + 1)) == 413
    assert await asker.ask("oversize, in chunks", data=_chunks(endpoint.body_bytes_max + 1)) == 413
    assert await asker.ask("no gzip", data=b"{}", headers=asker.headers | {"Content-Encoding": "gzip"}) == 400
    assert await asker.ask("no JSON", data={"form": "data"}) == 400


async def _chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(0, size, 1024):
        yield b" " * 1024


@each(ENDPOINTS)
async def test_access_is_refused(session: aiohttp.ClientSession, api: Api, endpoint: Endpoint) -> None:
    """To anonymous clients, lower roles, bad tokens and pages of other sites."""
    asker = Asker(session, api, endpoint)
    headers = ("Bearer", "Bearer x", "Bearer \xff", "Basic eDp5", "Bearer a.b.c", "Bearer " + "x" * 5_000, "x")
    # One code checks the token for all endpoints: each gets one of the bad ones.
    header = headers[ENDPOINTS.index(endpoint) % len(headers)]
    assert await asker.ask(header[:20], headers={"Authorization": header}) == 401
    if endpoint.access != "anyone":
        assert await asker.ask("nobody", headers={}) == 401
        assert await asker.ask("a stale cookie", headers={"Cookie": "mysetlist_session=stale"}) == 401
        for role in ROLES[: ROLES.index(endpoint.access)]:
            assert await asker.ask(role, headers=api.headers(endpoint, role)) == 403
    if endpoint.method != "GET" and endpoint.path not in FROM_ANYWHERE:
        assert await asker.ask("another site", headers=asker.headers | {"Origin": "https://evil.example"}) == 403


ODD_HEADERS = (
    {
        "If-None-Match": "x", "Accept": "image/png", "Accept-Encoding": "nonsense", "Range": "bytes=5-1",
        "If-Modified-Since": "yesterday", "Cookie": "=;;mysetlist_session", "Content-Type": "\xff/\xfe",
    },
    {
        "If-None-Match": '"', "Cookie": "mysetlist_session=\xff", "Host": "evil.example",
        "X-Forwarded-For": "1.2.3.4, nonsense", "Accept-Language": "xx" * 500,
    },
    {"If-None-Match": 'W/"x", , "'},
)  # fmt: skip


@each(endpoint for endpoint in ENDPOINTS if endpoint.method == "GET")
async def test_headers(session: aiohttp.ClientSession, api: Api, endpoint: Endpoint) -> None:
    """Odd headers change nothing."""
    asker = Asker(session, api, endpoint)
    expected = await asker.ask("plain")
    assert expected == endpoint.status or endpoint.path in LINKS
    for odd in ODD_HEADERS:
        assert await asker.ask(str(odd), headers=asker.headers | odd) == expected


@each(endpoint for endpoint in ENDPOINTS if endpoint.method == "GET")
async def test_revalidation(session: aiohttp.ClientSession, api: Api, endpoint: Endpoint) -> None:
    """An answer has an ETag, and is not sent again to a client that has it, exactly where the document says so."""
    asker = Asker(session, api, endpoint)
    async with session.get(asker.url(), headers=asker.headers, allow_redirects=False) as response:
        etag = response.headers.get("ETag")
    assert (etag is not None) == endpoint.is_revalidated
    if etag is not None:
        headers = asker.headers | {"If-None-Match": etag}
        async with session.get(asker.url(), headers=headers, allow_redirects=False) as response:
            # What is computed now and then, as the ranking is, may have changed in between; then its ETag has too.
            assert (response.status == 304) == (response.headers["ETag"] == etag)
            assert str(response.status) in operation_of(endpoint)["responses"]


@one_loop
@pytest.mark.parametrize("path", PATHS)
async def test_methods(session: aiohttp.ClientSession, api: Api, path: str) -> None:
    """HEAD works where GET works; a method that a path does not have is refused with the list of those it has."""
    # A path may match another one too: /a/{name} matches /a/b.
    endpoints = {
        endpoint.method: endpoint
        for endpoint in ENDPOINTS
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", endpoint.path), path)
    }
    known = {str(method) for method in endpoints} | ({"HEAD"} if "GET" in endpoints else set())
    if path in PAGES:
        known |= {"GET", "HEAD"}
    asker = Asker(session, api, next(endpoint for endpoint in ENDPOINTS if endpoint.path == path))
    others = [name for name in METHODS if name not in known]
    for method in part(others, PATHS.index(path), of=OF_METHODS):
        async with session.request(method, asker.url(), headers=asker.headers) as response:
            assert response.status == 405
            assert set(response.headers["Allow"].split(",")) == known
            if method != "HEAD":
                assert response.content_type == "application/problem+json"
                assert (await response.json(content_type=None))["code"] == "bad_request"
    if "GET" in endpoints:
        asker = Asker(session, api, endpoints["GET"])
        expected = await asker.ask("plain")
        async with session.head(asker.url(), headers=asker.headers, allow_redirects=False) as response:
            assert response.status == expected
            assert await response.read() == b""


@one_loop
@pytest.mark.parametrize("path", ["/api", "/api/nowhere", "/static/missing.js", "/static/%2e%2e%2fweb.py",
                                  "/static/", "/api/shows/1/nowhere", "/api//shows"])  # fmt: skip
async def test_unknown_paths(session: aiohttp.ClientSession, path: str) -> None:
    """A path that no page could have is answered with a problem too."""
    async with session.get(URL(path, encoded=True)) as response:
        assert response.status == 404
        assert response.content_type == "application/problem+json"
        assert (await response.json(content_type=None))["code"] == "not_found"


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"BREW /api/shows HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/shows HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
        b"GET /api/shows HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /api/shows?q=" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /api/session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n{}\r\n0\r\n\r\n",
        b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}",
    ],
    ids=lambda sent: sent[:40].decode().split("\r")[0] + f" {len(sent)}",
)
def test_malformed_http(api: Api, sent: bytes) -> None:
    """Bytes that are no HTTP get a problem, and the connection is closed."""
    address = urlsplit(api.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(sent)
        received = b""
        while b"}" not in received and (data := connection.recv(65_536)):
            received += data
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "bad_request"


def test_every_place_has_a_bound() -> None:
    """Every text, number and list that a client may send has a documented maximum. A text of a certain form has an example, which
    refusals show: a pattern says nothing to people.
    """
    boundless, bare = [], []
    for endpoint in ENDPOINTS:
        given = [(parameter["name"], parameter["schema"]) for parameter in parameters_of(endpoint, "query")]
        given += [("body", body_schema(endpoint))] if endpoint.body is not None else []
        for name, schema in given:
            for path, place in places(schema, DOCUMENT, (name,)):
                for choice in place.get("anyOf", [place]):
                    bounds = {
                        "string": {"maxLength", "format", "enum"},
                        "integer": {"maximum", "exclusiveMaximum"},
                        "number": {"maximum", "exclusiveMaximum"},
                        "array": {"maxItems"},
                    }.get(choice.get("type", ""))
                    if bounds is not None and not bounds & choice.keys():
                        boundless.append((title(endpoint), *path))
                    if choice.get("pattern", r"\S") != r"\S" and "examples" not in choice:
                        bare.append((title(endpoint), *path))
    assert (boundless, bare) == ([], [])
