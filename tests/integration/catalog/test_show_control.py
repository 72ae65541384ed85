"""Staff controls a show: changes are checked, act on every node at once, and stand in the audit log."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable

import pytest_asyncio

from server.node.node import Node
from tests.support import one_node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import running_node, until
from tests.support.socket_client import Message, SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people, moderator = one_node.node, one_node.emptied, one_node.people, one_node.moderator


@pytest_asyncio.fixture(loop_scope="module")
async def show(factory: RowFactory) -> Show:
    """A show to vote on, in shard 7."""
    return await factory.show(7, budget=2)


@pytest_asyncio.fixture(loop_scope="module")
async def administrator(people: People) -> Person:
    """An administrator of the node."""
    return await people.person("admin")


@pytest_asyncio.fixture(loop_scope="module")
async def fan(node: Node, factory: RowFactory, show: Show) -> AsyncIterator[SocketClient]:
    """A fan who is signed in and watches the show's status."""
    async with SocketClient.connect(node.url) as client:
        await client.hello(await factory.token())
        await client.watch("status:7", "setlist:7")
        yield client


def in_s(seconds: float) -> str:
    """An instant so many seconds from now."""
    return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)).isoformat()


async def test_a_lock_acts_on_another_node_at_once(
    database_url: str, redis_url: str, moderator: Person, show: Show, factory: RowFactory
) -> None:
    """As soon as a status says `locked`, another node refuses votes; as soon as it says `open`, it accepts them."""
    async with running_node(database_url, redis_url) as other, SocketClient.connect(other.url) as far:
        await far.hello(await factory.token())
        await far.watch("status:7")
        await far.cast(7, (show.first, "up"))
        answer = await moderator.ok("POST", "/api/admin/shows/7/lock", {"is_locked": True})
        assert (answer["voting"], answer["is_locked"]) == ("locked", True)
        await far.push("status:7", lambda message: message["voting"] == "locked")
        assert await far.refusal("cast", show=7, votes=[[show.first, "down"]]) == "locked"
        await moderator.ok("POST", "/api/admin/shows/show-7/lock", {"is_locked": False})
        await far.push("status:7", lambda message: message["voting"] == "open")
        await far.cast(7, (show.first, "down"))
    assert await factory.audit_log("show:7") == [
        ("show.lock", {"is_locked": [False, True]}),
        ("show.unlock", {"is_locked": [True, False]}),
    ]


async def test_a_closed_show_becomes_final_and_opens_again_with_a_reason(
    moderator: Person, administrator: Person, fan: SocketClient, show: Show, factory: RowFactory
) -> None:
    """A final window cannot move; reopening needs an administrator, a reason and a time in the future; then fans vote again."""
    await fan.cast(7, (show.first, "up"))
    assert (await moderator.ok("POST", "/api/admin/shows/7/close"))["voting"] == "closed"
    await fan.push("status:7", lambda message: message["voting"] == "final")
    assert await fan.refusal("cast", show=7, votes=[[show.first, "down"]]) == "closed"
    results = await administrator.ok("GET", "/api/shows/7/results")
    assert (results["standing"], results["songs"][0]["up"]) == ("final", 1)

    assert await administrator.refused("PATCH", "/api/admin/shows/7", {"closes_at": in_s(600)}) == "conflict"
    assert (
        await moderator.refused("POST", "/api/admin/shows/7/reopen", {"closes_at": in_s(600), "reason": "x"})
        == "forbidden"
    )
    assert (
        await administrator.refused("POST", "/api/admin/shows/7/reopen", {"closes_at": in_s(600), "reason": ""})
        == "bad_request"
    )
    assert (
        await administrator.refused("POST", "/api/admin/shows/7/reopen", {"closes_at": in_s(-1), "reason": "x"})
        == "bad_request"
    )
    reopened = await administrator.ok(
        "POST", "/api/admin/shows/7/reopen", {"closes_at": in_s(600), "reason": "Rain delay"}
    )
    assert (reopened["voting"], reopened["is_final"]) == ("open", False)
    await fan.push("status:7", lambda message: message["voting"] == "open")
    await fan.cast(7, (show.first, "down"))
    assert await factory.tally(7) == await factory.counted(7)
    actions = await factory.audit_log("show:7")
    assert [action for action, _ in actions] == ["show.close", "show.reopen"]
    assert actions[1][1]["reason"] == "Rain delay"
    assert actions[1][1]["is_final"] == [True, False]


async def test_a_change_made_for_an_older_revision_is_a_conflict(
    administrator: Person, show: Show, factory: RowFactory
) -> None:
    """A change with an old revision is a conflict; without a revision the last change wins; an empty one logs nothing."""
    seen = await administrator.ok("GET", "/api/admin/shows/7")
    changed = await administrator.ok("PATCH", "/api/admin/shows/7", {"is_locked": True, "revision": seen["revision"]})
    assert changed["revision"] > seen["revision"]
    late = {"is_locked": False, "revision": seen["revision"]}
    assert await administrator.refused("PATCH", "/api/admin/shows/7", late) == "conflict"
    assert (await administrator.ok("PATCH", "/api/admin/shows/7", {"is_locked": False}))["is_locked"] is False
    again = await administrator.ok("PATCH", "/api/admin/shows/7", {})
    assert again | {"effect": None} == await administrator.ok("GET", "/api/admin/shows/7")
    assert len(await factory.audit_log("show:7")) == 2


async def test_an_impossible_change_is_refused(administrator: Person, show: Show) -> None:
    """Reversed windows, impossible local times and far ends are bad_request and change nothing; unknown shows are not_found."""
    before = await administrator.ok("GET", "/api/admin/shows/7")
    for body in (
        {"opens_at": in_s(600), "closes_at": in_s(500)},
        {"opens_at": in_s(86_400)},
        {"closes_at": "2030-03-10T02:30:00"},  # the clocks at the show skip it
        {"closes_at": "2030-11-03T01:30:00"},  # occurs twice there
        {"closes_at": "9999-12-31T23:59:59"},
        {"closes_at": in_s(86_400 * 366 * 11)},
        {"opens_at": "0001-01-01T00:00:00Z"},
        {"votes_per_user_max": 0},
        {"status": "asleep"},
    ):
        assert await administrator.refused("PATCH", "/api/admin/shows/7", body) == "bad_request", body
    assert await administrator.ok("GET", "/api/admin/shows/7") == before
    assert await administrator.refused("GET", "/api/admin/shows/999") == "not_found"
    assert await administrator.refused("PATCH", "/api/admin/shows/nobody", {}) == "not_found"


async def test_a_lower_budget_removes_no_vote(
    administrator: Person, fan: SocketClient, show: Show, factory: RowFactory
) -> None:
    """A fan above the budget may change votes but add none; without a budget there is no limit."""
    await fan.cast(7, (show.songs[0], "up"), (show.songs[1], "up"))
    changed = await administrator.ok("PATCH", "/api/admin/shows/7", {"votes_per_user_max": 1})
    assert changed["votes_per_user_max"] == 1
    await until(lambda: _has_budget(fan, 0))
    assert await fan.refusal("cast", show=7, votes=[[show.songs[2], "up"]]) == "budget"
    await fan.cast(7, (show.songs[0], "down"))
    await administrator.ok("PATCH", "/api/admin/shows/7", {"votes_per_user_max": None})
    await until(lambda: _has_budget(fan, None))
    await fan.cast(7, (show.songs[2], "up"))
    assert sum(up + down for _, up, down in await factory.tally(7)) == 3


async def _has_budget(fan: SocketClient, left: int | None) -> bool:
    return bool((await fan.ok("ballot", show=7))["remaining"] == left)


async def test_the_song_marked_last_is_playing_now(
    administrator: Person, moderator: Person, fan: SocketClient, show: Show, factory: RowFactory
) -> None:
    """When its mark is removed, the song before it is playing; a song of another show is not_found."""
    await administrator.ok("PATCH", "/api/admin/shows/7", {"status": "live"})
    for song in show.songs[:2]:
        await moderator.ok("POST", "/api/admin/shows/7/played", {"song": song, "played": True})
        await fan.push("status:7", _plays(song))
    await moderator.ok("POST", "/api/admin/shows/7/played", {"song": show.songs[1], "played": False})
    await fan.push("status:7", _plays(show.first))
    other = await factory.show(8)
    body = {"song": other.first, "played": True}
    assert await moderator.refused("POST", "/api/admin/shows/7/played", body) == "not_found"


def _plays(song: int) -> Callable[[Message], bool]:
    return lambda status: bool(status["now_playing"] == song)


async def test_fans_may_not_control_a_show(people: People, show: Show) -> None:
    """Every route refuses a fan with `forbidden`."""
    fan = await people.person()
    for method, path, body in (
        ("GET", "", None), ("PATCH", "", {}), ("POST", "/lock", {"is_locked": True}), ("POST", "/close", None),
        ("POST", "/reopen", {"closes_at": in_s(60), "reason": "x"}), ("POST", "/played", {"song": 1, "played": True}),
    ):  # fmt: skip
        assert await fan.refused(method, f"/api/admin/shows/7{path}", body) == "forbidden"


async def test_a_window_without_offset_is_local_time_at_the_show(
    administrator: Person, show: Show, factory: RowFactory
) -> None:
    """In winter and in summer the answer has the same instants in UTC and in local time."""
    year = dt.datetime.now(dt.UTC).year + 1
    body = {"opens_at": f"{year}-01-15T20:00:00", "closes_at": f"{year}-07-15T20:00:00"}
    answer = await administrator.ok("PATCH", "/api/admin/shows/7", body)
    assert (answer["opens_at"], answer["closes_at"]) == (f"{year}-01-16T01:00:00Z", f"{year}-07-16T00:00:00Z")
    assert (answer["opens_local"], answer["closes_local"]) == (
        f"{year}-01-15T20:00:00-05:00", f"{year}-07-15T20:00:00-04:00",
    )  # fmt: skip
    assert answer["time_zone"] == "America/New_York"
