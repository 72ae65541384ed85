# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

from server.store.database import Connection

# moderation/audit.sql
class ListActsRow(TypedDict):
    id: int
    actor_id: int | None
    action: str
    subject: str
    detail: str | Any
    at: datetime

class _Audit:
    def list_acts(
        self,
        connection: Connection,
        *,
        before_id: int | None,
        actor_id: int | None,
        action: str | None,
        subject: str | None,
        kind: str | None,
        since: datetime | None,
        until: datetime | None,
        count: int | None,
    ) -> AsyncIterator[ListActsRow]: ...

# moderation/audit_chain.sql
class HeadRow(TypedDict):
    position: int
    hash: str | Any

class LinksRow(TypedDict):
    position: int
    entry_id: int
    about_hash: bytes
    hash: bytes
    entry: str | Any
    about: str | Any
    is_blank: bool | Any

class StraysRow(TypedDict):
    entry_id: int | Any
    is_missing: bool | Any

class _AuditChain:
    async def chain_acts(self, connection: Connection, *, most: int | None) -> int | Any: ...
    async def head(self, connection: Connection) -> HeadRow | None: ...
    def links(
        self, connection: Connection, *, after_position: int | None, count: int | None
    ) -> AsyncIterator[LinksRow]: ...
    def strays(self, connection: Connection, *, count: int | None) -> AsyncIterator[StraysRow]: ...

# moderation/bans.sql
class FetchLongestBanRow(TypedDict):
    id: int | Any
    reason: str | Any
    expires_at: datetime | None

class ActiveBansRow(TypedDict):
    id: int
    kind: Literal["vote", "write", "all"]
    reason: str
    banned_at: datetime
    expires_at: datetime | None

class _Bans:
    async def fetch_longest_ban(
        self, connection: Connection, *, kinds: Sequence[str | None] | None, user_id: int | None
    ) -> FetchLongestBanRow | None: ...
    def active_bans(self, connection: Connection, *, user_id: int | None) -> AsyncIterator[ActiveBansRow]: ...

# moderation/decisions.sql
class FindHeldRow(TypedDict):
    review_id: int | None
    profile_id: int | None
    reasons: list[str]

class FindReportRow(TypedDict):
    review_id: int | None
    profile_id: int | None

class LockSubjectRow(TypedDict):
    user_id: int | Any
    status: str | Any

class ListDecisionsRow(TypedDict):
    id: int
    moderator_id: int | None
    action: str
    subject: str
    detail: str
    at: datetime

class _Decisions:
    async def find_held(self, connection: Connection, *, id: int | None) -> FindHeldRow | None: ...
    async def find_report(self, connection: Connection, *, id: int | None) -> FindReportRow | None: ...
    async def lock_subject(
        self, connection: Connection, *, review: int | None, profile: int | None
    ) -> LockSubjectRow | None: ...
    async def decide_held(
        self, connection: Connection, *, status: str | None, decided_by: int | None, note: str | None, id: int | None
    ) -> int | None: ...
    async def decide_report(
        self, connection: Connection, *, status: str | None, decided_by: int | None, id: int | None
    ) -> int | None: ...
    async def reject_held(
        self,
        connection: Connection,
        *,
        decided_by: int | None,
        note: str | None,
        review: int | None,
        profile: int | None,
    ) -> int | Any: ...
    async def uphold_reports(
        self, connection: Connection, *, decided_by: int | None, review: int | None, profile: int | None
    ) -> int | Any: ...
    async def set_review_status(self, connection: Connection, *, status: str | None, id: int | None) -> str: ...
    async def set_profile_status(self, connection: Connection, *, status: str | None, user_id: int | None) -> str: ...
    def list_decisions(
        self, connection: Connection, *, after_id: int | None, count: int | None
    ) -> AsyncIterator[ListDecisionsRow]: ...

# moderation/logs.sql
class ActsSinceRow(TypedDict):
    actor_id: int | None
    display_name: str | Any
    action: str
    at: datetime
    fields: list[str] | Any

class _Logs:
    async def insert_moderation_entry(
        self,
        connection: Connection,
        *,
        moderator_id: int | None,
        action: str | None,
        subject: str | None,
        detail: str | None,
    ) -> str: ...
    async def insert_audit_entry(
        self,
        connection: Connection,
        *,
        actor_id: int | None,
        action: str | None,
        subject: str | None,
        detail: str | None,
    ) -> str: ...
    def acts_since(
        self, connection: Connection, *, subject: str | None, revision: int | None
    ) -> AsyncIterator[ActsSinceRow]: ...

# moderation/queue.sql
class ListQueueRow(TypedDict):
    kind: int | Any
    id: int | Any
    priority: Literal["low", "normal", "high", "urgent"] | Any
    created_at: datetime | Any
    reasons: list[str] | Any
    reason: str | Any
    reporter_id: int | Any
    review_id: int | Any
    profile_id: int | Any
    show_id: int | Any
    show_name: str | Any
    title: str | Any
    fan_count: int | Any
    venue_id: int | Any
    review_user_id: int | Any
    rating: int | Any
    body: str | Any
    review_status: Literal["pending", "approved", "rejected"] | Any
    display_name: str | None
    bio: str | Any
    city: str | Any
    profile_status: Literal["pending", "approved", "rejected"] | Any

class _Queue:
    def list_queue(
        self,
        connection: Connection,
        *,
        after_priority: str | None,
        after_at: datetime | None,
        after_kind: int | None,
        after_id: int | None,
        count: int | None,
    ) -> AsyncIterator[ListQueueRow]: ...

# moderation/reports.sql
class FindReportableRow(TypedDict):
    user_id: int | Any

class _Reports:
    async def find_reportable(
        self, connection: Connection, *, review: int | None, profile: int | None
    ) -> FindReportableRow | None: ...
    async def insert_report(
        self,
        connection: Connection,
        *,
        reporter_id: int | None,
        review: int | None,
        profile: int | None,
        reason: str | None,
    ) -> int | None: ...

# moderation/text_review.sql
class LeaveQueueRow(TypedDict):
    leave_queue: None

class _TextReview:
    def leave_queue(
        self, connection: Connection, *, review: int | None, profile: int | None
    ) -> AsyncIterator[LeaveQueueRow]: ...
    async def enter_queue(
        self,
        connection: Connection,
        *,
        review: int | None,
        profile: int | None,
        priority: str | None,
        reasons: Sequence[str | None] | None,
    ) -> str: ...

audit: _Audit
audit_chain: _AuditChain
bans: _Bans
decisions: _Decisions
logs: _Logs
queue: _Queue
reports: _Reports
text_review: _TextReview
