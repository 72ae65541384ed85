"""The address of a request, with and without proxies."""

from __future__ import annotations

import ipaddress

import pytest

from server.protocol.http.addresses import client_address, network_of

TRUSTED = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "127.0.0.1/32", "fd00::/8")))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),  # not a trusted proxy: its header is ignored
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["192.0.2.9, 198.51.100.1"], "198.51.100.1"),  # further left may be made up
        ("127.0.0.1", ["192.0.2.9", "198.51.100.1 , 10.1.2.3"], "198.51.100.1"),  # two trusted proxies, two headers
        ("127.0.0.1", ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ("127.0.0.1", ["rubbish"], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("127.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("fd00::1", ["[2001:db8:1:2:3:4:5:6]:4711"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", [], "2001:db8:1:2::/64"),  # the same household
        ("::ffff:203.0.113.7", [], "203.0.113.7"),
        ("::ffff:127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fe80::1%eth0", [], "fe80::/64"),
        (None, ["198.51.100.1"], ""),
    ],
)
def test_the_address_of_a_request(peer: str | None, forwarded_for: list[str], address: str) -> None:
    """The first untrusted hop, counted from the server; an IPv6 address is its /64."""
    assert client_address(peer, forwarded_for, [], TRUSTED) == address


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("for=198.51.100.1", "198.51.100.1"),
        ('For="[2001:db8:1:2::9]:4711";proto=https;by=203.0.113.43', "2001:db8:1:2::/64"),
        ("for=192.0.2.43, proto=http;for=198.51.100.17", "198.51.100.17"),
        ("for=unknown", "127.0.0.1"),
        ("proto=https", "127.0.0.1"),
    ],
)
def test_the_standard_header(forwarded: str, address: str) -> None:
    """`Forwarded` (RFC 7239) counts only without the older header."""
    assert client_address("127.0.0.1", [], [forwarded], TRUSTED) == address
    assert client_address("127.0.0.1", ["192.0.2.1"], [forwarded], TRUSTED) == "192.0.2.1"
    assert client_address("203.0.113.7", [], [forwarded], TRUSTED) == "203.0.113.7"


def test_a_network_hides_the_address() -> None:
    """Staff sees the /24 or /48 around an address, and nothing where there is none."""
    assert network_of("203.0.113.7") == "203.0.113.0/24"
    assert network_of("2001:db8:1:2::/64") == "2001:db8:1::/48"
    assert network_of("") == ""
