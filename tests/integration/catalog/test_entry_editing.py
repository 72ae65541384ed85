"""Administrators make and edit artists, venues, songs and shows by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest_asyncio

from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory
from tests.unit.words.test_show_names import CASES as SHOW_NAMES

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people

ARENA = {
    "name": "Arena", "city": "Honolulu", "country": "US", "latitude": 21.3, "longitude": -157.8,
    "time_zone": "pacific/honolulu",
}  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def boss(people: People) -> Person:
    """An administrator."""
    return await people.person("admin")


async def test_entries_are_made_and_edited(boss: Person, factory: RowFactory) -> None:
    """Each gets a slug of its name, keeps what is not given, and is in the log; a preview makes nothing."""
    previewed = await boss.ok("POST", "/api/admin/artists?preview=true", {"name": "Sigur Rós"}, status=201)
    assert (previewed["slug"], previewed["is_preview"]) == ("sigur-ros", True)
    assert await factory.sql.fetchval("select count(*) from artists") == 1
    artist = await boss.ok("POST", "/api/admin/artists", {"name": "Sigur Rós", "country": "IS"}, status=201)
    assert await boss.refused("POST", "/api/admin/artists", {"name": "SIGUR ROS"}) == "conflict"
    other = await boss.ok("POST", "/api/admin/artists?another=true", {"name": "Sigur Ros"}, status=201)
    assert other["slug"] == "sigur-ros-2"
    venue = await boss.ok("POST", "/api/admin/venues", ARENA, status=201)
    assert (venue["slug"], venue["time_zone"]) == ("arena-honolulu", "Pacific/Honolulu")
    assert await boss.refused("POST", "/api/admin/venues", ARENA | {"slug": "other"}) == "conflict"
    assert await boss.refused("POST", "/api/admin/venues", ARENA | {"time_zone": "Mars"}) == "bad_request"
    song = await boss.ok("POST", "/api/admin/songs", {"artist": artist["id"], "title": "Hoppípolla"}, status=201)
    assert await boss.refused("POST", "/api/admin/songs", {"artist": artist["id"], "title": "hoppipolla"}) == "conflict"
    assert await boss.refused("POST", "/api/admin/songs", {"artist": 999, "title": "x"}) == "not_found"

    changes: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
        (f"artists/{artist['slug']}", artist, {"genre": "Post-rock"}),
        (f"venues/{venue['id']}", venue, {"capacity": 900}),
        (f"songs/{song['id']}", song, {"title": "Hoppípolla (live)"}),
    )
    for path, before, change in changes:
        body = change | {"revision": before["revision"]}
        after = await boss.ok("PATCH", f"/api/admin/{path}?preview=true", body)
        assert after == before | change | {"is_preview": True, "revision": after["revision"]}
        done = await boss.ok("PATCH", f"/api/admin/{path}", body)
        assert done == before | change | {"revision": done["revision"]}
        status, problem = await boss.ask("PATCH", f"/api/admin/{path}", body)
        assert status == 409
        assert f"user {boss.id} did" in problem["detail"]
    assert await boss.refused("PATCH", "/api/admin/artists/band", {"slug": "sigur-ros"}) == "conflict"
    assert await boss.refused("PATCH", f"/api/admin/songs/{song['id']}", {"artist": 999}) == "not_found"
    for path in ("artists/nobody", "venues/999", "songs/999"):
        assert await boss.refused("PATCH", f"/api/admin/{path}", {}) == "not_found"
    acts = await factory.sql.fetch("select action from audit_log order by id")
    assert [row["action"] for row in acts] == [
        "artist.make", "artist.make", "venue.make", "song.make", "artist.change", "venue.change", "song.change",
    ]  # fmt: skip


async def test_songs_are_listed_by_page(boss: Person, factory: RowFactory) -> None:
    """All songs come newest first; those of an artist by title; each page goes on where the one before ended."""
    artist = await boss.ok("POST", "/api/admin/artists", {"name": "Lister"}, status=201)
    other = await boss.ok("POST", "/api/admin/artists", {"name": "Other"}, status=201)
    made = [
        await boss.ok("POST", "/api/admin/songs", {"artist": owner["id"], "title": title}, status=201)
        for owner, title in ((artist, "B"), (artist, "C"), (other, "D"), (artist, "A"))
    ]
    for query, titles in (("", ["A", "D", "C", "B"]), (f"&artist={artist['id']}", ["A", "B", "C"])):
        first = await boss.ok("GET", f"/api/admin/songs?limit=2{query}")
        rest = await boss.ok("GET", f"/api/admin/songs?limit=2&cursor={first['next']}{query}")
        items = [*first["items"], *rest["items"]]
        assert [item["title"] for item in items] == titles
    assert rest["next"] is None
    assert items[0] == {
        "id": made[3]["id"], "title": "A", "artist": {name: artist[name] for name in ("id", "slug", "name")},
    }  # fmt: skip
    assert (await boss.ok("GET", "/api/admin/songs?artist=999")) == {"items": [], "next": None}


async def test_a_show_is_made_with_its_bill(boss: Person, factory: RowFactory) -> None:
    """It opens 30 days before its start at the time zone of its venue, is read by everyone at once, and takes songs."""
    support = await boss.ok("POST", "/api/admin/artists", {"name": "Support"}, status=201)
    fan = (await factory.users(1))[0]
    await factory.sql.execute("insert into user_follows_artists (user_id, artist_id) values ($1, 1)", fan)
    await factory.sql.execute(
        "insert into email_preferences (user_id, address, confirmed_at) values ($1, 'a@example.org', now())", fan
    )
    body = {
        "artist": 1,
        "venue": 1,
        "starts_at": "2030-07-01T20:00:00",
        "bill": [support["id"]],
        "votes_per_user_max": 4,
    }
    previewed = await boss.ok("POST", "/api/admin/shows?preview=true", body, status=201)
    assert (await boss.ok("GET", "/api/shows"))["items"] == []
    show = await boss.ok("POST", "/api/admin/shows", body, status=201)
    assert (show["slug"], show["name"]) == ("band-hall-2030-07-01", "Band at Hall")
    assert (show["starts_local"], show["opens_local"]) == ("2030-07-01T20:00:00-04:00", "2030-06-01T20:00:00-04:00")
    assert [effect["effect"]["fans_mailed"] for effect in (previewed, show)] == [1, 1]
    second = await boss.ok("POST", "/api/admin/shows", body | {"bill": []}, status=201)
    assert second["slug"] == "band-hall-2030-07-01-2"
    read = await boss.ok("GET", f"/api/shows/{show['slug']}")
    assert ([act["slug"] for act in read["bill"]], read["setlists"][0]["name"]) == (["band", "support"], "Main set")
    await boss.ok("POST", f"/api/admin/shows/{show['id']}/songs", {"title": "Opener"}, status=201)
    for change, code in (
        ({"artist": 99}, "not_found"), ({"venue": 99}, "not_found"), ({"bill": [1]}, "bad_request"),
        ({"bill": [99]}, "not_found"), ({"slug": show["slug"]}, "conflict"), ({"starts_at": "1066-10-14"}, "bad_request"),
        ({"starts_at": "2030-03-10T02:30:00"}, "bad_request"), ({"starts_at": "9999-12-31T23:59:59"}, "bad_request"),
        ({"opens_at": "2030-07-02T20:00:00"}, "bad_request"), ({"opens_at": "0001-01-01T00:00:00Z"}, "bad_request"),
        ({"closes_at": "0001-01-01T00:00:00Z"}, "bad_request"), ({"slug": "7"}, "bad_request"),
    ):  # fmt: skip
        assert await boss.refused("POST", "/api/admin/shows", body | change) == code, change


async def test_a_default_name_follows_its_artist_and_its_venue(boss: Person, factory: RowFactory) -> None:
    """When they are renamed or become others; a name that somebody gave stays. Pages know a default by its artist and venue."""
    for show in (1, 2):
        await factory.show(show, song_count=0)
    await factory.sql.execute(
        "update shows set name = case id when 1 then 'Band at Hall' else 'A night of Band at Hall' end"
    )

    async def names() -> list[str]:
        return [row["name"] for row in await factory.sql.fetch("select name from shows order by id")]

    await boss.ok("PATCH", "/api/admin/artists/1", {"name": "The Band"})
    assert await names() == ["The Band at Hall", "A night of Band at Hall"]
    await boss.ok("PATCH", "/api/admin/venues/1", {"name": "Great Hall"})
    assert await names() == ["The Band at Great Hall", "A night of Band at Hall"]
    words = await factory.sql.fetchval("select search_text from shows where id = 1")
    assert words.startswith("the band at great hall")
    venue = await boss.ok("POST", "/api/admin/venues", ARENA, status=201)
    await factory.sql.execute("update shows set venue_id = $1", venue["id"])
    assert await names() == ["The Band at Arena", "A night of Band at Hall"]
    for case in json.loads(SHOW_NAMES.read_text()):
        composed = await factory.sql.fetchval(
            "select default_show_name($1::text, $2::text)", case["artist"], case["venue"]
        )
        assert composed == case["name"]
