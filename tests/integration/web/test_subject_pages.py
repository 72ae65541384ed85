"""The pages of a show, an artist, a venue and a song as search engines and messengers get them: heads, pictures, sitemaps."""

from __future__ import annotations

import itertools
import json
import re
import struct
from collections.abc import AsyncIterator
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import aiohttp
import pytest_asyncio

from server.errors import Refused
from server.node.node import Node
from server.protocol.codes import Code
from server.protocol.show_names import default_name
from server.settings import data_folder
from server.web import cards as cards_module
from server.web.cards import card_of_show
from server.web.heads import CARD_SIZE
from tests.support import one_node
from tests.support.row_factory import RowFactory, Show

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.emptied

SHOWS = itertools.count(7)
NASTY = "A </script><b> & \"B\" 'C' -->"


@pytest_asyncio.fixture(loop_scope="module")
async def http(node: Node) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the node."""
    async with aiohttp.ClientSession(base_url=node.url) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="module")
async def show(factory: RowFactory) -> Show:
    """A show whose artist, venue and first song have names that would break out of a page."""
    # A node keeps pictures by the id of their show, and no two shows have the same.
    made = await factory.show(next(SHOWS))
    for table, column in (("artists", "name"), ("venues", "name"), ("songs", "title")):
        await factory.sql.execute(f"update {table} set {column} = $1 where id = (select min(id) from {table})", NASTY)
    return made


class Head(HTMLParser):
    """What a page says of itself: properties, title, links, data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.named: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.tags: list[str] = []
        self.feed(text)
        self.title = unescape(re.findall("<title>(.*?)</title>", text)[0])
        data = re.findall(r'<script type="application/ld\+json">(.*?)</script>', text)
        self.data: Any = json.loads(data[0]) if data else None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes one tag."""
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if tag == "meta" and "content" in given:
            self.named[given.get("property") or given.get("name", "")] = given["content"]
        if tag == "link":
            self.links[given["rel"]] = given["href"]


async def head_of(http: aiohttp.ClientSession, path: str) -> Head:
    """The head of a page that is there."""
    async with http.get(path) as response:
        assert response.status == 200, path
        return Head(await response.text())


async def test_each_page_says_what_it_is_about(http: aiohttp.ClientSession, node: Node, show: Show) -> None:
    """Title, description, one address, Open Graph and schema.org, also when it was asked for by its id; no name breaks out."""
    song = await _song_of(http, show)
    wanted = {
        f"/shows/{show.id}": (f"/shows/show-{show.id}", "MusicEvent", f"{NASTY}, {NASTY}"),
        "/artists/1": ("/artists/band", "MusicGroup", NASTY),
        "/venues/1": ("/venues/hall", "MusicVenue", f"{NASTY}, Boston"),
        f"/songs/{song}": (f"/songs/{song}", "MusicComposition", f"{NASTY}, {NASTY}"),
        "/": ("/", "WebSite", ""),
    }
    for path, (address, kind, title) in wanted.items():
        head = await head_of(http, path)
        assert head.title == (f"{title} | MySetlist" if title else "MySetlist")
        assert head.links["canonical"] == head.named["og:url"] == node.url + address
        assert head.named["og:title"] == (title or "MySetlist")
        assert head.named["description"] == head.named["og:description"]
        assert (head.data["@context"], head.data["@type"]) == ("https://schema.org", kind)
        assert head.data["url"] == node.url + address
        assert "b" not in head.tags
    artist = await head_of(http, "/artists/band")
    assert artist.links["alternate"] == "/artists/band.ics?lang=en"
    assert [event["@type"] for event in artist.data["event"]] == ["MusicEvent"]


async def _song_of(http: aiohttp.ClientSession, show: Show) -> int:
    async with http.get(f"/api/shows/{show.id}") as response:
        song: int = (await response.json())["setlists"][0]["songs"][0]["song_id"]
    return song


async def test_a_show_is_a_music_event(http: aiohttp.ClientSession, factory: RowFactory, show: Show) -> None:
    """Its start on the clock of the venue, its state, its place, its bill, and what was played."""
    await factory.sql.execute(
        "update shows set starts_at = '2026-07-04T23:30:00Z', local_date = '2026-07-04' where id = $1", show.id
    )
    event = (await head_of(http, f"/shows/{show.id}")).data
    assert event["startDate"] == "2026-07-04T19:30:00-04:00"
    assert event["eventStatus"] == "https://schema.org/EventScheduled"
    assert event["location"]["@type"] == "MusicVenue"
    assert event["location"]["address"]["addressLocality"] == "Boston"
    assert [act["name"] for act in event["performer"]] == [NASTY]
    assert "workPerformed" not in event
    await factory.sql.execute(
        "with l as (insert into setlists (show_id, type, name) values ($1, 'actual', 'Set') returning id)"
        " insert into setlist_songs (setlist_id, show_id, song_id, position) select l.id, $1, s.id, 1 from l,"
        " (select min(id) as id from songs) s",
        show.id,
    )
    await factory.sql.execute("update shows set status = 'cancelled' where id = $1", show.id)
    head = await head_of(http, f"/shows/{show.id}")
    assert head.data["eventStatus"] == "https://schema.org/EventCancelled"
    assert [work["name"] for work in head.data["workPerformed"]] == [NASTY]
    assert head.named["description"].startswith("Cancelled: ")


async def test_a_show_without_a_name_has_one_in_the_readers_language(
    http: aiohttp.ClientSession, factory: RowFactory, show: Show
) -> None:
    """The default is stored in English: search engines are told artist and venue in the language of the page. A given name stays."""
    default = default_name(NASTY, NASTY)
    for name, lang, told in (
        (default, "es", f"{NASTY} en {NASTY}"),
        (default, "ja", f"{NASTY}、{NASTY}"),
        ("Una noche", "ja", "Una noche"),
    ):
        await factory.sql.execute("update shows set name = $2 where id = $1", show.id, name)
        for path in (f"/shows/{show.id}", "/artists/1", "/venues/1"):
            data = (await head_of(http, f"{path}?lang={lang}")).data
            assert data.get("event", [data])[0]["name"] == told, path


async def test_an_unknown_subject_is_a_page_that_says_so(http: aiohttp.ClientSession, show: Show) -> None:
    """With the status 404; a slash at the end of an address is taken away."""
    for path in ("/shows/nowhere", "/artists/nobody", "/venues/nowhere", "/songs/0", "/songs/none"):
        async with http.get(path) as response:
            assert (response.status, response.content_type) == (404, "text/html"), path
    async with http.get("/artists/band/?a=1", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (301, "/artists/band?a=1")


# ────────────────────────────────────────────────────────────────────── pictures


async def test_a_picture_is_drawn_once(http: aiohttp.ClientSession, factory: RowFactory, show: Show) -> None:
    """It is a PNG of the size that its head names. It is drawn again when the show changes, and a client that has it gets 304."""
    head = await head_of(http, f"/shows/{show.id}")
    assert head.named["og:image"].endswith(f"/shows/show-{show.id}/card.png")
    async with http.get(f"/shows/{show.id}/card.png") as response:
        assert (response.status, response.content_type) == (200, "image/png")
        body, etag = await response.read(), response.headers["ETag"]
    assert struct.unpack(">II", body[16:24]) == (
        int(head.named["og:image:width"]),
        int(head.named["og:image:height"]),
    )
    async with http.get(f"/shows/show-{show.id}/card.png", headers={"If-None-Match": etag}) as response:
        assert response.status == 304
    await factory.sql.execute("update shows set status = 'live' where id = $1", show.id)
    async with http.get(f"/shows/{show.id}/card.png", headers={"If-None-Match": etag}) as response:
        assert response.status == 200
    for path in ("/artists/band", "/venues/hall", f"/songs/{await _song_of(http, show)}"):
        head = await head_of(http, path)
        async with http.get(head.named["og:image"]) as response:
            assert (response.status, response.content_type) == (200, "image/png"), path
    for path in ("/shows/nowhere/card.png", "/artists/nobody/card.png", "/songs/0/card.png"):
        async with http.get(path) as response:
            assert response.status == 404


async def test_every_page_has_a_title_a_description_and_a_picture(http: aiohttp.ClientSession, show: Show) -> None:
    """The pages of a show have the show's picture, those of one thing their own, all others the plain one."""
    card = f"/shows/show-{show.id}/card.png"
    pictures = {
        "/": "/static/card.png", "/me": "/static/card.png", "/leaderboard": "/static/card.png", "/admin": "/static/card.png",
        "/artists/band": "/artists/band/card.png", "/venues/hall": "/venues/hall/card.png",
        **{f"/{page}/show-{show.id}": card for page in ("shows", "screen", "overlay", "embed")},
    }  # fmt: skip
    for path, picture in pictures.items():
        head = await head_of(http, path)
        assert head.title, path
        assert head.named["description"], path
        assert urlsplit(head.named["og:image"]).path == picture, path
        assert head.named["twitter:card"] == "summary_large_image"
        async with http.get(head.named["og:image"]) as response:
            assert (response.status, response.content_type) == (200, "image/png"), path


async def test_a_picture_tells_no_hidden_counts(http: aiohttp.ClientSession, factory: RowFactory, show: Show) -> None:
    """The songs with most votes are on it while everyone may see the counts; under an embargo no song is."""
    for place, count in enumerate((2, 5, 1)):
        await factory.sql.execute("update setlist_songs set up_count = $2 where id = $1", show.songs[place], count)
    for results, count in (("live", 3), ("after_vote", 0), ("after_closing", 0)):
        await factory.sql.execute(
            "update shows set results = $1::text::results_visibility where id = $2", results, show.id
        )
        async with http.get(f"/api/shows/{show.id}") as response:
            card = card_of_show(await response.json())
        assert len(card.songs) == count, results
        if count:
            assert [song.count for song in card.songs] == ["5", "2", "1"]
            assert [song.share for song in card.songs] == [1.0, 0.4, 0.2]
        else:
            assert "Song" not in str(card)


async def test_newer_votes_wait_for_the_next_picture(
    http: aiohttp.ClientSession, factory: RowFactory, show: Show, monkeypatch: Any
) -> None:
    """A show that gets votes all the time is drawn once a minute, however many ask."""
    drawn: list[str] = []

    def draw(card: Any) -> bytes:
        drawn.append(card.heading)
        return b"picture"

    monkeypatch.setattr(cards_module, "draw", draw)
    for count in (11, 12, 13):
        await factory.sql.execute("update setlist_songs set up_count = $1 where id = $2", count, show.first)
        async with http.get(f"/shows/{show.id}/card.png") as response:
            assert await response.read() == b"picture"
    assert len(drawn) == 1
    monkeypatch.setattr(cards_module, "KEPT_S", 0)
    await factory.sql.execute("update setlist_songs set up_count = 14 where id = $1", show.first)
    async with http.get(f"/shows/{show.id}/card.png"):
        pass
    assert len(drawn) == 2


async def test_a_messenger_gets_a_picture_when_none_can_be_drawn(
    http: aiohttp.ClientSession, factory: RowFactory, show: Show, monkeypatch: Any
) -> None:
    """The one with older counts, but not that of an older state of the show; without it one that has no words. Never an error."""
    plain = (data_folder("static") / "card.png").read_bytes()

    async def picture() -> tuple[bytes, str]:
        async with http.get(f"/shows/{show.id}/card.png") as response:
            assert (response.status, response.content_type) == (200, "image/png")
            return await response.read(), response.headers["Cache-Control"]

    def fail(_card: Any) -> bytes:
        raise Refused(Code.UNAVAILABLE, "too slow")

    monkeypatch.setattr(cards_module, "draw", fail)
    assert await picture() == (plain, "no-cache")
    monkeypatch.setattr(cards_module, "draw", lambda _card: b"drawn")
    assert await picture() == (b"drawn", "public, max-age=60")
    monkeypatch.setattr(cards_module, "draw", fail)
    monkeypatch.setattr(cards_module, "KEPT_S", 0)
    await factory.sql.execute("update setlist_songs set up_count = 15 where id = $1", show.first)
    assert await picture() == (b"drawn", "no-cache")
    await factory.sql.execute("update shows set results = 'after_closing' where id = $1", show.id)
    assert await picture() == (plain, "no-cache")


def test_the_picture_without_words_has_the_size_of_the_others() -> None:
    """Heads of pages tell the size before it is known which one comes."""
    body = (data_folder("static") / "card.png").read_bytes()
    assert struct.unpack(">II", body[16:24]) == CARD_SIZE


# ────────────────────────────────────────────────────────────── search engines


async def locations(http: aiohttp.ClientSession, path: str) -> list[str]:
    """The addresses in a sitemap."""
    async with http.get(path) as response:
        assert (response.status, response.content_type) == (200, "application/xml")
        root = ET.fromstring(await response.text())
    return [element.text or "" for element in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]


async def test_sitemaps_list_every_page_once(
    http: aiohttp.ClientSession, node: Node, factory: RowFactory, show: Show, monkeypatch: Any
) -> None:
    """The index names the parts, and these together each show, artist, venue and song; also in very small parts."""
    monkeypatch.setattr("server.catalog.sitemap.PART_PAGES_MAX", 2)
    async with http.get("/robots.txt") as response:
        robots = await response.text()
    [index] = re.findall("^Sitemap: (.*)$", robots, re.MULTILINE)
    parts = await locations(http, index.removeprefix(node.url))
    assert len(parts) == len(set(parts)) > 4
    listed = []
    for part in parts:
        async with http.get(part) as response:
            if response.status == 404:  # every page of this part is deleted
                continue
        listed += await locations(http, part.removeprefix(node.url))
    rows = await factory.sql.fetch(
        "select 'shows/' || slug as path from shows union all select 'artists/' || slug from artists"
        " union all select 'venues/' || slug from venues union all select 'songs/' || id from songs"
    )
    assert sorted(listed) == sorted(f"{node.url}/{row['path']}" for row in rows)
    for path in ("/sitemap/shows-0.xml", "/sitemap/shows-999999999.xml", "/sitemap/users-1.xml"):
        async with http.get(path) as response:
            assert response.status == 404, path


async def test_a_made_up_host_breaks_out_of_nothing(http: aiohttp.ClientSession, show: Show) -> None:
    """The name of the host is in addresses of the page, whatever characters it has; one that is too long is refused."""
    for path in ("/", f"/shows/{show.id}", "/sitemap.xml"):
        async with http.get(path, headers={"Host": '"><b>.example'}) as response:
            text = await response.text()
        assert "<b>.example" not in text.replace("&lt;b&gt;.example", ""), path
        async with http.get(path, headers={"Host": "x" * 4_000}) as response:
            assert response.status == 400


async def test_only_the_first_page_asks_for_the_list_at_once(http: aiohttp.ClientSession, factory: RowFactory) -> None:
    """The script of the list is there as soon as that of the page; who opens a show does not load it."""
    show = await factory.show(7)
    for path, count in (("/", 1), (f"/shows/{show.id}", 0)):
        async with http.get(path) as response:
            found = re.findall(
                r'<link rel="modulepreload" href="(/static/[^"]+/list-view\.js)">', await response.text()
            )
        assert len(found) == count, path
        for address in found:
            async with http.get(address) as response:
                assert response.status == 200
