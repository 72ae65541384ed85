"""The origins of pages that may use a visitor's cookie."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from server.web.origins import check_origins

OWN = "fans.example:8080"


async def status_of(method: str, path: str, origin: str | None, *, host: str = OWN) -> int:
    """The status of a request from a page of `origin`."""

    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=204)

    headers = {"Host": host} | ({} if origin is None else {"Origin": origin})
    check = check_origins(("https://partner.example",))
    with capture_logs():
        return (await check(make_mocked_request(method, path, headers=headers), handler)).status


@pytest.mark.parametrize(
    ("origin", "is_welcome"),
    [
        (None, True),
        (f"http://{OWN}", True),
        (f"https://{OWN}", True),
        ("https://FANS.example:8080", True),
        ("https://partner.example", True),
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
