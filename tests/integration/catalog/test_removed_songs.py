"""A song that is removed with its votes can be put back with them."""

from __future__ import annotations

from server.node.node import Node
from server.voting import reconcile
from tests.support import one_node
from tests.support.audit import until_drained
from tests.support.people import People
from tests.support.row_factory import RowFactory

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people = one_node.node, one_node.emptied, one_node.people

SONGS = "/api/admin/shows/7/songs"
REMOVED = "/api/admin/shows/7/removed-songs"
VOTES = "/api/shows/7/votes"


async def test_a_removed_song_comes_back_with_its_votes(
    node: Node, people: People, factory: RowFactory, database_url: str, redis_url: str
) -> None:
    """Votes of erased fans do not come back, nor those of fans who spent the budget again; every count agrees."""
    show = await factory.show(7, budget=2)
    first, second, third = show.songs
    moderator = await people.person("moderator")
    ann, ben, eve = await people.persons(3)
    for fan, choice in ((ann, "up"), (ben, "down"), (eve, "up")):
        await fan.ok("POST", VOTES, {"votes": [[first, choice], [second, "up"]]})
    await moderator.ok("DELETE", f"{SONGS}/{first}?confirm=true", status=204)
    (listed,) = (await moderator.ok("GET", REMOVED))["items"]
    assert (listed["id"], listed["votes"]) == (first, 3)
    assert [vote["song_id"] for vote in (await ann.ok("GET", "/api/me/export"))["removed_votes"]] == [first]
    await eve.ok("DELETE", "/api/me", status=204)
    await until_drained(database_url, redis_url)
    assert (await ben.ok("POST", VOTES, {"votes": [[third, "up"]]}))["remaining"] == 0
    previewed = await moderator.ok("POST", f"{REMOVED}/{first}?preview=true")
    assert previewed == {"id": first, "votes": 1, "is_preview": True}
    assert len(await factory.tally(7)) == 2
    restored = await moderator.ok("POST", f"{REMOVED}/{first}")
    assert restored == {"id": first, "votes": 1, "is_preview": False}
    assert (await factory.tally(7))[0] == [first, 1, 0]
    assert (await moderator.ok("GET", REMOVED))["items"] == []
    assert await moderator.refused("POST", f"{REMOVED}/{first}") == "not_found"
    assert (await ann.ok("GET", "/api/shows/7/ballot"))["ballot"] == {str(second): "up", str(first): "up"}
    assert await factory.sql.fetch("select * from miscounts()") == []
    assert await factory.sql.fetch("select * from integrity_check()") == []
    assert await reconcile.run(database_url, redis_url) == []
    audited = await factory.sql.fetchval(
        "select detail - 'revision' from audit_log where action = 'show.song_restored'"
    )
    assert audited == f'{{"id": {first}, "votes": 1}}'


async def test_votes_that_were_withdrawn_for_good_do_not_come_back(
    people: People, factory: RowFactory, database_url: str, redis_url: str
) -> None:
    """A group is void since the song was removed: its votes stay away; those of a group that is set aside come back so."""
    show = await factory.show(7)
    moderator = await people.person("moderator")
    fan, cheat, doubtful = await people.persons(3)
    for voter in (fan, cheat, doubtful):
        await voter.ok("POST", VOTES, {"votes": [[show.first, "up"]]})
    await moderator.ok("DELETE", f"{SONGS}/{show.first}?confirm=true", status=204)
    for voter, decision in ((cheat, "void"), (doubtful, "set_aside")):
        group = await factory.vote_group(7, [voter.id])
        await moderator.ok("POST", f"/api/admin/groups/{group}", {"decision": decision})
    restored = await moderator.ok("POST", f"{REMOVED}/{show.first}")
    assert restored == {"id": show.first, "votes": 2, "is_preview": False}
    assert (await factory.tally(7))[0] == [show.first, 1, 0]
    assert (await factory.aside_tally(7))[0] == [show.first, 1, 0]
    assert (await cheat.ok("GET", "/api/shows/7/ballot"))["ballot"] == {}
    assert await factory.sql.fetch("select * from integrity_check()") == []
    assert await reconcile.run(database_url, redis_url) == []


async def test_a_song_that_cannot_come_back_is_refused(people: People, factory: RowFactory) -> None:
    """It is in the set again, or the show is gone with it; only staff ask."""
    show = await factory.show(7)
    moderator, fan = await people.person("moderator"), await people.person()
    await fan.ok("POST", VOTES, {"votes": [[show.first, "up"]]})
    song_id = await factory.sql.fetchval("select song_id from setlist_songs where id = $1", show.first)
    await moderator.ok("DELETE", f"{SONGS}/{show.first}?confirm=true", status=204)
    await moderator.ok("POST", SONGS, {"song": song_id}, status=201)
    assert await moderator.refused("POST", f"{REMOVED}/{show.first}") == "conflict"
    assert await fan.refused("POST", f"{REMOVED}/{show.first}") == "forbidden"
    assert len((await moderator.ok("GET", REMOVED))["items"]) == 1
