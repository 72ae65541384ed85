# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypedDict

from server.store.database import Connection

# mail/enqueuer.sql
class _Enqueuer:
    async def try_lock_enqueuing(self, connection: Connection) -> bool | Any: ...
    async def enqueue_announcements(
        self, connection: Connection, *, instant: datetime | None, count: int | None
    ) -> int | Any: ...
    async def enqueue_reminders(
        self, connection: Connection, *, instant: datetime | None, count: int | None
    ) -> int | Any: ...
    async def enqueue_results(
        self, connection: Connection, *, instant: datetime | None, count: int | None
    ) -> int | Any: ...
    async def enqueue_news(
        self, connection: Connection, *, undo_s: float | None, instant: datetime | None, count: int | None
    ) -> int | Any: ...
    async def count_due(self, connection: Connection, *, instant: datetime | None) -> int | Any: ...

# mail/routes.sql
class FetchPreferencesRow(TypedDict):
    address: str
    frequency: Literal["never", "immediately", "daily", "weekly"]
    kinds: list[Literal["confirm_address", "show_announced", "show_reminder", "show_result"]]
    is_confirmed: bool | Any

class SavePreferencesRow(TypedDict):
    address: str
    frequency: Literal["never", "immediately", "daily", "weekly"]
    kinds: list[Literal["confirm_address", "show_announced", "show_reminder", "show_result"]]
    is_confirmed: bool | Any

class FetchConfirmationsRow(TypedDict):
    created_at: datetime

class _Routes:
    async def fetch_preferences(self, connection: Connection, *, user_id: int | None) -> FetchPreferencesRow | None: ...
    async def save_preferences(
        self,
        connection: Connection,
        *,
        user_id: int | None,
        address: str | None,
        frequency: str | None,
        kinds: Sequence[str | None] | None,
        host: str | None,
    ) -> SavePreferencesRow: ...
    async def delete_preferences(self, connection: Connection, *, user_id: int | None) -> str: ...
    def fetch_confirmations(
        self, connection: Connection, *, user_id: int | None, since: datetime | None, count: int | None
    ) -> AsyncIterator[FetchConfirmationsRow]: ...
    async def enqueue_confirmation(
        self, connection: Connection, *, user_id: int | None, about: str | None, instant: datetime | None
    ) -> str: ...
    async def confirm_address(
        self, connection: Connection, *, instant: datetime | None, user_id: int | None, address_hash: bytes | None
    ) -> int | None: ...

# mail/sender.sql
class LockClaimsRow(TypedDict):
    pg_advisory_xact_lock: None

class ClaimDueRow(TypedDict):
    id: int
    user_id: int
    attempts: int
    was_due: datetime | Any

class FetchItemsRow(TypedDict):
    id: int
    user_id: int
    kind: Literal["confirm_address", "show_announced", "show_reminder", "show_result"]
    about: str
    created_at: datetime
    language: str | Any
    address: str | Any
    frequency: Literal["never", "immediately", "daily", "weekly"] | Any
    is_confirmed: bool | Any
    is_wanted: bool | Any
    stopped_by: str | Any
    brand: str | Any
    brand_host: str | Any
    ground: str | Any
    ink: str | Any
    accent: str | Any
    earlier_count: int | Any
    show_id: int | Any
    slug: str | Any
    show: str | Any
    status: Literal["upcoming", "live", "finished", "cancelled"] | Any
    local_date: date | Any
    starts_at: datetime | Any
    time_zone: str | Any
    artist: str | Any
    venue: str | Any
    city: str | Any
    followed: list[str] | Any
    songs: list[str] | Any
    is_concerned: bool | Any

class _Sender:
    def lock_claims(self, connection: Connection) -> AsyncIterator[LockClaimsRow]: ...
    def claim_due(
        self,
        connection: Connection,
        *,
        emails_max: int | None,
        minute_max: int | None,
        instant: datetime | None,
        strangers_max: int | None,
        digest_max: int | None,
        claimed_until: datetime | None,
    ) -> AsyncIterator[ClaimDueRow]: ...
    def fetch_items(
        self, connection: Connection, *, ids: Sequence[int | None] | None
    ) -> AsyncIterator[FetchItemsRow]: ...
    async def settle(
        self,
        connection: Connection,
        *,
        status: str | None,
        not_before: datetime | None,
        ids: Sequence[int | None] | None,
        claimed_until: datetime | None,
        detail: str | None,
        instant: datetime | None,
    ) -> int | Any: ...
    async def release(
        self,
        connection: Connection,
        *,
        not_before: datetime | None,
        ids: Sequence[int | None] | None,
        claimed_until: datetime | None,
    ) -> str: ...

# mail/unsubscribes.sql
class _Unsubscribes:
    async def fetch_stop(self, connection: Connection, *, address_hash: bytes | None) -> str | None: ...
    async def stop_address(
        self, connection: Connection, *, address_hash: bytes | None, reason: str | None, instant: datetime | None
    ) -> str: ...
    async def resume_address(self, connection: Connection, *, address_hash: bytes | None) -> str: ...

enqueuer: _Enqueuer
routes: _Routes
sender: _Sender
unsubscribes: _Unsubscribes
