"""Channel states that are loaded again when a show changes while its newest votes are not committed yet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from server.cache.cluster import connection_to
from server.catalog.shows import fetch_setlist_state
from server.clock import SystemClock
from server.live.channel import Subscriber
from server.live.hub import Hub
from server.live.presence import Presence
from server.live.pusher import Pusher
from server.live.watchers import WatcherCounts
from server.node import channel_states
from server.node.channel_refresher import ChannelRefresher
from server.node.channel_states import ChannelStates
from server.store.database import Database
from server.voting.tallies import Tallies
from tests.support.row_factory import RowFactory
from tests.support.transport import RecordingTransport
from tests.support.vote_path import SHARD_COUNT, VotePath


@dataclass(frozen=True)
class Channels:
    """The hub of a node that has no writer, and its refresher."""

    hub: Hub
    refresher: ChannelRefresher


@pytest.fixture
async def channels(vote_path: VotePath) -> AsyncIterator[Channels]:
    """Without a loop that runs."""
    clock, watchers, database = SystemClock(), WatcherCounts(), vote_path.database
    valkey = connection_to(vote_path.redis_url)
    tallies = Tallies(vote_path.redis_url, database, shard_count=SHARD_COUNT)
    states = ChannelStates(database, database, tallies, clock, Presence(watchers, clock, "here", valkey.ask))
    hub = Hub(states.load, watchers, Pusher(clock), clock)
    yield Channels(hub, ChannelRefresher(database, tallies, states, hub, clock))
    await tallies.close()
    await valkey.close()


async def test_songs_change_while_votes_are_under_way(
    vote_path: VotePath, factory: RowFactory, channels: Channels
) -> None:
    """The counts gain a new song and lose a removed one at once, at a position of their own, although PostgreSQL is behind
    Valkey.
    """
    show = await factory.show(7)
    (user,) = await factory.users(1)
    await vote_path.cast(7, user, (show.songs[1], "up"))
    assert await channels.hub.prepare(["votes:7"], {}) == {}
    state = channels.hub.join(Subscriber(RecordingTransport()), "votes:7")
    assert state is not None
    before = state.at
    (added,) = await factory.add_songs(7, 1)
    await factory.sql.execute("delete from setlist_songs where id = $1", show.first)
    await channels.refresher.reload_shows([7])
    assert sorted(json.loads(state.whole())["tally"]) == [[show.songs[1], 1, 0], [show.songs[2], 0, 0], [added, 0, 0]]
    assert state.at > before


async def test_a_link_that_comes_while_the_setlists_are_loaded(
    vote_path: VotePath, factory: RowFactory, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loading began before the link existed, and the revision is the same: a client that joins gets the link all the same."""
    await factory.show(7)
    has_read, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow_first(database: Database, show_id: int) -> Any:
        found = await fetch_setlist_state(database, show_id)
        if not has_read.is_set():
            has_read.set()
            await may_go_on.wait()
        return found

    monkeypatch.setattr(channel_states, "fetch_setlist_state", slow_first)
    preparing = asyncio.create_task(channels.hub.prepare(["setlist:7"], {}))
    await has_read.wait()
    await factory.sql.execute(
        "insert into show_identities (service, external_id, show_id, url, confidence, evidence)"
        " values ('ticketmaster', 'x', 7, 'https://t.example/7', 1, 'listed there')"
    )
    await channels.refresher.reload_shows([7])
    may_go_on.set()
    assert await preparing == {}
    state = channels.hub.join(Subscriber(RecordingTransport()), "setlist:7")
    assert state is not None
    assert [source["url"] for source in json.loads(state.whole())["sources"]] == ["https://t.example/7"]
