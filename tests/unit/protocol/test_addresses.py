"""Whose address a request has, proxies or not."""

from __future__ import annotations

import ipaddress

import pytest

from server.protocol.http.addresses import client_address, network_of

TRUSTED = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "127.0.0.1/32", "fd00::/8")))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),  # no proxy of ours: not believed
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
def test_where_a_request_comes_from(peer: str | None, forwarded_for: list[str], address: str) -> None:
    """The first hop that is not trusted, counted from here; an IPv6 address is its /64."""
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
    """`Forwarded` (RFC 7239) says the same when the older header is not there, and is not asked when it is."""
    assert client_address("127.0.0.1", [], [forwarded], TRUSTED) == address
    assert client_address("127.0.0.1", ["192.0.2.1"], [forwarded], TRUSTED) == "192.0.2.1"
    assert client_address("203.0.113.7", [], [forwarded], TRUSTED) == "203.0.113.7"


def test_a_network_names_nobody() -> None:
    """What staff see of an address is the /24 or /48 it lies in, and nothing where there is none."""
    assert network_of("203.0.113.7") == "203.0.113.0/24"
    assert network_of("2001:db8:1:2::/64") == "2001:db8:1::/48"
    assert network_of("") == ""
