"""Crews over HTTP: made, joined by a link, left; only members see them."""

from __future__ import annotations

import asyncio

import pytest

from server.game import crews
from tests.support import one_node
from tests.support.people import People
from tests.support.row_factory import RowFactory

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people


async def test_a_crew_is_made_joined_and_left(people: People, factory: RowFactory) -> None:
    """Who has the code may join; a crew ends with its last member; repeating an act changes nothing."""
    ann, ben, cat = await people.persons(3)
    made = await ann.ok("POST", "/api/crews", {"name": " The front row "}, status=201)
    code = made["code"]
    assert made == {"code": code, "name": "The front row", "members": 1, "is_member": True}
    path = f"/api/crews/{code}"
    assert await ben.ok("GET", path) == {**made, "is_member": False}
    for _ in range(2):
        assert await ben.ok("POST", f"{path}/join") == {**made, "members": 2}
    assert [crew["code"] for crew in (await ben.ok("GET", "/api/crews"))["items"]] == [code]
    assert (await cat.ok("GET", "/api/crews"))["items"] == []
    assert await cat.refused("GET", f"/api/leaderboard?crew={code}") == "not_found"
    board = await ben.ok("GET", f"/api/leaderboard?crew={code}")
    assert (board["kind"], board["name"], board["count"]) == ("crew", "The front row", 2)
    assert [(item["rank"], item["points"]) for item in board["items"]] == [(1, 0), (1, 0)]
    assert len(await ben.pages(f"/api/leaderboard?crew={code}", 1)) == 2
    for fan in (ann, ann, ben):
        assert await fan.ask("POST", f"{path}/leave") == (204, None)
    assert await ben.refused("GET", path) == "not_found"
    assert await ben.refused("POST", f"{path}/join") == "not_found"
    assert await factory.sql.fetchval("select count(*) from crews") == 0


async def test_crews_have_limits(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crew has so many members, also when they come at once, and a fan so many crews."""
    monkeypatch.setattr(crews, "CREW_MEMBERS_MAX", 3)
    monkeypatch.setattr(crews, "CREWS_OF_FAN_MAX", 2)
    ann, *fans = await people.persons(6)
    code = (await ann.ok("POST", "/api/crews", {"name": "One"}, status=201))["code"]
    joined = await asyncio.gather(*(fan.ask("POST", f"/api/crews/{code}/join") for fan in fans))
    assert sorted(status for status, _ in joined) == [200, 200, 409, 409, 409]
    two = (await fans[0].ok("POST", "/api/crews", {"name": "Two"}, status=201))["code"]
    await ann.ok("POST", f"/api/crews/{two}/join")
    assert await ann.refused("POST", "/api/crews", {"name": "Three"}) == "conflict"
    three = (await fans[1].ok("POST", "/api/crews", {"name": "Three"}, status=201))["code"]
    assert await ann.refused("POST", f"/api/crews/{three}/join") == "conflict"


async def test_names_and_bans(people: People, factory: RowFactory) -> None:
    """A name that moderators would hold is refused, a banned fan joins nothing, and an erased fan leaves every crew."""
    ann, ben = await people.persons(2)
    for name in ("", "x" * 61, "see www.example.com", "AAAAAAAAAAAAAAAAAA"):
        assert await ann.refused("POST", "/api/crews", {"name": name}) == "bad_request", name
    code = (await ann.ok("POST", "/api/crews", {"name": "Row"}, status=201))["code"]
    await factory.sql.execute("insert into user_bans (user_id, kind, reason) values ($1, 'all', 'a robot')", ben.id)
    assert await ben.refused("POST", f"/api/crews/{code}/join") == "forbidden"
    assert (await people.nobody().ok("GET", "/api/crews"))["items"] == []
    assert await people.nobody().refused("POST", f"/api/crews/{code}/join") == "unauthenticated"
    assert await ann.ask("DELETE", "/api/me") == (204, None)
    assert await factory.sql.fetchval("select count(*) from crews") == 0
