"""The OpenAPI document: valid, complete, and equal to the served routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import msgspec
import pytest

from server.node.node import Node
from server.protocol.codes import HTTP_STATUS, Code
from server.protocol.http.endpoints import Answer, Call, Endpoint
from server.web.openapi import PATH, codes_of, describe
from tests.support.contract import DOCUMENT, ENDPOINTS, title
from tests.support.running_node import running_node

# Served beside the endpoints: pages, files, probes and the websocket.
NO_ENDPOINTS = {
    "/",
    "/me",
    "/admin",
    "/admin/{page}",
    "/shows/{show}",
    "/shows/{show}/",
    "/shows/{show}/card.png",
    "/artists/{artist}",
    "/artists/{artist}/",
    "/artists/{artist}.ics",
    "/artists/{artist}/card.png",
    "/venues/{venue}/card.png",
    "/songs/{song}/card.png",
    "/venues/{venue}",
    "/venues/{venue}/",
    "/songs/{song}",
    "/songs/{song}/",
    "/calendars/{token}.ics",
    "/robots.txt",
    "/sitemap.xml",
    "/sitemap/{kind}-{part}.xml",
    "/brand/{revision}/brand.css",
    "/brand/{revision}/wall-{scheme}.css",
    "/brand/{revision}/logo",
    "/brand/{revision}/manifest.webmanifest",
    "/screen/{show}",
    "/overlay/{show}",
    "/embed/{show}",
    "/j/{code}",
    "/leaderboard",
    "/api/docs",
    "/service-worker.js",
    "/static/{name}",
    "/static/{version}/{name}",
    "/ws",
    "/healthz",
    "/readyz",
    "/metrics",
}

each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=title)


def operation_of(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    return operation


def test_the_document_is_openapi() -> None:
    """The document is valid by the OpenAPI specification, and every reference resolves."""
    # Imported here: each test process collects this file, and one runs it.
    from openapi_spec_validator import OpenAPIV31SpecValidator

    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_component_is_used() -> None:
    """Every component is referred to by an operation."""
    used: set[str] = set()
    waiting = list(_references(DOCUMENT["paths"]))
    while waiting:
        reference = waiting.pop()
        if reference not in used:
            used.add(reference)
            section, name = reference.removeprefix("#/components/").split("/")
            waiting += _references(DOCUMENT["components"][section][name])
    described = {
        f"#/components/{section}/{name}"
        for section in ("schemas", "responses")
        for name in DOCUMENT["components"][section]
    }
    assert used == described


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


@pytest.fixture
async def http(database_url: str, redis_url: str) -> AsyncIterator[tuple[Node, aiohttp.ClientSession]]:
    """A node and an HTTP client of it."""
    async with running_node(database_url, redis_url) as node, aiohttp.ClientSession(node.url) as session:
        yield node, session


async def test_served_routes_are_described(http: tuple[Node, aiohttp.ClientSession]) -> None:
    """Every route of the application is in the document that it serves, and every operation of the document is a route."""
    node, session = http
    async with session.get(PATH) as response:
        assert response.content_type == "application/json"
        document = await response.json()
    assert document == DOCUMENT
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    served = {
        (route.method, route.resource.canonical)
        for route in node._runner.app.router.routes()
        if route.resource is not None and route.resource.canonical not in NO_ENDPOINTS and route.method != "HEAD"
    }
    # The page of a sign-in link, whose button sends the POST of this path.
    assert served - {("GET", "/signin")} == described


def test_nothing_is_untyped() -> None:
    """Every answer and body has a type with its fields."""
    open_object = {"type": "object"}
    untyped = [
        title(endpoint)
        for endpoint in ENDPOINTS
        for kind in (endpoint.answer, endpoint.body)
        if kind is not None and msgspec.json.schema(kind) in (open_object, {})
    ]
    assert untyped == []


@each_endpoint
def test_an_operation_has_a_summary(endpoint: Endpoint) -> None:
    """The summary is one sentence; the summary and the description start with a capital and end with a full stop."""
    for text in filter(None, (endpoint.summary, endpoint.description)):
        assert text[0].isupper() or text[0] in "`‘"
        assert text.endswith(".")
    assert "\n" not in endpoint.summary


@each_endpoint
def test_an_operation_names_every_code(endpoint: Endpoint) -> None:
    """Each error code of an operation is listed under its status, and each error status has a code."""
    refusals: dict[str, set[str]] = {}
    for status, reference in operation_of(endpoint)["responses"].items():
        if int(status) >= 400:
            response = DOCUMENT["components"]["responses"][reference["$ref"].rsplit("/", 1)[1]]
            codes = response["content"]["application/problem+json"]["schema"]["properties"]["code"]["enum"]
            refusals[status] = set(codes)
    expected: dict[str, set[str]] = {}
    for code in codes_of(endpoint):
        expected.setdefault(str(HTTP_STATUS[code]), set()).add(str(code))
    assert refusals == expected
    assert set(endpoint.codes) <= set(Code)


def test_a_parameter_has_a_description() -> None:
    """Every parameter has a description, except an enumeration, whose values explain it."""
    undescribed = [
        (title(endpoint), parameter["name"])
        for endpoint in ENDPOINTS
        for parameter in operation_of(endpoint).get("parameters", [])
        if "description" not in parameter and parameter["schema"].get("type") in ("string", "integer", "number")
    ]
    assert undescribed == []


def test_a_query_is_described_parameter_by_parameter() -> None:
    """The document lists each parameter of a query with its bounds and default; an optional parameter is not nullable."""

    class Query(msgspec.Struct, kw_only=True):
        limit: int = 20
        after: str | None = None
        kind: str = msgspec.field(name="from")

    async def handler(_call: Call) -> Answer:
        return Answer()

    described = describe([Endpoint(method="GET", path="/api/x", handler=handler, summary="X.", query=Query)])
    assert described["paths"]["/api/x"]["get"]["parameters"] == [
        {"name": "limit", "in": "query", "required": False, "allowEmptyValue": True,
         "schema": {"type": "integer", "default": 20}},
        {"name": "after", "in": "query", "required": False, "allowEmptyValue": True, "schema": {"type": "string"}},
        {"name": "from", "in": "query", "required": True, "schema": {"type": "string"}},
    ]  # fmt: skip
    assert "Query" not in described["components"]["schemas"]


@pytest.mark.parametrize("name", ["show", "artist", "venue"])
def test_shows_artists_and_venues_take_an_id_or_a_slug(name: str) -> None:
    """Every path with a show, an artist or a venue takes its id or its slug."""
    named = [endpoint for endpoint in ENDPOINTS if f"{{{name}}}" in endpoint.path]
    assert named
    assert [endpoint.path for endpoint in named if name not in endpoint.slugs] == []
