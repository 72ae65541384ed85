"""Addresses that others have given: none may lead into a private network, unless a setting allows this network.

An address is checked when somebody enters it, and again before a connection: its name may resolve to another address by then (DNS
rebinding). The connection goes to exactly the addresses that were checked. A proxy resolves the name by itself: then only the addresses
that are known here are checked, and the proxy has to limit what it reaches.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from urllib.request import getproxies, proxy_bypass

import httpx

from server.protocol.http.addresses import Network

URL_CHARS_MAX = 2_000

# Takes a host and a port, gives its addresses. Raises: OSError.
LookUp = Callable[[str, int], Awaitable[list[str]]]
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# A machine behind a proxy often resolves no name outside, and may take long to find out.
_LOOK_UP_BEHIND_PROXY_S = 2.0
# Names that only an inner network resolves (RFC 6761, 6762, 8375, and ICANN's `internal`). A name without a dot is one too.
_INNER = ("localhost", "local", "internal", "home.arpa")

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*{_LABEL}\.?|[0-9a-f:.]+:[0-9a-f:.]*")
_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits
# Public by their numbers, but the machine's own cloud answers there: metadata of Azure, and of others in 192.0.0.0/24.
_METADATA = (ipaddress.IPv4Network("168.63.129.16/32"), ipaddress.IPv4Network("192.0.0.0/24"))


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host by the machine's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def parse_url(text: str) -> httpx.URL:
    """The address of a webhook, of the right form.

    Raises: ValueError: a sentence that says what is wrong with it
    """
    try:
        url = httpx.URL(text)
        host = url.host
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ValueError(f"`url` is no address ({error}). Write it as in https://example.org/hook.") from None
    if url.scheme not in ("https", "http") or not host:
        raise ValueError("`url` must start with https:// and name a host, as in https://example.org/hook.")
    if not _HOST.fullmatch(url.raw_host.decode()):
        raise ValueError(f"{host[:80]!r} in `url` is no name of a host. Write it as in https://example.org/hook.")
    if url.userinfo or url.fragment:
        raise ValueError("`url` has a user, a password or a fragment. Leave it out: the signature proves who sends.")
    return url


def proxy_of(url: httpx.URL) -> httpx.URL | None:
    """The proxy for an address outside the allowed networks: that of HTTPS_PROXY or ALL_PROXY; None: no proxy, NO_PROXY names the host,
    or the address is not HTTPS.

    Raises: ValueError: the variable is no address
    """
    proxies = getproxies()
    proxy = proxies.get("https") or proxies.get("all")
    if proxy is None or url.scheme != "https" or proxy_bypass(url.host):
        return None
    try:
        return httpx.URL(proxy if "://" in proxy else f"http://{proxy}")
    except httpx.InvalidURL as error:
        raise ValueError(f"HTTPS_PROXY or ALL_PROXY is no address: {error}. Write http://host:port.") from error


async def addresses_of(
    url: httpx.URL, allowed: Sequence[Network], look_up: LookUp, *, setting: str, by_proxy: bool = False
) -> list[str]:
    """The checked addresses of a webhook, all of them allowed; empty: the proxy resolves the name and connects.

    Takes:  allowed, private networks that may be reached, also without TLS, and without a proxy; setting, the variable that allows them
    Raises: ValueError: a sentence that says why not
    """
    host = url.host
    try:
        # The host in ASCII. A number such as 0x7f000001 or 127.1 is resolved too, so every form of an address is seen here.
        async with asyncio.timeout(_LOOK_UP_BEHIND_PROXY_S if by_proxy else None):
            found = await look_up(url.raw_host.decode(), url.port or (443 if url.scheme == "https" else 80))
    except (OSError, UnicodeError):  # also the timeout
        found = []
    if not found:
        if not by_proxy:
            raise ValueError(f"The name {host} does not resolve. Check `url`.")
        if _is_inner(host):
            raise ValueError(f"{host} is a name of an inner network, and does not resolve. Give another `url`.")
    is_own = bool(found)
    for text in found:
        address = _unmapped(ipaddress.ip_address(text))
        if any(address in network for network in allowed):
            continue
        is_own = False
        if not _is_public(address):
            raise ValueError(
                f"{host} leads to {address}, which is no public address. Give another `url`. Whoever runs the servers can allow a network"
                f" of their own: {setting}."
            )
        if url.scheme == "http":
            raise ValueError(f"`url` must start with https://. Only networks in {setting} are reached without TLS.")
    return [] if by_proxy and not is_own else found


def _is_inner(host: str) -> bool:
    name = host.rstrip(".").lower()
    return "." not in name or name.endswith(tuple(f".{inner}" for inner in _INNER))


def _is_public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address in _NAT64:
        address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    for one in (address, *_embedded(address)):
        if not one.is_global or one.is_multicast or any(one in network for network in _METADATA):
            return False
        if one.version == 6 and one not in _UNICAST:
            return False
    return True


def _embedded(address: _Address) -> Iterator[_Address]:
    """The IPv4 addresses to which a router may take packets for this one: 6to4 and Teredo."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.sixtofour is not None:
            yield address.sixtofour
        yield from address.teredo or ()


def _unmapped(address: _Address) -> _Address:
    """::ffff:192.0.2.1 is 192.0.2.1."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
