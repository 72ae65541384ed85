"""Channels beside votes, setlist and status: a song's counts, attendance, followers, trending, activity."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio

from server.live.presence import NODES_KEY, TTL_MS
from server.node.node import Node
from server.protocol.channels import ACTIVITY_EVENTS_MAX
from tests.support import one_node
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import running_node, until
from tests.support.socket_client import SocketClient

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.emptied


@pytest_asyncio.fixture(loop_scope="module")
async def show(factory: RowFactory) -> Show:
    """A show to vote on, in shard 7."""
    return await factory.show(7)


@pytest_asyncio.fixture(loop_scope="module")
async def fan(node: Node, factory: RowFactory, show: Show) -> AsyncIterator[SocketClient]:
    """The client of a signed-in fan."""
    async with SocketClient.connect(node.url) as client:
        await client.hello(await factory.token())
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def watcher(node: Node, show: Show) -> AsyncIterator[SocketClient]:
    """The client of an anonymous watcher."""
    async with SocketClient.connect(node.url) as client:
        yield client


async def test_everything_in_one_subscribe(watcher: SocketClient, show: Show) -> None:
    """Eight kinds in one request: each with its position and its state as in the contract."""
    names = [
        "votes:7", f"song:{show.first}", "setlist:7", "status:7", "attendance:7", "followers:1", "trending", "activity",
    ]  # fmt: skip
    states = await watcher.watch(*names)
    assert list(states) == names
    assert all(isinstance(states[name]["at"], int) for name in names)
    assert states[f"song:{show.first}"]["state"] == {"up": 0, "down": 0}
    # Its own connection may or may not be counted yet.
    assert states["attendance:7"]["state"]["going"] == 0
    assert states["followers:1"]["state"] == {"followers": 0}
    assert states["trending"]["state"] == {"shows": [], "artists": []}
    assert [event["kind"] for event in states["activity"]["state"]["events"]] == ["announced"]
    again = await watcher.watch(f"song:{show.first}", since={f"song:{show.first}": states[f"song:{show.first}"]["at"]})
    assert again[f"song:{show.first}"].keys() == {"at"}


async def test_links_are_pushed_to_watchers(watcher: SocketClient, factory: RowFactory) -> None:
    """Links to a show's page, its artist's page and the source of its prediction are pushed when they come, change and go."""
    sql = factory.sql
    state = await watcher.watch("setlist:7")
    assert state["setlist:7"]["state"]["sources"] == []

    async def pushed(statement: str) -> list[tuple[str, str, str]]:
        await sql.execute(statement)
        push = await watcher.push("setlist:7")
        assert push["at"] >= state["setlist:7"]["at"]
        assert [setlist["name"] for setlist in push["setlists"]] == ["Main set"]
        return [(source["service"], source["about"], source["url"]) for source in push["sources"]]

    artist = ("setlistfm", "artist", "https://a.example/1")
    assert await pushed(
        "insert into artist_identities (service, external_id, artist_id, url, confidence, evidence)"
        " values ('setlistfm', 'a', 1, 'https://a.example/1', 1, 'linked')"
    ) == [artist]
    assert await pushed("insert into show_predictions (show_id, songs, basis) values (7, '{}', 5)") == [
        ("setlistfm", "prediction", "https://a.example/1")
    ]
    assert await pushed("delete from show_predictions") == [artist]
    tickets = await pushed(
        "insert into show_identities (service, external_id, show_id, url, confidence, evidence)"
        " values ('ticketmaster', 't', 7, 'https://t.example/1', 1, 'listed there')"
    )
    assert tickets == [artist, ("ticketmaster", "show", "https://t.example/1")]
    assert await pushed("update artist_identities set url = 'https://a.example/2'") == [
        ("setlistfm", "artist", "https://a.example/2"), tickets[1],
    ]  # fmt: skip
    assert await pushed("update show_identities set url = 'https://t.example/2'") == [
        ("setlistfm", "artist", "https://a.example/2"), ("ticketmaster", "show", "https://t.example/2"),
    ]  # fmt: skip
    assert await pushed("delete from artist_identities") == [("ticketmaster", "show", "https://t.example/2")]
    assert await pushed("delete from show_identities") == []


@pytest.mark.parametrize("is_warm", [False, True])
async def test_songs_that_come_move_the_position(
    fan: SocketClient, watcher: SocketClient, show: Show, factory: RowFactory, *, is_warm: bool
) -> None:
    """No vote moves it, but the counts are others: one position never has two states."""
    at = (await watcher.watch("votes:7"))["votes:7"]["at"]
    if is_warm:
        await fan.cast(7, (show.first, "up"))
        at = (await watcher.push("votes:7"))["at"]
    (added,) = await factory.add_songs(7, 1)
    push = await watcher.push("votes:7")
    assert push["tally"] == [[added, 0, 0]]
    assert push["at"] > at


async def test_a_song_has_its_shows_position(fan: SocketClient, watcher: SocketClient, show: Show) -> None:
    """Its own counts are pushed, another song's are not; the position is the same as on `votes`."""
    await watcher.watch(f"song:{show.first}", "votes:7")
    await fan.cast(7, (show.songs[1], "up"))
    await watcher.push("votes:7")
    await fan.cast(7, (show.first, "down"), (show.songs[1], "down"))
    push = await watcher.push(f"song:{show.first}")
    votes = await watcher.push("votes:7", lambda message: [show.first, 0, 1] in message["tally"])
    assert (push["up"], push["down"], push["at"]) == (0, 1, votes["at"])
    assert len(watcher.pushes(f"song:{show.first}")) == 1


async def test_a_lost_notification_of_a_song_is_found(
    fan: SocketClient, watcher: SocketClient, show: Show, node: Node
) -> None:
    """The show's votes are not watched, and the notification is lost: the comparison of positions finds the change."""
    await watcher.watch(f"song:{show.first}")
    hub = node.rooms.hub
    original = hub.publish_tally
    hub.publish_tally = lambda *_, **__: None  # type: ignore[method-assign]
    try:
        await fan.cast(7, (show.first, "up"))
        assert (await watcher.push(f"song:{show.first}"))["up"] == 1
    finally:
        hub.publish_tally = original  # type: ignore[method-assign]


@pytest.mark.parametrize("kind", ["setlist", "status"])
async def test_a_lost_notification_of_a_show_is_found(
    kind: str, watcher: SocketClient, factory: RowFactory, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its votes are not watched, and no trigger notifies: the comparison of revisions finds the change."""
    await watcher.watch(f"{kind}:7")
    refresher, reloaded = node.rooms.channel_refresher, asyncio.Queue[int]()
    reload_shows = refresher.reload_shows

    async def noted(show_ids: list[int]) -> None:
        await reload_shows(show_ids)
        for show_id in show_ids:
            reloaded.put_nowait(show_id)

    monkeypatch.setattr(refresher, "reload_shows", noted)
    for nobody in (998, 999):
        # When the second one is reloaded, the reloads for all notifications before the first one are done.
        await factory.sql.execute("select pg_notify('shows', $1)", str(nobody))
        while await reloaded.get() != nobody:
            continue
    async with factory.sql.transaction():
        await factory.sql.execute("set local session_replication_role = replica")
        await factory.sql.execute("update setlists set name = 'Encore' where show_id = 7")
        await factory.sql.execute("update shows set is_locked = true, revision = next_revision(revision) where id = 7")
    push = await watcher.push(f"{kind}:7")
    assert push["voting"] == "locked" if kind == "status" else push["setlists"][0]["name"] == "Encore"


async def test_marks_are_acknowledged_and_pushed(
    fan: SocketClient, watcher: SocketClient, factory: RowFactory, node: Node
) -> None:
    """Committed at a position, with rows and counts; a repeated mark counts once, and a mark can be removed."""
    await watcher.watch("attendance:7", "followers:1")
    going = await fan.ok("attend", show=7, going=True)
    following = await fan.ok("follow", artist=1, following=True)
    assert going.keys() == following.keys() == {"at", "durability"}
    assert going["durability"] == "committed"
    assert (await watcher.push("attendance:7", lambda m: m["going"] == 1))["at"] >= going["at"]
    assert (await watcher.push("followers:1"))["followers"] == 1
    await fan.ok("attend", show=7, going=True)
    await fan.ok("follow", artist=1, following=True)
    assert await factory.sql.fetchval("select count(*) from user_show_attendance") == 1
    assert await factory.sql.fetchval("select attendance_count from shows where id = 7") == 1
    await fan.ok("attend", show=7, going=False)
    await fan.ok("follow", artist=1, following=False)
    await watcher.push("attendance:7", lambda m: m["going"] == 0)
    assert (await watcher.push("followers:1"))["followers"] == 0
    assert await factory.sql.fetchval("select count(*) from user_follows_artists") == 0


async def test_marks_that_are_refused(node: Node, fan: SocketClient, factory: RowFactory) -> None:
    """Without a session: unauthenticated. An unknown show: not_found. A mark of a show that is deleted meanwhile is dropped."""
    async with SocketClient.connect(node.url) as reader:
        assert await reader.refusal("attend", show=7, going=True) == "unauthenticated"
        assert await reader.refusal("follow", artist=1, following=True) == "unauthenticated"
    assert await fan.refusal("attend", show=8, going=True) == "not_found"
    await factory.show(8)
    await fan.ok("attend", show=8, going=True)
    await factory.sql.execute("delete from shows where id = 8")
    # The node still takes it for existing; the writer drops the mark.
    await fan.ok("attend", show=8, going=True)
    assert await factory.sql.fetchval("select count(*) from user_show_attendance") == 0


async def test_the_last_of_many_marks_counts(node: Node, fan: SocketClient, factory: RowFactory) -> None:
    """Of fifty-one marks that are sent at once, the last one stands."""
    ids = [await fan.send("attend", show=7, going=number % 2 == 0) for number in range(51)]
    for request_id in ids:
        assert "ok" in await fan.reply_to(request_id)
    assert await factory.sql.fetchval("select count(*) from user_show_attendance where show_id = 7") == 1
    assert await factory.sql.fetchval("select attendance_count from shows where id = 7") == 1


async def test_watching_is_counted_over_nodes_and_a_dead_node_is_forgotten(
    database_url: str, redis_url: str, factory: RowFactory, node: Node, watcher: SocketClient
) -> None:
    """A connection counts once, however many channels it watches; another node's counts are added until they expire."""
    await factory.show(9)
    await watcher.watch("attendance:9", "votes:9", "status:9")
    await watcher.push("attendance:9", lambda message: message["watching"] == 1)
    async with redis.asyncio.Redis.from_url(redis_url) as valkey:
        async with running_node(database_url, redis_url) as other, SocketClient.connect(other.url) as second:
            await second.watch("votes:9")
            await watcher.push("attendance:9", lambda message: message["watching"] == 2)
            joined = await second.watch("attendance:9")
            assert joined["attendance:9"]["state"] == {"going": 0, "watching": 2}
        # A node that stops removes its counts at once.
        await watcher.push("attendance:9", lambda message: message["watching"] == 1)

        # A killed node does not: its counts stay, but it has no further exchange.
        now_ms = int((await valkey.time())[0]) * 1000
        await valkey.hset(f"{{{NODES_KEY}}}:dead", "9", "5")
        await valkey.zadd(NODES_KEY, {"dead": now_ms - TTL_MS + 5_000})
        await watcher.push("attendance:9", lambda message: message["watching"] == 6)
        await valkey.zadd(NODES_KEY, {"dead": now_ms - TTL_MS - 5_000})
        await watcher.push("attendance:9", lambda message: message["watching"] == 1)

        # Valkey loses everything: each node writes its counts again.
        await watcher.ok("unsubscribe", channels=["attendance:9"])
        await valkey.delete(NODES_KEY, f"{{{NODES_KEY}}}:{node.rooms.name}")
        await until(lambda: valkey.hget(f"{{{NODES_KEY}}}:{node.rooms.name}", "9"))
    await watcher.ok("unsubscribe", channels=["votes:9", "status:9"])
    assert node.rooms.watchers.of(9) == 0


async def test_activity_is_ordered_and_names_no_fan(
    fan: SocketClient, watcher: SocketClient, factory: RowFactory, show: Show
) -> None:
    """Announced, played, live, cancelled, a round number of votes and of followers: each comes once, none names a fan."""
    before = (await watcher.watch("activity"))["activity"]
    await factory.show(8)
    announced = await watcher.push("activity")
    assert announced["at"] > before["at"]
    assert [(event["kind"], event["show"], event["name"]) for event in announced["events"]] == [
        ("announced", 8, "Show")
    ]
    await factory.sql.execute("update setlist_songs set played_at = now() where id = $1", show.first)
    assert (await watcher.push("activity"))["events"][0]["song"] == "Song 0"
    await factory.sql.execute("update shows set status = 'live' where id = 8")
    assert (await watcher.push("activity"))["events"][0]["kind"] == "live"
    for user in await factory.users(10):
        await factory.sql.execute("insert into votes values ($1, $2, 7, 'up', now())", show.first, user)
        await factory.sql.execute("insert into user_follows_artists values ($1, 1)", user)
    kinds: dict[str, Any] = {}
    while len(kinds) < 2:
        for event in (await watcher.push("activity"))["events"]:
            kinds[event["kind"]] = event.get("count")
    assert kinds == {"votes": 10, "followers": 10}
    # A vote that is withdrawn and cast again is no new event.
    await factory.sql.execute("delete from votes where user_id = $1", user)
    await factory.sql.execute("insert into votes values ($1, $2, 7, 'up', now())", show.first, user)
    await factory.sql.execute("update shows set status = 'cancelled' where id = 8")
    assert [event["kind"] for event in (await watcher.push("activity"))["events"]] == ["cancelled"]

    async with SocketClient.connect(str(watcher.socket._response.url.origin())) as late:
        events = (await late.watch("activity"))["activity"]["state"]["events"]
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    assert [event["kind"] for event in events].count("votes") == 1
    assert {key for event in events for key in event} <= {
        "at", "kind", "show", "artist", "name", "song", "count", "time_ms",
    }  # fmt: skip


async def test_a_gap_in_the_activity_is_marked(node: Node, watcher: SocketClient, factory: RowFactory) -> None:
    """An event with a lost notification is loaded; more new events than are kept give the last of them, with a gap."""
    await watcher.watch("activity")
    deaf = node.rooms.hub.publish_activity
    node.rooms.hub.publish_activity = lambda *_: None  # type: ignore[method-assign]
    try:
        await factory.show(8)
        assert (await watcher.push("activity"))["events"][0]["show"] == 8
        async with factory.sql.transaction():
            for number in range(ACTIVITY_EVENTS_MAX + 5):
                await factory.sql.execute("select add_activity('live', 8, 1, $1, '', 0)", f"Event {number}")
        push = await watcher.push("activity")
    finally:
        node.rooms.hub.publish_activity = deaf  # type: ignore[method-assign]
    assert push["gap"] is True
    assert [event["name"] for event in push["events"]] == [f"Event {n}" for n in range(5, ACTIVITY_EVENTS_MAX + 5)]


async def test_trending_is_ranked_and_refreshed(
    fan: SocketClient, watcher: SocketClient, factory: RowFactory, show: Show
) -> None:
    """After a refresh of the scores the best come in order, with their scores."""
    await watcher.watch("trending")
    await fan.cast(7, *((song, "up") for song in show.songs))
    await factory.sql.execute("select update_trending_scores()")
    push = await watcher.push("trending", lambda message: bool(message["shows"]))
    assert [(entry["id"], entry["rank"]) for entry in push["shows"]] == [(7, 1)]
    assert push["shows"][0]["score"] > 0
    assert [entry["id"] for entry in push["artists"]] == [1]
    assert json.dumps(push)


async def test_marks_survive_a_writer_that_stops(fan: SocketClient, factory: RowFactory) -> None:
    """The shard's row in PostgreSQL is locked: a mark is accepted after a second, and committed once the lock ends."""
    async with factory.sql.transaction():
        await factory.sql.execute("select from log_positions where shard = 7 for update")
        answer = await fan.ok("attend", show=7, going=True)
        assert answer["durability"] == "accepted"
    durable = await fan.next(lambda message: "committed" in message)
    assert durable == {"committed": {"show": 7, "at": answer["at"]}}
    assert await factory.sql.fetchval("select attendance_count from shows where id = 7") == 1
