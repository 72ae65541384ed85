"""One service under many names: administrators make brands, and each host shows its own."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import aiohttp
import pytest_asyncio

from server.mail.tokens import unsubscribe_token
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people, moderator = one_node.node, one_node.emptied, one_node.people, one_node.moderator

PATH = "/api/admin/brands"
HOST = "vote.club.example"
DARK = {"ground": "#001020", "surface": "#002030", "text": "#ffffff", "accent": "#00ffaa"}
LIGHT = {"ground": "#ffffff", "surface": "#f4f4f4", "text": "#111111", "accent": "#7a0050"}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def encoded(data: bytes) -> str:
    """Base64, as the API takes a file."""
    return base64.b64encode(data).decode()


@pytest_asyncio.fixture(loop_scope="module")
async def admin(people: People) -> Person:
    """The administrator who makes brands."""
    return await people.person("admin")


async def make(admin: Person, **body: Any) -> Any:
    """Makes a brand."""
    return await admin.ok("POST", PATH, {"host": HOST, "name": "Club & <b>", **body}, status=201)


async def page(admin: Person, path: str, host: str, **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
    """What a browser gets from a host."""
    async with admin.http.get(admin.url + path, headers={"Host": host, **headers}) as response:
        return response, await response.read()


async def test_each_host_shows_its_brand(admin: Person, factory: RowFactory) -> None:
    """Name, colours, logo, manifest, addresses and what the list has; every other host shows the service."""
    await factory.show(7)
    made = await make(admin, artist=1, venue=1, colours={"dark": DARK}, logo=encoded(PNG))
    assert (made["logo_bytes"], made["logo_type"], made["is_preview"]) == (len(PNG), "image/png", False)
    for host in (HOST, f"{HOST.upper()}:80"):
        _, body = await page(admin, "/shows/7", host)
        text = body.decode()
        assert "<title>Band, Hall | Club &amp; &lt;b&gt;</title>" in text
        assert '<span translate="no">Club &amp; &lt;b&gt;</span>' in text
        assert f'<link rel="canonical" href="http://{host}/shows/show-7">' in text
        assert '<meta property="og:site_name" content="Club &amp; &lt;b&gt;">' in text
        assert 'content="#001020" media="(prefers-color-scheme: dark)"' in text
        [data] = re.findall(r'<script type="application/json" id="brand">(.*?)</script>', text)
        assert json.loads(data) == {"name": "Club & <b>", "artist": "band", "venue": "hall"}
    for path in ("/", "/me", "/leaderboard"):
        _, body = await page(admin, path, HOST)
        assert '<meta property="og:image:alt" content="Club &amp; &lt;b&gt;">' in body.decode(), path
    folder = f"/brand/{made['revision']}"
    assert text.count(f'"{folder}/') == 4  # the icon, the same in the top line, the manifest, the colours
    style, body = await page(admin, f"{folder}/brand.css", HOST)
    assert (style.status, style.content_type) == (200, "text/css")
    assert style.headers["Cache-Control"].endswith("immutable")
    assert b"--ground: #001020; --surface: #002030" in body
    logo, body = await page(admin, f"{folder}/logo", HOST)
    assert (logo.content_type, body) == ("image/png", PNG)
    assert logo.headers["X-Content-Type-Options"] == "nosniff"
    _, body = await page(admin, f"{folder}/manifest.webmanifest", HOST)
    manifest = json.loads(body)
    assert (manifest["name"], manifest["background_color"]) == ("Club & <b>", "#001020")
    old, _ = await page(admin, "/brand/1/brand.css", HOST)
    assert old.headers["Cache-Control"] == "no-cache"
    other, _ = await page(admin, f"{folder}/brand.css", "other.example")
    assert other.status == 404
    for path in ("/me", "/signin", "/no/such/page"):
        _, body = await page(admin, path, HOST)
        text = body.decode()
        assert "Club &amp; &lt;b&gt;</title>" in text
        assert "MySetlist</" not in text
        assert f'"{folder}/brand.css"' in text
    _, body = await page(admin, "/", "other.example")
    assert b"Club" not in body
    assert b'id="brand"' not in body


async def test_walls_and_the_kept_page_have_the_brand(admin: Person, factory: RowFactory) -> None:
    """Walls in its colours, by the theme of the address, with its name, its logo and a code that leads to its host; the page that a
    browser keeps; a join code of no show.
    """
    await factory.show(7)
    made = await make(admin, colours={"dark": DARK}, logo=encoded(PNG))
    folder = f"/brand/{made['revision']}"
    for kind in ("screen", "overlay", "embed"):
        _, body = await page(admin, f"/{kind}/7", HOST)
        text = body.decode()
        assert "<title>Band, Hall | Club &amp; &lt;b&gt;</title>" in text
        assert re.search(rf'wall\.css">\n  <link rel="stylesheet" href="{folder}/wall-dark\.css">', text)
        assert f"{folder}/wall-light.css" not in text
        assert (
            f'<p class="join-brand" translate="no"><img src="{folder}/logo" alt=""><span>Club &amp; &lt;b&gt;</span></p>'
            in text
        )
        assert f'<span class="join-host">{HOST}</span>' in text
    style, body = await page(admin, f"{folder}/wall-dark.css", HOST)
    assert (style.content_type, body.count(b"--ground: #001020")) == ("text/css", 1)
    assert (await page(admin, f"{folder}/wall-light.css", HOST))[0].status == 404
    _, body = await page(admin, "/j/zzzzzz", HOST)
    assert b"Club &amp; &lt;b&gt;</title>" in body
    _, body = await page(admin, "/service-worker.js", HOST)
    assert f"{folder}/brand.css".encode() in body
    assert b"MySetlist</span>" not in body
    light = await admin.ok("PATCH", f"{PATH}/{made['id']}", {"colours": {"light": LIGHT}})
    _, body = await page(admin, "/embed/7?theme=light", HOST)
    assert f'<link rel="stylesheet" href="/brand/{light["revision"]}/wall-light.css" media="all">'.encode() in body
    _, body = await page(admin, "/screen/7", "other.example")
    assert b"/brand/" not in body


async def test_letters_are_those_of_the_brand_where_the_fan_asked_for_them(
    admin: Person, people: People, factory: RowFactory
) -> None:
    """The host is kept with the address and follows the fan; the pages behind the links of emails have the host's brand."""
    made = await make(admin)
    fan = await people.person()
    for host, kept in ((HOST.upper(), HOST), ("other.example", "")):
        headers = {"Host": host, "Authorization": f"Bearer {fan.token}"}
        wish = {"address": "fan@example.org"}
        async with fan.http.put(f"{fan.url}/api/me/email", json=wish, headers=headers) as response:
            assert response.status == 200
        assert await factory.sql.fetchval("select host from email_preferences where user_id = $1", fan.id) == kept
    token = unsubscribe_token(SECRET, "fan@example.org")
    _, body = await page(admin, f"/unsubscribe?token={token}", HOST)
    assert b"- Club &amp; &lt;b&gt;</title>" in body
    assert f'href="/brand/{made["revision"]}/brand.css"'.encode() in body
    assert b"MySetlist" not in body


async def test_a_page_of_the_brand_may_act(admin: Person) -> None:
    """A page at the brand's host sends its origin with what it does, also when a proxy names another host."""
    await make(admin)
    for origin, status in ((f"https://{HOST}", 201), ("https://evil.example", 403)):
        async with admin.http.post(f"{admin.url}/api/session", headers={"Origin": origin}) as response:
            assert response.status == status, origin


async def test_colours_that_nobody_can_read_are_refused(admin: Person) -> None:
    """The refusal names the pair, the contrast that was found, and the one that is wanted."""
    status, answer = await admin.ask(
        "POST", PATH, {"host": HOST, "name": "Club", "colours": {"dark": DARK | {"text": "#003040"}}}
    )
    assert (status, answer["code"]) == (400, "bad_request")
    assert re.search(
        r"dark: `text` #003040 on `ground` #001020 has a contrast of 1\.\d\d, and 4\.5 is wanted", answer["detail"]
    )


async def test_a_logo_is_a_small_picture(admin: Person) -> None:
    """No SVG, whose scripts a browser may run; nothing else that is no picture; not too large."""
    for logo in (encoded(SVG), encoded(b"GIF89a"), encoded(PNG[:4]), "%%%", encoded(b"RIFF1234WAVE")):
        assert await admin.refused("POST", PATH, {"host": HOST, "name": "Club", "logo": logo}) == "bad_request", logo
    large = encoded(PNG + bytes(256 * 1024))
    assert await admin.refused("POST", PATH, {"host": HOST, "name": "Club", "logo": large}) in (
        "bad_request",
        "too_large",
    )
    assert (await admin.ok("GET", PATH))["items"] == []


async def test_administrators_change_and_delete_brands(
    admin: Person, moderator: Person, factory: RowFactory, people: People
) -> None:
    """A preview changes nothing, an older revision is refused, each act is in the audit log, and nobody else may."""
    assert (await admin.ok("POST", f"{PATH}?preview=true", {"host": HOST, "name": "Club"}, status=201))["is_preview"]
    assert await admin.ok("GET", PATH) == {"items": [], "next": None}
    made = await make(admin, logo=encoded(PNG))
    one = f"{PATH}/{made['id']}"
    assert await admin.refused("POST", PATH, {"host": HOST, "name": "Twice"}) == "conflict"
    assert await admin.refused("POST", PATH, {"host": "b.example", "name": "B", "artist": 99}) == "not_found"
    assert await admin.refused("POST", PATH, {"host": "B.example/x", "name": "B"}) == "bad_request"
    preview = await admin.ok("PATCH", f"{one}?preview=true", {"name": "Other"})
    assert (preview["name"], preview["is_preview"]) == ("Other", True)
    changed = await admin.ok("PATCH", one, {"venue": 1, "colours": {"dark": DARK}, "revision": made["revision"]})
    assert (changed["name"], changed["venue"], changed["logo_bytes"]) == (made["name"], 1, len(PNG))
    assert changed["revision"] > made["revision"]
    assert await admin.refused("PATCH", one, {"name": "Late", "revision": made["revision"]}) == "conflict"
    without = await admin.ok("PATCH", one, {"logo": None, "venue": None})
    assert (without["logo_bytes"], without["logo_type"], without["venue"]) == (0, None, None)
    for person, code in ((moderator, "forbidden"), (await people.person(), "forbidden")):
        assert await person.refused("GET", PATH) == code
        assert await person.refused("DELETE", one) == code
    await admin.ok("DELETE", one)
    assert await admin.refused("DELETE", one) == "not_found"
    acts = await factory.sql.fetch("select action from audit_log where subject like 'brand:%' order by id")
    assert [act["action"] for act in acts] == ["brand.make", "brand.change", "brand.change", "brand.delete"]


async def test_a_merge_keeps_the_list_of_a_brand(admin: Person, factory: RowFactory) -> None:
    """When its artist became one with another, the list has the shows of the one that is left."""
    await factory.sql.execute("insert into artists (slug, name) values ('band-2', 'Band')")
    await make(admin, artist=2)
    await admin.ok("POST", "/api/admin/artists/1/merge", {"duplicate": 2})
    await admin.ok("PATCH", f"{PATH}/{(await admin.ok('GET', PATH))['items'][0]['id']}", {"name": "Club"})
    _, body = await page(admin, "/", HOST)
    assert b'"artist":"band",' in body
