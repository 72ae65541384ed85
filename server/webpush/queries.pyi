# "make queries" writes this file from the .sql files of this room.

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, time
from typing import Any, TypedDict

from server.store.database import Connection

# webpush/notices.sql
class _Notices:
    async def try_lock_notices(self, connection: Connection) -> bool | Any: ...
    async def has_devices(self, connection: Connection) -> bool | Any: ...
    async def make_notices(
        self,
        connection: Connection,
        *,
        kind: str | None,
        instant: datetime | None,
        closes_before_s: float | None,
        begins_within_s: float | None,
        song_within_s: float | None,
        song_pause_s: float | None,
        count: int | None,
    ) -> int | Any: ...

# webpush/routes.sql
class ListDevicesRow(TypedDict):
    id: int
    endpoint: str
    kinds: list[str] | Any
    time_zone: str
    quiet_from: time | None
    quiet_to: time | None
    created_at: datetime

class PutDeviceRow(TypedDict):
    id: int
    endpoint: str
    kinds: list[str] | Any
    time_zone: str
    quiet_from: time | None
    quiet_to: time | None
    created_at: datetime

class _Routes:
    async def make_key(self, connection: Connection, *, private_key: bytes | None) -> bytes | Any: ...
    async def fetch_key(self, connection: Connection) -> bytes | None: ...
    def list_devices(
        self, connection: Connection, *, user_id: int | None, count: int | None
    ) -> AsyncIterator[ListDevicesRow]: ...
    async def knows_zone(self, connection: Connection, *, time_zone: str | None) -> bool | Any: ...
    async def put_device(
        self,
        connection: Connection,
        *,
        user_id: int | None,
        session_id: int | None,
        endpoint: str | None,
        public_key: bytes | None,
        auth_secret: bytes | None,
        kinds: Sequence[str | None] | None,
        time_zone: str | None,
        quiet_from: time | None,
        quiet_to: time | None,
    ) -> PutDeviceRow | None: ...
    async def delete_oldest(self, connection: Connection, *, user_id: int | None, count: int | None) -> str: ...
    async def delete_device(self, connection: Connection, *, id: int | None, user_id: int | None) -> int | None: ...

# webpush/sender.sql
class ClaimDueRow(TypedDict):
    id: int
    device_id: int
    attempts: int
    notice_id: int
    kind: str | Any
    song: str
    expires_at: datetime
    is_replaced: bool | Any
    endpoint: str
    public_key: bytes
    auth_secret: bytes
    time_zone: str
    show_id: int | Any
    slug: str | Any
    closes_at: datetime | Any
    artist: str | Any
    venue: str | Any
    language: str | Any

class _Sender:
    def claim_due(
        self, connection: Connection, *, instant: datetime | None, count: int | None, claimed_until: datetime | None
    ) -> AsyncIterator[ClaimDueRow]: ...
    async def finish(
        self, connection: Connection, *, ids: Sequence[int | None] | None, claimed_until: datetime | None
    ) -> str: ...
    async def postpone(
        self,
        connection: Connection,
        *,
        ids: Sequence[int | None] | None,
        instants: Sequence[datetime | None] | None,
        claimed_until: datetime | None,
    ) -> str: ...
    async def note_health(
        self, connection: Connection, *, failed: Sequence[int | None] | None, delivered: Sequence[int | None] | None
    ) -> str: ...
    async def delete_dead(
        self,
        connection: Connection,
        *,
        gone: Sequence[int | None] | None,
        failed: Sequence[int | None] | None,
        failures_max: int | None,
    ) -> int | Any: ...
    async def oldest_due(self, connection: Connection, *, instant: datetime | None) -> float | Any | None: ...

notices: _Notices
routes: _Routes
sender: _Sender
