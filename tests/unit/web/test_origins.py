"""HTTP around the rooms: errors as problems, and which pages may use a visitor's cookie."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from server.errors import CacheUnavailable, Refused, StoreConflict, StoreUnavailable
from server.protocol.codes import HTTP_STATUS, Code
from server.web.errors import answer_errors, problem
from server.web.origins import check_origins


def body_of(response: web.StreamResponse) -> dict[str, Any]:
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = json.loads(response.body)
    return body


async def answered(error: Exception) -> web.StreamResponse:
    """What a client gets when its handler raises this."""

    async def handler(_: web.Request) -> web.StreamResponse:
        raise error

    return await answer_errors(make_mocked_request("GET", "/api/x"), handler)


@pytest.mark.parametrize("code", list(Code))
async def test_a_refusal_is_a_problem(code: Code) -> None:
    """Every code with its status; the hint when to come back in the body and, rounded up, in the header."""
    response = await answered(Refused(code, "Because.", retry_after_ms=1_001))
    assert response.status == HTTP_STATUS[code]
    assert body_of(response) == {
        "type": "about:blank",
        "title": code.replace("_", " ").capitalize(),
        "status": HTTP_STATUS[code],
        "detail": "Because.",
        "code": code,
        "retry_after_ms": 1_001,
    }
    assert response.headers["Retry-After"] == "2"
    assert "Retry-After" not in problem(Refused(code, "Because.")).headers


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (web.HTTPNotFound(), 404, "not_found"),
        (web.HTTPMethodNotAllowed("PUT", ["GET", "POST"]), 405, "bad_request"),
        (web.HTTPRequestEntityTooLarge(1, 2), 413, "too_large"),
        (web.HTTPBadRequest(), 400, "bad_request"),
        (web.HTTPUnsupportedMediaType(), 415, "bad_request"),
        (StoreUnavailable("secret-host: away"), 503, "unavailable"),
        (CacheUnavailable("secret-host: away"), 503, "unavailable"),
    ],
)
async def test_other_errors_are_problems_too(error: Exception, status: int, code: str) -> None:
    """The framework's and the engines' errors get a code of ours, and say nothing about our insides."""
    with capture_logs() as entries:
        response = await answered(error)
    body = body_of(response)
    assert (response.status, body["status"], body["code"]) == (status, status, code)
    assert "secret" not in json.dumps(body)
    assert [entry for entry in entries if entry["log_level"] == "error"] == []
    if status == 405:
        assert response.headers["Allow"] == "GET,POST"


async def test_a_bug_is_logged_and_hidden() -> None:
    """The traceback is in the log, once; the client hears `internal` and nothing else."""
    with capture_logs() as entries:
        response = await answered(RuntimeError("secret"))
    assert (response.status, body_of(response)["code"]) == (500, "internal")
    assert "secret" not in json.dumps(body_of(response))
    (entry,) = entries
    assert (entry["event"], entry["log_level"], bool(entry["exc_info"])) == ("request.failed", "error", True)


async def test_a_conflict_nobody_expected_is_not_the_clients_fault() -> None:
    """An untranslated constraint is answered as unavailable, not as something the client did."""
    with capture_logs():
        response = await answered(StoreConflict("duplicate key", "users_pkey"))
    assert body_of(response)["code"] in ("unavailable", "conflict")


async def test_redirects_pass() -> None:
    """What is no error is no problem."""
    with pytest.raises(web.HTTPFound):
        await answered(web.HTTPFound("/"))


OWN = "fans.example:8080"


async def status_of(method: str, path: str, origin: str | None, *, host: str = OWN) -> int:
    """What a request from a page of `origin` is answered."""

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
async def test_who_may_use_a_visitors_cookie(origin: str | None, is_welcome: bool) -> None:
    """Programs, our own pages and those we were told about; on everything that changes something, and on the socket."""
    status = 204 if is_welcome else 403
    for method, path in (("POST", "/api/session"), ("DELETE", "/api/session"), ("PUT", "/x"), ("GET", "/ws")):
        assert await status_of(method, path, origin) == status
    for method in ("GET", "HEAD", "OPTIONS"):
        assert await status_of(method, "/api/shows", origin) == 204
