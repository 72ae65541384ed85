"""The address of a client behind proxies: the headers of trusted proxies are believed, no others."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# RFC 7239: for=192.0.2.60, for="[2001:db8::1]:4711"; other parameters may stand beside it.
_FORWARDED_FOR = re.compile(r"""(?:^|;)\s*for\s*=\s*"?([^";]+)""", re.IGNORECASE)
_FORWARDED_PROTO = re.compile(r"""(?:^|;)\s*proto\s*=\s*"?([a-z]+)""", re.IGNORECASE)
_IPV6_PREFIX_BITS = 64  # the network of one household or one phone


def client_address(
    peer: str | None, forwarded_for: Sequence[str], forwarded: Sequence[str], trusted: Sequence[Network]
) -> str:
    """The address that a limit counts: an IPv4 address, or the /64 that an IPv6 address lies in.

    Each trusted proxy appends the address of its own peer to the header, so the header is read from its end. The first
    address that is not a trusted proxy is the client's; the client may have made up those further to the left.

    Takes: peer, of the connection; forwarded_for and forwarded, the headers X-Forwarded-For and Forwarded, if any;
           Forwarded is read only without X-Forwarded-For
    Gives: "" if the peer has no address
    """
    address = _parsed(peer or "")
    if address is None:
        return ""
    listed = [item for header in forwarded_for for item in header.split(",")]
    if not listed:
        listed = [_forwarded_item(item) for header in forwarded for item in header.split(",")]
    while listed and any(address in network for network in trusted):
        before = _parsed(listed.pop())
        if before is None:
            break
        address = before
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((int(address), _IPV6_PREFIX_BITS), strict=False))


def client_is_secure(
    peer: str | None, forwarded_proto: Sequence[str], forwarded: Sequence[str], trusted: Sequence[Network]
) -> bool:
    """Whether a trusted proxy says that its client uses TLS.

    Takes: as client_address, with the header X-Forwarded-Proto. Of several proxies in a row the outermost counts, which is
           the first in the header: each of them is trusted, or the client could not have set the header.
    """
    if not (forwarded_proto or forwarded) or not is_trusted(peer, trusted):
        return False
    listed = [item for header in forwarded_proto for item in header.split(",")]
    if not listed:
        found = [_FORWARDED_PROTO.search(item) for header in forwarded for item in header.split(",")]
        listed = [match[1] for match in found if match]
    return bool(listed) and listed[0].strip().lower() == "https"


def is_trusted(peer: str | None, trusted: Sequence[Network]) -> bool:
    """Whether a connection comes from a trusted proxy."""
    address = _parsed(peer or "")
    return address is not None and any(address in network for network in trusted)


def place_of(peer: str | None) -> tuple[str, bool]:
    """Where a connection comes from, for logs: an address in a private network, or the network around any other one.

    Gives: the place, empty if the peer has no address; whether it is in a private network
    """
    address = _parsed(peer or "")
    if address is None:
        return "", False
    if address.is_private:
        return str(address), True
    return network_of(client_address(peer, (), (), ())), False


def network_of(address: str) -> str:
    """The network around a `client_address`, /24 or /48: it names an internet provider, but no person."""
    if not address:
        return ""
    network = ipaddress.ip_network(address)
    return str(network.supernet(new_prefix=24 if network.version == 4 else 48))


def _forwarded_item(item: str) -> str:
    found = _FORWARDED_FOR.search(item)
    return found[1] if found else ""


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    text = text.strip().strip('"')
    if text.startswith("["):  # [2001:db8::1]:4711
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 192.0.2.60:4711
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
