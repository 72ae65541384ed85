"""The shows that concern a fan, and their ballots."""

from __future__ import annotations

from typing import Any

from server.node.node import Node
from tests.support import one_node
from tests.support.people import People
from tests.support.row_factory import RowFactory

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people


async def test_shows_that_concern_a_fan(node: Node, people: People, factory: RowFactory) -> None:
    """Each show once, with all its reasons; live ones first, then the soonest; nothing that is over, and nothing of others."""
    await factory.sql.execute("insert into artists (slug, name) values ('duo', 'Duo')")
    shows = {number: await factory.show(number) for number in (1, 2, 3, 4, 5)}
    await factory.sql.execute(
        "update shows set starts_at = starts_at + id * interval '1 day', artist_id = case when id in (1, 4) then 2 else 1 end"
    )
    fan, other = await people.persons(2)
    await fan.ok("PUT", "/api/artists/duo/follow")
    for number in (2, 4, 5):
        await fan.ok("PUT", f"/api/shows/{number}/attendance")
    await fan.ok("POST", "/api/shows/3/votes", {"votes": [[shows[3].first, "up"], [shows[3].songs[1], "down"]]})
    await fan.ok("POST", "/api/shows/4/votes", {"votes": [[shows[4].first, "up"]]})
    await other.ok("PUT", "/api/shows/1/attendance")
    await factory.sql.execute(
        "update shows set status = 'live' where id = 3; update shows set status = 'finished' where id = 5"
    )

    def reasons(items: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        return [(one["id"], one["is_going"], one["is_following"], one["own_vote_count"]) for one in items]

    own = (await fan.ok("GET", "/api/me/shows"))["items"]
    assert reasons(own) == [(3, False, False, 2), (1, False, True, 0), (2, True, False, 0), (4, True, True, 1)]
    assert (own[1]["artist"], own[1]["venue"]["city"]) == ({"id": 2, "slug": "duo", "name": "Duo"}, "Boston")
    assert reasons((await other.ok("GET", "/api/me/shows"))["items"]) == [(1, True, False, 0)]
    assert await people.nobody().refused("GET", "/api/me/shows") == "unauthenticated"


async def test_ballots_of_a_fan_are_paged(node: Node, people: People, factory: RowFactory) -> None:
    """Latest show first; every page size gives each ballot once; a ballot says how it was cast, and a score needs a played set."""
    shows = {number: await factory.show(number) for number in (1, 2, 3)}
    await factory.sql.execute("update shows set starts_at = starts_at + id * interval '1 day'")
    fan, other = await people.persons(2)
    for number, show in shows.items():
        votes = [[song, "up"] for song in show.songs[:number]]
        await fan.ok("POST", f"/api/shows/{number}/votes", {"votes": votes})
    await fan.ok("POST", "/api/shows/3/votes", {"votes": [[shows[3].first, "down"]]})
    for limit in (1, 2, 100):
        ballots = await fan.pages("/api/me/ballots", limit)
        assert [(one["id"], one["up"], one["down"], one["score"]) for one in ballots] == [
            (3, 2, 1, None), (2, 2, 0, None), (1, 1, 0, None),
        ]  # fmt: skip
    assert await other.ok("GET", "/api/me/ballots") == {"items": [], "next": None}
    assert await fan.refused("GET", "/api/me/ballots?cursor=x") == "bad_request"
    assert await people.nobody().refused("GET", "/api/me/ballots") == "unauthenticated"
