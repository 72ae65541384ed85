"""Posts to an address that somebody has given: checks the address, follows no redirect, and does not use the body of the answer."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache

import httpx

from server import __version__
from server.outgoing.addresses import LookUp, addresses_of, look_up, parse_url, proxy_of
from server.protocol.http.addresses import Network

TIMEOUT_S = 15.0
CONNECT_TIMEOUT_S = 5.0
ADDRESSES_TRIED_MAX = 3
ERROR_CHARS_MAX = 300
# For a poster that keeps connections.
HOSTS_MAX = 50
# The pool of httpx looks at all connections and all waiting requests for each request, so it gets few of both.
CONNECTIONS_OF_HOST_MAX = 16
CHECKED_FOR_S = 60.0
ANSWER_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Posted:
    """The result of a post. Takes: status, of the answer, None: there was none; error, a sentence, empty: the receiver took the post;
    retry_after_s, the pause that the receiver asks for, 0: it asks for none.
    """

    status: int | None
    took_ms: int
    error: str
    retry_after_s: float = 0.0

    @property
    def is_gone(self) -> bool:
        """Whether the receiver says that it wants no more."""
        return self.status == httpx.codes.GONE


@dataclass(slots=True)
class _Host:
    """The connections to one host. Takes: addresses, as checked at checked_s; empty: a proxy connects."""

    http: httpx.AsyncClient
    addresses: list[str]
    checked_s: float
    used_s: float = 0.0
    in_flight: int = 0  # with those that wait for their turn
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS_OF_HOST_MAX))


class CheckedPoster:
    """Posts bytes.

    Takes: allowed, private networks that may be reached, also without TLS; setting, the variable that allows them; look_up, resolves a
           host; keeps_connections, whether a connection to a host is used again: for many posts to few hosts
    """

    def __init__(
        self,
        allowed: Sequence[Network],
        *,
        setting: str,
        look_up: LookUp = look_up,
        timeout_s: float = TIMEOUT_S,
        keeps_connections: bool = False,
    ) -> None:
        self._allowed = allowed
        self._setting = setting
        self._look_up = look_up
        self._timeout_s = timeout_s
        self._keeps_connections = keeps_connections
        self._hosts: dict[tuple[str, bool], _Host] = {}

    async def check(self, text: str) -> None:
        """Checks a new address.

        Raises: ValueError: a sentence that says why it cannot be used
        """
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                url = parse_url(text)
                await self._addresses_of(url)
        except TimeoutError:
            raise ValueError("The name in `url` does not resolve in time. Try again.") from None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        """Posts once. It raises nothing: the result tells of a failure."""
        status, error, retry_after_s = None, "", 0.0
        started_s = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._post(parse_url(url), body, headers)
        except (TimeoutError, httpx.TimeoutException):
            error = f"No answer within {self._timeout_s:g} s."
        except ValueError as refusal:
            error = str(refusal)
        except httpx.HTTPError as failure:
            error = f"No connection: {str(failure) or type(failure).__name__}."
        else:
            status, retry_after_s = response.status_code, _retry_after_s(response)
            if not response.is_success:
                redirected = " Redirects are not followed." if response.is_redirect else ""
                error = f"It answered {status}.{redirected}"
        return Posted(status, round((time.monotonic() - started_s) * 1000), error[:ERROR_CHARS_MAX], retry_after_s)

    async def close(self) -> None:
        """Closes all connections."""
        while self._hosts:
            await self._hosts.popitem()[1].http.aclose()

    async def _post(self, url: httpx.URL, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        async with self._reached(url) as host:
            if not host.addresses:
                try:
                    return await self._send(host, host.http.build_request("POST", url, content=body, headers=headers))
                except (httpx.ProxyError, httpx.ConnectError) as error:
                    raise ValueError(f"No connection through the proxy of HTTPS_PROXY: {error}.") from error
            tried = host.addresses[:ADDRESSES_TRIED_MAX]
            for address in tried:
                # The connection goes to the address that was checked; the certificate is still that of the name.
                request = host.http.build_request(
                    "POST",
                    url.copy_with(host=address),
                    content=body,
                    headers={**headers, "Host": url.netloc.decode()},
                    extensions={"sni_hostname": url.raw_host.decode()},
                )
                try:
                    return await self._send(host, request)
                except (httpx.ConnectError, httpx.ConnectTimeout):
                    if address == tried[-1]:
                        raise
        raise AssertionError("a host has an address")

    async def _send(self, host: _Host, request: httpx.Request) -> httpx.Response:
        response = await host.http.send(request, stream=True)
        try:
            if self._keeps_connections:
                # Only a connection whose answer was read whole can be used again.
                read_bytes = 0
                async for piece in response.aiter_raw():
                    read_bytes += len(piece)
                    if read_bytes > ANSWER_BYTES_MAX:
                        break
        finally:
            await response.aclose()
        return response

    @asynccontextmanager
    async def _reached(self, url: httpx.URL) -> AsyncIterator[_Host]:
        """The connections to the host of an address. A connection belongs to a name and an address, but the pool of httpx knows only the
        address. So each host has a pool of its own.
        """
        if not self._keeps_connections:
            addresses = await self._addresses_of(url)
            async with self._client(None if addresses else proxy_of(url)) as http:
                yield _Host(http, addresses, 0.0)
            return
        host = await self._kept_host(url)
        host.in_flight += 1
        try:
            await self._close_idle()
            async with host.turns:
                yield host
        finally:
            host.in_flight -= 1
            host.used_s = time.monotonic()

    async def _kept_host(self, url: httpx.URL) -> _Host:
        name = f"{url.scheme}://{url.netloc.decode()}"
        for key in ((name, True), (name, False)):
            if (known := self._hosts.get(key)) is not None and time.monotonic() - known.checked_s < CHECKED_FOR_S:
                return known
        addresses = await self._addresses_of(url)
        key = (name, bool(addresses))
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = _Host(self._client(None if addresses else proxy_of(url)), addresses, 0.0)
        host.addresses, host.checked_s = addresses, time.monotonic()
        return host

    async def _close_idle(self) -> None:
        """Closes the connections that were used the longest ago, when there are too many hosts."""
        surplus_count = len(self._hosts) - HOSTS_MAX
        if surplus_count <= 0:
            return
        idle = [(key, host) for key, host in self._hosts.items() if not host.in_flight]
        surplus = sorted(idle, key=lambda item: item[1].used_s)[:surplus_count]
        for key, _ in surplus:
            del self._hosts[key]
        for _, host in surplus:
            await host.http.aclose()

    async def _addresses_of(self, url: httpx.URL) -> list[str]:
        return await addresses_of(
            url, self._allowed, self._look_up, setting=self._setting, by_proxy=proxy_of(url) is not None
        )

    def _client(self, proxy: httpx.URL | None) -> httpx.AsyncClient:
        # The check of the addresses has decided whether a proxy is used. The client must not decide it again.
        kept = CONNECTIONS_OF_HOST_MAX if self._keeps_connections else 0
        return httpx.AsyncClient(
            headers={"User-Agent": f"mysetlist/{__version__}"},
            timeout=httpx.Timeout(self._timeout_s, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_keepalive_connections=kept, max_connections=kept or None, keepalive_expiry=30.0),
            verify=_tls_context(),
            trust_env=False,
            proxy=proxy,
        )


def _retry_after_s(response: httpx.Response) -> float:
    """The seconds of the header Retry-After; a date there is not understood."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0.0


@cache
def _tls_context() -> ssl.SSLContext:
    """One for all posters: to load the certificates of all authorities takes 20 ms."""
    return httpx.create_ssl_context()
