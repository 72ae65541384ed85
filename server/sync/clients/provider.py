"""Sends requests to a provider: from the cache when possible, through the gate of all nodes, and again when it was busy.

A request ends in one of three ways: with a result, with None when the provider has no such thing, or with `ProviderError`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, NoReturn
from urllib.parse import urlencode

import httpx
import stamina
import structlog

from server import __version__
from server.cache.connection import Ask
from server.cache.gates import Gate, GateShut, Quota
from server.clock import Clock, utc_now
from server.errors import CacheError, ProviderError
from server.sync.clients.queries import cache as queries
from server.sync.clients.responses import (
    BODY_BYTES_MAX,
    BUSY_S,
    MET_FAULTS,
    BodyTooLarge,
    ClassifyFailure,
    Failure,
    ItemFault,
    Response,
    Result,
    classify_response,
    decode,
    read_body,
)
from server.telemetry import PROVIDER_CIRCUIT, PROVIDER_REQUESTS, PROVIDER_SECONDS

if TYPE_CHECKING:
    from server.store.database import Database

log = structlog.get_logger()

ATTEMPTS_MAX = 4
# One budget for all attempts and the waits between them; waiting for a turn at the gate does not count.
DEADLINE_S = 30.0
REQUEST_TIMEOUT_S = 10.0
# A provider that asks for a longer wait is asked again by the next job.
RETRY_AFTER_S_MAX = 15.0
LATE_S_MAX = 0.05
SHUT_S_MIN = 0.05
# A refused key stays refused until a person acts.
KEY_REFUSED_S = 600.0
# An endpoint that was withdrawn from this app is tried again after a month, because access can come back.
WITHDRAWN_S = 30 * 86_400.0
# A person who asks wants the present state.
URGENT_AGE_S_MAX = 60.0
SLOW_MS = 3_000.0
ASKED_CHARS_MAX = 1_000

Health = Literal["ok", "degraded", "down"]


class EndpointWithdrawn(ProviderError):
    """The provider does not let this app use this endpoint any more; another endpoint may have the data."""


class KeyRefused(ProviderError):
    """The provider does not accept our key: a person has to replace it."""


class Unreadable(ProviderError):
    """The provider has the item that was asked for, but its data are faulty; the message names it."""


class _Busy(Exception):
    """The provider was busy: another attempt may succeed."""


class Provider:
    """One service that data comes from, over HTTP.

    Takes:  http, a client with our name, the base address and the key; gate of the service, shared by all nodes;
            classify_failure, recognises the provider's own failures; secrets, texts that no message may hold; sleep, as
            asyncio.sleep
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        database: Database,
        gate: Gate,
        clock: Clock,
        *,
        classify_failure: ClassifyFailure = lambda _: None,
        secrets: Sequence[str] = (),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.service = gate.service
        self.gate = gate
        self._http = http
        self._database = database
        self._clock = clock
        self._classify_failure = classify_failure
        self._secrets = secrets
        self._sleep = sleep
        self.why_key_refused = ""  # as this node last saw; empty: the key is accepted

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
        """The provider's response, at most `ttl_s` old, and no older than a minute when a person waits.

        Takes:  path and params, without any key; into, the type of the JSON, or str for plain text; kind, the sort of
                response in the cache; endpoint, its name in the list of withdrawn ones
        Gives:  None: the provider has no such thing (404)
        Raises: EndpointWithdrawn; Unreadable; ProviderError: unreachable, busy for too long, or refusing us;
                StoreUnavailable
        Cost:   one statement when the cache has it; else up to DEADLINE_S, after up to gates.WAIT_S_MAX for a turn
        """
        asked = f"{path}?{urlencode(sorted(params.items()))}" if params else path
        if len(asked) > ASKED_CHARS_MAX:
            raise ProviderError(
                self.service, f"the request is longer than {ASKED_CHARS_MAX} characters: use shorter names"
            )
        async with self._database.connection() as connection:
            cached = await queries.fetch_answer(
                connection,
                service=self.service,
                asked=asked,
                endpoint=_withdrawn_key(endpoint),
                age_s_max=URGENT_AGE_S_MAX if self.gate.is_urgent else None,
            )
        if cached is not None and cached["is_withdrawn"]:
            raise EndpointWithdrawn(self.service, f"does not let this app use {endpoint} any more")
        if cached is not None and cached["is_fresh"]:
            PROVIDER_REQUESTS.labels(self.service, "cached").inc()
            await self._record_health("ok", is_cached=True)
            return self._decode(cached["body"], into, path)
        try:
            status, body, etag = await self._fetch(
                path, params, into, etag=cached["etag"] if cached is not None else ""
            )
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
                assert cached is not None
                body = cached["body"]
            else:
                await queries.put_answer(
                    connection, service=self.service, asked=asked, kind=kind, body=body, etag=etag, ttl_s=ttl_s
                )
        return self._decode(body, into, path)

    def _decode(self, body: bytes | None, into: type[Result], path: str) -> Result | None:
        """Decodes a good body, and reports its faulty items to the log and to the running job."""
        faults: list[ItemFault] = []
        decoded = decode(body, into, faults)
        for fault in faults:
            self._report_fault(fault, path)
        return decoded

    def _report_fault(self, fault: ItemFault, path: str) -> None:
        log.warning("provider.item_unreadable", service=self.service, path=path, item=fault.item, reason=fault.reason)
        met = MET_FAULTS.get()
        if met is not None:
            met[self.service, fault] = None

    def now(self) -> dt.datetime:
        """The present instant, UTC."""
        return utc_now(self._clock)

    async def _fetch(
        self, path: str, params: Mapping[str, str], into: type[Result], *, etag: str
    ) -> tuple[int, bytes | None, str]:
        """Gives the status (200, 304 or 404), the body of a 200, and its etag."""
        left_s = DEADLINE_S
        try:
            async for attempt in stamina.retry_context(on=_Busy, attempts=ATTEMPTS_MAX, timeout=None):
                with attempt:
                    await self._take_turn()
                    started_s = self._clock.monotonic_s()
                    try:
                        return await self._attempt(
                            path, params, into, etag=etag, timeout_s=min(left_s, REQUEST_TIMEOUT_S)
                        )
                    finally:
                        left_s = max(0.1, left_s - (self._clock.monotonic_s() - started_s))
        except _Busy as error:
            raise ProviderError(self.service, str(error)) from None
        except CacheError:
            raise ProviderError(
                self.service, "not asked: Valkey, which counts requests, does not answer", retry_after_s=BUSY_S
            ) from None
        raise AssertionError("the last attempt returns or raises")

    async def _take_turn(self) -> None:
        """Waits for this node's turn at the gate.

        Raises: ProviderError: the gate is shut for longer than RETRY_AFTER_S_MAX
        """
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
            # A late request would come too close to the next one: take another turn.
            if self._clock.monotonic_s() - turn_s <= LATE_S_MAX:
                return

    async def _attempt(
        self, path: str, params: Mapping[str, str], into: type[Result], *, etag: str, timeout_s: float
    ) -> tuple[int, bytes | None, str]:
        started_s = self._clock.monotonic_s()
        headers = {"If-None-Match": etag} if etag else {}
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._http.stream("GET", path, params=dict(params), headers=headers) as http_response,
            ):
                response = Response(
                    path, http_response.status_code, http_response.headers, await read_body(http_response)
                )
            failure = self._classify_failure(response) or classify_response(
                response, into, has_etag=bool(etag), now=self.now(), redact=self._redacted
            )
        except (httpx.HTTPError, TimeoutError) as error:
            # The error's text holds the address, which may hold a key: only its class is shown.
            failure = Failure("busy", f"cannot be reached ({type(error).__name__})")
        except BodyTooLarge:
            failure = Failure("busy", f"answered more than {BODY_BYTES_MAX} bytes")
        except ProviderError as error:
            failure = Failure("key", self._redacted(str(error).removeprefix(f"{self.service}: ")))
        took_s = self._clock.monotonic_s() - started_s
        PROVIDER_SECONDS.labels(self.service).observe(took_s)
        if failure is not None:
            await self._raise_failure(path, failure, took_s)
        log.info(
            "provider.asked", service=self.service, path=path, outcome=response.status, took_ms=round(took_s * 1000)
        )
        PROVIDER_REQUESTS.labels(self.service, "answered").inc()
        await self.gate.succeed()
        PROVIDER_CIRCUIT.labels(self.service).set(0)
        self.why_key_refused = ""
        await self._record_health("degraded" if took_s * 1000 > SLOW_MS else "ok", took_s=took_s)
        if response.status != httpx.codes.OK:
            return response.status, None, etag if response.status == httpx.codes.NOT_MODIFIED else ""
        return response.status, response.body, response.headers.get("ETag", "")

    async def _raise_failure(self, path: str, failure: Failure, took_s: float) -> NoReturn:
        """Records a failure in the log, the health of the hour and the gate, and raises it as an error."""
        outcome = {"busy": "unavailable", "wait": "unavailable"}.get(failure.kind, failure.kind)
        PROVIDER_REQUESTS.labels(self.service, outcome).inc()
        log.warning(
            "provider.trouble", service=self.service, path=path, outcome=failure.kind, reason=failure.reason,
            took_ms=round(took_s * 1000),
        )  # fmt: skip
        health: Health = {"busy": "down", "key": "down", "wait": "degraded"}.get(failure.kind, "ok")  # type: ignore[assignment]
        await self._record_health(health, took_s=took_s, detail=failure.reason)
        if failure.kind == "withdrawn":
            await self.gate.succeed()
            raise EndpointWithdrawn(self.service, failure.reason)
        if failure.kind in ("refused", "malformed", "unreadable"):
            # It answered, so its circuit stays closed.
            await self.gate.succeed()
            if failure.kind == "malformed":
                raise _Busy(failure.reason)
            if failure.fault is None:
                raise ProviderError(self.service, failure.reason)
            fault = failure.fault
            if fault.item == fault.kind:
                fault = fault._replace(item=f"{fault.kind} {path.rpartition('/')[2].removesuffix('.json')}")
            self._report_fault(fault, path)
            raise Unreadable(self.service, f"{fault.item} cannot be read: {fault.reason}")
        if failure.kind == "busy":
            open_s = await self.gate.fail(failure.reason)
            if open_s:
                PROVIDER_CIRCUIT.labels(self.service).set(1)
                log.warning("provider.circuit_opened", service=self.service, open_s=open_s, reason=failure.reason)
            raise _Busy(failure.reason)
        self.why_key_refused = failure.reason if failure.kind == "key" else ""
        wait_s = KEY_REFUSED_S if failure.kind == "key" else failure.wait_s or BUSY_S
        await self.gate.shut(failure.reason, wait_s)
        if failure.kind == "wait" and wait_s <= RETRY_AFTER_S_MAX:
            raise _Busy(failure.reason)
        PROVIDER_CIRCUIT.labels(self.service).set(1)
        error = KeyRefused if failure.kind == "key" else ProviderError
        raise error(self.service, failure.reason, retry_after_s=wait_s)

    async def _record_health(
        self, status: Health, *, took_s: float = 0.0, detail: str = "", is_cached: bool = False
    ) -> None:
        """Adds a response to the health of this hour."""
        async with self._database.connection() as connection:
            await queries.note_answer(
                connection,
                service=self.service,
                status=status,
                latency_ms=took_s * 1000,
                detail=detail,
                is_cached=is_cached,
            )

    def _redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "•••")
        return text


def _withdrawn_key(endpoint: str | None) -> str:
    return f"withdrawn {endpoint}"


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """The surroundings in which a provider's client is opened.

    Takes: base_url; ask, of a Connection to Valkey; contact, an address for providers that want to write to us;
           is_urgent: a person waits; quota, instead of the service's default
    """

    base_url: str
    database: Database
    ask: Ask
    clock: Clock
    contact: str = ""
    is_urgent: bool = False
    quota: Quota | None = None


@cache
def _tls_context() -> ssl.SSLContext:
    """One for all providers: to load the certificates of all authorities takes 20 ms."""
    return httpx.create_ssl_context()


@asynccontextmanager
async def open_provider(
    service: str,
    quota: Quota,
    context: ProviderContext,
    *,
    headers: Mapping[str, str],
    params: Mapping[str, str] | None = None,
    auth: httpx.Auth | None = None,
    classify_failure: ClassifyFailure = lambda _: None,
    secrets: Sequence[str] = (),
    follows_redirects: bool = False,
) -> AsyncIterator[Provider]:
    """Opens a provider, and closes it at the end of the block.

    Takes: follows_redirects, only for a provider without a key, because a redirect would carry the key along
    """
    # A contact may hold characters that a header may not hold; the rest still says who sends the request.
    agent = f"mysetlist/{__version__} ( {context.contact} )".encode("ascii", "ignore").decode()
    named = {"User-Agent": "".join(char for char in agent if char.isprintable())}
    async with httpx.AsyncClient(
        base_url=context.base_url,
        headers=named | dict(headers),
        params=params,
        auth=auth,
        timeout=REQUEST_TIMEOUT_S,
        follow_redirects=follows_redirects,
        verify=_tls_context(),
    ) as http:
        gate = Gate(service, context.quota or quota, context.ask, is_urgent=context.is_urgent)
        yield Provider(http, context.database, gate, context.clock, classify_failure=classify_failure, secrets=secrets)
