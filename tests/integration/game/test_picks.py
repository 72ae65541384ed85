"""Picks of fans over HTTP: made, changed, withdrawn, and locked exactly when the show begins."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest_asyncio

from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people

PATH = "/api/shows/7/picks"


@pytest_asyncio.fixture(loop_scope="module")
async def songs(factory: RowFactory) -> list[int]:
    """Show 7 begins tomorrow; its songs, in order, as picks name them."""
    await factory.show(7, song_count=12)
    rows = await factory.sql.fetch("select song_id from setlist_songs where show_id = 7 order by position")
    return [row["song_id"] for row in rows]


async def stored(factory: RowFactory, show_id: int = 7) -> list[tuple[int, list[int]]]:
    """Every pick of a show: fan, songs."""
    rows = await factory.sql.fetch("select user_id, song_ids from picks where show_id = $1 order by id", show_id)
    return [(row["user_id"], row["song_ids"]) for row in rows]


async def test_a_pick_is_made_changed_and_withdrawn(people: People, factory: RowFactory, songs: list[int]) -> None:
    """The last pick of a fan stands, and each answer says that it is in PostgreSQL."""
    ann, ben = await people.persons(2)
    assert (await ann.ok("GET", PATH))["pick"] is None
    for number in (1, 2):
        body = {"songs": songs[:number], "opener": songs[0], "encore": songs[number - 1]}
        answer = await ann.ok("PUT", PATH, body)
        assert (answer["songs"], answer["opener"], answer["closer"]) == (songs[:number], songs[0], None)
        assert answer["durability"] == "committed"
        own = await ann.ok("GET", "/api/shows/show-7/picks")
        assert own["pick"] | body == own["pick"]
        assert (own["is_locked"], own["score"]) == (False, None)
        assert [(song["id"], song["worth"]) for song in own["songs"]] == [(song, None) for song in songs[:number]]
    await ben.ok("PUT", PATH, {"songs": songs[:10]})
    assert await stored(factory) == [(ann.id, songs[:2]), (ben.id, songs[:10])]
    for _ in range(2):
        assert await ann.ask("DELETE", PATH) == (204, None)
        assert await stored(factory) == [(ben.id, songs[:10])]


async def test_a_malformed_pick_is_refused(people: People, factory: RowFactory, songs: list[int]) -> None:
    """Songs are picked once each, at most ten, from the show or its acts; places are among them."""
    ann = await people.person()
    (strange,) = await factory.sql.fetch(
        "with a as (insert into artists (slug, name) values ('other', 'Other') returning id)"
        " insert into songs (artist_id, title) select id, 'Elsewhere' from a returning id"
    )
    malformed: tuple[dict[str, Any], ...] = (
        {}, {"songs": []}, {"songs": songs[:11]}, {"songs": [songs[0], songs[0]]}, {"songs": [-1]},
        {"songs": songs[:2], "opener": songs[2]}, {"songs": songs[:2], "encore": 0},
    )  # fmt: skip
    for body in malformed:
        assert await ann.refused("PUT", PATH, body) == "bad_request", body
    for body in ({"songs": [strange["id"]]}, {"songs": [1 << 50]}):
        assert await ann.refused("PUT", PATH, body) == "not_found", body
    for path in ("/api/shows/99/picks", "/api/shows/no-show/picks"):
        assert await ann.refused("PUT", path, {"songs": songs[:1]}) == "not_found"
        assert await ann.refused("GET", path) == "not_found"
        assert await ann.refused("DELETE", path) == "not_found"
    assert await people.nobody().refused("PUT", PATH, {"songs": songs[:1]}) == "unauthenticated"
    assert await stored(factory) == []


async def test_a_song_of_the_catalogue_may_be_picked(people: People, factory: RowFactory, songs: list[int]) -> None:
    """A pick may name songs of every act on the bill, also songs that are in no set."""
    support = await factory.sql.fetchval("insert into artists (slug, name) values ('support', 'Support') returning id")
    await factory.sql.execute("insert into show_artists values (7, $1, 'support', 2)", support)
    wanted = [
        await factory.sql.fetchval("insert into songs (artist_id, title) values ($1, 'Rare') returning id", artist)
        for artist in (1, support)
    ]
    ann = await people.person()
    await ann.ok("PUT", PATH, {"songs": [*wanted, songs[0]]})
    assert await stored(factory) == [(ann.id, [*wanted, songs[0]])]


async def test_a_banned_fan_picks_nothing(people: People, factory: RowFactory, songs: list[int]) -> None:
    """A ban from voting refuses picks, but a pick can be withdrawn."""
    moderator, ann = await people.person("moderator"), await people.person()
    await ann.ok("PUT", PATH, {"songs": songs[:1]})
    body = {"kind": "vote", "reason": "a robot"}
    await moderator.ok("POST", f"/api/admin/users/{ann.id}/bans", body, status=201)
    assert await _until_refused(ann, songs) == "forbidden"
    assert await ann.ask("DELETE", PATH) == (204, None)


async def _until_refused(fan: Person, songs: list[int]) -> str:
    """A node learns of a ban within two seconds."""
    while True:
        status, document = await fan.ask("PUT", PATH, {"songs": songs[:1]})
        if status != 200:
            code: str = document["code"]
            return code


async def test_the_first_played_song_locks_picks(people: People, factory: RowFactory, songs: list[int]) -> None:
    """When the answer to "played" is there, no pick is taken any more, by any node; when the mark was wrong, picks go on."""
    ann, moderator = await people.person(), await people.person("moderator")
    first = await factory.sql.fetchval("select id from setlist_songs where show_id = 7 order by position limit 1")
    await ann.ok("PUT", PATH, {"songs": songs[:1]})
    await moderator.ok("POST", "/api/admin/shows/7/played", {"song": first, "played": True})
    assert await ann.refused("PUT", PATH, {"songs": songs[:2]}) == "locked"
    assert await ann.refused("DELETE", PATH) == "locked"
    assert (await ann.ok("GET", PATH))["is_locked"]
    await moderator.ok("POST", "/api/admin/shows/7/played", {"song": first, "played": False})
    await ann.ok("PUT", PATH, {"songs": songs[:3]})
    assert await stored(factory) == [(ann.id, songs[:3])]


async def test_status_start_and_cancellation_lock_picks(people: People, factory: RowFactory, songs: list[int]) -> None:
    """A show that staff set live, that has started, or that is cancelled takes no picks; a postponed one does again."""
    ann, admin = await people.person(), await people.person("admin")
    hour = dt.timedelta(hours=1)
    now = dt.datetime.now(dt.UTC)
    pick = {"songs": songs[:1]}
    path = "/api/admin/shows/7"
    for locking, opening in (
        ({"status": "live"}, {"status": "upcoming"}),
        ({"starts_at": (now - hour / 60).isoformat()}, {"starts_at": (now + hour).isoformat()}),
        ({"status": "cancelled"}, {"status": "upcoming"}),
    ):
        await ann.ok("PUT", PATH, pick)
        await admin.ok("PATCH", path, locking)
        assert await ann.refused("PUT", PATH, pick) == "locked", locking
        await admin.ok("PATCH", path, opening)
    await ann.ok("PUT", PATH, pick)


async def test_picks_stop_at_the_start_by_the_clock(people: People, factory: RowFactory, songs: list[int]) -> None:
    """Nobody has to do anything at the start: Valkey's clock decides, and every pick that was taken is older than the start."""
    fans = await people.persons(4)
    await fans[0].ok("PUT", PATH, {"songs": songs[:1]})
    admin = await people.person("admin")
    starts_at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    await admin.ok("PATCH", "/api/admin/shows/7", {"starts_at": starts_at.isoformat()})
    taken: dict[int, int] = {}

    async def pick(fan: Person) -> None:
        number = 0
        while True:
            number = number % 10 + 1
            status, document = await fan.ask("PUT", PATH, {"songs": songs[:number]})
            if status != 200:
                assert document["code"] == "locked"
                return
            taken[fan.id] = number
            assert document["at"] >> 10 < starts_at.timestamp() * 1000

    await asyncio.gather(*(pick(fan) for fan in fans))
    assert {fan: len(picked) for fan, picked in await stored(factory)} == taken
    assert dt.datetime.now(dt.UTC) >= starts_at


async def test_an_erased_fan_leaves_a_pick_without_a_name(
    people: People, factory: RowFactory, songs: list[int]
) -> None:
    """What the songs are worth does not change, and nothing leads to the fan: no id, and no exact instant."""
    ann = await people.person()
    await ann.ok("PUT", PATH, {"songs": songs[:2]})
    assert await ann.ask("DELETE", "/api/me") == (204, None)
    row = await factory.sql.fetchrow("select user_id, song_ids, picked_at from picks")
    assert (row["user_id"], row["song_ids"]) == (None, songs[:2])
    assert row["picked_at"] == row["picked_at"].replace(minute=0, second=0, microsecond=0)
