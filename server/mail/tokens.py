"""The links in letters: signed, each good for one thing, and silent about whether an address is known.

A token holds a hash and no address. What a link does needs nothing but the token, so no sign-in and no look-up: whoever
holds it has read the letter.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import jwt

from server.errors import Refused
from server.protocol.codes import Code
from server.protocol.ids import parse_id

CONFIRMATION_TTL_S = 48 * 3600
# Not the audience of sessions (people/sessions.py): no link signs anybody in, and no session confirms an address.
_CONFIRM = "mysetlist-confirm-email"
_UNSUBSCRIBE = "mysetlist-unsubscribe"


def exact_hash(address: str) -> bytes:
    """What a confirmation is for: the address as it is spelled."""
    return hashlib.sha256(address.encode()).digest()


def mailbox_hash(address: str) -> bytes:
    """What unsubscribing is for: the address, whatever its case."""
    return exact_hash(address.lower())


def confirmation_token(secret: str, user_id: int, address: str, *, now: datetime) -> str:
    """Proves for 48 hours that whoever holds it reads this user's mail at `address`."""
    claims = {
        "sub": str(user_id),
        "hash": exact_hash(address).hex(),
        "aud": _CONFIRM,
        "exp": now + timedelta(seconds=CONFIRMATION_TTL_S),
    }
    return jwt.encode(claims, secret, algorithm="HS256")


def read_confirmation(secret: str, token: str, *, now: datetime) -> tuple[int, bytes] | None:
    """The user and the hash of the address; None: it was good once.

    Raises: Refused: bad_request, it never was
    """
    claims = _claims(secret, token, _CONFIRM, ["sub", "hash", "exp"])
    user_id = parse_id(claims["sub"])
    expires_s = claims["exp"]
    if user_id is None or not isinstance(expires_s, int):
        raise _refusal()
    return (user_id, _hash_of(claims)) if now.timestamp() < expires_s else None


def unsubscribe_token(secret: str, address: str) -> str:
    """Good for ever: an old letter must be a way out too."""
    return jwt.encode({"hash": mailbox_hash(address).hex(), "aud": _UNSUBSCRIBE}, secret, algorithm="HS256")


def read_unsubscribe(secret: str, token: str) -> bytes:
    """The hash of the address that wants no more letters.

    Raises: Refused: bad_request
    """
    return _hash_of(_claims(secret, token, _UNSUBSCRIBE, ["hash"]))


def _claims(secret: str, token: str, audience: str, required: list[str]) -> dict[str, Any]:
    try:
        # When it expires is for read_confirmation, on the clock it is given.
        return jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            audience=audience,
            options={"require": ["aud", *required], "verify_exp": False},
        )
    except (jwt.InvalidTokenError, ValueError):
        # ValueError: a lone surrogate.
        raise _refusal() from None


def _hash_of(claims: dict[str, Any]) -> bytes:
    try:
        found = bytes.fromhex(claims["hash"])
    except (TypeError, ValueError):
        raise _refusal() from None
    if len(found) != hashlib.sha256().digest_size:
        raise _refusal()
    return found


def _refusal() -> Refused:
    return Refused(Code.BAD_REQUEST, "This link is not good. Take it from the letter as it stands.")
