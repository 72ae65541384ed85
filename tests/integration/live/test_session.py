"""The contract of `/ws`, request by request, on a whole node."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from server.node.node import Node
from server.people.sessions import mint_token
from server.protocol.identity import COOKIE
from tests.support import one_node
from tests.support.row_factory import RowFactory
from tests.support.running_node import SECRET, until
from tests.support.socket_client import Message, SocketClient

# Each test has shows of its own. Two whose ids are 16 apart are in one shard.
database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.factory


async def test_hello_gives_the_identity(node: Node, factory: RowFactory) -> None:
    """By token, by cookie and header at the upgrade, or as an anonymous reader."""
    user_id = await factory.sql.fetchval("insert into users (role) values ('moderator') returning id")
    token = mint_token(SECRET, user_id, "moderator")
    who = {"id": user_id, "role": "moderator"}
    async with SocketClient.connect(node.url) as fan:
        assert fan.socket.protocol == "mysetlist.v1"
        reader = await fan.ok("hello")
        assert (reader["user"], reader["role"]) == (None, "reader")
        assert reader["ping_ms"] > 0
        assert reader["node"]
        welcome = await fan.hello(token)
        assert (welcome["user"], welcome["role"]) == (who, "moderator")
        assert welcome["time_ms"] >= reader["time_ms"]
        assert (await fan.ok("hello"))["user"] == who
    for headers in ({"Cookie": f"{COOKIE}={token}"}, {"Authorization": f"Bearer {token}"}):
        async with SocketClient.connect(node.url, headers=headers) as fan:
            assert (await fan.ok("hello"))["user"] == who
    async with SocketClient.connect(node.url, headers={"Cookie": f"{COOKIE}=stale"}) as fan:
        assert (await fan.ok("hello"))["user"] is None


async def test_every_answer_about_the_visitor_names_the_database(node: Node, factory: RowFactory) -> None:
    """`hello`, the sign-in and the question who is signed in give the id that another database does not have."""
    installation = await factory.sql.fetchval("select id::text from installation")
    async with aiohttp.ClientSession(node.url) as http:
        async with http.get("/api/session") as answer:
            reader = await answer.json()
        async with http.post("/api/session") as answer:
            signed_in = await answer.json()
        async with http.get("/api/session", headers={"Authorization": f"Bearer {signed_in['token']}"}) as answer:
            fan = await answer.json()
    assert (reader["user"], reader["installation"]) == (None, installation)
    assert signed_in["installation"] == installation
    assert (fan["user"], fan["installation"]) == (signed_in["user"], installation)
    async with SocketClient.connect(node.url) as socket:
        hello = await socket.ok("hello")
    assert hello["installation"] == installation
    assert abs(hello["time_ms"] - fan["time_ms"]) < 60_000


async def test_a_vote_goes_all_the_way_round(node: Node, factory: RowFactory) -> None:
    """Cast, committed, pushed to another watcher, in the ballot, in PostgreSQL, and withdrawn again."""
    show = await factory.show(23, budget=2)
    async with SocketClient.connect(node.url) as fan, SocketClient.connect(node.url) as watcher:
        await fan.hello(await factory.token())
        states = await watcher.watch("votes:23")
        assert states["votes:23"]["state"] == {"tally": [[song, 0, 0] for song in show.songs], "total": 0}
        answer = await fan.cast(23, (show.songs[0], "up"), (show.songs[1], "down"))
        assert answer["durability"] == "committed"
        assert answer["ballot"] == {str(show.songs[0]): "up", str(show.songs[1]): "down"}
        assert answer["remaining"] == 0
        assert await factory.tally(23) == [[show.songs[0], 1, 0], [show.songs[1], 0, 1], [show.songs[2], 0, 0]]
        push = await watcher.push("votes:23")
        assert push["at"] >= answer["at"] > states["votes:23"]["at"]
        assert sorted(push["tally"]) == [[show.songs[0], 1, 0], [show.songs[1], 0, 1]]
        assert push["total"] == 2
        assert await fan.ok("ballot", show=23) == {"ballot": answer["ballot"], "remaining": 0}
        undone = await fan.cast(23, (show.songs[0], "none"))
        assert (undone["ballot"], undone["remaining"]) == ({str(show.songs[1]): "down"}, 1)
        push = await watcher.push("votes:23")
        assert (push["tally"], push["total"]) == ([[show.songs[0], 0, 0]], 1)
        assert await factory.counted(23) == await factory.tally(23)


async def test_since_leaves_out_states_that_the_client_holds(node: Node, factory: RowFactory) -> None:
    """A client gets only the states that it does not hold; an unknown channel is refused alone."""
    await factory.show(71)
    async with SocketClient.connect(node.url) as watcher, SocketClient.connect(node.url) as other:
        at = (await watcher.watch("votes:71"))["votes:71"]["at"]
        states = await other.watch(
            "votes:71", "status:71", "votes:99", "dreams:71", since={"votes:71": at, "status:71": 1}
        )
        assert states["votes:71"] == {"at": at}
        assert states["status:71"]["state"]["voting"] == "open"
        assert [states[name]["error"]["code"] for name in ("votes:99", "dreams:71")] == ["not_found", "not_found"]
        assert states["votes:99"]["error"]["message"]


async def test_unsubscribing_ends_the_pushes(node: Node, factory: RowFactory) -> None:
    """Other clients still get them; unsubscribing from a channel that was never watched is no error."""
    show = await factory.show(119)
    async with SocketClient.connect(node.url) as left, SocketClient.connect(node.url) as stays:
        await stays.hello(await factory.token())
        for watcher in (left, stays):
            await watcher.watch("votes:119")
        assert await left.ok("unsubscribe", channels=["votes:119", "votes:120", "nonsense"]) == {}
        await stays.cast(119, (show.first, "up"))
        await stays.push("votes:119")
        assert await left.is_alive()
        assert left.pushes("votes:119") == []


async def test_too_many_channels_are_too_large(node: Node) -> None:
    """A connection may watch a hundred channels; the list that would exceed it is refused as a whole."""
    async with SocketClient.connect(node.url) as watcher:
        for start in (0, 50):
            await watcher.watch(*[f"votes:{number}" for number in range(1000 + start, 1050 + start)])
        # None of these shows exists, so none of these channels counts.
        states = await watcher.watch("votes:999")
        assert states["votes:999"]["error"]["code"] == "not_found"


async def test_a_ping_gives_the_time(node: Node) -> None:
    """Also to an anonymous reader."""
    async with SocketClient.connect(node.url) as fan:
        first = (await fan.ok("ping"))["time_ms"]
        assert (await fan.ok("ping"))["time_ms"] >= first


async def test_requests_may_overlap(node: Node, factory: RowFactory) -> None:
    """Replies name their request, and the casts of one connection count in the order in which they were sent."""
    show = await factory.show(167)
    async with SocketClient.connect(node.url) as fan:
        await fan.hello(await factory.token())
        requests = [
            await fan.send("cast", show=167, votes=[[show.first, choice]])
            for choice in ("up", "down", "none", "up", "none", "down")
        ]
        await fan.send("ping")
        seen: set[Any] = set()
        while set(requests) - seen:
            seen.add((await fan.receive()).get("re"))
        assert (await fan.ok("ballot", show=167))["ballot"] == {str(show.first): "down"}
        assert (await factory.tally(167))[0] == [show.first, 0, 1]


async def test_requests_are_answered_in_their_order(node: Node, factory: RowFactory) -> None:
    """Also a short one that comes while the one before it still waits for the state of a channel, or for an identity."""
    show = await factory.show(171)
    token = await factory.token()
    async with SocketClient.connect(node.url) as fan:
        sent = [await fan.send("subscribe", channels=["votes:171", "attendance:171"])]
        for _ in range(3):
            sent += [
                await fan.send("ping"),
                await fan.send("subscribe", channels=["setlist:171"]),
                await fan.send("ping"),
            ]
        sent += [await fan.send("hello", token=token), await fan.send("ballot", show=show.id)]
        answers: list[Message] = []
        while len(answers) < len(sent):
            # Pushes of attendance come in between.
            answers += [message for message in [await fan.receive()] if "re" in message]
    assert [answer["re"] for answer in answers] == sent
    assert all("ok" in answer for answer in answers)


async def test_a_list_of_votes_is_taken_whole_or_not_at_all(node: Node, factory: RowFactory) -> None:
    """One bad vote refuses the whole list, and nothing of it is counted."""
    show, other = await factory.show(215, budget=2), await factory.show(231)
    async with SocketClient.connect(node.url) as fan:
        await fan.hello(await factory.token())
        good = [[show.songs[0], "up"], [show.songs[1], "up"]]
        assert await fan.refusal("cast", show=215, votes=[*good, [other.first, "up"]]) == "not_found"
        assert await fan.refusal("cast", show=215, votes=[*good, [show.songs[2], "up"]]) == "budget"
        assert await fan.refusal("cast", show=215, votes=[*good, [show.songs[0], "down"]]) == "bad_request"
        assert await fan.ok("ballot", show=215) == {"ballot": {}, "remaining": 2}
        assert await factory.counted(215) == [[song, 0, 0] for song in show.songs]


async def test_budgets_per_show(node: Node, factory: RowFactory) -> None:
    """Each show has its own budget; votes may be changed and withdrawn when it is used up."""
    show, other = await factory.show(263, budget=1), await factory.show(279)
    async with SocketClient.connect(node.url) as fan:
        await fan.hello(await factory.token())
        assert (await fan.cast(263, (show.songs[0], "up")))["remaining"] == 0
        assert await fan.refusal("cast", show=263, votes=[[show.songs[1], "up"]]) == "budget"
        assert (await fan.cast(263, (show.songs[0], "down")))["remaining"] == 0
        assert (await fan.cast(279, *((song, "up") for song in other.songs)))["remaining"] is None
        swapped = await fan.cast(263, (show.songs[0], "none"), (show.songs[1], "up"))
        assert swapped["ballot"] == {str(show.songs[1]): "up"}
        assert (await fan.cast(263, (show.songs[1], "none")))["remaining"] == 1


async def test_the_window_and_the_lock(node: Node, factory: RowFactory) -> None:
    """Shows that are not open yet, closed or locked refuse with their codes; their states agree."""
    early = await factory.show(305, opens_in_s=60)
    late = await factory.show(306, opens_in_s=-120, closes_in_s=-60)
    locked = await factory.show(307, is_locked=True)
    async with SocketClient.connect(node.url) as fan:
        await fan.hello(await factory.token())
        codes = [await fan.refusal("cast", show=s.id, votes=[[s.first, "up"]]) for s in (early, late, locked)]
        assert codes == ["closed", "closed", "locked"]
        states = await fan.watch("status:305", "status:306", "status:307")
        assert [states[f"status:{n}"]["state"]["voting"] for n in (305, 307)] == ["closed", "locked"]
        assert states["status:306"]["state"]["voting"] in ("closed", "final")
        assert await fan.ok("ballot", show=307) == {"ballot": {}, "remaining": None}


async def test_locking_is_pushed_and_holds(node: Node, factory: RowFactory) -> None:
    """An administrator locks and unlocks: watchers get a push, and casts are refused or taken from then on."""
    show = await factory.show(359)
    async with SocketClient.connect(node.url) as fan:
        await fan.hello(await factory.token())
        await fan.watch("status:359")
        await fan.cast(359, (show.first, "up"))
        for is_locked, voting in ((True, "locked"), (False, "open")):
            await factory.sql.execute("update shows set is_locked = $1 where id = 359", is_locked)
            while (await fan.push("status:359"))["voting"] != voting:
                pass
            reply = await fan.ask("cast", show=359, votes=[[show.first, "down"]])
            assert ("error" in reply) == is_locked
            if is_locked:
                assert reply["error"]["code"] == "locked"
        positions = [push["at"] for push in fan.pushes("status:359")]
        assert positions == sorted(positions)


async def test_a_new_song_is_pushed_and_can_be_voted_on(node: Node, factory: RowFactory) -> None:
    """The setlist grows while fans vote; votes on a removed song are refused."""
    show = await factory.show(407)
    async with SocketClient.connect(node.url) as fan:
        await fan.hello(await factory.token())
        await fan.watch("setlist:407", "votes:407")
        await fan.cast(407, (show.first, "up"))
        (added,) = await factory.add_songs(407, 1)
        push = await fan.push("setlist:407")
        assert [song["id"] for song in push["setlists"][0]["songs"]] == [*show.songs, added]
        assert (await fan.cast(407, (added, "up")))["ballot"] == {str(show.first): "up", str(added): "up"}
        await factory.sql.execute("delete from setlist_songs where id = $1", show.first)
        push = await fan.push("setlist:407")
        assert [song["id"] for song in push["setlists"][0]["songs"]] == [*show.songs[1:], added]
        assert await fan.refusal("cast", show=407, votes=[[show.first, "down"]]) == "not_found"
        assert (await fan.ok("ballot", show=407))["ballot"] == {str(added): "up"}
        assert await factory.counted(407) == await factory.tally(407)


async def test_a_show_ends_by_itself(node: Node, factory: RowFactory) -> None:
    """At its closing time casts are refused and the status is pushed; later the tally is final."""
    show = await factory.show(455, closes_in_s=2)
    async with SocketClient.connect(node.url) as fan:
        await fan.hello(await factory.token())
        await fan.watch("status:455")
        await fan.cast(455, (show.first, "up"))
        closed = await fan.push("status:455", lambda push: push["voting"] == "closed")
        assert await fan.refusal("cast", show=455, votes=[[show.first, "down"]]) == "closed"
        final = await fan.push("status:455", lambda push: push["voting"] == "final")
        assert final["at"] > closed["at"]
        assert await factory.tally(455) == [[show.first, 1, 0], *([song, 0, 0] for song in show.songs[1:])]
        closes_ms = await factory.sql.fetchval("select extract(epoch from closes_at) * 1000 from shows where id = 455")
        newest = await factory.sql.fetchval(
            "select max(extract(epoch from cast_at)) * 1000 from votes where show_id = 455"
        )
        assert newest < closes_ms


async def test_the_page_and_the_socket_have_the_same_counts(node: Node, factory: RowFactory) -> None:
    """`GET /api/shows/…` has the counts that a new subscription has, at a position that is no newer."""
    show, other = await factory.show(503), await factory.show(519)
    async with SocketClient.connect(node.url) as fan, aiohttp.ClientSession() as http:
        await fan.hello(await factory.token())
        await fan.cast(503, (show.first, "up"), (show.songs[1], "down"))
        await fan.cast(519, (other.first, "down"))
        for shown in (show, other):
            async with http.get(f"{node.url}/api/shows/{shown.id}") as response:
                page = await response.json()
            state = (await fan.watch(f"votes:{shown.id}"))[f"votes:{shown.id}"]
            songs = [[song["id"], song["up"], song["down"]] for song in page["setlists"][0]["songs"]]
            assert songs == sorted(state["state"]["tally"])
            assert page["total"] == state["state"]["total"]
            assert page["at"] <= state["at"]


@pytest.mark.parametrize("show_ids", [(5, 21), (8, 9)], ids=["one shard", "two shards"])
async def test_two_shows_do_not_mix(node: Node, factory: RowFactory, show_ids: tuple[int, int]) -> None:
    """A vote on one is pushed to its watchers only, whether or not the two share a shard."""
    one, two = [await factory.show(show_id) for show_id in show_ids]
    async with SocketClient.connect(node.url) as fan, SocketClient.connect(node.url) as watcher:
        await fan.hello(await factory.token())
        await watcher.watch(f"votes:{one.id}", f"votes:{two.id}")
        await fan.cast(two.id, (two.first, "up"))
        assert (await watcher.push(f"votes:{two.id}"))["tally"] == [[two.first, 1, 0]]
        assert await fan.refusal("cast", show=one.id, votes=[[two.first, "up"]]) == "not_found"
        await fan.cast(one.id, (one.first, "down"))
        assert (await watcher.push(f"votes:{one.id}"))["tally"] == [[one.first, 0, 1]]
        assert [push["total"] for push in watcher.pushes(f"votes:{two.id}")] == [1]


async def test_rejoining_never_gives_an_older_position(node: Node, factory: RowFactory) -> None:
    """Leaving and joining again gives a position that is no older, although other shows of the shard moved on."""
    show, neighbour = await factory.show(551), await factory.show(567)
    async with SocketClient.connect(node.url) as fan:
        await fan.hello(await factory.token())
        newest = (await fan.watch("votes:551"))["votes:551"]["at"]
        for choice in ("up", "down", "none", "up"):
            requests = [
                await fan.send("cast", show=551, votes=[[show.first, choice]]),
                await fan.send("cast", show=567, votes=[[neighbour.first, choice]]),
                await fan.send("cast", show=551, votes=[[show.first, choice]]),
                await fan.send("cast", show=567, votes=[[neighbour.first, choice]]),
            ]
            while requests:
                message = await fan.receive()
                if message.get("re") in requests:
                    requests.remove(message["re"])
            # After a change of the show its counts are loaded again, at the position of its whole shard.
            await factory.sql.execute("update shows set name = name || '!' where id = 551")
            await fan.watch("setlist:551")
            revision = await factory.sql.fetchval("select revision from shows where id = 551")

            async def is_heard(revision: int = revision) -> bool:
                return bool((await fan.watch("setlist:551"))["setlist:551"]["at"] >= revision)

            await until(is_heard)
            newest = max([newest, *(push["at"] for push in fan.pushes("votes:551"))])
            held = (await fan.watch("votes:551"))["votes:551"]["at"]
            assert held >= newest
            newest = held
            await fan.ok("unsubscribe", channels=["votes:551"])
            again = (await fan.watch("votes:551"))["votes:551"]["at"]
            assert again >= newest
            newest = again


async def test_a_websocket_has_a_seat_while_nothing_waits_for_it(node: Node, factory: RowFactory) -> None:
    """The kernel pushes to it in bulk (ADR 42) from the push after its first one. Bytes that wait, and the end, take its seat away."""
    if node.rooms.hub.pusher.seating is None:
        pytest.skip("this system has no io_uring")
    show = await factory.show(493)
    async with SocketClient.connect(node.url) as watcher, SocketClient.connect(node.url) as fan:
        await watcher.watch(f"votes:{show.id}", f"setlist:{show.id}")
        await fan.hello(await factory.token())
        watching = next(one for one in node.rooms.sockets.connections() if one.channels)

        async def has_left() -> bool:
            return watching.slot == -1

        async def has_seat_after_push(choice: str, up: int) -> bool:
            await fan.cast(show.id, (show.first, choice))
            await watcher.push(f"votes:{show.id}", lambda push: push["tally"][0][1] == up)
            return watching.cohort is not None

        assert await has_seat_after_push("up", 1)
        assert await has_seat_after_push("down", 0)
        await watcher.ok("ping")
        has_seat = [watching.cohort is not None]
        while not watching.transport.get_write_buffer_size():
            watching.notify(b'{"note":"%b"}' % (b"x" * 60_000))
        has_seat.append(watching.cohort is not None)
        assert has_seat == [True, False]
        await has_seat_after_push("up", 1)
        assert await has_seat_after_push("down", 0)
        watching.hang_up(4001, "bye")
        has_seat = [watching.cohort is not None]
        assert has_seat == [False], "a push may follow the close frame"
        await until(has_left)


async def test_no_push_follows_a_close_frame(node: Node, factory: RowFactory) -> None:
    """A node that has sent a close frame waits for the client's. The connection watches nothing any more by then."""
    show = await factory.show(423)
    async with SocketClient.connect(node.url, autoclose=False) as client:
        await client.watch(f"votes:{show.id}")
        [watching] = [one for one in node.rooms.sockets.connections() if one.channels]
        await client.send("hello", token="no token")
        assert await client.close_code() == 4401
        assert (watching.transport.is_closing(), watching.channels) == (False, set())
