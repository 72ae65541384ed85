# "make queries" writes this file from the .sql files of this room.

from typing import Any, TypedDict

from server.store.database import Connection

# sync/clients/cache.sql
class FetchAnswerRow(TypedDict):
    body: bytes | None
    etag: str | Any
    is_fresh: bool | Any
    is_withdrawn: bool | Any

class _Cache:
    async def fetch_answer(
        self,
        connection: Connection,
        *,
        age_s_max: float | None,
        service: str | None,
        asked: str | None,
        endpoint: str | None,
    ) -> FetchAnswerRow | None: ...
    async def put_answer(
        self,
        connection: Connection,
        *,
        service: str | None,
        asked: str | None,
        kind: str | None,
        body: bytes | None,
        etag: str | None,
        ttl_s: float | None,
    ) -> str: ...
    async def renew_answer(
        self, connection: Connection, *, ttl_s: float | None, service: str | None, asked: str | None
    ) -> str: ...
    async def note_answer(
        self,
        connection: Connection,
        *,
        service: str | None,
        status: str | None,
        latency_ms: float | None,
        detail: str | None,
        is_cached: bool | None,
    ) -> str: ...

cache: _Cache
