# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, TypedDict

from server.store.database import Connection

# webhooks/routes.sql
class ListWebhooksRow(TypedDict):
    id: int | Any
    revision: int | Any
    url: str | Any
    description: str | Any
    events: list[str] | Any
    is_enabled: bool | Any
    why_disabled: str | Any
    created_at: datetime | Any
    failing_since: datetime | None
    previous_until: datetime | Any
    waiting: int | Any
    dead: int | Any
    tried_at: datetime | None
    status: int | None
    took_ms: int | None
    error: str | Any

class LockWebhookRow(TypedDict):
    id: int
    revision: int
    url: str
    description: str
    events: list[str] | Any
    is_enabled: bool
    why_disabled: str

class FetchTargetRow(TypedDict):
    url: str
    secret: bytes
    previous_secret: bytes | Any

class ListDeliveriesRow(TypedDict):
    id: int
    event: str | Any
    message_id: str | Any
    show_id: int
    at: datetime
    state: str | Any
    attempts: int
    next_at: datetime | Any
    tried_at: datetime | None
    status: int | None
    took_ms: int | None
    error: str

class _Routes:
    def list_webhooks(
        self,
        connection: Connection,
        *,
        instant: datetime | None,
        id: int | None,
        after_id: int | None,
        count: int | None,
    ) -> AsyncIterator[ListWebhooksRow]: ...
    async def is_room(self, connection: Connection, *, count_max: int | None) -> bool | Any: ...
    async def lock_webhook(self, connection: Connection, *, id: int | None) -> LockWebhookRow | None: ...
    async def insert_webhook(
        self,
        connection: Connection,
        *,
        url: str | None,
        description: str | None,
        events: Sequence[str | None] | None,
        is_enabled: bool | None,
        secret: bytes | None,
    ) -> int: ...
    async def update_webhook(
        self,
        connection: Connection,
        *,
        url: str | None,
        is_enabled: bool | None,
        description: str | None,
        events: Sequence[str | None] | None,
        id: int | None,
    ) -> str: ...
    async def rotate_secret(
        self, connection: Connection, *, previous_until: datetime | None, secret: bytes | None, id: int | None
    ) -> str: ...
    async def delete_webhook(self, connection: Connection, *, id: int | None) -> str: ...
    async def fetch_target(
        self, connection: Connection, *, instant: datetime | None, id: int | None
    ) -> FetchTargetRow | None: ...
    def list_deliveries(
        self,
        connection: Connection,
        *,
        webhook_id: int | None,
        in_state: str | None,
        after_id: int | None,
        count: int | None,
    ) -> AsyncIterator[ListDeliveriesRow]: ...
    async def send_again(
        self,
        connection: Connection,
        *,
        instant: datetime | None,
        webhook_id: int | None,
        id: int | None,
        count: int | None,
    ) -> int | Any: ...

# webhooks/sender.sql
class ClaimDueRow(TypedDict):
    id: int
    webhook_id: int
    attempts: int
    sequence: int
    message_id: str | Any
    type: str | Any
    at: datetime
    data: str | Any
    url: str
    secret: bytes
    previous_secret: bytes | Any

class ListHopelessRow(TypedDict):
    id: int
    is_failing: bool | Any

class _Sender:
    async def note_due_voting(self, connection: Connection, *, since: datetime | None) -> datetime | Any: ...
    async def fan_out(self, connection: Connection, *, count: int | None, instant: datetime | None) -> int | Any: ...
    def claim_due(
        self,
        connection: Connection,
        *,
        instant: datetime | None,
        each_max: int | None,
        count: int | None,
        claimed_until: datetime | None,
    ) -> AsyncIterator[ClaimDueRow]: ...
    async def note_health(
        self, connection: Connection, *, is_delivered: bool | None, instant: datetime | None, webhook_id: int | None
    ) -> str: ...
    async def settle(
        self,
        connection: Connection,
        *,
        new_state: str | None,
        not_before: datetime | None,
        instant: datetime | None,
        status: int | None,
        took_ms: int | None,
        error: str | None,
        id: int | None,
        claimed_until: datetime | None,
    ) -> str | Any | None: ...
    async def disable(self, connection: Connection, *, why: str | None, webhook_id: int | None) -> str: ...
    def list_hopeless(
        self, connection: Connection, *, instant: datetime | None, days: int | None, waiting_max: int | None
    ) -> AsyncIterator[ListHopelessRow]: ...
    async def bury_abandoned(self, connection: Connection, *, instant: datetime | None) -> str: ...
    async def oldest_waiting(self, connection: Connection, *, instant: datetime | None) -> float | Any | None: ...

routes: _Routes
sender: _Sender
