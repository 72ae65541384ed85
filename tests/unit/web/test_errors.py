"""Errors as problem documents."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientConnectionResetError, web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from server.errors import CacheUnavailable, Refused, StoreConflict, StoreUnavailable
from server.protocol.codes import HTTP_STATUS, Code
from server.web.errors import CLIENT_GONE, answer_errors, problem


def body_of(response: web.StreamResponse) -> dict[str, Any]:
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = json.loads(response.body)
    return body


async def answered(error: Exception) -> web.StreamResponse:
    """The answer to a client whose handler raises this."""

    async def handler(_: web.Request) -> web.StreamResponse:
        raise error

    return await answer_errors(make_mocked_request("GET", "/api/x"), handler)


@pytest.mark.parametrize("code", list(Code))
async def test_a_refusal_is_a_problem(code: Code) -> None:
    """Every code with its status; the time to wait in the body and, rounded up to seconds, in the header."""
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
    """Errors of the framework and of engines get a code, and their own texts are not sent."""
    with capture_logs() as entries:
        response = await answered(error)
    body = body_of(response)
    assert (response.status, body["status"], body["code"]) == (status, status, code)
    assert "secret" not in json.dumps(body)
    assert [entry for entry in entries if entry["log_level"] == "error"] == []
    if status == 405:
        assert response.headers["Allow"] == "GET,POST"


async def test_a_bug_is_logged_and_hidden() -> None:
    """The traceback is in the log, once; the client gets `internal` and nothing else."""
    with capture_logs() as entries:
        response = await answered(RuntimeError("secret"))
    assert (response.status, body_of(response)["code"]) == (500, "internal")
    assert "secret" not in json.dumps(body_of(response))
    (entry,) = entries
    assert (entry["event"], entry["log_level"], bool(entry["exc_info"])) == ("request.failed", "error", True)


@pytest.mark.parametrize(("is_gone", "status", "logged"), [(True, CLIENT_GONE, 0), (False, 500, 1)])
async def test_a_client_that_goes_is_no_fault(is_gone: bool, status: int, logged: int) -> None:
    """What cannot be written to a closed connection is not logged as a fault; the same error with an open one is."""

    async def handler(_: web.Request) -> web.StreamResponse:
        raise ClientConnectionResetError("Cannot write to closing transport")

    transport = Mock()
    transport.is_closing.return_value = is_gone
    request = make_mocked_request("GET", "/ws", transport=transport)
    with capture_logs() as entries:
        response = await answer_errors(request, handler)
    assert (response.status, len(entries)) == (status, logged)


async def test_an_unexpected_conflict_is_not_the_clients_fault() -> None:
    """A constraint that no handler translated is answered as unavailable."""
    with capture_logs():
        response = await answered(StoreConflict("duplicate key", "users_pkey"))
    assert body_of(response)["code"] in ("unavailable", "conflict")


async def test_redirects_pass() -> None:
    """A redirect is not turned into a problem."""
    with pytest.raises(web.HTTPFound):
        await answered(web.HTTPFound("/"))
