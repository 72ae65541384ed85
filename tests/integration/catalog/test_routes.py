"""The catalogue over HTTP: documents, caching, and bad input, which must never become a server error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient
from yarl import URL

from server.catalog.cursors import ShowCursor
from server.catalog.routes import CatalogRoutes
from server.clock import SystemClock
from server.protocol.embargo import Audience
from server.protocol.http.cursors import ID_MAX, encode_cursor
from server.protocol.identity import Identity
from server.protocol.instants import ms_of
from server.sample.demo import seed_demo
from server.store.database import REQUEST_ROLE, Database
from server.web.errors import answer_errors
from server.web.identity import make_address_of, make_is_secure
from server.web.routing import routes_of
from tests.support.engines import OpenDatabase, shared_database

NOW = datetime(2026, 11, 23, 4, 8, 40, tzinfo=UTC)

Client = TestClient[web.Request, web.Application]


class _StoppedClock(SystemClock):
    def monotonic_s(self) -> float:
        return 0.0

    def now_ms(self) -> int:
        return ms_of(NOW)


async def _identify_nobody(_request: web.Request) -> None:
    """Every reader is anonymous."""


async def _never_hidden(_audience: Audience, _show: int, _identity: Identity | None) -> None:
    """Every reader may see all counts."""


async def _client(aiohttp_client: AiohttpClient, db: Database) -> Client:
    app = web.Application(middlewares=[answer_errors])
    app.add_routes(
        routes_of(
            CatalogRoutes(db, _StoppedClock(), _never_hidden).endpoints(),
            _identify_nobody,
            60,
            make_address_of((), print),
            make_is_secure(()),
            body_s=30,
        )
    )
    client: Client = await aiohttp_client(app)
    return client


@asynccontextmanager
async def _opened(database_url: str, aiohttp_client: AiohttpClient) -> AsyncIterator[Client]:
    db = await Database.open(database_url, role=REQUEST_ROLE, pool_size=2)
    yield await _client(aiohttp_client, db)
    await db.close()


@pytest.fixture
async def client(database_url: str, aiohttp_client: AiohttpClient) -> AsyncIterator[Client]:
    """The catalogue's routes on an empty catalogue."""
    async with _opened(database_url, aiohttp_client) as opened:
        yield opened


@pytest.fixture(scope="module")
def seeded_url(new_database: OpenDatabase) -> Iterator[str]:
    """One database with the sample data for all tests: they only read."""
    with shared_database(new_database, partial(seed_demo, now=NOW)) as url:
        yield url


@pytest.fixture
async def seeded_client(seeded_url: str, aiohttp_client: AiohttpClient) -> AsyncIterator[Client]:
    """The catalogue's routes on sample data."""
    async with _opened(seeded_url, aiohttp_client) as opened:
        yield opened


async def _get(client: Client, path: str) -> tuple[int, dict[str, Any]]:
    async with client.get(URL(path, encoded=True)) as response:
        assert response.content_type == ("application/json" if response.status == 200 else "application/problem+json")
        body: dict[str, Any] = await response.json()
        return response.status, body


async def test_every_page_and_detail_of_the_sample_catalogue_can_be_read(seeded_client: Client) -> None:
    """The pages give every show once; each show, artist and venue can be read by id and by slug."""
    slugs: list[str] = []
    path = "/api/shows?limit=30"
    while path:
        status, page = await _get(seeded_client, path)
        assert status == 200
        slugs += [item["slug"] for item in page["items"]]
        path = f"/api/shows?limit=30&cursor={page['next']}" if page["next"] else ""
    assert len(slugs) == len(set(slugs)) == 100

    status, page = await _get(seeded_client, "/api/shows?status=live")
    assert [item["voting"] for item in page["items"]] == ["open"] * 6
    item = page["items"][0]
    status, show = await _get(seeded_client, f"/api/shows/{item['id']}")
    assert status == 200
    assert (status, show) == await _get(seeded_client, f"/api/shows/{item['slug']}")
    assert show["total"] == sum(s["up"] + s["down"] for listed in show["setlists"] for s in listed["songs"]) > 0
    assert show["now_playing"] in [song["id"] for song in show["setlists"][0]["songs"]]

    for kind in ("artist", "venue"):
        status, detail = await _get(seeded_client, f"/api/{kind}s/{item[kind]['slug']}")
        assert status == 200
        assert item["slug"] in [each["slug"] for each in detail["shows"]]
        assert (await _get(seeded_client, f"/api/{kind}s/{item[kind]['id']}"))[1] == detail
        _, found = await _get(seeded_client, f"/api/shows?{kind}={item[kind]['id']}&limit=100")
        assert item["slug"] in [each["slug"] for each in found["items"]]
    assert len((await _get(seeded_client, "/api/artists?limit=100"))[1]["items"]) == 50
    assert len((await _get(seeded_client, "/api/venues?limit=100"))[1]["items"]) == 20
    final = (await _get(seeded_client, "/api/shows?status=finished&to=2026-11-21"))[1]["items"]
    assert {item["voting"] for item in final} == {"final"}


async def test_an_unchanged_answer_is_not_sent_twice(seeded_client: Client) -> None:
    """A repeated request with the weak ETag gets 304 without a body; the ETag of another answer does not help."""
    async with seeded_client.get("/api/shows?limit=2") as first:
        assert first.headers["Cache-Control"] == "no-cache"
        etag = first.headers["ETag"]
        assert etag.startswith('W/"')
    async with seeded_client.get("/api/shows?limit=2", headers={"If-None-Match": f'"x", {etag}'}) as again:
        assert again.status == 304
        assert await again.read() == b""
        assert again.headers["ETag"] == etag
        assert again.headers["Cache-Control"] == "no-cache"
    async with seeded_client.get("/api/shows?limit=3", headers={"If-None-Match": etag}) as other:
        assert other.status == 200
    async with seeded_client.get("/api/shows?limit=2", headers={"If-None-Match": '"unclosed, W/'}) as broken:
        assert broken.status == 200


BAD_QUERIES = [
    "limit=0",
    "limit=-1",
    "limit=1000000000",
    "limit=x",
    "limit=1&limit=2",
    "cursor=x",
    "cursor=%00",
    "cursor=" + "A" * 400,
    "q=%00",
    "q=a%0Ab",
    "q=" + "x" * 101,
    "q=" + "x" * 8_000,
    "q=" + "+".join("abcdefghi"),
]
BAD_SHOW_QUERIES = [
    "status=open",
    "from=2026-02-30",
    "from=2026-11-02&to=2026-11-01",
    "to=soon",
    "artist=%00",
    "venue=" + "v" * 301,
]
BAD_NEAR_QUERIES = [
    "near=91,0",
    "near=0,181",
    "near=nan,nan",
    "near=1",
    "near=1,2&radius_km=0",
    "near=1,2&radius_km=-1",
    "near=1,2&radius_km=1e9",
    "near=1,2&radius_km=nan",
    "radius_km=5",
]
BAD_SEARCHES = [
    "",
    "q=",
    "kind=shows",
    "q=a&kind=users",
    "q=a&limit=0",
    "q=a&limit=-1",
    "q=a&limit=1000000000",
    "q=a&q=b",
    "q=%00",
    "q=a%0Ab",
    "q=" + "x" * 101,
    "q=" + "x" * 8_000,
    "q=" + "+".join("abcdefghi"),
    "q=" + "/".join("abcdefghi"),
]


async def test_bad_parameters_of_any_list_are_bad_requests(client: Client) -> None:
    """Each list answers 400 with a sentence."""
    for query in BAD_QUERIES:
        for path in ("shows", "artists", "venues"):
            status, problem = await _get(client, f"/api/{path}?{query}")
            assert (status, problem["code"]) == (400, "bad_request"), (query, path)
            assert problem["detail"], query


async def test_bad_filters_are_bad_requests(client: Client) -> None:
    """The list of shows answers 400 with a sentence."""
    for query in BAD_SHOW_QUERIES:
        status, problem = await _get(client, f"/api/shows?{query}")
        assert (status, problem["code"]) == (400, "bad_request"), query
        assert problem["detail"], query


async def test_bad_points_and_radii_are_bad_requests(client: Client) -> None:
    """The lists of shows and of venues answer 400 with a sentence."""
    for query in BAD_NEAR_QUERIES:
        for path in ("shows", "venues"):
            status, problem = await _get(client, f"/api/{path}?{query}")
            assert (status, problem["code"]) == (400, "bad_request"), (query, path)
            assert problem["detail"], query


async def test_bad_searches_are_bad_requests(client: Client) -> None:
    """The search answers 400 with a sentence."""
    for query in BAD_SEARCHES:
        status, problem = await _get(client, f"/api/search?{query}")
        assert (status, problem["code"]) == (400, "bad_request"), query
        assert problem["detail"], query


ODD_SEARCHES = ["%27;drop+table+shows;--", "%27%20%26%20%21a", "%5C", "%F0%9F%A4%98", "%E2%80%AE", "%25_", "%FF", "!!!"]


async def test_odd_searches_match_nothing(client: Client) -> None:
    """SQL, operators, emoji and signs are words that no row has, or no words at all."""
    nothing: dict[str, Any] = {"artists": [], "songs": [], "venues": [], "shows": []}
    for q in ODD_SEARCHES:
        assert await _get(client, f"/api/search?q={q}") == (200, nothing), q
        for path in ("shows", "artists", "venues"):
            assert await _get(client, f"/api/{path}?q={q}") == (200, {"items": [], "next": None}), (q, path)


async def test_answers_have_the_fields_of_their_types(seeded_client: Client) -> None:
    """Every field is declared and has its type, so the OpenAPI document is right."""
    types = {
        endpoint.path: endpoint.answer
        for endpoint in CatalogRoutes(cast("Any", None), _StoppedClock(), _never_hidden).endpoints()
    }
    _, shows = await _get(seeded_client, "/api/shows?near=40,-74&radius_km=20000&limit=100")
    _, show = await _get(seeded_client, f"/api/shows/{shows['items'][0]['id']}")
    song_id = show["setlists"][0]["songs"][0]["song_id"]
    for path, query in (
        ("/api/shows", "?near=40,-74&radius_km=20000&limit=100"),
        ("/api/shows", "?limit=100"),
        *(("/api/shows/{show}", f"/{item['id']}") for item in shows["items"]),
        ("/api/artists", ""),
        ("/api/artists/{artist}", f"/{show['artist']['slug']}"),
        ("/api/artists/{artist}/rotation", f"/{show['artist']['slug']}/rotation"),
        ("/api/venues", "?near=40,-74&radius_km=20000"),
        ("/api/venues", ""),
        ("/api/venues/{venue}", f"/{show['venue']['slug']}"),
        ("/api/songs/{song}", f"/{song_id}"),
        ("/api/search", "?q=a"),
    ):
        _, answer = await _get(seeded_client, path.partition("/{")[0] + query)
        # The conversion drops fields that the type does not have.
        assert msgspec.to_builtins(msgspec.convert(answer, types[path])) == answer, path
    _, results = await _get(seeded_client, f"/api/shows/{shows['items'][0]['id']}/results")
    assert msgspec.to_builtins(msgspec.convert(results, types["/api/shows/{show}/results"])) == results
    _, playlist = await _get(seeded_client, f"/api/shows/{shows['items'][0]['id']}/playlist")
    assert msgspec.to_builtins(msgspec.convert(playlist, types["/api/shows/{show}/playlist"])) == playlist
    assert set(types) == {
        "/api/shows/{show}/playlist", "/api/shows", "/api/shows/{show}", "/api/artists", "/api/artists/{artist}",
        "/api/artists/{artist}/rotation", "/api/venues",
        "/api/venues/{venue}", "/api/songs/{song}", "/api/search", "/api/shows/{show}/results",
    }, "each route of CatalogRoutes is asked above and listed here"  # fmt: skip


async def test_a_cursor_belongs_to_its_order(seeded_client: Client) -> None:
    """Venues by slug and venues by distance do not take each other's cursors."""
    _, by_slug = await _get(seeded_client, "/api/venues?limit=1")
    _, by_distance = await _get(seeded_client, "/api/venues?limit=1&near=40,-74&radius_km=20000")
    for query in (f"cursor={by_distance['next']}", f"near=40,-74&cursor={by_slug['next']}"):
        status, problem = await _get(seeded_client, f"/api/venues?{query}")
        assert (status, problem["code"]) == (400, "bad_request")
        assert "cursor" in problem["detail"]


async def test_a_song_can_be_found_and_read(seeded_client: Client) -> None:
    """A search finds the song; the song leads to its artist and to a show that has it."""
    _, show = await _get(seeded_client, f"/api/shows/{(await _get(seeded_client, '/api/shows'))[1]['items'][0]['id']}")
    placed = show["setlists"][0]["songs"][0]
    status, song = await _get(seeded_client, f"/api/songs/{placed['song_id']}")
    assert (status, song["title"]) == (200, placed["title"])
    assert show["artist"]["id"] in [artist["id"] for artist in song["artists"]]
    assert song["setlists"]
    _, found = await _get(seeded_client, str(URL("/api/search").with_query(q=song["title"], kind="songs", limit=100)))
    assert song["id"] in [each["id"] for each in found["songs"]]
    _, artist = await _get(seeded_client, f"/api/artists/{show['artist']['id']}")
    assert placed["song_id"] in [each["id"] for each in artist["songs"]]
    assert artist["show_count"] >= len(artist["shows"]) > 0


ODD_FILTERS = [
    "q=%FF%FE",
    "q=%ED%A0%80",
    "q=%F0%9F%A4%98",
    "q=%E2%80%AE",
    "q=%25_%5C",
    "artist=99999999999999999999999999",
    "artist=-1",
    "from=0001-01-01&to=9999-12-31",
    "near=90,180&radius_km=20038",
    "near=-90,-180&radius_km=0.0000001",
    "limit=100",
    "unknown=%00",
]


async def test_odd_but_valid_filters_give_a_page(client: Client) -> None:
    """Strange but valid filters are answered, not refused."""
    for query in ODD_FILTERS:
        status, page = await _get(client, f"/api/shows?{query}")
        assert (status, page) == (200, {"items": [], "next": None}), query


UNKNOWN_REFERENCES = ["0", "9" * 30, "nobody", "%00", "%FF", "a%0Ab", "-1", "1e3", "x" * 2000]


async def test_unknown_references_are_not_found(client: Client) -> None:
    """Unknown shows, artists, venues and songs are 404."""
    for reference in UNKNOWN_REFERENCES:
        for path in ("shows", "artists", "venues", "songs"):
            status, problem = await _get(client, f"/api/{path}/{reference}")
            assert (status, problem["code"]) == (404, "not_found"), (reference, path)


async def test_cursors_at_the_edges_of_time_give_a_page(seeded_client: Client) -> None:
    """Valid cursors at the edges of time give a page and no error."""
    for group in range(4):
        for starts_us in (-62_135_510_400_000_000, 0, 253_402_214_400_000_000):
            cursor = encode_cursor(ShowCursor(group, starts_us, ID_MAX))
            status, page = await _get(seeded_client, f"/api/shows?limit=100&cursor={cursor}")
            assert status == 200
            assert len(page["items"]) <= 100
