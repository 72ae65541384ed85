"""Duplicates are merged with all that belongs to them, and a merge can be undone for a day."""

from __future__ import annotations

from typing import Any

import pytest_asyncio

from server.node.node import Node
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory
from tests.support.running_node import until
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people


@pytest_asyncio.fixture(loop_scope="module")
async def boss(people: People) -> Person:
    """An administrator."""
    return await people.person("admin")


async def _state(factory: RowFactory) -> dict[str, Any]:
    """Everything that a merge moves, without what only says when it was touched or counted."""
    tables = {
        "artists": "id", "venues": "id", "songs": "id", "shows": "id", "show_artists": "show_id, artist_id",
        "setlists": "id", "setlist_songs": "id", "votes": "setlist_song_id, user_id", "artist_songs": "artist_id, song_id",
        "artist_identities": "external_id", "venue_identities": "external_id", "song_identities": "external_id",
        "show_identities": "external_id", "show_predictions": "show_id", "identity_reviews": "id",
        "user_follows_artists": "user_id, artist_id", "artist_stats": "artist_id", "venue_reviews": "id",
        "activity": "position",
    }  # fmt: skip
    left_out = ["updated_at", "revision"]
    state: dict[str, Any] = {}
    for table, order in tables.items():
        rows = await factory.sql.fetch(
            f"select (to_jsonb(t) - $1::text[])::text as row from {table} t order by {order}", left_out
        )
        state[table] = [row["row"] for row in rows]
    return state


async def _is_sound(factory: RowFactory) -> bool:
    rows = await factory.sql.fetch("select * from integrity_check()")
    assert rows == [], [dict(row) for row in rows]
    return True


async def test_two_songs_become_one_and_two_again(node: Node, boss: Person, factory: RowFactory) -> None:
    """A fan's votes on both become the last one, on every channel; undone, each vote is back, but for those cast since."""
    show = await factory.show(7, song_count=3)
    kept, gone, _ = show.songs
    async with SocketClient.connect(node.url) as both, SocketClient.connect(node.url) as other:
        await both.hello(await factory.token())
        await other.hello(await factory.token())
        await both.cast(7, (kept, "up"))
        await both.cast(7, (gone, "down"))
        await other.cast(7, (gone, "up"))
        await other.watch("votes:7", "setlist:7")
        before = await _state(factory)
        path, body = "/api/admin/songs/1/merge", {"duplicate": 2, "reason": "same song"}
        # A commit of votes is under way, which holds all shards: a preview waits for none.
        async with factory.sql.transaction():
            await factory.sql.execute("select from log_positions for update")
            previewed = await boss.ok("POST", f"{path}?preview=true", body)
        counts = {"folded_songs": 1, "moved_votes": 2, "folded_votes": 1, "changed_shows": 0, "moved_follows": 0}
        assert {name: previewed[name] for name in counts} == counts
        assert await _state(factory) == before
        merge = await boss.ok("POST", path, body)
        assert {name: merge[name] for name in counts} == counts
        assert await factory.tally(7) == [[kept, 1, 1], [show.songs[2], 0, 0]]
        await other.push("votes:7", lambda push: [kept, 1, 1] in push["tally"] and push["total"] == 2)
        assert (await both.ok("ballot", show=7))["ballot"] == {str(kept): "down"}
        assert await other.refusal("cast", show=7, votes=[[gone, "up"]]) == "not_found"
        assert (await boss.ok("GET", "/api/songs/2"))["id"] == 1
        await other.cast(7, (kept, "down"))
        assert await _is_sound(factory)

        async with factory.sql.transaction():
            await factory.sql.execute("select from log_positions for update")
            undone = await boss.ok("POST", f"/api/admin/merges/{merge['id']}/undo?preview=true")
        assert undone["moved_votes"] == 2
        await boss.ok("POST", f"/api/admin/merges/{merge['id']}/undo", {"reason": "not the same"})
        assert await factory.tally(7) == [[kept, 1, 1], [gone, 0, 1], [show.songs[2], 0, 0]]
        assert (await both.ok("ballot", show=7))["ballot"] == {str(kept): "up", str(gone): "down"}
        assert (await other.ok("ballot", show=7))["ballot"] == {str(kept): "down"}
        await other.cast(7, (gone, "up"))
        assert await _is_sound(factory)
    assert await boss.refused("POST", f"/api/admin/merges/{merge['id']}/undo") == "conflict"
    assert await boss.refused("POST", "/api/admin/merges/99/undo") == "not_found"
    assert await boss.refused("GET", "/api/songs/99") == "not_found"
    acts = await factory.audit_log("song:1")
    assert [(act, detail["reason"]) for act, detail in acts] == [
        ("song.merge", "same song"), ("song.unmerge", "not the same"),
    ]  # fmt: skip


async def test_an_artist_goes_with_everything_and_comes_back(boss: Person, factory: RowFactory) -> None:
    """Shows, bills, sets, songs of one title, provider ids, questions, follows and events; old links lead to the survivor."""
    fans = await factory.users(3)
    sql = factory.sql
    show = await factory.show(7)
    await sql.execute("insert into artists (slug, name) values ('the-band', 'The Band'), ('support', 'Support')")
    same, own = [
        row["id"]
        for row in await sql.fetch(
            "insert into songs (artist_id, title) values (2, 'SONG 0'), (2, 'Own one') returning id"
        )
    ]
    kept = await sql.fetchval("select song_id from setlist_songs where id = $1", show.first)
    await sql.execute(
        "insert into shows (id, slug, artist_id, venue_id, name, local_date, time_zone, starts_at, opens_at, closes_at)"
        " overriding system value select n, 'other-' || n, case n when 8 then 2 when 9 then 3 else 1 end, 1, 'S', current_date, 'Europe/Paris', now(),"
        " now() - interval '1 hour', now() + interval '1 hour' from generate_series(8, 10) n;"
        "insert into show_artists values (8, 1, 'support', 2), (9, 2, 'support', 2), (10, 2, 'support', 2);"
        "insert into setlists (show_id, type, name, artist_id) values (8, 'predicted', 'Main', null), (9, 'predicted', 'Opener', 2);"
        "insert into setlist_songs (setlist_id, show_id, song_id, position)"
        f" values (1, 7, {same}, 4), (2, 8, {same}, 1), (3, 9, {own}, 1);"
        "insert into artist_identities (service, external_id, artist_id, confidence, evidence)"
        " values ('spotify', 'x', 2, 1, 'e'), ('musicbrainz', 'y', 1, 1, 'e');"
        "insert into identity_reviews (service, external_id, name, artist_id, confidence, evidence)"
        " values ('spotify', 'z', 'Z', 1, 0.5, 'e'), ('spotify', 'z', 'Z', 2, 0.5, 'e'), ('spotify', 'q', 'Q', 2, 0.5, 'e');"
        "insert into show_predictions (show_id, songs, basis)"
        f" values (8, array[{same}], 3), (9, array[{own}, {same}], 3);"
    )
    await sql.execute(
        "insert into user_follows_artists (user_id, artist_id) values ($1, 1), ($1, 2), ($2, 2), ($3, 2)", *fans
    )
    before = await _state(factory)
    previewed = await boss.ok("POST", "/api/admin/artists/band/merge?preview=true", {"duplicate": 2})
    merge = await boss.ok("POST", "/api/admin/artists/band/merge", {"duplicate": 2})
    assert previewed | {"id": merge["id"], "made_at": merge["made_at"], "is_preview": False} == merge
    assert (merge["name"], merge["folded_songs"], merge["moved_follows"]) == ("The Band", 1, 3)
    for old in (2, "the-band"):
        assert (await boss.ok("GET", f"/api/artists/{old}"))["slug"] == "band"
    assert await sql.fetchval("select follower_count from artist_stats where artist_id = 1") == 3
    assert await sql.fetchval("select show_count from artist_stats where artist_id = 1") == 3
    assert [tuple(row) for row in await sql.fetch("select show_id, artist_id, billing::text from show_artists order by 1, 2")] == [
        (7, 1, "headliner"), (8, 1, "headliner"), (9, 1, "support"), (9, 3, "headliner"), (10, 1, "headliner"),
    ]  # fmt: skip
    assert [row[0] for row in await sql.fetch("select songs from show_predictions order by show_id")] == [
        [kept],
        [own, kept],
    ]
    assert await sql.fetchval("select count(*) from identity_reviews where artist_id = 1") == 2
    assert await _is_sound(factory)
    # What was changed since stays: a fan who has unfollowed the survivor follows neither.
    await sql.execute("delete from user_follows_artists where user_id = $1", fans[2])
    await boss.ok("POST", f"/api/admin/merges/{merge['id']}/undo")
    await sql.execute(
        "insert into user_follows_artists (user_id, artist_id, created_at) select $1, 2, created_at from"
        " user_follows_artists where user_id = $2 and artist_id = 2",
        fans[2],
        fans[1],
    )
    after = await _state(factory)
    assert {name for name in before if after[name] != before[name]} == set()
    assert await _is_sound(factory)


async def test_a_venue_goes_with_everything_and_comes_back(boss: Person, people: People, factory: RowFactory) -> None:
    """Shows, provider ids and reviews; of two reviews of one fan the later stays, and the other one comes back."""
    fans = await people.persons(2)
    await factory.sql.execute(
        "insert into venues (slug, name, city, country, latitude, longitude, time_zone)"
        " values ('the-hall', 'The Hall', 'Boston', 'US', 42.3, -71.0, 'America/New_York');"
        "insert into venue_identities (service, external_id, venue_id, confidence, evidence) values ('ticketmaster', 'x', 2, 1, 'e')"
    )
    await factory.show(7)
    await factory.sql.execute("update shows set venue_id = 2 where id = 7")
    for fan, venue, rating in ((fans[0], "hall", 1), (fans[0], "the-hall", 3), (fans[1], "the-hall", 5)):
        await fan.ok("POST", f"/api/venues/{venue}/reviews", {"rating": rating, "body": "Fine."}, status=201)
    before = await _state(factory)
    previewed = await boss.ok("POST", "/api/admin/venues/1/merge?preview=true", {"duplicate": 2})
    merge = await boss.ok("POST", "/api/admin/venues/1/merge", {"duplicate": 2})
    assert previewed | {"id": merge["id"], "made_at": merge["made_at"], "is_preview": False} == merge
    assert await boss.refused("POST", "/api/admin/venues/1/merge?preview=true", {"duplicate": 2}) == "not_found"
    assert merge["changed_shows"] == 1
    assert (await boss.ok("GET", "/api/venues/the-hall"))["rating"] == 4.0
    assert await boss.refused("POST", "/api/admin/venues/1/merge", {"duplicate": 2}) == "not_found"
    assert await boss.refused("POST", "/api/admin/venues/1/merge", {"duplicate": 1}) == "conflict"
    assert await _is_sound(factory)
    await boss.ok("POST", f"/api/admin/merges/{merge['id']}/undo")
    assert await _state(factory) == before


async def test_a_merge_is_undone_in_order_and_for_a_day(boss: Person, factory: RowFactory) -> None:
    """The later merge of an entry first; not after a day; not when something else has the place."""
    await factory.sql.execute("insert into artists (slug, name) values ('b', 'B'), ('c', 'C'), ('d', 'D')")
    first = await boss.ok("POST", "/api/admin/artists/2/merge", {"duplicate": 3})
    second = await boss.ok("POST", "/api/admin/artists/1/merge", {"duplicate": 2})
    assert (await boss.ok("GET", "/api/artists/c"))["id"] == 1
    assert await boss.refused("POST", f"/api/admin/merges/{first['id']}/undo") == "conflict"
    await boss.ok("POST", f"/api/admin/merges/{second['id']}/undo")
    await boss.ok("POST", "/api/admin/artists", {"name": "New", "slug": "c"}, status=201)
    assert await boss.refused("POST", f"/api/admin/merges/{first['id']}/undo") == "conflict"
    assert await boss.refused("POST", f"/api/admin/merges/{first['id']}/undo?preview=true") == "conflict"
    third = await boss.ok("POST", "/api/admin/artists/1/merge", {"duplicate": 4})
    listed = await boss.pages("/api/admin/merges", 2)
    assert [(one["id"], one["can_undo"]) for one in listed] == [
        (third["id"], True), (second["id"], False), (first["id"], True),
    ]  # fmt: skip
    await factory.sql.execute("update merges set made_at = now() - interval '25 hours'")
    assert await boss.refused("POST", f"/api/admin/merges/{third['id']}/undo") == "conflict"
    await until(lambda: _is_sound(factory))
