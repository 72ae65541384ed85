"""What the hub is fed when a show changes while its newest votes are not committed yet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.cache.connection import Connection
from server.clock import SystemClock
from server.live.channel import Subscriber
from server.live.pusher import BUFFER_BYTES_MAX
from server.node import channel_states as feeding
from server.node.channel_states import Feeds
from server.store.database import Database
from server.voting.tallies import Tallies
from tests.support.row_factory import RowFactory
from tests.support.transport import RecordingTransport
from tests.support.vote_path import SHARD_COUNT, VotePath


@pytest.fixture
async def feeds(vote_path: VotePath) -> AsyncIterator[Feeds]:
    """The feeds of a node that has no writer."""
    valkey = Connection(vote_path.redis_url)
    tallies = Tallies(vote_path.redis_url, vote_path.database, shard_count=SHARD_COUNT)
    yield Feeds(
        vote_path.database, tallies, SystemClock(), node="here", ask=valkey.ask, buffer_bytes_max=BUFFER_BYTES_MAX
    )
    await tallies.close()
    await valkey.close()


async def test_songs_come_and_go_while_votes_are_under_way(
    vote_path: VotePath, factory: RowFactory, feeds: Feeds
) -> None:
    """The counts gain a new song and lose a removed one at once, although PostgreSQL is behind Valkey."""
    show = await factory.show(7)
    (user,) = await factory.users(1)
    await vote_path.cast(7, user, (show.songs[1], "up"))
    assert await feeds.hub.prepare(["votes:7"], {}) == {}
    state = feeds.hub.join(Subscriber(RecordingTransport()), "votes:7")
    assert state is not None
    before = state.at
    (added,) = await factory.add_songs(7, 1)
    await factory.sql.execute("delete from setlist_songs where id = $1", show.first)
    await feeds.reload_show(7)
    assert sorted(json.loads(state.whole())["tally"]) == [[show.songs[1], 1, 0], [show.songs[2], 0, 0], [added, 0, 0]]
    assert state.at >= before


async def test_a_link_that_comes_while_the_sets_are_being_read(
    vote_path: VotePath, factory: RowFactory, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading began before the link was there, and the revision is the same: whoever joins has the link all the same."""
    await factory.show(7)
    read, has_read, may_go_on = feeding.fetch_setlist_state, asyncio.Event(), asyncio.Event()

    async def slow_first(database: Database, show_id: int) -> Any:
        found = await read(database, show_id)
        if not has_read.is_set():
            has_read.set()
            await may_go_on.wait()
        return found

    monkeypatch.setattr(feeding, "fetch_setlist_state", slow_first)
    preparing = asyncio.create_task(feeds.hub.prepare(["setlist:7"], {}))
    await has_read.wait()
    await factory.sql.execute(
        "insert into show_identities (service, external_id, show_id, url, confidence, evidence)"
        " values ('ticketmaster', 'x', 7, 'https://t.example/7', 1, 'listed there')"
    )
    await feeds.reload_show(7)
    may_go_on.set()
    assert await preparing == {}
    state = feeds.hub.join(Subscriber(RecordingTransport()), "setlist:7")
    assert state is not None
    assert [source["url"] for source in json.loads(state.whole())["sources"]] == ["https://t.example/7"]
