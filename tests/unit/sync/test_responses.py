"""Classification of a provider's responses, without a provider."""

from __future__ import annotations

import datetime as dt
from typing import Any

import httpx
import pytest

from server.sync.clients.responses import BUSY_S, WAIT_S_MAX, Response, classify_response

NOW = dt.datetime(2027, 1, 15, 8, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("status", "headers", "body", "has_etag", "expected"),
    [
        (200, {}, b"{}", False, None),
        (404, {}, b"", False, None),
        (304, {}, b"", True, None),
        (304, {}, b"", False, ("refused", None)),
        (429, {"Retry-After": "7"}, b"", False, ("wait", 7.0)),
        (429, {}, b"", False, ("wait", BUSY_S)),
        (503, {"Retry-After": "Fri, 15 Jan 2027 08:00:09 GMT"}, b"", False, ("wait", 9.0)),
        (429, {"Retry-After": "9" * 400}, b"", False, ("wait", WAIT_S_MAX)),
        (429, {"Retry-After": "Fri, 15 Jan 99999999999999999999 08:00:09 GMT"}, b"", False, ("wait", BUSY_S)),
        (503, {"Retry-After": "Fri, 31 Dec 9999 08:00:09 GMT"}, b"", False, ("wait", WAIT_S_MAX)),
        (503, {}, b"", False, ("busy", None)),
        (500, {}, b"", False, ("busy", None)),
        (401, {}, b"", False, ("key", None)),
        (400, {}, b"bad s3cret", False, ("refused", None)),
        (200, {}, b"<html>", False, ("busy", None)),
    ],
)
def test_each_status_has_one_meaning(
    status: int, headers: dict[str, str], body: bytes, has_etag: bool, expected: tuple[str, float | None] | None
) -> None:
    """Good, missing and unchanged responses are no failure; the others say whether to wait, retry or give up."""
    failure = classify_response(
        Response("/", status, httpx.Headers(headers), body), dict[str, Any], has_etag=has_etag, now=NOW,
        redact=lambda text: text.replace("s3cret", "•••"),
    )  # fmt: skip
    assert (failure and (failure.kind, failure.wait_s)) == expected
    assert failure is None or "s3cret" not in failure.reason
