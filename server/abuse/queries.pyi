# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, TypedDict

from server.store.database import Connection

# abuse/decisions.sql
class FetchUndoneRow(TypedDict):
    id: int
    show_id: int
    position: int

class _Decisions:
    def fetch_undone(
        self,
        connection: Connection,
        *,
        shard_count: int | None,
        shards: Sequence[int | None] | None,
        begun_ids: Sequence[int | None] | None,
        older_s: float | None,
        count: int | None,
    ) -> AsyncIterator[FetchUndoneRow]: ...

# abuse/groups.sql
class ListGroupsRow(TypedDict):
    id: int
    show_id: int
    show_name: str
    state: str | Any
    decision: str | Any
    score: float
    reasons: str | Any
    ballot_count: int
    began_at: datetime
    ended_at: datetime
    found_at: datetime
    decided_by: int | None
    decided_at: datetime | None

class FindGroupRow(TypedDict):
    id: int
    show_id: int
    show_name: str
    state: str | Any
    decision: str | Any
    score: float
    reasons: str | Any
    ballot_count: int
    began_at: datetime
    ended_at: datetime
    found_at: datetime
    decided_by: int | None
    decided_at: datetime | None

class VotesOfGroupRow(TypedDict):
    song_id: int
    title: str
    up: int | Any
    down: int | Any

class ListMembersRow(TypedDict):
    user_id: int
    made_at: datetime
    is_set_aside: bool
    first_at: datetime | Any
    votes: str | Any

class DecideRow(TypedDict):
    show_id: int

class EffectOfDecisionRow(TypedDict):
    ballots: int | Any
    up: int | Any
    down: int | Any
    votes: int | Any

class GroupRuleRow(TypedDict):
    show_id: int
    is_automatic: bool
    revision: int

class _Groups:
    def list_groups(
        self, connection: Connection, *, show_id: int | None, state: str | None, after_id: int | None, count: int | None
    ) -> AsyncIterator[ListGroupsRow]: ...
    async def find_group(self, connection: Connection, *, id: int | None) -> FindGroupRow | None: ...
    def votes_of_group(self, connection: Connection, *, id: int | None) -> AsyncIterator[VotesOfGroupRow]: ...
    def list_members(
        self, connection: Connection, *, group_id: int | None, after_user: int | None, count: int | None
    ) -> AsyncIterator[ListMembersRow]: ...
    async def decide(
        self, connection: Connection, *, decision: str | None, decided_by: int | None, id: int | None
    ) -> DecideRow | None: ...
    async def applied_at(self, connection: Connection, *, id: int | None, decision: str | None) -> int | None: ...
    async def effect_of_decision(
        self, connection: Connection, *, decision: str | None, id: int | None
    ) -> EffectOfDecisionRow: ...
    async def lock_show(self, connection: Connection, *, show_id: int | None) -> bool | Any: ...
    async def set_group_rule(
        self, connection: Connection, *, show_id: int | None, is_automatic: bool | None
    ) -> bool | Any: ...
    async def group_rule(self, connection: Connection, *, show_id: int | None) -> GroupRuleRow | None: ...

# abuse/watch.sql
class FetchAccountsRow(TypedDict):
    id: int | Any
    made_ms: int | Any
    agent_hash: bytes | None
    subnet_hash: bytes | None

class FetchMembersRow(TypedDict):
    user_id: int
    group_id: int
    is_open: bool | Any

class InsertGroupRow(TypedDict):
    id: int
    ballot_count: int
    is_decided: bool | Any

class _Watch:
    def fetch_accounts(
        self, connection: Connection, *, user_ids: Sequence[int | None] | None
    ) -> AsyncIterator[FetchAccountsRow]: ...
    def fetch_members(self, connection: Connection, *, show_id: int | None) -> AsyncIterator[FetchMembersRow]: ...
    async def insert_group(
        self,
        connection: Connection,
        *,
        show_id: int | None,
        user_ids: Sequence[int | None] | None,
        score: float | None,
        reasons: str | None,
        began_ms: int | None,
        ended_ms: int | None,
    ) -> InsertGroupRow | None: ...
    async def extend_group(
        self,
        connection: Connection,
        *,
        group_id: int | None,
        user_ids: Sequence[int | None] | None,
        score: float | None,
        reasons: str | None,
        ended_ms: int | None,
    ) -> int | Any | None: ...

decisions: _Decisions
groups: _Groups
watch: _Watch
