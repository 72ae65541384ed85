"""The origins of pages that may use a visitor's cookie."""

from __future__ import annotations

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from server.web.origins import check_origins

OWN = "fans.example:8080"


async def answer_to(method: str, path: str, **headers: str) -> web.StreamResponse:
    """The answer to a request with these headers."""

    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=204)

    check = check_origins(("https://partner.example",), {"band.example"}.__contains__)
    with capture_logs():
        return await check(make_mocked_request(method, path, headers=headers), handler)


async def status_of(method: str, path: str, origin: str | None, *, host: str = OWN) -> int:
    """The status of a request from a page of `origin`."""
    headers = {"Host": host} | ({} if origin is None else {"Origin": origin})
    return (await answer_to(method, path, **headers)).status


@pytest.mark.parametrize(
    ("origin", "is_welcome"),
    [
        (None, True),
        (f"http://{OWN}", True),
        (f"https://{OWN}", True),
        ("https://FANS.example:8080", True),
        ("https://band.example", True),
        ("https://band.example:81", False),
        ("https://partner.example", True),
        ("https://partner.example:443", True),
        ("https://PARTNER.example", True),
        ("https://partner.example:80", False),
        ("http://partner.example", False),
        ("https://partner.example:444", False),
        ("https://evil.example", False),
        ("https://fans.example:8081", False),
        ("https://fans.example", False),
        (f"https://evil.example/{OWN}", False),
        (f"https://{OWN}.evil.example", False),
        (f"https://evil.example@{OWN}", False),
        (f"ftp://{OWN}", False),
        (OWN, False),
        ("null", False),
        ("", False),
        ("https://", False),
        ("http://[", False),
    ],
)
async def test_origins_that_may_use_a_visitors_cookie(origin: str | None, is_welcome: bool) -> None:
    """None, the server's own, and those of the settings; checked on unsafe methods and on the socket."""
    status = 204 if is_welcome else 403
    for method, path in (("POST", "/api/session"), ("DELETE", "/api/session"), ("PUT", "/x"), ("GET", "/ws")):
        assert await status_of(method, path, origin) == status
    for method in ("GET", "HEAD", "OPTIONS"):
        assert await status_of(method, "/api/shows", origin) == 204


@pytest.mark.parametrize(
    ("origin", "host", "is_own"),
    [
        ("https://fans.example", "fans.example:443", True),
        ("https://fans.example:443", "fans.example", True),
        ("http://fans.example:80", "fans.example", True),
        ("https://fans.example", "FANS.example:80", True),  # the proxy speaks TLS, and the node does not
        ("https://[2001:db8::1]", "[2001:db8::1]:443", True),
        ("https://[2001:db8::80]", "[2001:db8::]", False),
        ("https://fans.example", "fans.example:8443", False),
        ("https://fans.example:8080", "fans.example:80", False),
    ],
)
async def test_a_default_port_equals_none(origin: str, host: str, is_own: bool) -> None:
    """Browsers leave a default port out of Origin, and proxies may add it to Host."""
    assert await status_of("POST", "/api/session", origin, host=host) == (204 if is_own else 403)


async def test_a_proxy_that_changes_host_is_told_the_setting() -> None:
    """The answer and the log have both names and the setting; a page reads it from a plain GET of the socket's path."""
    for method, path, headers in (
        ("POST", "/api/session", {"Origin": "https://fans.example"}),
        ("GET", "/ws", {"Origin": "https://fans.example"}),
        ("GET", "/ws", {"Referer": "https://fans.example/shows/7"}),
    ):
        answer = await answer_to(method, path, Host="10.0.0.7:8080", **headers)
        assert isinstance(answer, web.Response)
        assert answer.status == 403
        detail = json.loads(bytes(answer.body))["detail"]  # type: ignore[arg-type]
        for words in ("https://fans.example,", "10.0.0.7:8080", "MYSETLIST_ORIGINS=https://fans.example,"):
            assert words in detail
    assert (await answer_to("GET", "/ws", Host="fans.example", Referer="https://fans.example/shows/7")).status == 204
    with capture_logs() as records:
        check = check_origins((), lambda _: False)
        request = make_mocked_request("POST", "/x", headers={"Host": "10.0.0.7:8080", "Origin": "https://fans.example"})
        await check(request, lambda _: None)  # type: ignore[arg-type, return-value]
    (record,) = records
    assert (record["event"], record["origin"], record["host"]) == (
        "origin.refused", "https://fans.example", "10.0.0.7:8080",
    )  # fmt: skip
