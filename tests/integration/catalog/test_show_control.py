"""What staff decides about a show acts on every node at once, is checked, and leaves an entry in the audit log."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.node.node import Node
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient


@pytest.fixture
async def show(factory: RowFactory) -> Show:
    """A show to vote on, in shard 7."""
    return await factory.show(7, budget=2)


@pytest.fixture
async def boss(people: People) -> Person:
    """An administrator at the node."""
    return await people.person("admin")


@pytest.fixture
async def fan(node: Node, factory: RowFactory, show: Show) -> AsyncIterator[SocketClient]:
    """A fan who is signed in and watches the show's status."""
    async with SocketClient.connect(node.url) as talker:
        await talker.hello(await factory.token())
        await talker.watch("status:7", "setlist:7")
        yield talker


def in_s(seconds: float) -> str:
    """An instant from now."""
    return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)).isoformat()


async def acts(factory: RowFactory) -> list[tuple[str, Any]]:
    """Actions of the audit log with their details, in order."""
    rows = await factory.sql.fetch("select action, subject, detail from audit_log order by id")
    assert {row["subject"] for row in rows} <= {"show:7"}
    return [(row["action"], json.loads(row["detail"])) for row in rows]


async def test_a_lock_acts_on_another_node_at_once(
    database_url: str, redis_url: str, moderator: Person, show: Show, factory: RowFactory
) -> None:
    """Whoever votes at another node is refused from the moment the status says so; unlocked, they are not."""
    async with running_node(database_url, redis_url) as other, SocketClient.connect(other.url) as far:
        await far.hello(await factory.token())
        await far.watch("status:7")
        await far.cast(7, (show.first, "up"))
        answer = await moderator.well("POST", "/api/admin/shows/7/lock", {"is_locked": True})
        assert (answer["voting"], answer["is_locked"]) == ("locked", True)
        await far.push("status:7", lambda message: message["voting"] == "locked")
        assert await far.refusal("cast", show=7, votes=[[show.first, "down"]]) == "locked"
        await moderator.well("POST", "/api/admin/shows/show-7/lock", {"is_locked": False})
        await far.push("status:7", lambda message: message["voting"] == "open")
        await far.cast(7, (show.first, "down"))
    assert await acts(factory) == [
        ("show.lock", {"is_locked": [False, True]}),
        ("show.unlock", {"is_locked": [True, False]}),
    ]


async def test_closed_is_final_once_all_is_in_and_opens_again_with_a_reason(
    moderator: Person, boss: Person, fan: SocketClient, show: Show, factory: RowFactory
) -> None:
    """Close now, wait for the final result, move nothing of it, reopen it, vote again."""
    await fan.cast(7, (show.first, "up"))
    assert (await moderator.well("POST", "/api/admin/shows/7/close"))["voting"] == "closed"
    await fan.push("status:7", lambda message: message["voting"] == "final")
    assert await fan.refusal("cast", show=7, votes=[[show.first, "down"]]) == "closed"
    results = await boss.well("GET", "/api/shows/7/results")
    assert (results["standing"], results["songs"][0]["up"]) == ("final", 1)

    assert await boss.refused("PATCH", "/api/admin/shows/7", {"closes_at": in_s(600)}) == "conflict"
    assert (
        await moderator.refused("POST", "/api/admin/shows/7/reopen", {"closes_at": in_s(600), "reason": "x"})
        == "forbidden"
    )
    assert (
        await boss.refused("POST", "/api/admin/shows/7/reopen", {"closes_at": in_s(600), "reason": ""}) == "bad_request"
    )
    assert (
        await boss.refused("POST", "/api/admin/shows/7/reopen", {"closes_at": in_s(-1), "reason": "x"}) == "bad_request"
    )
    reopened = await boss.well("POST", "/api/admin/shows/7/reopen", {"closes_at": in_s(600), "reason": "Rain delay"})
    assert (reopened["voting"], reopened["is_final"]) == ("open", False)
    await fan.push("status:7", lambda message: message["voting"] == "open")
    await fan.cast(7, (show.first, "down"))
    assert await factory.tally(7) == await factory.counted(7)
    actions = await acts(factory)
    assert [action for action, _ in actions] == ["show.close", "show.reopen"]
    assert actions[1][1]["reason"] == "Rain delay"
    assert actions[1][1]["is_final"] == [True, False]


async def test_two_who_change_one_show_do_not_undo_each_other(boss: Person, show: Show, factory: RowFactory) -> None:
    """With the revision it was made for, a change that comes late is a conflict; without it, the last one counts."""
    seen = await boss.well("GET", "/api/admin/shows/7")
    changed = await boss.well("PATCH", "/api/admin/shows/7", {"is_locked": True, "revision": seen["revision"]})
    assert changed["revision"] > seen["revision"]
    late = {"is_locked": False, "revision": seen["revision"]}
    assert await boss.refused("PATCH", "/api/admin/shows/7", late) == "conflict"
    assert (await boss.well("PATCH", "/api/admin/shows/7", {"is_locked": False}))["is_locked"] is False
    again = await boss.well("PATCH", "/api/admin/shows/7", {})
    assert again == await boss.well("GET", "/api/admin/shows/7")
    assert len(await acts(factory)) == 2


async def test_a_window_that_cannot_be(boss: Person, show: Show) -> None:
    """Reversed, without a zone, ten years long: bad_request, and nothing has changed. Nobody's show: not_found."""
    before = await boss.well("GET", "/api/admin/shows/7")
    for body in (
        {"opens_at": in_s(600), "closes_at": in_s(500)},
        {"opens_at": in_s(86_400)},
        {"closes_at": "2030-03-10T02:30:00"},  # skipped where the show is
        {"closes_at": "2030-11-03T01:30:00"},  # comes twice
        {"closes_at": "9999-12-31T23:59:59"},
        {"closes_at": in_s(86_400 * 366 * 11)},
        {"votes_per_user_max": 0},
        {"status": "asleep"},
    ):
        assert await boss.refused("PATCH", "/api/admin/shows/7", body) == "bad_request", body
    assert await boss.well("GET", "/api/admin/shows/7") == before
    assert await boss.refused("GET", "/api/admin/shows/999") == "not_found"
    assert await boss.refused("PATCH", "/api/admin/shows/nobody", {}) == "not_found"


async def test_a_budget_that_is_lowered_takes_no_vote_away(
    boss: Person, fan: SocketClient, show: Show, factory: RowFactory
) -> None:
    """Who is over it may change and withdraw votes, not add one; without a budget there is no limit."""
    await fan.cast(7, (show.songs[0], "up"), (show.songs[1], "up"))
    changed = await boss.well("PATCH", "/api/admin/shows/7", {"votes_per_user_max": 1})
    assert changed["votes_per_user_max"] == 1
    await until(lambda: _has_budget(fan, 0))
    assert await fan.refusal("cast", show=7, votes=[[show.songs[2], "up"]]) == "budget"
    await fan.cast(7, (show.songs[0], "down"))
    await boss.well("PATCH", "/api/admin/shows/7", {"votes_per_user_max": None})
    await until(lambda: _has_budget(fan, None))
    await fan.cast(7, (show.songs[2], "up"))
    assert sum(up + down for _, up, down in await factory.tally(7)) == 3


async def _has_budget(fan: SocketClient, left: int | None) -> bool:
    return bool((await fan.ok("ballot", show=7))["remaining"] == left)


async def test_what_is_being_played_is_seen_by_everybody(
    boss: Person, moderator: Person, fan: SocketClient, show: Show, factory: RowFactory
) -> None:
    """On a show that is on, the song marked last is playing now; taken back, the one before is; another show's is not."""
    await boss.well("PATCH", "/api/admin/shows/7", {"status": "live"})
    for song in show.songs[:2]:
        await moderator.well("POST", "/api/admin/shows/7/played", {"song": song, "played": True})
        await fan.push("status:7", lambda message, song=song: message["now_playing"] == song)
    await moderator.well("POST", "/api/admin/shows/7/played", {"song": show.songs[1], "played": False})
    await fan.push("status:7", lambda message: message["now_playing"] == show.first)
    other = await factory.show(8)
    body = {"song": other.first, "played": True}
    assert await moderator.refused("POST", "/api/admin/shows/7/played", body) == "not_found"


async def test_fans_may_do_nothing_of_it(people: People, show: Show) -> None:
    """Every route is for staff alone."""
    fan = await people.person()
    for method, path, body in (
        ("GET", "", None), ("PATCH", "", {}), ("POST", "/lock", {"is_locked": True}), ("POST", "/close", None),
        ("POST", "/reopen", {"closes_at": in_s(60), "reason": "x"}), ("POST", "/played", {"song": 1, "played": True}),
    ):  # fmt: skip
        assert await fan.refused(method, f"/api/admin/shows/7{path}", body) == "forbidden"


async def test_a_window_is_what_the_clocks_at_the_show_read(boss: Person, show: Show, factory: RowFactory) -> None:
    """Without an offset it is the show's zone, on either side of the change of clocks; the answer says both."""
    year = dt.datetime.now(dt.UTC).year + 1
    body = {"opens_at": f"{year}-01-15T20:00:00", "closes_at": f"{year}-07-15T20:00:00"}
    answer = await boss.well("PATCH", "/api/admin/shows/7", body)
    assert (answer["opens_at"], answer["closes_at"]) == (f"{year}-01-16T01:00:00Z", f"{year}-07-16T00:00:00Z")
    assert (answer["opens_local"], answer["closes_local"]) == (
        f"{year}-01-15T20:00:00-05:00", f"{year}-07-15T20:00:00-04:00",
    )  # fmt: skip
    assert answer["time_zone"] == "America/New_York"
