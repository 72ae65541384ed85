"""How every provider is asked: from the cache if it can be, at its pace, again when it was only busy.

One answer is one of three things: what was asked for, None because there is no such thing, or `ProviderError`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec
import stamina
import structlog

from server.clock import Clock
from server.errors import ProviderError
from server.store.queries import load_queries
from server.telemetry import PROVIDER_REQUESTS

if TYPE_CHECKING:
    from server.store.database import Database

log = structlog.get_logger()

ATTEMPTS_MAX = 4
# One budget for all attempts and the waiting between them.
DEADLINE_S = 30.0
REQUEST_TIMEOUT_S = 10.0
# Who asks us to wait longer is asked again another time, by whoever wanted to know.
RETRY_AFTER_S_MAX = 15.0
BODY_BYTES_MAX = 5 * 1024 * 1024
ASKED_CHARS_MAX = 1_000

queries = load_queries(Path(__file__).with_name("cache.sql"))
Answer = TypeVar("Answer")


class _Busy(Exception):
    """Worth another attempt. Takes: reason, for the log; retry_after_s, when the provider said so."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Provider:
    """One service, over HTTP.

    Takes:  service, as the database calls it; http, a client that names us and knows the base address;
            pace_s, the least time between two requests [s]; sleep, as asyncio.sleep
    """

    def __init__(
        self,
        service: str,
        http: httpx.AsyncClient,
        database: Database,
        clock: Clock,
        *,
        pace_s: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.service = service
        self._http = http
        self._database = database
        self._clock = clock
        self._pace_s = pace_s
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._free_at_s = 0.0

    async def get(
        self, path: str, params: Mapping[str, str], into: type[Answer], *, kind: str, ttl_s: float
    ) -> Answer | None:
        """What the provider says, at most `ttl_s` old.

        Takes:  path and params, without any key; into, the type of the JSON; kind, what it is about
        Gives:  None: the provider knows no such thing (404)
        Raises: ProviderError: away, busy beyond our patience, refusing us, or not making sense; StoreUnavailable
        Cost:   one statement when the cache knows; else up to DEADLINE_S
        """
        asked = f"{path}?{urlencode(sorted(params.items()))}" if params else path
        if len(asked) > ASKED_CHARS_MAX:
            raise ProviderError(self.service, "the question is too long")
        async with self._database.connection() as connection:
            kept = await queries.fetch_answer(connection, service=self.service, asked=asked)
        if kept is not None and kept["is_fresh"]:
            PROVIDER_REQUESTS.labels(self.service, "cached").inc()
            return _decode(kept["body"], into)
        status, body, etag = await self._ask(path, params, into, etag=kept["etag"] if kept is not None else "")
        async with self._database.connection() as connection:
            if status == httpx.codes.NOT_MODIFIED:
                await queries.renew_answer(connection, service=self.service, asked=asked, ttl_s=ttl_s)
                body = kept["body"]
            else:
                await queries.put_answer(
                    connection, service=self.service, asked=asked, kind=kind, body=body, etag=etag, ttl_s=ttl_s
                )
        return _decode(body, into)

    async def _ask(
        self, path: str, params: Mapping[str, str], into: type[Answer], *, etag: str
    ) -> tuple[int, bytes | None, str]:
        """Status (200, 304 or 404), the body of a 200, its etag."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                async for attempt in stamina.retry_context(
                    on=_wait_before_retry, attempts=ATTEMPTS_MAX, timeout=DEADLINE_S
                ):
                    with attempt:
                        return await self._attempt(path, params, into, etag=etag)
        except (_Busy, TimeoutError) as error:
            PROVIDER_REQUESTS.labels(self.service, "unavailable").inc()
            retry_after_s = error.retry_after_s if isinstance(error, _Busy) else None
            raise ProviderError(self.service, str(error) or "no answer in time", retry_after_s=retry_after_s) from None
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(
        self, path: str, params: Mapping[str, str], into: type[Answer], *, etag: str
    ) -> tuple[int, bytes | None, str]:
        await self._wait_for_turn()
        began_s = self._clock.monotonic_s()
        headers = {"If-None-Match": etag} if etag else {}
        try:
            async with self._http.stream("GET", path, params=dict(params), headers=headers) as response:
                body = await _read(response)
        except httpx.HTTPError as error:
            # Its text holds the address; its name says enough.
            self._tell(path, type(error).__name__, began_s)
            raise _Busy(f"cannot be reached ({type(error).__name__})") from None
        status = response.status_code
        self._tell(path, str(status), began_s)
        if status == httpx.codes.NOT_FOUND:
            return status, None, ""
        if status == httpx.codes.NOT_MODIFIED and etag:
            return status, None, etag
        if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise _Busy(f"answered {status}", self._retry_after_s(response))
        if status != httpx.codes.OK:
            PROVIDER_REQUESTS.labels(self.service, "refused").inc()
            raise ProviderError(self.service, f"refused the question with {status}")
        try:
            _decode(body, into)
        except msgspec.DecodeError as error:
            # Pages of HTML and answers cut short come with 200 too; nothing of the kind is kept.
            raise _Busy(f"answered what makes no sense: {str(error)[:120]}") from None
        PROVIDER_REQUESTS.labels(self.service, "answered").inc()
        return status, body, response.headers.get("ETag", "")

    async def _wait_for_turn(self) -> None:
        async with self._turn:
            wait_s = self._free_at_s - self._clock.monotonic_s()
            if wait_s > 0:
                await self._sleep(wait_s)
            self._free_at_s = self._clock.monotonic_s() + self._pace_s

    def _retry_after_s(self, response: httpx.Response) -> float | None:
        """Seconds, or a date (RFC 9110, section 10.2.3); None: not said, or not understood."""
        said = response.headers.get("Retry-After", "").strip()
        if said.isascii() and said.isdigit():
            return float(said)
        try:
            until = email.utils.parsedate_to_datetime(said)
        except ValueError:
            return None
        now = dt.datetime.fromtimestamp(self._clock.now_ms() / 1000, dt.UTC)
        return max(0.0, (until.replace(tzinfo=until.tzinfo or dt.UTC) - now).total_seconds())

    def _tell(self, path: str, outcome: str, began_s: float) -> None:
        took_ms = round((self._clock.monotonic_s() - began_s) * 1000)
        log.info("provider.asked", service=self.service, path=path, outcome=outcome, took_ms=took_ms)


def _decode(body: bytes | None, into: type[Answer]) -> Answer | None:
    # Unknown fields are ignored; numbers may come as strings.
    return None if body is None else msgspec.json.decode(body, type=into, strict=False)


async def _read(response: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise _Busy(f"answered more than {BODY_BYTES_MAX} bytes")
        parts.append(part)
    return b"".join(parts)


def _wait_before_retry(error: Exception) -> bool | float:
    """Stamina's question: whether to try again, and after how many seconds when the provider said so."""
    if not isinstance(error, _Busy):
        return False
    if error.retry_after_s is None:
        return True
    return error.retry_after_s if error.retry_after_s <= RETRY_AFTER_S_MAX else False
