"""Error and close codes. docs/errors.md explains each; a test compares the page with this file."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """The reasons for refusals."""

    BAD_REQUEST = "bad_request"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CLOSED = "closed"
    LOCKED = "locked"
    BUDGET = "budget"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    TOO_LARGE = "too_large"
    CONFLICT = "conflict"
    INTERNAL = "internal"


HTTP_STATUS = {
    Code.BAD_REQUEST: 400,
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.CLOSED: 409,
    Code.LOCKED: 409,
    Code.BUDGET: 409,
    Code.CONFLICT: 409,
    Code.TOO_LARGE: 413,
    Code.RATE_LIMITED: 429,
    Code.INTERNAL: 500,
    Code.OVERLOADED: 503,
    Code.UNAVAILABLE: 503,
}

# Close codes. 4000–4399: come back with jitter; 4400 and up: do not.
CLOSE_NORMAL = 1000
CLOSE_GOING_AWAY = 1001
CLOSE_TOO_LARGE = 1009
NO_GOODBYE = 1006  # never sent: the connection ended without a close frame
CLOSE_DRAIN = 4000
CLOSE_SLOW = 4001
CLOSE_STALE = 4002
CLOSE_TOO_MANY = 4003
CLOSE_PROTOCOL = 4400
CLOSE_BAD_TOKEN = 4401
CLOSE_BANNED = 4403
# Every close code that a client may see, with a short reason; aiohttp sends those that stand here as numbers.
CLOSE_REASONS = {
    CLOSE_NORMAL: "done",
    CLOSE_GOING_AWAY: "going away",
    1002: "no websocket frame",
    1007: "not UTF-8",
    CLOSE_TOO_LARGE: "too large",
    CLOSE_DRAIN: "drain",
    CLOSE_SLOW: "slow",
    CLOSE_STALE: "stale",
    CLOSE_TOO_MANY: "too many connections",
    CLOSE_PROTOCOL: "protocol error",
    CLOSE_BAD_TOKEN: "bad token",
    CLOSE_BANNED: "banned",
}

# How the server closes a connection whose identity it refuses: close code and reason, by the code of the refusal.
DISCONNECTS: dict[str, tuple[int, str]] = {
    Code.UNAUTHENTICATED: (CLOSE_BAD_TOKEN, "bad token"),
    Code.FORBIDDEN: (CLOSE_BANNED, "banned"),
    Code.OVERLOADED: (CLOSE_TOO_MANY, "too many connections"),
    Code.RATE_LIMITED: (CLOSE_TOO_MANY, "too many connections"),
}
# The code of the error message before a dismissal, and the reason in the close frame.
DISMISSALS = {
    CLOSE_NORMAL: (Code.UNAUTHENTICATED, "account erased"),
    CLOSE_BAD_TOKEN: (Code.UNAUTHENTICATED, "bad token"),
    CLOSE_BANNED: (Code.FORBIDDEN, "banned"),
}
