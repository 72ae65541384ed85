"""Every page of the service with the sample data: what there is to see, for checks of all pages and for pictures of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg
from playwright.async_api import Page, expect

from server.node.node import Node
from server.people.sessions import mint_token
from server.sample.demo import seed_demo
from server.settings import data_folder
from tests.browser.pages import Fan, Tab

LONG_ARTIST = "The Society for the Preservation of Unreasonably Long Overtures"
LONG_VENUE = "Donaudampfschifffahrtsgesellschaftskapitänshalle am Alten Güterbahnhof"
LONG_SONG = "The Overture, the Underture and Everything That They Forgot to Play in Reykjavík in 1994 (Live Version)"
JAPANESE_SONG = "夜明けまで誰にも言わずに走り続けた自転車と消えない星の歌"

# The name of a page, and what can be seen when it is complete.
FAN_PAGES = {
    "home": ".card[data-show]",
    "nothing found": ".empty",
    "live show": "[data-song]:visible",
    "show to come": ".pick-details",
    "paused show": "[data-song]",
    "cancelled show": "[data-song]",
    "hidden counts": ".hidden-counts",
    "finished show": ".foreseen",
    "missing show": "h1",
    "artist": ".part",
    "venue": ".review",
    "song": ".part",
    "me": "#signed-in li",
    "leaderboard": ".board tbody tr",
    "crew": ".crew-own",
    "sign in": "#who",
    "missing page": "h1",
    "API": ".doc-operation",
}
WALLS = {"screen": ".song", "overlay": ".song", "embed": ".song"}
CONSOLE_PAGES = tuple(
    sorted(path.name.removesuffix("-page.js") for path in data_folder("static").glob("admin/*-page.js"))
)

# Pages about one thing: the directing of a show, its stage, an account.
CONSOLE_DETAILS = ("desk", "stage", "account")

SEND = """async ([method, path, body]) => {
    const answer = await fetch(path, { method, body: body && JSON.stringify(body), headers: { "Content-Type": "application/json" } });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
}"""
ONE_OF_EACH = """select
    (select id from shows where status = 'live' order by (select count(*) from setlist_songs p where p.show_id = shows.id) desc limit 1) as live,
    (select id from shows where status = 'upcoming' and not is_locked and closes_at > now() order by id limit 1) as coming,
    (select id from shows where status = 'upcoming' and not is_locked and closes_at > now() order by id desc limit 1) as hidden,
    (select id from shows where status = 'upcoming' and is_locked limit 1) as paused,
    (select id from shows where status = 'cancelled' limit 1) as cancelled,
    (select id from shows where status = 'finished' order by starts_at desc limit 1) as finished"""
ENTRIES = """select a.id, a.slug as artist, v.slug as venue, (select min(song_id) from setlist_songs where show_id = s.id) as song
    from shows s join artists a on a.id = s.artist_id join venues v on v.id = s.venue_id where s.id = $1"""
REVIEWED = (
    "select v.slug from venues v join venue_reviews r on r.venue_id = v.id group by 1 order by count(*) desc limit 1"
)
HUNDREDS_OF_VOTES = """with fans as (insert into users select from generate_series(1, 250) returning id),
    firsts as (select show_id, min(id) as song from setlist_songs where show_id = any($1::bigint[]) group by show_id)
    insert into votes select song, fans.id, show_id, 'up', now() from firsts, fans"""
OPEN_SONGS = "select id, song_id from setlist_songs where show_id = $1 and played_at is null order by position limit 4"


@dataclass(frozen=True, slots=True)
class Sample:
    """The addresses of all pages. `admin` is a token of an administrator."""

    paths: dict[str, str]
    shows: dict[str, int]
    admin: str


async def make_sample(node: Node, database_url: str, secret: str, fan: Fan, *, turnout: float = 1.0) -> Sample:
    """Seeds the sample data, and lets a fan vote, pick, follow, go and make a crew. Some names are as long as names get.

    Takes: turnout, the share of the usual number of votes; one song of each show has hundreds all the same
    """
    await seed_demo(database_url, turnout=turnout)
    sql: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(database_url)
    try:
        found = await sql.fetchrow(ONE_OF_EACH)
        assert found is not None
        shows: dict[str, int] = dict(found)
        await _lengthen(sql, shows["coming"])
        await sql.execute("update shows set results = 'after_closing' where id = $1", shows["hidden"])
        admin = await sql.fetchval("insert into users (role) values ('admin') returning id")
        token = mint_token(secret, admin, "admin")
        entry = await sql.fetchrow(ENTRIES, shows["finished"])
        assert entry is not None
        await sql.execute(HUNDREDS_OF_VOTES, list(shows.values()))
        venue = await sql.fetchval(REVIEWED)
        live = [row["id"] for row in await sql.fetch(OPEN_SONGS, shows["live"])]
        expected = await sql.fetch(OPEN_SONGS, shows["coming"])
    finally:
        await sql.close()

    page = (await fan.open("/")).page

    async def send(method: str, path: str, body: Any = None) -> Any:
        return await page.evaluate(SEND, [method, path, body])

    await send("POST", "/api/session", {"keep": True})
    await send(
        "POST", f"/api/shows/{shows['live']}/votes", {"votes": [[live[0], "up"], [live[1], "up"], [live[2], "down"]]}
    )
    await send(
        "PUT",
        f"/api/shows/{shows['coming']}/picks",
        {"songs": [row["song_id"] for row in expected], "opener": expected[0]["song_id"]},
    )
    await send("PUT", f"/api/artists/{entry['id']}/follow")
    await send("PUT", f"/api/shows/{shows['coming']}/attendance")
    crew = await send("POST", "/api/crews", {"name": "Front row"})
    for song in expected[:2]:
        await _play(node, token, shows["coming"], song["id"])
    await page.close()
    return Sample(
        paths={
            "home": "/",
            "nothing found": "/?q=zzqqxx",
            "live show": f"/shows/{shows['live']}",
            "show to come": f"/shows/{shows['coming']}",
            "paused show": f"/shows/{shows['paused']}",
            "cancelled show": f"/shows/{shows['cancelled']}",
            "hidden counts": f"/shows/{shows['hidden']}",
            "finished show": f"/shows/{shows['finished']}",
            "missing show": "/shows/999999999",
            "artist": f"/artists/{entry['artist']}",
            "venue": f"/venues/{venue}",
            "song": f"/songs/{entry['song']}",
            "me": "/me",
            "leaderboard": f"/leaderboard?show={shows['coming']}",
            "crew": f"/leaderboard?crew={crew['code']}",
            "sign in": "/signin",
            "missing page": "/nowhere",
            "API": "/api/docs",
            **{wall: f"/{wall}/{shows['live']}" for wall in WALLS},
            **{f"console {name}": f"/admin/{name}" for name in CONSOLE_PAGES},
            "console desk": f"/admin/shows/{shows['coming']}",
            "console stage": f"/admin/shows/{shows['live']}/stage",
            "console account": f"/admin/people/{admin}",
        },
        shows=shows,
        admin=token,
    )


async def _lengthen(sql: asyncpg.Connection[asyncpg.Record], show: int) -> None:
    """Gives a show names that are as long as names get."""
    await sql.execute(
        "update artists set name = $2 where id = (select artist_id from shows where id = $1)", show, LONG_ARTIST
    )
    await sql.execute(
        "update venues set name = $2 where id = (select venue_id from shows where id = $1)", show, LONG_VENUE
    )
    for place, title in enumerate((LONG_SONG, JAPANESE_SONG), start=1):
        await sql.execute(
            "update songs set title = $3 where id ="
            " (select song_id from setlist_songs where show_id = $1 order by position offset $2 - 1 limit 1)",
            show, place, title,
        )  # fmt: skip


async def _play(node: Node, token: str, show: int, song: int) -> None:
    """Marks a song as played, as staff do."""
    async with aiohttp.request(
        "POST", f"{node.url}/api/admin/shows/{show}/played", json={"song": song, "played": True},
        headers={"Authorization": f"Bearer {token}"},
    ) as answer:  # fmt: skip
        assert answer.status == 200, await answer.text()


async def open_page(tab: Tab, sample: Sample, name: str) -> Page:
    """Opens a page by its name and waits until it is complete."""
    await tab.goto(sample.paths[name])
    ready = {**FAN_PAGES, **WALLS}.get(name, "main h1")
    await expect(tab.page.locator(ready).first).to_be_visible()
    await expect(tab.page.locator(".skeleton").first).to_be_hidden()
    return tab.page
