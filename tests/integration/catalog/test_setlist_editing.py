"""Staff edits the sets of a show, and fans vote on the result at once."""

from __future__ import annotations

import asyncio

import pytest_asyncio

from server.catalog.setlist_editing import SONGS_PER_SET_MAX
from server.node.node import Node
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people, moderator = one_node.node, one_node.emptied, one_node.people, one_node.moderator

PATH = "/api/admin/shows/7/songs"


@pytest_asyncio.fixture(loop_scope="module")
async def show(factory: RowFactory) -> Show:
    """A show to vote on, in shard 7."""
    return await factory.show(7)


async def order(factory: RowFactory) -> list[tuple[int, int]]:
    """Positions and songs of the show's set, in order."""
    rows = await factory.sql.fetch("select position, id from setlist_songs where show_id = 7 order by position")
    return [(row["position"], row["id"]) for row in rows]


async def test_fans_can_vote_on_a_song_as_soon_as_it_is_added(
    database_url: str, redis_url: str, moderator: Person, show: Show, factory: RowFactory
) -> None:
    """Another node with the show in its hot copy accepts votes, the set is pushed, and a known title gives the known song."""
    async with running_node(database_url, redis_url) as other, SocketClient.connect(other.url) as far:
        await far.hello(await factory.token())
        await far.watch("setlist:7", "votes:7")
        await far.cast(7, (show.first, "up"))
        added = await moderator.ok("POST", PATH, {"title": " Encore! ", "position": 2, "note": "maybe"}, status=201)
        await far.cast(7, (added["id"], "up"))
        assert (added["title"], added["position"], added["note"]) == ("Encore!", 2, "maybe")
        pushed = await far.push("setlist:7", lambda push: len(push["setlists"][0]["songs"]) == 4)
        assert [song["id"] for song in pushed["setlists"][0]["songs"]] == [show.first, added["id"], *show.songs[1:]]
        await far.push("votes:7", lambda push: [added["id"], 1, 0] in push["tally"])
    await factory.sql.execute("insert into setlists (show_id, type, name) values (7, 'actual', 'Played')")
    played = await factory.sql.fetchval("select id from setlists where type = 'actual'")
    again = await moderator.ok("POST", PATH, {"title": "ÉNCORE!", "setlist": played}, status=201)
    assert (again["song"], again["position"]) == (added["song"], 1)
    by_id = await moderator.refused("POST", PATH, {"song": added["song"]})
    assert by_id == "conflict"
    assert [action for action, _ in await factory.audit_log("show:7")] == ["show.song_added", "show.song_added"]


async def test_a_song_moves_and_the_others_close_up(moderator: Person, show: Show, factory: RowFactory) -> None:
    """Any position is allowed, past the end too; a note alone moves nothing."""
    first, second, third = show.songs
    moved = await moderator.ok("PATCH", f"{PATH}/{third}", {"position": 1, "note": "opener"})
    assert (moved["position"], moved["note"]) == (1, "opener")
    assert await order(factory) == [(1, third), (2, first), (3, second)]
    await moderator.ok("PATCH", f"{PATH}/{third}", {"position": 200})
    assert await order(factory) == [(1, first), (2, second), (3, third)]
    revision = (await moderator.ok("GET", "/api/admin/shows/7"))["revision"]
    await moderator.ok("PATCH", f"{PATH}/{first}", {"note": "", "revision": revision})
    assert await moderator.refused("PATCH", f"{PATH}/{first}", {"note": "Late", "revision": revision}) == "conflict"
    assert await order(factory) == [(1, first), (2, second), (3, third)]


async def test_removing_a_song_with_votes_needs_confirmation(
    node: Node, moderator: Person, show: Show, factory: RowFactory
) -> None:
    """First a conflict says how many votes; with `confirm` they are deleted, the budget is free again, and counts agree."""
    first, second, third = show.songs
    await factory.sql.execute("update shows set votes_per_user_max = 2 where id = 7")
    async with SocketClient.connect(node.url) as fan:
        await fan.hello(await factory.token())
        await fan.watch("votes:7", "setlist:7")
        await until(lambda: _is_taken(fan, first))
        await fan.cast(7, (second, "down"))
        status, problem = await moderator.ask("DELETE", f"{PATH}/{first}")
        assert (status, problem["detail"]) == (
            409,
            "Song 0 has 1 vote, which would be lost. Repeat the request with `confirm=true`.",
        )
        assert await moderator.ask("DELETE", f"{PATH}/{first}?confirm=true") == (204, None)
        assert await order(factory) == [(1, second), (2, third)]
        assert (await fan.ok("ballot", show=7))["ballot"] == {str(second): "down"}
        assert await fan.refusal("cast", show=7, votes=[[first, "up"]]) == "not_found"
        await fan.cast(7, (third, "up"))
        assert await factory.tally(7) == await factory.counted(7) == [[second, 0, 1], [third, 1, 0]]
        assert await factory.sql.fetchval("select vote_count from shows where id = 7") == 2
        fresh = await fan.watch("votes:7")
        assert sorted(fresh["votes:7"]["state"]["tally"]) == [[second, 0, 1], [third, 1, 0]]
    assert not await factory.sql.fetch("select * from miscounts()")
    assert (await factory.audit_log("show:7"))[-1] == (
        "show.song_removed",
        {"id": first, "title": "Song 0", "votes": 1},
    )


async def _is_taken(fan: SocketClient, song: int) -> bool:
    return "ok" in await fan.ask("cast", show=7, votes=[[song, "up"]])


async def test_editing_while_a_crowd_votes(node: Node, moderator: Person, show: Show, factory: RowFactory) -> None:
    """While songs are added, moved and removed, no cast is refused but for a removed song, and every count is right."""
    async with SocketClient.connect(node.url) as one, SocketClient.connect(node.url) as two:
        stop = asyncio.Event()

        for fan in (one, two):
            await fan.hello(await factory.token())

        async def vote(fan: SocketClient) -> None:
            number = 0
            while not stop.is_set():
                song = show.songs[number % 3] if number % 2 else number // 2 + 1
                reply = await fan.ask("cast", show=7, votes=[[song, ("up", "down", "none")[number % 3]]])
                assert "ok" in reply or reply["error"]["code"] == "not_found", reply
                number += 1

        voting = [asyncio.create_task(vote(fan)) for fan in (one, two)]
        for number in range(12):
            added = await moderator.ok("POST", PATH, {"title": f"New {number}", "position": 1}, status=201)
            await moderator.ok("PATCH", f"{PATH}/{show.songs[2]}", {"position": 1 + number % 4})
            assert (await moderator.ask("DELETE", f"{PATH}/{added['id']}?confirm=true"))[0] == 204
        stop.set()
        await asyncio.gather(*voting)
    assert not await factory.sql.fetch("select * from miscounts()")
    assert await factory.tally(7) == await factory.counted(7)
    hot = await node.rooms.tallies.read(7)
    assert hot is not None
    assert [list(row) for row in hot.counts] == await factory.tally(7)


INVALID_EDITS = [
    (("POST", PATH, {}), "bad_request"),
    (("POST", PATH, {"song": 1, "title": "x"}), "bad_request"),
    (("POST", PATH, {"title": "  "}), "bad_request"),
    (("POST", PATH, {"title": "x" * 201}), "bad_request"),
    (("POST", PATH, {"title": "x", "position": 0}), "bad_request"),
    (("POST", PATH, {"song": 999}), "not_found"),
    (("POST", PATH, {"title": "x", "setlist": 999}), "not_found"),
    (("POST", "/api/admin/shows/8/songs", {"title": "x"}), "not_found"),
    (("PATCH", f"{PATH}/999", {"position": 1}), "not_found"),
    (("PATCH", f"{PATH}/1", {"position": 0}), "bad_request"),
    (("DELETE", f"{PATH}/999", None), "not_found"),
    (("DELETE", f"{PATH}/1?confirm=maybe", None), "bad_request"),
]


async def test_an_invalid_edit_changes_nothing(moderator: Person, show: Show, factory: RowFactory) -> None:
    """Each is refused with its code, and the set and the audit log stay as they were."""
    before = await order(factory)
    for asked, code in INVALID_EDITS:
        assert await moderator.refused(*asked) == code, asked
        assert await order(factory) == before, asked
        assert await factory.audit_log("show:7") == [], asked


async def test_a_final_result_keeps_its_songs(
    people: People, moderator: Person, show: Show, factory: RowFactory
) -> None:
    """Predicted songs are fixed, played songs may be added; fans may edit nothing; a full set takes no song."""
    await factory.sql.execute("insert into setlists (show_id, type, name) values (7, 'actual', 'Played')")
    played = await factory.sql.fetchval("select id from setlists where type = 'actual'")
    await factory.sql.execute("update shows set finalised_at = now() where id = 7")
    assert await moderator.refused("POST", PATH, {"title": "Late"}) == "conflict"
    assert await moderator.refused("DELETE", f"{PATH}/{show.first}") == "conflict"
    await moderator.ok("POST", PATH, {"title": "Late", "setlist": played}, status=201)
    fan = await people.person()
    for method, path in (("POST", PATH), ("PATCH", f"{PATH}/1"), ("DELETE", f"{PATH}/1")):
        assert await fan.refused(method, path, {"title": "x"}) == "forbidden"
    await factory.show(8, song_count=SONGS_PER_SET_MAX)
    assert await moderator.refused("POST", "/api/admin/shows/8/songs", {"title": "One more"}) == "conflict"
