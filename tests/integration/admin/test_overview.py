"""The page Now as JSON and as a channel: what administrators and moderators see, of one node and of two."""

from __future__ import annotations

import datetime as dt
from typing import Any

import aiohttp
import msgspec
import pytest
import redis
import structlog

from server.cache.keys import VITALS_KEY
from server.node.node import Node
from server.node.readings import value_of
from server.people.sessions import mint_token
from server.protocol.overview import Overview
from server.telemetry import FAILURES, PENDING_CASTS
from tests.support import one_node
from tests.support.api_client import ApiClient
from tests.support.people import People
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET, running_node, until
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, other, factory = one_node.node, one_node.other, one_node.emptied
people, admin = one_node.people, one_node.admin

PATH = "/api/admin/overview"
GROUP = """insert into vote_groups (show_id, score, reasons, ballot_count, began_at, ended_at)
           values (7, 9, '[]', 140, now(), now())"""


async def test_two_nodes_are_one_overview(node: Node, other: Node, factory: RowFactory, admin: ApiClient) -> None:
    """Both nodes have a row, the figures and the last hour are of both, and the live show and the newest acts are there."""
    show = await factory.show(7)
    await factory.sql.execute("update shows set status = 'live' where id = 7")
    await factory.sql.execute("insert into audit_log (action, subject) values ('show.open', 'show:7')")
    async with SocketClient.connect(node.url) as here, SocketClient.connect(other.url) as there:
        await here.hello(await factory.token())
        for watcher in (here, there):
            await watcher.watch("votes:7", "status:7")
        await here.cast(7, (show.first, "up"))

        async def complete() -> Any:
            status, seen = await admin.get(PATH)
            assert status == 200, seen
            # A busy machine is not well at every moment, and the vote may be accepted before it is counted.
            is_well = seen["verdict"]["sentence"] == "All well." and [row["votes"] for row in seen["shows"]] == [1]
            return seen if is_well and len(seen["nodes"]) == 2 and seen["figures"]["watchers"] == 2 else None

        seen = await until(complete)
        assert [row["node"] for row in seen["nodes"]] == [node.rooms.name, other.rooms.name]
        assert {row["state"] for row in seen["nodes"]} == {"ready"}
        assert (seen["verdict"]["level"], seen["is_complete"]) == ("well", True)
        assert {row["service"]: row["status"] for row in seen["services"] if row["kind"] == "engine"} == {
            "postgres": "ok",
            "valkey": "ok",
        }
        assert [(row["id"], row["votes"], row["suspicion"]) for row in seen["shows"]] == [(7, 1, 0)]
        assert ("show.open", "show:7") in [(act["action"], act["subject"]) for act in seen["acts"]]
        # The history of the other node comes through Valkey; both watched in the last steps.
        await until(lambda: _has_watchers(admin, 2))
        assert (await admin.get(PATH + "?history=false"))[1]["history"] is None


async def test_a_cast_that_was_answered_is_not_pending(node: Node, factory: RowFactory) -> None:
    """What piles up is measured now: the last round of casts may have been long ago."""
    show = await factory.show(7)
    async with SocketClient.connect(node.url) as fan:
        await fan.hello(await factory.token())
        await fan.cast(7, (show.first, "up"))

    async def is_nothing_pending() -> bool:
        return value_of(PENDING_CASTS) == 0

    await until(is_nothing_pending)


async def test_a_node_that_falls_silent_is_named(node: Node, admin: ApiClient, redis_url: str) -> None:
    """It has told nothing for seconds and was not stopped. What an older version told is not understood and left out."""
    own = (await node.rooms.vitals.fetch())[0][0]
    ghost = msgspec.structs.replace(own, node="ghost", seen_at=own.seen_at - dt.timedelta(seconds=9))
    with redis.Redis.from_url(redis_url) as valkey:
        for stopped in set(valkey.hkeys(VITALS_KEY)) - {node.rooms.name.encode()}:
            valkey.hdel(VITALS_KEY, stopped)
        valkey.hset(VITALS_KEY, "ghost", msgspec.json.encode(ghost))
        valkey.hset(VITALS_KEY, "older", b'{"node": "older"}')

    async def named() -> Any:
        _, seen = await admin.get(PATH + "?history=false")
        assert {row["node"]: row["state"] for row in seen["nodes"]} == {node.rooms.name: "ready", "ghost": "silent"}
        # A busy machine may have something else to tell first.
        return seen if [finding["name"] for finding in seen["findings"]] == ["NodeDown"] else None

    seen = await until(named)
    assert seen["verdict"]["sentence"].startswith("Node ghost has told nothing for ")


async def test_a_provider_has_one_verdict(database_url: str, redis_url: str, factory: RowFactory) -> None:
    """A refused key comes before an open circuit, and this before a bad answer."""
    await factory.sql.execute(
        "insert into service_health (service, hour, down_count, last_status, last_detail)"
        " values ('setlistfm', date_trunc('hour', now(), 'UTC'), 1, 'down', 'answered 500')"
    )
    admin_id = await factory.sql.fetchval("insert into users (role) values ('admin') returning id")
    async with (
        running_node(database_url, redis_url, setlistfm_api_key="key", setlistfm_api_url="http://127.0.0.1:9") as node,
        ApiClient.open(node.url, user_id=admin_id) as admin,
    ):
        gate = node.rooms.overviews._gates["setlistfm"]

        async def findings() -> list[tuple[str, str]]:
            _, seen = await admin.get(PATH + "?history=false")
            (row,) = [row for row in seen["services"] if row["service"] == "setlistfm"]
            assert row["status"] == "down"
            # On a busy machine the node may have been late with something else.
            return [(found["name"], found["cause"]) for found in seen["findings"] if "setlistfm" in found["cause"]]

        assert await findings() == [("ServiceInTrouble", "setlistfm is in trouble: answered 500.")]
        await gate.shut("answered 503", 60)
        cause = "setlistfm fails: answered 503. No node asks it for now."
        assert await findings() == [("ProviderLeftAlone", cause)]


async def _has_watchers(admin: ApiClient, count: int) -> bool:
    _, seen = await admin.get(PATH)
    return count in seen["history"]["watchers"]


async def test_moderators_see_what_they_may_act_on(people: People, factory: RowFactory) -> None:
    """A group of votes and its show, not the nodes; fans see nothing, and errors are for administrators."""
    await factory.show(7)
    await factory.sql.execute("update shows set status = 'live' where id = 7")
    moderator, fan = await people.person("moderator"), await people.person("user")
    admin = await people.person("admin")
    status, seen = await moderator.ask("GET", PATH)
    assert (status, seen["verdict"]["sentence"], seen["findings"]) == (200, "Nothing waits for you.", [])
    await factory.sql.execute(GROUP)

    async def found(*, shows: list[tuple[str, int]], findings: list[str]) -> Any:
        """The overview, when it is as wanted. A reading that has begun before a change, on a busy machine, does not know it."""

        async def wanted() -> Any:
            _, seen = await moderator.ask("GET", PATH)
            is_wanted = [(show["status"], show["suspicion"]) for show in seen["shows"]] == shows
            return seen if is_wanted and [one["name"] for one in seen["findings"]] == findings else None

        return await until(wanted)

    seen = await found(shows=[("live", 1)], findings=["VoteGroup"])
    assert [seen[part] for part in ("nodes", "services", "errors", "acts", "history")] == [None] * 5
    assert seen["verdict"]["sentence"].startswith(
        "140 ballots look like the work of one hand: group 1 of Show (show 7)."
    )
    assert seen["verdict"]["button"] == {"label": "Open the abuse page", "page": "abuse"}
    # Long before its evening, the voting of a show is open: its cheats are told too, and not those of a window that is over.
    await factory.sql.execute("update shows set status = 'upcoming' where id = 7")
    await found(shows=[("upcoming", 1)], findings=["VoteGroup"])
    await factory.sql.execute("update shows set opens_at = now() - interval '2 days', closes_at = now() where id = 7")
    await found(shows=[], findings=[])
    await factory.sql.execute("update shows set closes_at = now() + interval '1 hour' where id = 7")
    seen = await found(shows=[("upcoming", 1)], findings=["VoteGroup"])

    async def tells_admin() -> bool:
        return seen["findings"][0] in (await admin.ask("GET", PATH))[1]["findings"]

    await until(tells_admin)
    assert (await fan.ask("GET", PATH))[0] == 403
    assert [(await one.ask("GET", "/api/admin/errors"))[0] for one in (fan, moderator, admin)] == [403, 403, 200]


async def test_a_busy_database_seems_not_empty(admin: ApiClient, factory: RowFactory) -> None:
    """While a reading of the database takes too long, what the one before found stays; nobody is told that there are no shows."""
    await factory.show(7)
    await factory.sql.execute("update shows set status = 'live' where id = 7")

    async def shows() -> list[int]:
        return [show["id"] for show in (await admin.get(PATH + "?history=false"))[1]["shows"]]

    assert await until(shows) == [7]
    async with factory.sql.transaction():
        await factory.sql.execute("lock table vote_groups in access exclusive mode")
        assert await shows() == [7]


async def test_the_channel_is_for_administrators(node: Node, factory: RowFactory) -> None:
    """They get the whole overview each time. Others are refused, and who is no administrator any more is taken off."""
    admin_id = await factory.sql.fetchval("insert into users (role) values ('admin') returning id")
    async with SocketClient.connect(node.url) as admin, SocketClient.connect(node.url) as moderator:
        refused = (await moderator.watch("overview"))["overview"]["error"]
        assert (refused["code"], refused["message"]) == (
            "forbidden",
            "This channel is for administrators. Sign in as one.",
        )
        # A refusal makes no overview.
        assert node.rooms.hub.channel("overview") is None
        await moderator.hello(mint_token(SECRET, admin_id, "moderator"))
        assert (await moderator.watch("overview"))["overview"]["error"]["code"] == "forbidden"
        await admin.hello(mint_token(SECRET, admin_id, "admin"))
        joined = (await admin.watch("overview"))["overview"]
        pushed = await admin.push("overview")
        assert pushed["at"] > joined["at"]
        assert joined["state"].keys() | {"ch", "at"} == pushed.keys() == set(Overview.__struct_fields__) | {"ch", "at"}
        await admin.hello(mint_token(SECRET, admin_id, "moderator"))
        # It comes before the answer to hello.
        assert {"unsubscribed": {"channels": ["overview"]}} in admin.heard


async def test_failures_are_listed_with_their_request(
    node: Node, admin: ApiClient, factory: RowFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of the server has its count, its kind and the id of its newest request, which the answer had too."""
    admin_id = await factory.sql.fetchval("insert into users (role) values ('admin') returning id")
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, FAILURES.note, *structlog.get_config()["processors"]]
    )
    try:

        async def fail(*_: Any, **__: Any) -> None:
            raise LookupError("with a name in it")

        monkeypatch.setattr(node.rooms.overviews, "overview", fail)
        ids = []
        async with aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {mint_token(SECRET, admin_id, 'admin')}"}
        ) as http:
            for _ in range(2):
                async with http.get(node.url + PATH) as response:
                    assert response.status == 500
                    ids.append(response.headers["X-Request-ID"])

        async def told() -> Any:
            _, seen = await admin.get("/api/admin/errors")
            assert not seen["is_traced"]
            # Failures are counted by process, and another test may have had some.
            return [row for row in seen["items"] if row["detail"] == "LookupError" and row["count"] >= 2]

        (row,) = await until(told)
        assert (row["action"], row["nodes"], row["request_id"]) == ("request.failed", [node.rooms.name], ids[1])
        assert row["trace_id"] == ""
    finally:
        structlog.reset_defaults()
