"""Staff writes all sets of a show at once: songs that stay keep their votes, and fans vote on the new ones at once."""

from __future__ import annotations

from typing import Any

from server.node.node import Node
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people, moderator = one_node.node, one_node.emptied, one_node.people, one_node.moderator

SETS = "/api/admin/shows/7/sets"


def titles(sets: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The titles of each set, by its name."""
    return {one["name"]: [song["title"] for song in one["songs"]] for one in sets}


async def test_sets_are_written_as_a_whole(node: Node, people: People, moderator: Person, factory: RowFactory) -> None:
    """Songs move within and between sets with their votes; new ones open at once; removed votes need a confirmation."""
    show = await factory.show(7, song_count=4)
    first, second, third, fourth = show.songs
    async with SocketClient.connect(node.url) as fan:
        await fan.hello(await factory.token())
        await fan.cast(7, (first, "up"), (fourth, "down"))
        await fan.watch("setlist:7")
        encore = {"name": "Encore", "kind": "encore", "songs": [{"id": first}, {"title": "New one", "note": "maybe"}]}
        main = {"id": 1, "name": "Main set", "songs": [{"id": third}, {"id": second}, {"id": fourth, "medley": 1}]}
        body = {"sets": [encore, main]}
        previewed = await moderator.ok("PUT", f"{SETS}?preview=true", body)
        assert titles(previewed["sets"]) == {
            "Encore": ["Song 0", "New one"],
            "Main set": ["Song 2", "Song 1", "Song 3"],
        }
        assert previewed["effect"] == {
            "is_preview": True, "votes_kept": 2, "votes_lost": 0, "fans_going": 0, "fans_mailed": 0,
        }  # fmt: skip
        assert await factory.audit_log("show:7") == []
        done = await moderator.ok("PUT", SETS, body)
        assert titles(done["sets"]) == titles(previewed["sets"])
        new = done["sets"][0]["songs"][1]["id"]
        await fan.cast(7, (new, "up"))
        await fan.push("setlist:7", lambda push: [one["name"] for one in push["setlists"]] == ["Encore", "Main set"])
        # A song that is named by its own id stays what it was; what is left out goes.
        again = {"sets": [{"id": 1, "name": "Main", "songs": [{"song": done["sets"][1]["songs"][0]["song"]}]}]}
        status, problem = await moderator.ask("PUT", SETS, again)
        assert (status, "Song 3 (1), Song 0 (1), New one (1)" in problem["detail"]) == (409, True), problem
        lost = await moderator.ok("PUT", f"{SETS}?preview=true", again)
        assert lost["effect"]["votes_lost"] == 3
        gone = await moderator.ok(
            "PUT", f"{SETS}?confirm=true", again | {"revision": done["revision"], "reason": "short"}
        )
        assert [song["id"] for song in gone["sets"][0]["songs"]] == [third]
        assert await fan.refusal("cast", show=7, votes=[[new, "down"]]) == "not_found"
        await fan.cast(7, (third, "up"))
    assert await moderator.refused("PUT", SETS, again | {"revision": done["revision"]}) == "conflict"
    removed = await moderator.ok("GET", "/api/admin/shows/7/removed-songs")
    assert {song["id"] for song in removed["items"]} == {first, fourth, new}
    assert await factory.sql.fetch("select * from miscounts()") == []
    (_, wrote), (_, cut) = await factory.audit_log("show:7")
    assert (wrote["votes_lost"], cut["votes_lost"], cut["reason"]) == (0, 3, "short")


async def test_votes_that_are_set_aside_need_a_confirmation_too(
    people: People, moderator: Person, factory: RowFactory
) -> None:
    """They may come back, so neither way of removing a song takes them along in silence."""
    show = await factory.show(7)
    fan = await people.person()
    await fan.ok("POST", "/api/shows/7/votes", {"votes": [[show.first, "up"]]})
    group = await factory.vote_group(7, [fan.id])
    await moderator.ok("POST", f"/api/admin/groups/{group}", {"decision": "set_aside"})
    sets = {"sets": [{"id": 1, "name": "Main set", "songs": [{"id": song} for song in show.songs[1:]]}]}
    assert await moderator.refused("PUT", SETS, sets) == "conflict"
    assert await moderator.refused("DELETE", f"/api/admin/shows/7/songs/{show.first}") == "conflict"


async def test_wrong_sets_are_refused(people: People, moderator: Person, factory: RowFactory) -> None:
    """Unknown and repeated sets and songs, acts that are not on the bill, and new songs for a final show change nothing."""
    show, other = await factory.show(7), await factory.show(8)
    songs = [{"id": song} for song in show.songs]
    main: dict[str, Any] = {"id": 1, "name": "Main set", "songs": songs}
    before = (await moderator.ok("PUT", f"{SETS}?preview=true", {"sets": [main]}))["sets"]
    for sets, code in (
        ([main, main], "bad_request"), ([main | {"id": 2}], "not_found"), ([main | {"type": "actual"}], "bad_request"),
        ([main | {"artist": 99}], "not_found"), ([main | {"songs": [{"id": other.first}]}], "not_found"),
        ([main | {"songs": [{}]}], "bad_request"), ([main | {"songs": [*songs, songs[0]]}], "bad_request"),
        ([main | {"songs": [*songs, {"song": 999}]}], "not_found"),
        ([main, {"name": "Played", "type": "actual", "songs": songs}], "bad_request"),
    ):  # fmt: skip
        assert await moderator.refused("PUT", SETS, {"sets": sets}) == code, sets
    await factory.sql.execute("update shows set finalised_at = now() where id = 7")
    assert await moderator.refused("PUT", SETS, {"sets": [main | {"songs": [*songs, {"title": "Late"}]}]}) == "conflict"
    played = {"name": "Played", "type": "actual", "songs": [{"title": "Song 0"}]}
    done = await moderator.ok("PUT", SETS, {"sets": [main, played]})
    assert [one for one in done["sets"] if one["type"] == "predicted"] == before
