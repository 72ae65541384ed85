"""Follows of artists and attendances of shows: states, counts and concurrency."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from server.node.node import Node
from server.people.queries import follows as queries
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.emptied


@pytest_asyncio.fixture(loop_scope="module")
async def people(node: Node, factory: RowFactory) -> AsyncIterator[People]:
    """Users of a node whose catalogue has two artists and three shows."""
    await factory.sql.execute("insert into artists (slug, name) values ('duo', 'Duo')")
    for show_id in (1, 2, 3):
        await factory.show(show_id, song_count=0)
    async with People.open(node, factory) as opened:
        yield opened


async def test_repeating_a_follow_changes_nothing(people: People) -> None:
    """Follows and attendances are states, and the counts are numbers of users."""
    ann, bob = await people.persons(2)
    for state, path in (("following", "/api/artists/band/follow"), ("going", "/api/shows/show-1/attendance")):
        assert await ann.ok("DELETE", path) == {state: False, "count": 0}
        assert await ann.ok("PUT", path) == {state: True, "count": 1}
        assert await ann.ok("PUT", path) == {state: True, "count": 1}
        assert await ann.ok("GET", path) == {state: True, "count": 1}
        assert await bob.ok("GET", path) == {state: False, "count": 1}
        assert await bob.ok("PUT", path) == {state: True, "count": 2}
        assert await ann.ok("DELETE", path) == {state: False, "count": 1}
        assert await ann.ok("DELETE", path) == {state: False, "count": 1}
        assert await bob.ok("DELETE", path) == {state: False, "count": 0}


async def test_ids_and_slugs_are_equivalent(people: People) -> None:
    """Paths take an id or a slug. Anything else is `not_found`, and anonymous users are `unauthenticated`."""
    ann, nobody = await people.person(), people.nobody()
    await ann.ok("PUT", "/api/artists/1/follow")
    assert (await ann.ok("PUT", "/api/artists/band/follow"))["count"] == 1
    await ann.ok("PUT", "/api/shows/1/attendance")
    assert (await ann.ok("PUT", "/api/shows/show-1/attendance"))["count"] == 1
    for name in ("0", "99", "-1", "1e3", "9" * 30, "no-one", "%00", "%FF", "a%0Ab", "x" * 2000, "'or'1'='1"):
        for path in (f"/api/artists/{name}/follow", f"/api/shows/{name}/attendance"):
            assert await ann.refused("PUT", path) == "not_found", path
            assert await ann.refused("GET", path) == "not_found", path
            assert await ann.refused("DELETE", path) == "not_found", path
    assert await nobody.refused("PUT", "/api/artists/1/follow") == "unauthenticated"
    assert await nobody.refused("DELETE", "/api/shows/1/attendance") == "unauthenticated"


async def test_the_lists_of_a_user_are_paged(people: People, factory: RowFactory) -> None:
    """Latest follow first, latest show first. Every page size gives each item of this user once."""
    ann, bob = await people.persons(2)
    await factory.sql.execute("update shows set starts_at = starts_at + id * interval '1 day'")
    for slug in ("band", "duo"):
        await ann.ok("PUT", f"/api/artists/{slug}/follow")
    for show_id in (2, 3, 1):
        await ann.ok("PUT", f"/api/shows/{show_id}/attendance")
    await bob.ok("PUT", "/api/artists/band/follow")
    for limit in (1, 2, 100):
        follows = await ann.pages("/api/me/follows", limit)
        assert [(item["slug"], item["follower_count"]) for item in follows] == [("duo", 1), ("band", 2)]
        shows = await ann.pages("/api/me/attendance", limit)
        assert [item["id"] for item in shows] == [3, 2, 1]
        assert (shows[0]["artist"], shows[0]["venue"], shows[0]["attendance_count"]) == ("Band", "Hall", 1)
    assert await bob.ok("GET", "/api/me/attendance") == {"items": [], "next": None}
    for path in ("/api/me/follows", "/api/me/attendance"):
        assert await people.nobody().refused("GET", path) == "unauthenticated"
        for query in (
            "limit=0",
            "limit=-1",
            "limit=1000000000",
            "limit=x",
            "cursor=x",
            "cursor=%00",
            "cursor=" + "A" * 500,
        ):
            assert await ann.refused("GET", f"{path}?{query}") == "bad_request", query


async def test_follows_of_the_same_instant_are_paged_once(people: People, factory: RowFactory) -> None:
    """The id orders equal instants, so no page repeats or omits a follow."""
    ann = await people.person()
    await factory.sql.execute(
        "insert into artists (slug, name) select 'more-' || n, 'More' from generate_series(1, 7) n"
    )
    await factory.sql.execute("insert into user_follows_artists select $1, id from artists", ann.id)
    ids = [item["id"] for item in await ann.pages("/api/me/follows", 2)]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 9


async def test_sixty_users_attend_one_show_at_the_same_time(people: People, factory: RowFactory) -> None:
    """All of them write the same row: each gets an answer without a deadlock, and the count is exact."""
    fans = await people.persons(60)
    answers = await asyncio.gather(*(fan.ok("PUT", "/api/shows/1/attendance") for fan in fans))
    # Each answer has the count as of its own commit, which many of them share.
    assert all(1 <= answer["count"] <= 60 for answer in answers)
    assert max(answer["count"] for answer in answers) == 60
    await asyncio.gather(*(fan.ok("DELETE", "/api/shows/1/attendance") for fan in fans[:20]))
    assert await factory.sql.fetchval("select attendance_count from shows where id = 1") == 40
    assert await factory.sql.fetch("select * from miscounts()") == []


async def test_opposite_orders_do_not_deadlock(people: People, factory: RowFactory) -> None:
    """Half of the users follow, unfollow and follow in one order, the other half in the opposite order."""
    paths = ["/api/artists/band/follow", "/api/artists/duo/follow", "/api/shows/1/attendance"]

    async def follow_and_unfollow(fan: Person, order: list[str]) -> None:
        for method in ("PUT", "DELETE", "PUT"):
            for path in order:
                await fan.ok(method, path)

    fans = await people.persons(20)
    await asyncio.gather(*(follow_and_unfollow(fan, paths[:: 1 if n % 2 else -1]) for n, fan in enumerate(fans)))
    rows = await factory.sql.fetch("select follower_count from artist_stats order by artist_id")
    assert [row["follower_count"] for row in rows] == [20, 20]
    assert await factory.sql.fetch("select * from miscounts()") == []


async def test_only_the_writer_notifies_of_counts(people: People, factory: RowFactory) -> None:
    """Its notifications have the count and the position. An attendance does not change the revision of the show."""
    heard: list[tuple[str, Any]] = []
    for channel in ("shows", "votes", "attendance", "followers", "test"):
        await factory.sql.add_listener(channel, lambda _c, _p, name, load: heard.append((name, json.loads(load))))
    ann = await people.person()
    revision = await factory.sql.fetchval("select revision from shows where id = 1")
    await ann.ok("PUT", "/api/shows/1/attendance")
    await ann.ok("PUT", "/api/artists/band/follow")
    # Notifications arrive in the order of their commits, so this one is the last.
    await factory.sql.execute("select pg_notify('test', '0')")
    while ("test", 0) not in heard:
        await asyncio.sleep(0.01)
    (_, going), (_, followers), _ = heard
    positions = [row[0] for row in await factory.sql.fetch("select position from log_positions where shard = 1")]
    assert going == {"show": 1, "at": going["at"], "going": 1}
    assert followers == {"artist": 1, "at": positions[0], "followers": 1}
    assert 0 < going["at"] <= positions[0]
    assert await factory.sql.fetchval("select revision from shows where id = 1") == revision


async def test_row_security_guards_follows(node: Node, people: People, factory: RowFactory) -> None:
    """No request may write follows or attendances, not even of its own user. A user reads only their own rows."""
    ann, thief = await people.persons(2)
    await ann.ok("PUT", "/api/artists/1/follow")
    await ann.ok("PUT", "/api/shows/1/attendance")
    async with node.rooms.databases.requests.acting(thief.identity) as connection:
        listed = queries.list_follows(connection, user_id=ann.id, after_at=None, after_id=None, count=10)
        assert [row async for row in listed] == []
    for statement in (
        f"delete from user_follows_artists where user_id = {ann.id}",
        f"delete from user_show_attendance where user_id = {ann.id}",
        f"insert into user_follows_artists values ({thief.id}, 2)",
        f"insert into user_show_attendance values ({thief.id}, 1)",
    ):
        with pytest.raises(Exception, match="permission denied"):
            async with node.rooms.databases.requests.acting(thief.identity) as connection:
                await connection.execute(statement)
    assert await factory.sql.fetchval("select follower_count from artist_stats where artist_id = 1") == 1
    assert await factory.sql.fetchval("select attendance_count from shows where id = 1") == 1
