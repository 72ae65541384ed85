"""Counts that are not public yet: hidden from fans on every endpoint and channel, shown to their audience at once."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from server.node.node import Node
from server.protocol.http.endpoints import Endpoint
from tests.integration.live.test_events import asked
from tests.support import one_node
from tests.support.event_stream import EventStream
from tests.support.people import People, Person
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import until
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory, people, other = one_node.node, one_node.emptied, one_node.people, one_node.other

# Counts that no answer has by chance; the third is the score that follows from them.
UP, DOWN = 79_190_003, 60_070_009
TELLTALES = (str(UP), str(DOWN), str(UP - DOWN))
EVERY_CHANNEL = (
    "votes:7", "song:{song}", "setlist:7", "status:7", "attendance:7", "followers:1", "trending", "activity",
)  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def show(factory: RowFactory) -> Show:
    """A show whose counts only staff sees until they are final."""
    show = await factory.show(7)
    await set_results(factory, "after_closing")
    return show


async def set_results(factory: RowFactory, results: str) -> None:
    await factory.sql.execute("update shows set results = $1::text::results_visibility where id = 7", results)


async def watching(node: Node, client: SocketClient, person: Person, *channels: str) -> dict[str, Any]:
    """Signs a person in and subscribes; gives each channel's state or the code of its refusal."""
    if person.token is not None:
        await client.hello(person.token)
    states = await client.watch(*channels)
    return {name: found["error"]["code"] if "error" in found else found["state"] for name, found in states.items()}


def address(endpoint: Endpoint, song: int) -> str:
    """The address at which an endpoint answers about the show, with the parameters it needs."""
    numbers = {"show": 7, "song": song}
    path = re.sub(r"{(\w+)}", lambda match: str(numbers.get(match[1], 1)), endpoint.path)
    return path + {
        "/api/analytics/vote-stats": "?show=7&to=" + str(dt.datetime.now(dt.UTC).date()),
        "/api/search": "?q=show",
    }.get(endpoint.path, "")


async def all_answers(node: Node, person: Person, song: int) -> str:
    """The answers to all reading requests of a person, and the states of all channels, as one text."""
    told: list[str] = []
    headers = {} if person.token is None else {"Authorization": f"Bearer {person.token}"}
    places = [address(endpoint, song) for endpoint in node.endpoints if endpoint.method == "GET"]
    stats = "/api/analytics/vote-stats?to=" + str(dt.datetime.now(dt.UTC).date())
    places += [stats + of + form for of in ("", "&artist=1", "&venue=1") for form in ("", "&format=csv")]
    places += ["/api/shows/7/results?format=csv", "/metrics", "/api/shows/7/events?channels=status,setlist"]
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as http:
        for place in places:
            async with http.get(node.url + place, headers=headers) as response:
                is_stream = response.content_type == "text/event-stream"
                told.append(repr(await (response.content.readany() if is_stream else response.read())))
    async with SocketClient.connect(node.url) as client:
        await watching(node, client, person, *(name.format(song=song) for name in EVERY_CHANNEL))
        told += [str(message) for message in client.heard]
    return "\n".join(told)


@pytest.mark.parametrize("is_warm", [False, True])
async def test_no_endpoint_and_no_channel_shows_hidden_counts(
    node: Node, factory: RowFactory, people: People, show: Show, is_warm: bool
) -> None:
    """No reading endpoint and no channel has them for a fan or an anonymous reader; staff gets them."""
    await factory.sql.execute(
        "update setlist_songs set up_count = $2, down_count = $3 where id = $1", show.first, UP, DOWN
    )
    await factory.sql.execute(
        "insert into vote_rollups (show_id, hour, up_count, down_count) values (7, date_trunc('hour', now()), $1, $2)",
        UP, DOWN,
    )  # fmt: skip
    await factory.sql.execute("insert into platform_hours values (date_trunc('hour', now()), $1, $2, 0)", UP, DOWN)
    fan, moderator = await people.person(), await people.person("moderator")
    if is_warm:
        await fan.ok("GET", "/api/shows/7/ballot")
    for reader in (fan, people.nobody()):
        told = await all_answers(node, reader, show.first)
        assert not [telltale for telltale in TELLTALES if telltale in told]
    told = await all_answers(node, moderator, show.first)
    assert all(telltale in told for telltale in TELLTALES)


async def test_after_closing_counts_are_public_once_they_are_final(node: Node, people: People, show: Show) -> None:
    """Hidden while voting goes on, also from fans who vote; public as soon as the status is final; hidden again after a
    reopening.
    """
    fan, boss = await people.person(), await people.person("admin")
    async with SocketClient.connect(node.url) as client, SocketClient.connect(node.url) as staff:
        names = ("votes:7", f"song:{show.first}", "status:7")
        found = await watching(node, client, fan, *names)
        assert (found["votes:7"], found[f"song:{show.first}"]) == ("forbidden", "forbidden")
        assert found["status:7"]["results"] == "after_closing"
        assert (await watching(node, staff, boss, "votes:7"))["votes:7"]["total"] == 0
        await client.cast(7, (show.first, "up"))
        assert (await staff.push("votes:7"))["tally"] == [[show.first, 1, 0]]
        assert (await client.watch("votes:7"))["votes:7"]["error"]["code"] == "forbidden"
        hidden = await fan.ok("GET", "/api/shows/7")
        assert (hidden["results"], hidden["total"], hidden["setlists"][0]["songs"][0]["up"]) == (
            "after_closing",
            1,
            None,
        )
        assert await fan.refused("GET", "/api/shows/7/results") == "forbidden"
        assert (await fan.ok("GET", "/api/analytics/vote-stats?show=7"))["songs"] is None
        assert (await asked(node, "/api/shows/7/events"))[0] == 403
        assert (await boss.ok("GET", "/api/shows/7/results"))["songs"][0]["up"] == 1

        await boss.ok("POST", "/api/admin/shows/7/close")
        await client.push("status:7", lambda message: message["voting"] == "final")
        assert (await client.watch("votes:7"))["votes:7"]["state"]["total"] == 1
        assert (await fan.ok("GET", "/api/shows/7"))["setlists"][0]["songs"][0]["up"] == 1
        assert (await people.nobody().ok("GET", "/api/shows/7/results"))["songs"][0]["up"] == 1

        body = {"closes_at": "2034-01-01T00:00:00Z", "reason": "Too early"}
        await boss.ok("POST", "/api/admin/shows/7/reopen", body)
        assert await client.next(lambda message: "unsubscribed" in message) == {
            "unsubscribed": {"channels": ["votes:7"]}
        }
        await client.cast(7, (show.first, "down"))
        await staff.push("votes:7", lambda message: message["tally"] == [[show.first, 0, 1]])
        assert (await client.watch("votes:7"))["votes:7"]["error"]["code"] == "forbidden"
        assert not [push for push in client.pushes("votes:7") if push["total"] and [show.first, 0, 1] in push["tally"]]


async def test_after_vote_counts_are_shown_to_voters(
    node: Node, factory: RowFactory, people: People, show: Show
) -> None:
    """A fan who has voted sees them over the socket, as a stream and over HTTP, until the vote is withdrawn."""
    await set_results(factory, "after_vote")
    fan, other = await people.person(), await people.person()
    async with SocketClient.connect(node.url) as client:
        assert (await watching(node, client, fan, "votes:7"))["votes:7"] == "forbidden"
        await client.cast(7, (show.first, "up"))
        assert (await client.watch("votes:7"))["votes:7"]["state"]["total"] == 1
        async with EventStream.connect(
            node.url, "/api/shows/7/events?channels=votes", Authorization=f"Bearer {fan.token}"
        ) as own:
            assert (await own.push("votes:7"))["total"] == 1
        assert (await fan.ok("GET", "/api/shows/7"))["setlists"][0]["songs"][0]["up"] == 1
        assert (await fan.ok("GET", "/api/shows/7/results"))["total"] == 1
        assert (await fan.ok("GET", "/api/analytics/vote-stats?show=7"))["songs"][0]["up"] == 1
        for reader in (other, people.nobody()):
            assert await reader.refused("GET", "/api/shows/7/results") == "forbidden"
        await client.ok("unsubscribe", channels=["votes:7"])
        await client.cast(7, (show.first, "none"))
        assert (await client.watch("votes:7"))["votes:7"]["error"]["code"] == "forbidden"


async def test_a_new_rule_unsubscribes_watchers_on_every_node(
    node: Node, other: Node, factory: RowFactory, people: People, show: Show
) -> None:
    """Sockets and streams of fans are unsubscribed with a notice, staff stays; later votes reach no fan."""
    await set_results(factory, "live")
    fan, boss = await people.person(), await people.person("admin")
    song = f"song:{show.first}"
    async with (
        SocketClient.connect(node.url) as near,
        SocketClient.connect(other.url) as far,
        SocketClient.connect(other.url) as staff,
        EventStream.connect(other.url, "/api/shows/7/events?channels=votes,status") as stream,
    ):
        await watching(node, near, fan, "votes:7", song, "status:7")
        await watching(other, far, fan, "votes:7", song)
        await watching(other, staff, boss, "votes:7", song)
        await stream.push("votes:7")
        await boss.ok("PATCH", "/api/admin/shows/7", {"results": "after_vote"})
        assert (await near.push("status:7", lambda message: message["results"] == "after_vote"))["voting"] == "open"
        for client in (near, far):
            gone = {name for heard in client.heard for name in heard.get("unsubscribed", {}).get("channels", ())}
            while gone != {"votes:7", song}:
                gone |= set((await client.next(lambda heard: "unsubscribed" in heard))["unsubscribed"]["channels"])
        await near.cast(7, (show.first, "up"))
        await staff.push("votes:7")
        await staff.push(song)
        while (event := await stream.event()) is not None and event[0] != "notice":
            pass
        assert event == ("notice", {"unsubscribed": {"channels": ["votes:7"]}})
        assert not far.pushes("votes:7")
        assert (await far.watch("votes:7", song))[song]["state"] == {"up": 1, "down": 0}

    async def in_audit() -> Any:
        return await factory.sql.fetchval("select detail -> 'results' from audit_log")

    assert await until(in_audit) == '["live", "after_vote"]'


async def test_another_identity_has_to_subscribe_again(node: Node, people: People, show: Show) -> None:
    """A second hello as a fan unsubscribes a moderator's socket from hidden counts, and from nothing else."""
    fan, moderator = await people.person(), await people.person("moderator")
    async with SocketClient.connect(node.url) as client:
        await watching(node, client, moderator, "votes:7", "status:7")
        assert fan.token is not None
        await client.hello(fan.token)
        assert [heard for heard in client.heard if "unsubscribed" in heard] == [
            {"unsubscribed": {"channels": ["votes:7"]}}
        ]
        await client.cast(7, (show.first, "up"))
        assert await moderator.ok("POST", "/api/admin/shows/7/lock", {"is_locked": True})
        await client.push("status:7")
        assert not client.pushes("votes:7")


async def test_a_rule_with_a_lost_notification_is_found(
    node: Node, factory: RowFactory, people: People, show: Show
) -> None:
    """The comparison of revisions finds the new rule, although the setlist is not watched."""
    await set_results(factory, "live")
    async with SocketClient.connect(node.url) as client:
        await watching(node, client, await people.person(), "votes:7")
        await factory.sql.execute("set session_replication_role = replica")  # no trigger
        await factory.sql.execute(
            "update shows set results = 'after_closing', revision = next_revision(revision) where id = 7"
        )
        await factory.sql.execute("reset session_replication_role")
        assert await client.next(lambda message: "unsubscribed" in message)
