"""Answers errors with problem documents (RFC 9457)."""

from __future__ import annotations

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from server.errors import CacheError, Refused, StoreError
from server.protocol.codes import HTTP_STATUS, Code

log = structlog.get_logger()

# The codes of aiohttp's own errors; any other status of a client's error is `bad_request`.
_CODES = {status: code for code, status in HTTP_STATUS.items() if status in (400, 401, 403, 404, 413)}
# Nobody reads this answer: the client has gone. nginx counts such requests with the same number.
CLIENT_GONE = 499


def problem(error: Refused, status: int | None = None) -> web.Response:
    """An error as `application/problem+json` (RFC 9457) with our `code`."""
    status = status or HTTP_STATUS[Code(error.code)]
    body = {
        "type": "about:blank",
        "title": str(error.code).replace("_", " ").capitalize(),
        "status": status,
        "detail": error.message,
        "code": error.code,
    }
    headers = {"Cache-Control": "no-store"}
    if error.retry_after_ms is not None:
        body["retry_after_ms"] = error.retry_after_ms
        headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/problem+json", headers=headers
    )


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers every expected error with a problem document. Any other error is a bug, logged and answered `internal`."""
    try:
        return await handler(request)
    except Refused as error:
        return problem(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        refused = Refused(_CODES.get(error.status, Code.BAD_REQUEST), f"{error.reason}.")
        answer = problem(refused, error.status)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except (StoreError, CacheError) as error:
        log.warning("request.unavailable", path=_route(request), error=str(error))
        return problem(
            Refused(Code.UNAVAILABLE, "This is unavailable for a moment. Try again in a second.", retry_after_ms=1_000)
        )
    except Exception as error:
        if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            return web.Response(status=CLIENT_GONE)
        # Not swallowed: the traceback is in the log, and the client must not see it.
        log.exception("request.failed", method=request.method, path=_route(request))
        return problem(Refused(Code.INTERNAL, "The server has a fault. It is logged under the request's id."))


def _route(request: web.Request) -> str:
    """The path as the route declares it, without ids: the log of a failed erasure must not name a user."""
    resource = request.match_info.route.resource
    return request.path if resource is None else resource.canonical
