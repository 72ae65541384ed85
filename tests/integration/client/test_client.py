"""The Python client against real nodes, through a network that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from server.client.answers import Closed, Update
from server.client.client import Client, _ClientWebsocket
from server.errors import Refused
from server.live.websocket import EXPIRY_NOTICE_MS
from server.node.node import Node
from server.people.sessions import mint_token, verify_token
from tests.support import one_node
from tests.support.proxy import TcpProxy
from tests.support.row_factory import RowFactory, Show
from tests.support.running_node import PATIENCE_S, SECRET, running_node

database_url, redis_url = one_node.database_url, one_node.redis_url
node, factory = one_node.node, one_node.emptied


@pytest_asyncio.fixture(loop_scope="module")
async def show(factory: RowFactory) -> Show:
    """A show with open voting, in shard 7."""
    return await factory.show(7)


class Follower:
    """Reads the updates of a watch, and waits for one of them."""

    def __init__(self, updates: AsyncIterator[Update]) -> None:
        self._updates = updates
        self.last: dict[str, Update] = {}

    async def until(self, channel: str, **fields: object) -> Update:
        """Reads until the state of the channel has these fields; positions must not go back."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                update = self.last.get(channel)
                if update is not None and fields.items() <= update.state.items():
                    return update
                newer = await anext(self._updates)
                before = self.last.get(newer.channel)
                assert before is None or newer.at >= before.at
                self.last[newer.channel] = newer


@asynccontextmanager
async def watching(client: Client, *channels: str) -> AsyncIterator[Follower]:
    """Watches channels with a client."""
    updates = client.watch(*channels)
    try:
        yield Follower(updates)
    finally:
        await updates.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_a_client_votes_marks_and_watches(node: Node, factory: RowFactory, show: Show) -> None:
    """Each vote and mark is in the whole states of its channels, and HTTP gives the same counts."""
    async with Client(node.url) as client:
        user_id = await client.sign_in()
        assert await client.open_shows() == [7]
        async with watching(client, "votes:7", "attendance:7", "followers:1", "status:7", "activity") as seen:
            await seen.until("votes:7", total=0)
            receipt = await client.cast(7, {show.first: "up", show.songs[1]: "down"})
            assert receipt.ballot == {show.first: "up", show.songs[1]: "down"}
            votes = await seen.until("votes:7", total=2)
            assert sorted(votes.state["tally"]) == [[show.first, 1, 0], [show.songs[1], 0, 1], [show.songs[2], 0, 0]]
            await client.cast(7, {show.first: "none"})
            votes = await seen.until("votes:7", total=1)
            assert min(votes.state["tally"]) == [show.first, 0, 0]
            await client.attend(7)
            await seen.until("attendance:7", going=1)
            await client.follow(1)
            await seen.until("followers:1", followers=1)
            await client.follow(1, following=False)
            await seen.until("followers:1", followers=0)
            assert (await client.ballot(7)).ballot == {show.songs[1]: "down"}
            assert (await client.show(7)).tally()[show.songs[1]] == (0, 1)
            assert (await client.results("show-7"))["total"] == 1
            with pytest.raises(Refused) as caught:
                await client.cast(7, {999: "up"})
            assert caught.value.code == "not_found"
            await factory.sql.execute("select add_activity('live', 7, 1, 'Show', '', n) from generate_series(1, 3) n")
            while len(seen.last.get("activity", Update("", 0, {"events": ()})).state["events"]) < 3:
                newer = await anext(seen._updates)
                seen.last[newer.channel] = newer
        # The end of the watch ended the subscriptions.
        assert client.channels() == []
    assert await factory.sql.fetchval("select user_id from votes") == user_id
    with pytest.raises(Closed):
        await client.ballot(7)


async def test_a_cast_during_a_lost_connection_is_answered_and_counted_once(
    node: Node, factory: RowFactory, show: Show
) -> None:
    """The client reconnects, sends the cast again and gets its answer; its watch goes on."""
    token = await factory.token()
    async with TcpProxy.running(node.port) as proxy, Client(proxy.url, token) as client:
        updates = client.watch("votes:7")
        seen = Follower(updates)
        await seen.until("votes:7", total=0)
        proxy.down.stall()
        casting = asyncio.create_task(client.cast(7, {show.first: "up"}))
        async with asyncio.timeout(PATIENCE_S):
            while not await factory.sql.fetchval("select count(*) from votes"):
                await asyncio.sleep(0.01)
        assert not casting.done()
        proxy.cut()
        proxy.down.resume()
        assert (await casting).ballot == {show.first: "up"}
        await seen.until("votes:7", total=1)
        assert await factory.tally(7) == await factory.counted(7)
        assert (await factory.tally(7))[0] == [show.first, 1, 0]


async def test_a_client_moves_from_a_drained_node_to_another(
    database_url: str, redis_url: str, factory: RowFactory, show: Show
) -> None:
    """The client waits as the drain message says, connects to the next node, and sees the votes of the meantime."""
    async with TcpProxy.running() as proxy, running_node(database_url, redis_url) as second:
        async with running_node(database_url, redis_url) as first:
            proxy.targets[:] = [first.port]
            client = Client(proxy.url, await factory.token())
            updates = client.watch("votes:7")
            seen = Follower(updates)
            await seen.until("votes:7", total=0)
            proxy.targets[:] = [second.port]
        async with Client(second.url, await factory.token()) as other:
            await other.cast(7, {show.first: "up"})
        await seen.until("votes:7", total=1)
        assert (await client.cast(7, {show.first: "up"})).durability == "committed"
        await seen.until("votes:7", total=2)
        await client.close()
        with pytest.raises(Closed):
            await anext(updates)


async def test_an_expiring_token_is_renewed(node: Node, factory: RowFactory, show: Show) -> None:
    """The client goes on with a newer token of the same user: from the server, or from the caller."""
    (user_id,) = await factory.users(1)
    short = mint_token(SECRET, user_id, "user", ttl_s=EXPIRY_NOTICE_MS // 1000 - 1)
    given: list[str] = []

    async def renew() -> str:
        given.append(mint_token(SECRET, user_id, "user"))
        return given[-1]

    for client in (Client(node.url, short), Client(node.url, short, renew=renew)):
        async with client, watching(client, "votes:7") as seen:
            await seen.until("votes:7")
            async with asyncio.timeout(PATIENCE_S):
                while client.token == short:
                    await asyncio.sleep(0.01)
            assert client.token is not None
            identity = verify_token(SECRET, client.token)
            assert identity.user_id == user_id
            assert (await client.ballot(7)).ballot == {}
    assert client.token in given


async def test_final_refusals_are_raised(node: Node, factory: RowFactory, show: Show) -> None:
    """A missing channel, hidden counts and an invalid token each end their watch or request with the reason."""
    async with Client(node.url) as client:
        async with watching(client, "votes:7") as seen, watching(client, "votes:7", "status:7") as both:
            await seen.until("votes:7", total=0)
            await both.until("status:7", results="live")
            with pytest.raises(Refused) as caught:
                await anext(client.watch("votes:999"))
            assert caught.value.code == "not_found"
            await factory.sql.execute("update shows set results = 'after_closing' where id = 7")
            for follower in (seen, both):
                with pytest.raises(Refused) as caught:
                    await follower.until("votes:7", total=99)
                assert caught.value.code == "forbidden"
        with pytest.raises(Refused) as caught:
            await client.cast(7, {show.first: "up"})
        assert caught.value.code == "unauthenticated"
    async with Client(node.url, "no token") as stranger:
        with pytest.raises(Closed, match="unauthenticated"):
            await stranger.ballot(7)


async def test_a_watch_that_begins_while_the_connection_opens(node: Node, factory: RowFactory, show: Show) -> None:
    """It is too late for the first subscribe and too early for one of its own; it gets its states nevertheless."""
    async with TcpProxy.running(node.port) as proxy, Client(proxy.url) as client:
        proxy.down.delay_s = 0.2
        first, second = client.watch("votes:7"), client.watch("status:7")
        opening = asyncio.ensure_future(anext(first))
        async with asyncio.timeout(PATIENCE_S):
            while client._websocket._request_id < 2:  # the subscribe is on its way
                await asyncio.sleep(0.01)
            assert (await anext(second)).channel == "status:7"
            assert (await opening).channel == "votes:7"


async def test_a_silent_connection_is_replaced(
    node: Node, factory: RowFactory, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network drops every packet without a word: the client pings, gives up and reconnects."""
    monkeypatch.setattr(_ClientWebsocket, "quiet_s", 0.2)
    async with TcpProxy.running(node.port) as proxy, Client(proxy.url) as client, Client(node.url) as other:
        seen = Follower(client.watch("votes:7"))
        await seen.until("votes:7", total=0)
        proxy.vanish()
        proxy.down.resume()
        proxy.up.resume()
        await other.sign_in()
        await other.cast(7, {show.first: "up"})
        await seen.until("votes:7", total=1)
