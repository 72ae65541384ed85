# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, TypedDict

from server.store.database import Connection

# voting/reconcile.sql
class FetchMiscountsRow(TypedDict):
    subject: str | Any
    id: int | Any
    count_of: str | Any
    stored: int | Any
    counted: int | Any
    show_id: int | Any

class FetchShardTalliesRow(TypedDict):
    position: int
    show_id: int | Any
    id: int | Any
    up_count: int | Any
    down_count: int | Any

class FetchBallotsRow(TypedDict):
    user_id: int
    setlist_song_id: int
    choice: str | Any

class FetchSetAsideRow(TypedDict):
    show_id: int
    user_id: int

class _Reconcile:
    def fetch_miscounts(self, connection: Connection) -> AsyncIterator[FetchMiscountsRow]: ...
    async def repair_counts(self, connection: Connection) -> int | Any: ...
    async def update_trending_scores(self, connection: Connection) -> int | Any: ...
    def fetch_shard_tallies(
        self, connection: Connection, *, show_ids: Sequence[int | None] | None, shard: int | None
    ) -> AsyncIterator[FetchShardTalliesRow]: ...
    def fetch_ballots(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[FetchBallotsRow]: ...
    def fetch_set_aside(
        self, connection: Connection, *, show_ids: Sequence[int | None] | None
    ) -> AsyncIterator[FetchSetAsideRow]: ...

# voting/voting.sql
class FetchPositionsRow(TypedDict):
    shard: int
    position: int
    reset_position: int

class SettledPositionsRow(TypedDict):
    shard: int
    position: int

class LockPositionsRow(TypedDict):
    shard: int
    position: int

class BeginLogsRow(TypedDict):
    shard: int
    position: int

class NotifyResetsRow(TypedDict):
    pg_notify: None

class CommitLogRow(TypedDict):
    changed_count: int | Any
    refused: str | Any

class CommitLogWithPicksRow(TypedDict):
    changed_count: int | Any
    refused: str | Any

class FetchCommitsRow(TypedDict):
    shard: int | Any
    position: int | Any
    reset_position: int | Any
    entries: list[int] | Any
    refused: str | Any

class ShardsToResetRow(TypedDict):
    shard: int

class FetchWarmUpShowsRow(TypedDict):
    id: int
    revision: int
    opens_ms: int | Any
    closes_ms: int | Any
    is_locked: bool
    budget: int | Any
    requires_ticket: bool
    audience: int | Any
    song_ids: list[int] | Any
    ups: list[int] | Any
    downs: list[int] | Any
    played: str | Any
    picks_close_ms: int | Any
    is_new: bool | Any

class FetchWarmUpBallotsRow(TypedDict):
    show_id: int | Any
    user_id: int | Any
    is_known: bool | Any
    ballot: str | Any
    day: int | Any
    spent: int | Any
    has_ticket: bool | Any

class FetchVotersRow(TypedDict):
    show_id: int | Any
    user_id: int | Any
    position: int
    has_voted: bool | Any

class FetchKeysRow(TypedDict):
    fingerprint: int | Any

class FetchNodesRow(TypedDict):
    node: int | Any

class FetchRevisedShowsRow(TypedDict):
    id: int | Any
    revision: int | Any
    opens_ms: int | Any
    closes_ms: int | Any
    is_locked: bool | Any
    budget: int | Any
    requires_ticket: bool | Any
    audience: int | Any
    song_ids: list[int] | Any
    played_ids: list[int] | Any
    picks_close_ms: int | Any

class FetchTallyRow(TypedDict):
    position: int
    total: int
    revision: int
    audience: int | Any
    id: int | Any
    up_count: int | Any
    down_count: int | Any

class FetchShowPositionsRow(TypedDict):
    id: int
    position: int | Any
    revision: int

class _Voting:
    def fetch_positions(self, connection: Connection) -> AsyncIterator[FetchPositionsRow]: ...
    def settled_positions(self, connection: Connection) -> AsyncIterator[SettledPositionsRow]: ...
    async def lock_position(self, connection: Connection, *, shard: int | None) -> int: ...
    async def raise_position(self, connection: Connection, *, at_least: int | None, shard: int | None) -> int: ...
    def lock_positions(
        self, connection: Connection, *, shards: Sequence[int | None] | None
    ) -> AsyncIterator[LockPositionsRow]: ...
    def begin_logs(
        self, connection: Connection, *, shards: Sequence[int | None] | None
    ) -> AsyncIterator[BeginLogsRow]: ...
    def notify_resets(
        self, connection: Connection, *, shards: Sequence[int | None] | None, positions: Sequence[int | None] | None
    ) -> AsyncIterator[NotifyResetsRow]: ...
    async def commit_log(
        self,
        connection: Connection,
        *,
        shards: Sequence[int | None] | None,
        new_positions: Sequence[int | None] | None,
        old_positions: Sequence[int | None] | None,
        entries: Sequence[str | None] | None,
        song_ids: Sequence[int | None] | None,
        user_ids: Sequence[int | None] | None,
        show_ids: Sequence[int | None] | None,
        choices: Sequence[str | None] | None,
        cast_ms: Sequence[int | None] | None,
        spent_user_ids: Sequence[int | None] | None,
        spent_days: Sequence[int | None] | None,
        spent: Sequence[int | None] | None,
        going_user_ids: Sequence[int | None] | None,
        going_show_ids: Sequence[int | None] | None,
        goings: Sequence[bool | None] | None,
        following_user_ids: Sequence[int | None] | None,
        following_artist_ids: Sequence[int | None] | None,
        followings: Sequence[bool | None] | None,
        order_user_ids: Sequence[int | None] | None,
        order_show_ids: Sequence[int | None] | None,
        cast_orders: Sequence[int | None] | None,
        group_ids: Sequence[int | None] | None,
    ) -> CommitLogRow: ...
    async def commit_log_with_picks(
        self,
        connection: Connection,
        *,
        shards: Sequence[int | None] | None,
        new_positions: Sequence[int | None] | None,
        old_positions: Sequence[int | None] | None,
        pick_user_ids: Sequence[int | None] | None,
        pick_show_ids: Sequence[int | None] | None,
        picked_songs: Sequence[str | None] | None,
        openers: Sequence[int | None] | None,
        closers: Sequence[int | None] | None,
        encores: Sequence[int | None] | None,
        pick_ms: Sequence[int | None] | None,
        entries: Sequence[str | None] | None,
        song_ids: Sequence[int | None] | None,
        user_ids: Sequence[int | None] | None,
        show_ids: Sequence[int | None] | None,
        choices: Sequence[str | None] | None,
        cast_ms: Sequence[int | None] | None,
        spent_user_ids: Sequence[int | None] | None,
        spent_days: Sequence[int | None] | None,
        spent: Sequence[int | None] | None,
        going_user_ids: Sequence[int | None] | None,
        going_show_ids: Sequence[int | None] | None,
        goings: Sequence[bool | None] | None,
        following_user_ids: Sequence[int | None] | None,
        following_artist_ids: Sequence[int | None] | None,
        followings: Sequence[bool | None] | None,
        order_user_ids: Sequence[int | None] | None,
        order_show_ids: Sequence[int | None] | None,
        cast_orders: Sequence[int | None] | None,
        group_ids: Sequence[int | None] | None,
    ) -> CommitLogWithPicksRow: ...
    def fetch_commits(
        self, connection: Connection, *, shards: Sequence[int | None] | None, positions: Sequence[int | None] | None
    ) -> AsyncIterator[FetchCommitsRow]: ...
    def shards_to_reset(
        self, connection: Connection, *, held: Sequence[int | None] | None
    ) -> AsyncIterator[ShardsToResetRow]: ...
    async def delete_old_commits(self, connection: Connection) -> str: ...
    def fetch_warm_up_shows(
        self, connection: Connection, *, show_ids: Sequence[int | None] | None
    ) -> AsyncIterator[FetchWarmUpShowsRow]: ...
    def fetch_warm_up_ballots(
        self, connection: Connection, *, show_ids: Sequence[int | None] | None, user_ids: Sequence[int | None] | None
    ) -> AsyncIterator[FetchWarmUpBallotsRow]: ...
    def fetch_voters(
        self,
        connection: Connection,
        *,
        show_ids: Sequence[int | None] | None,
        user_ids: Sequence[int | None] | None,
        shard_count: int | None,
    ) -> AsyncIterator[FetchVotersRow]: ...
    async def finalise_shows(
        self,
        connection: Connection,
        *,
        shard_count: int | None,
        held: Sequence[int | None] | None,
        hot_now: datetime | None,
        empty: Sequence[int | None] | None,
    ) -> str: ...
    async def try_lease(self, connection: Connection, *, lease_class: int | None, shard: int | None) -> bool | Any: ...
    async def release_lease(
        self, connection: Connection, *, lease_class: int | None, shard: int | None
    ) -> bool | Any | None: ...
    async def announce_node(
        self, connection: Connection, *, node_class: int | None, node: int | None
    ) -> bool | Any | None: ...
    async def announce_key(
        self, connection: Connection, *, key_class: int | None, fingerprint: int | None
    ) -> bool | Any | None: ...
    def fetch_keys(self, connection: Connection, *, key_class: int | None) -> AsyncIterator[FetchKeysRow]: ...
    def fetch_nodes(self, connection: Connection, *, node_class: int | None) -> AsyncIterator[FetchNodesRow]: ...
    def fetch_revised_shows(
        self, connection: Connection, *, show_ids: Sequence[int | None] | None
    ) -> AsyncIterator[FetchRevisedShowsRow]: ...
    def fetch_tally(
        self, connection: Connection, *, shard_count: int | None, show_id: int | None
    ) -> AsyncIterator[FetchTallyRow]: ...
    async def show_of_song(self, connection: Connection, *, song_id: int | None) -> int | None: ...
    def fetch_show_positions(
        self, connection: Connection, *, shard_count: int | None, show_ids: Sequence[int | None] | None
    ) -> AsyncIterator[FetchShowPositionsRow]: ...

reconcile: _Reconcile
voting: _Voting
