"""Fans suggest songs, moderators decide, and fans vote on approved songs."""

from __future__ import annotations

import pytest_asyncio

from server.node.node import Node
from server.protocol.limits import DEFAULT_LIMITS
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory, Show
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, other, factory = one_node.node, one_node.other, one_node.emptied
people, moderator = one_node.people, one_node.moderator

PATH, STAFF = "/api/shows/7/suggestions", "/api/admin/suggestions"


@pytest_asyncio.fixture(loop_scope="module")
async def show(factory: RowFactory) -> Show:
    """A show to vote on, in shard 7."""
    return await factory.show(7)


@pytest_asyncio.fixture(loop_scope="module")
async def fan(people: People) -> Person:
    """A fan who suggests songs."""
    return await people.person()


async def test_one_decision_settles_a_song_that_many_fans_suggest(
    other: Node, people: People, moderator: Person, show: Show, factory: RowFactory
) -> None:
    """Two spellings of one title are one song; both fans see the decision, and another node accepts votes at once."""
    fan, other_fan = await people.persons(2)
    mine = await fan.ok("POST", PATH, {"title": "  Déjà Vu "}, status=201)
    assert (mine["title"], mine["status"]) == ("Déjà Vu", "pending")
    assert await fan.ok("POST", "/api/shows/show-7/suggestions", {"title": "deja vu"}) == mine
    await other_fan.ok("POST", PATH, {"title": "DEJA VU"}, status=201)
    await other_fan.ok("POST", PATH, {"title": "BUY AT WWW.EXAMPLE.COM"}, status=201)
    waiting = await moderator.ok("GET", f"{STAFF}?show=7")
    assert [(item["title"], item["fan_count"], item["reasons"]) for item in waiting["items"]] == [
        ("Déjà Vu", 2, []), ("BUY AT WWW.EXAMPLE.COM", 1, ["links", "shouting"]),
    ]  # fmt: skip
    assert await moderator.pages(STAFF, 1) == waiting["items"]
    async with SocketClient.connect(other.url) as far:
        await far.hello(await factory.token())
        await far.cast(7, (show.first, "up"))
        await far.watch("setlist:7")
        previewed = await moderator.ok("POST", f"{STAFF}/{mine['id']}?preview=true", {"decision": "approve"})
        decided = await moderator.ok("POST", f"{STAFF}/{mine['id']}", {"decision": "approve"})
        assert previewed == decided | {"is_preview": True, "song": previewed["song"]}
        assert decided["position"] == len(show.songs) + 1
        await far.cast(7, (decided["song"], "up"))
        assert (decided["status"], decided["fan_count"]) == ("approved", 2)
        await far.push("setlist:7", lambda push: push["setlists"][0]["songs"][-1]["title"] == "Déjà Vu")
    for person in (fan, other_fan):
        assert (await person.ok("GET", PATH))["items"][0]["status"] == "approved"
    assert await moderator.refused("POST", f"{STAFF}/{mine['id']}", {"decision": "decline"}) == "conflict"
    assert await (await people.person()).refused("POST", PATH, {"title": "déjà vu"}) == "conflict"
    detail = {"title": "Déjà Vu", "fans": 2, "reason": "", "song": decided["song"]}
    assert await factory.audit_log("show:7") == [("suggestion.approve", detail)]


async def test_a_declined_song_stays_declined(people: People, fan: Person, moderator: Person, show: Show) -> None:
    """The fan reads the moderator's reason, and the next fan who suggests the song gets a conflict."""
    suggestion = await fan.ok("POST", PATH, {"title": "Freebird"}, status=201)
    await moderator.ok("POST", f"{STAFF}/{suggestion['id']}", {"decision": "decline", "reason": "Never again"})
    (told,) = (await fan.ok("GET", PATH))["items"]
    assert (told["status"], told["reason"], told["decided_at"] is None) == ("declined", "Never again", False)
    assert await (await people.person()).refused("POST", PATH, {"title": "FREEBIRD"}) == "conflict"
    assert (await moderator.ok("GET", STAFF))["items"] == []
    assert await fan.refused("DELETE", f"{PATH}/{suggestion['id']}") == "not_found"


async def test_a_fan_has_few_pending_suggestions_and_can_withdraw_them(people: People, fan: Person, show: Show) -> None:
    """At the limit a fan has to withdraw one first; a fan neither sees nor withdraws those of others."""
    most = DEFAULT_LIMITS.suggestions_waiting
    suggestions = [await fan.ok("POST", PATH, {"title": f"Missing song {n}"}, status=201) for n in range(most)]
    assert await fan.refused("POST", PATH, {"title": "One more"}) == "conflict"
    other = await people.person()
    assert await other.refused("DELETE", f"{PATH}/{suggestions[0]['id']}") == "not_found"
    assert (await other.ok("GET", PATH))["items"] == []
    assert await fan.ask("DELETE", f"{PATH}/{suggestions[0]['id']}") == (204, None)
    await fan.ok("POST", PATH, {"title": "One more"}, status=201)
    assert len((await fan.ok("GET", PATH))["items"]) == most


async def test_invalid_and_late_suggestions_are_refused(
    people: People, fan: Person, moderator: Person, show: Show, factory: RowFactory
) -> None:
    """Anonymous and banned users, existing songs, bad titles, and shows that are locked, over or cancelled."""
    assert await people.nobody().refused("POST", PATH, {"title": "x"}) == "unauthenticated"
    assert await fan.refused("POST", PATH, {"title": "song 0"}) == "conflict"
    for title in ("", "   ", "x" * 201):
        assert await fan.refused("POST", PATH, {"title": title}) == "bad_request"
    assert await fan.refused("POST", "/api/shows/99/suggestions", {"title": "x"}) == "not_found"
    for method, path in (("GET", STAFF), ("POST", f"{STAFF}/1")):
        assert await fan.refused(method, path, {"decision": "approve"}) == "forbidden"
    assert await moderator.refused("POST", f"{STAFF}/99", {"decision": "approve"}) == "not_found"
    suggestion = await fan.ok("POST", PATH, {"title": "Early"}, status=201)
    body = {"kind": "write", "reason": "Nonsense"}
    await moderator.ok("POST", f"/api/admin/users/{fan.id}/bans", body, status=201)
    assert await fan.refused("POST", PATH, {"title": "Late"}) == "forbidden"
    late = await people.person()
    for change, code in (
        ("is_locked = true", "locked"), ("is_locked = false, status = 'cancelled'", "closed"),
        ("status = 'live', closes_at = now()", "closed"), ("finalised_at = now()", "closed"),
    ):  # fmt: skip
        await factory.sql.execute(f"update shows set {change} where id = 7")
        assert await late.refused("POST", PATH, {"title": "Late"}) == code
    assert await moderator.refused("POST", f"{STAFF}/{suggestion['id']}", {"decision": "approve"}) == "conflict"
    assert (await fan.ok("GET", PATH))["items"][0]["status"] == "pending"
