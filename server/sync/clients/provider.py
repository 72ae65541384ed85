"""How every provider is asked: from the cache if it can be, through the gate all nodes share, again when it was only busy.

One answer is one of three things: what was asked for, None because there is no such thing, or `ProviderError`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

import httpx
import msgspec
import stamina
import structlog

from server.cache.gates import Ask, Gate, GateShut, Quota
from server.clock import Clock
from server.errors import CacheError, ProviderError
from server.protocol.instants import from_ms
from server.store.queries import load_queries
from server.sync.clients.responses import (
    BODY_BYTES_MAX,
    BodyTooLarge,
    ClassifyFailure,
    Failure,
    Response,
    Result,
    decode,
    http_date,
    read_body,
)
from server.telemetry import PROVIDER_CIRCUIT, PROVIDER_REQUESTS, PROVIDER_SECONDS

if TYPE_CHECKING:
    from server.store.database import Database

log = structlog.get_logger()

ATTEMPTS_MAX = 4
# One budget for all attempts and the waiting between them; waiting for one's turn is not the provider's fault.
DEADLINE_S = 30.0
REQUEST_TIMEOUT_S = 10.0
# Who asks us to wait longer is asked again another time, by whoever wanted to know.
RETRY_AFTER_S_MAX = 15.0
# Asked too much, and not told how long to wait: setlist.fm is content after 2 s.
BUSY_S = 2.0
LATE_S_MAX = 0.05
SHUT_S_MIN = 0.05
# A key that is refused will be refused again; somebody has to do something first.
KEY_REFUSED_S = 600.0
# An endpoint that was withdrawn from this app is looked at again after a month: access can be given back.
WITHDRAWN_S = 30 * 86_400.0
# Somebody who asks by hand wants to know how it is now.
URGENT_AGE_S_MAX = 60.0
SLOW_MS = 3_000.0
ASKED_CHARS_MAX = 1_000

queries = load_queries(Path(__file__).with_name("cache.sql"))
Health = Literal["ok", "degraded", "down"]


class EndpointWithdrawn(ProviderError):
    """The provider does not let this app ask this any more; there may be another way."""


class KeyRefused(ProviderError):
    """The provider does not know our key, or not any more: somebody has to do something."""


class _Busy(Exception):
    """Worth another attempt."""


class Provider:
    """One service, over HTTP.

    Takes:  http, a client that names us, knows the base address and carries the key; gate, of the service, shared by
            all nodes; explain, what the provider means by an answer when it means something special, None: nothing
            special; secrets, what must never be told; sleep, as asyncio.sleep
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        database: Database,
        gate: Gate,
        clock: Clock,
        *,
        explain: ClassifyFailure = lambda _: None,
        secrets: Sequence[str] = (),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.service = gate.service
        self.gate = gate
        self._http = http
        self._database = database
        self._clock = clock
        self._explain = explain
        self._secrets = secrets
        self._sleep = sleep

    async def get(
        self,
        path: str,
        params: Mapping[str, str],
        into: type[Result],
        *,
        kind: str,
        ttl_s: float,
        endpoint: str | None = None,
    ) -> Result | None:
        """What the provider says, at most `ttl_s` old, and no older than a minute when a person is waiting.

        Takes:  path and params, without any key; into, the type of the JSON, str for plain text; kind, what it is about; endpoint, the name
                under which it is remembered when it is withdrawn
        Gives:  None: the provider knows no such thing (404)
        Raises: EndpointWithdrawn; ProviderError: away, busy beyond our patience, refusing us, or not making sense;
                StoreUnavailable
        Cost:   one statement when the cache knows; else up to DEADLINE_S, after up to gates.WAIT_S_MAX for a turn
        """
        asked = f"{path}?{urlencode(sorted(params.items()))}" if params else path
        if len(asked) > ASKED_CHARS_MAX:
            raise ProviderError(self.service, "the question is too long")
        async with self._database.connection() as connection:
            kept = await queries.fetch_answer(
                connection,
                service=self.service,
                asked=asked,
                endpoint=_withdrawn_key(endpoint),
                age_s_max=URGENT_AGE_S_MAX if self.gate.is_urgent else None,
            )
        if kept is not None and kept["is_withdrawn"]:
            raise EndpointWithdrawn(self.service, f"{endpoint} was withdrawn from this app")
        if kept is not None and kept["is_fresh"]:
            PROVIDER_REQUESTS.labels(self.service, "cached").inc()
            await self._note("ok", is_cached=True)
            return decode(kept["body"], into)
        try:
            status, body, etag = await self._ask(path, params, into, etag=kept["etag"] if kept is not None else "")
        except EndpointWithdrawn:
            async with self._database.connection() as connection:
                await queries.put_answer(
                    connection, service=self.service, asked=_withdrawn_key(endpoint), kind="withdrawn", body=None,
                    etag="", ttl_s=WITHDRAWN_S,
                )  # fmt: skip
            raise
        async with self._database.connection() as connection:
            if status == httpx.codes.NOT_MODIFIED:
                await queries.renew_answer(connection, service=self.service, asked=asked, ttl_s=ttl_s)
                body = kept["body"]
            else:
                await queries.put_answer(
                    connection, service=self.service, asked=asked, kind=kind, body=body, etag=etag, ttl_s=ttl_s
                )
        return decode(body, into)

    def now(self) -> dt.datetime:
        """The instant it is, UTC."""
        return from_ms(self._clock.now_ms())

    async def drop_cached(self, path: str) -> None:
        """Drops the cached response of a path without parameters, because its content is known to have changed.

        Raises: StoreUnavailable
        """
        async with self._database.connection() as connection:
            await queries.delete_answer(connection, service=self.service, asked=path)

    async def _ask(
        self, path: str, params: Mapping[str, str], into: type[Result], *, etag: str
    ) -> tuple[int, bytes | None, str]:
        """Status (200, 304 or 404), the body of a 200, its etag."""
        left_s = DEADLINE_S
        try:
            async for attempt in stamina.retry_context(on=_Busy, attempts=ATTEMPTS_MAX, timeout=None):
                with attempt:
                    await self._take_turn()
                    began_s = self._clock.monotonic_s()
                    try:
                        return await self._attempt(
                            path, params, into, etag=etag, timeout_s=min(left_s, REQUEST_TIMEOUT_S)
                        )
                    finally:
                        left_s = max(0.1, left_s - (self._clock.monotonic_s() - began_s))
        except _Busy as error:
            raise ProviderError(self.service, str(error)) from None
        except CacheError:
            raise ProviderError(
                self.service, "not asked: nobody can count the questions now", retry_after_s=BUSY_S
            ) from None
        raise AssertionError("the last attempt returns or raises")

    async def _take_turn(self) -> None:
        """Waits until all nodes together may ask again; what is shut for long is told instead."""
        while True:
            try:
                wait_s = await self.gate.enter()
            except GateShut as shut:
                if shut.wait_s > RETRY_AFTER_S_MAX:
                    PROVIDER_REQUESTS.labels(self.service, "not_asked").inc()
                    raise ProviderError(self.service, f"not asked: {shut}", retry_after_s=shut.wait_s) from None
                await self._sleep(max(shut.wait_s, SHUT_S_MIN))
                continue
            if wait_s <= 0:
                return
            turn_s = self._clock.monotonic_s() + wait_s
            await self._sleep(wait_s)
            # Whoever comes late comes too close to the next: the turn is over, and another one is taken.
            if self._clock.monotonic_s() - turn_s <= LATE_S_MAX:
                return

    async def _attempt(
        self, path: str, params: Mapping[str, str], into: type[Result], *, etag: str, timeout_s: float
    ) -> tuple[int, bytes | None, str]:
        began_s = self._clock.monotonic_s()
        headers = {"If-None-Match": etag} if etag else {}
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._http.stream("GET", path, params=dict(params), headers=headers) as response,
            ):
                answer = Response(path, response.status_code, response.headers, await read_body(response))
            trouble = self._judge(answer, into, has_etag=bool(etag))
        except (httpx.HTTPError, TimeoutError) as error:
            # Its text holds the address; its name says enough.
            trouble = Failure("busy", f"cannot be reached ({type(error).__name__})")
        except BodyTooLarge:
            trouble = Failure("busy", f"answered more than {BODY_BYTES_MAX} bytes")
        except ProviderError as error:
            trouble = Failure("key", self._redacted(str(error).removeprefix(f"{self.service}: ")))
        took_s = self._clock.monotonic_s() - began_s
        PROVIDER_SECONDS.labels(self.service).observe(took_s)
        if trouble is not None:
            await self._tell_trouble(path, trouble, took_s)
        log.info("provider.asked", service=self.service, path=path, outcome=answer.status, took_ms=round(took_s * 1000))
        PROVIDER_REQUESTS.labels(self.service, "answered").inc()
        await self.gate.succeed()
        PROVIDER_CIRCUIT.labels(self.service).set(0)
        await self._note("degraded" if took_s * 1000 > SLOW_MS else "ok", took_s=took_s)
        if answer.status != httpx.codes.OK:
            return answer.status, None, etag if answer.status == httpx.codes.NOT_MODIFIED else ""
        return answer.status, answer.body, answer.headers.get("ETag", "")

    def _judge(self, answer: Response, into: type[Result], *, has_etag: bool) -> Failure | None:
        """What is wrong with an answer; None: nothing."""
        special = self._explain(answer)
        if special is not None:
            return special
        status = answer.status
        if status == httpx.codes.NOT_FOUND or (status == httpx.codes.NOT_MODIFIED and has_etag):
            return None
        retry_after_s = self._retry_after_s(answer)
        if status == httpx.codes.TOO_MANY_REQUESTS or (status == httpx.codes.SERVICE_UNAVAILABLE and retry_after_s):
            return Failure("wait", f"answered {status}", retry_after_s if retry_after_s is not None else BUSY_S)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return Failure("busy", f"answered {status}")
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return Failure("key", f"refused us with {status}")
        if status != httpx.codes.OK:
            return Failure("refused", f"refused the question with {status}{self._snippet(answer.body)}")
        try:
            decode(answer.body, into)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            # Pages of HTML and answers cut short come with 200 too; nothing of the kind is kept.
            return Failure("busy", f"answered what makes no sense: {str(error)[:120]}")
        return None

    async def _tell_trouble(self, path: str, trouble: Failure, took_s: float) -> None:
        """Raises what a trouble means to whoever asked, after telling the gate, the log and the health of the hour."""
        outcome = {"busy": "unavailable", "wait": "unavailable"}.get(trouble.kind, trouble.kind)
        PROVIDER_REQUESTS.labels(self.service, outcome).inc()
        log.warning(
            "provider.trouble", service=self.service, path=path, outcome=trouble.kind, reason=trouble.reason,
            took_ms=round(took_s * 1000),
        )  # fmt: skip
        health: Health = {"busy": "down", "key": "down", "wait": "degraded"}.get(trouble.kind, "ok")  # type: ignore[assignment]
        await self._note(health, took_s=took_s, detail=trouble.reason)
        if trouble.kind == "withdrawn":
            await self.gate.succeed()
            raise EndpointWithdrawn(self.service, trouble.reason)
        if trouble.kind == "refused":
            await self.gate.succeed()
            raise ProviderError(self.service, trouble.reason)
        if trouble.kind == "busy":
            open_s = await self.gate.fail(trouble.reason)
            if open_s:
                PROVIDER_CIRCUIT.labels(self.service).set(1)
                log.warning("provider.circuit_opened", service=self.service, open_s=open_s, reason=trouble.reason)
            raise _Busy(trouble.reason)
        wait_s = KEY_REFUSED_S if trouble.kind == "key" else trouble.wait_s or BUSY_S
        await self.gate.shut(trouble.reason, wait_s)
        if trouble.kind == "wait" and wait_s <= RETRY_AFTER_S_MAX:
            raise _Busy(trouble.reason)
        PROVIDER_CIRCUIT.labels(self.service).set(1)
        told = KeyRefused if trouble.kind == "key" else ProviderError
        raise told(self.service, trouble.reason, retry_after_s=wait_s)

    async def _note(self, status: Health, *, took_s: float = 0.0, detail: str = "", is_cached: bool = False) -> None:
        """One more answer in the health of this hour."""
        async with self._database.connection() as connection:
            await queries.note_answer(
                connection,
                service=self.service,
                status=status,
                latency_ms=took_s * 1000,
                detail=detail,
                is_cached=is_cached,
            )

    def _retry_after_s(self, answer: Response) -> float | None:
        """Seconds, or a date (RFC 9110, section 10.2.3); None: not said, or not understood."""
        said = answer.headers.get("Retry-After", "").strip()
        if said.isascii() and said.isdigit():
            return float(said)
        until = http_date(said)
        # Both by the provider's clock, when it tells it: ours may differ.
        return None if until is None else max(0.0, (until - (answer.said_at() or self.now())).total_seconds())

    def _snippet(self, body: bytes) -> str:
        """The beginning of what a provider said about a wrong question, without our keys."""
        said = " ".join(self._redacted(body[:300].decode("utf-8", "replace")).split())
        return f": {said}" if said else ""

    def _redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "•••")
        return text


def _withdrawn_key(endpoint: str | None) -> str:
    return f"withdrawn {endpoint}"


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """What every client is opened with.

    Takes: base_url; ask, a Connection to Valkey's; contact, whom a provider may write to about our questions;
           is_urgent: a person is waiting; quota, instead of what the provider allows everybody
    """

    base_url: str
    database: Database
    ask: Ask
    clock: Clock
    contact: str = ""
    is_urgent: bool = False
    quota: Quota | None = None


@asynccontextmanager
async def open_provider(
    service: str,
    quota: Quota,
    link: ProviderContext,
    *,
    headers: Mapping[str, str],
    params: Mapping[str, str] | None = None,
    auth: httpx.Auth | None = None,
    explain: ClassifyFailure = lambda _: None,
    secrets: Sequence[str] = (),
    follows_redirects: bool = False,
) -> AsyncIterator[Provider]:
    """A provider for as long as its client is needed.

    Takes: follows_redirects, for one without a key, which would go along
    """
    # A contact may hold what no header may; what is left still says who asks.
    agent = f"mysetlist/{version('mysetlist')} ( {link.contact} )".encode("ascii", "ignore").decode()
    named = {"User-Agent": "".join(char for char in agent if char.isprintable())}
    async with httpx.AsyncClient(
        base_url=link.base_url,
        headers=named | dict(headers),
        params=params,
        auth=auth,
        timeout=REQUEST_TIMEOUT_S,
        follow_redirects=follows_redirects,
    ) as http:
        gate = Gate(service, link.quota or quota, link.ask, is_urgent=link.is_urgent)
        yield Provider(http, link.database, gate, link.clock, explain=explain, secrets=secrets)
