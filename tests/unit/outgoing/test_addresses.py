"""Addresses that others have given: their form, and which of them a node may connect to."""

from __future__ import annotations

import pytest

from server.outgoing.addresses import addresses_of, parse_url, proxy_of
from server.settings import _networks

PRIVATE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8", "169.254.169.254", "168.63.129.16",
    "172.16.0.1", "192.0.0.192", "192.168.1.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1",
    "2001:0:a00:1::", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "4000::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "193.0.6.139", "2a00:1450:4001:80b::200e", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


async def asked(url: str, *found: str, allowed: str = "") -> list[str]:
    """The addresses of a URL whose host resolves to these."""

    async def look_up(host: str, port: int) -> list[str]:
        if not found:
            raise OSError
        return list(found)

    return await addresses_of(parse_url(url), _networks(allowed), look_up, setting="MYSETLIST_X")


@pytest.mark.parametrize("address", PRIVATE)
async def test_no_address_of_a_private_network_is_reached(address: str) -> None:
    """Loopback, private, link-local, multicast, reserved and metadata addresses, also inside IPv6, and beside a public one."""
    for found in ([address], ["8.8.8.8", address]):
        with pytest.raises(ValueError, match="which is no public address"):
            await asked("https://hooks.example.org/", *found)


async def test_public_addresses_are_reached_with_tls_only() -> None:
    """A public address needs https."""
    for address in PUBLIC:
        assert await asked("https://hooks.example.org/", address) == [address]
        with pytest.raises(ValueError, match="must start with https://"):
            await asked("http://hooks.example.org/", address)


async def test_a_setting_allows_networks() -> None:
    """An address in an allowed network is reached, also without TLS and written as IPv6; another one beside it is not."""
    allowed = "10.0.0.0/8, ::1"
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "::1"):
        assert await asked("http://hooks.example.org/", address, allowed=allowed) == [address]
    with pytest.raises(ValueError, match="192.168.1.1, which is no public address"):
        await asked("http://hooks.example.org/", "10.1.2.3", "192.168.1.1", allowed=allowed)
    with pytest.raises(ValueError, match="must start with https://"):
        await asked("http://hooks.example.org/", "10.1.2.3", "8.8.8.8", allowed=allowed)


async def test_a_name_that_does_not_resolve_is_told() -> None:
    """The sentence names it."""
    with pytest.raises(ValueError, match=r"hooks\.example\.org does not resolve"):
        await asked("https://hooks.example.org/")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must start with https://"), ("hooks.example.org", "must start with https://"),
        ("ftp://hooks.example.org", "must start with https://"), ("https:///hook", "must start with https://"),
        ("file:///etc/passwd", "must start with https://"), ("https://", "must start with https://"),
        ("https://me:hush@hooks.example.org/", "has a user"), ("https://hooks.example.org/#here", "a fragment"),
        ("https://hooks.example.org:port/", "is no address"), ("https://[::1/", "is no address"),
        ("https://hooks example.org/", "no name of a host"), ("https://" + "a" * 64 + ".org/", "no name of a host"),
    ],
)  # fmt: skip
def test_a_malformed_url_is_told(text: str, says: str) -> None:
    """Each says what is wrong."""
    with pytest.raises(ValueError, match=says):
        parse_url(text)


def test_a_proxy_that_is_no_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A post then fails with this sentence, and not with an exception that nobody expects."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:port")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY or ALL_PROXY is no address: .*\. Write http://host:port\.$"):
        proxy_of(parse_url("https://hooks.example.org/"))
