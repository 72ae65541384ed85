"""Variables for proxies and certificates: a wrong one is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.errors import SetupError
from server.node.outgoing import check_outgoing

NAMES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_usable_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their values are not shown."""
    assert check_outgoing() == ""
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hush@proxy.example.org:3128")
    monkeypatch.setenv("no_proxy", "localhost, .example.org")
    assert check_outgoing() == "HTTPS_PROXY, no_proxy"


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("ALL_PROXY", "socks5://me:hush@proxy:1080", "ALL_PROXY: a SOCKS proxy needs one more package"),
        ("all_proxy", "hush://proxy", "all_proxy: not the address of a proxy"),
        ("HTTPS_PROXY", "http://hush:port", "HTTPS_PROXY: not the address of a proxy"),
        ("SSL_CERT_FILE", "/nowhere/hush.pem", "SSL_CERT_FILE: no certificates can be read there"),
    ],
)
def test_a_wrong_variable_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str) -> None:
    """It names the variable and not its value, which may hold a password."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SetupError) as caught:
        check_outgoing()
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_file_that_holds_no_certificate_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty or broken bundle is refused too."""
    path = tmp_path / "bundle.pem"
    path.write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(SetupError, match="^SSL_CERT_FILE: no certificates can be read there"):
        check_outgoing()
