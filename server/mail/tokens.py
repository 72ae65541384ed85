"""The tokens of links in emails: each is signed, serves one purpose, and does not reveal whether an address is known.

A token holds the hash of an address, not the address. A link needs only its token, neither a sign-in nor a lookup: the
holder of the token has read the email.
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
# Different from the audience of sessions (people/sessions.py): a link is no sign-in, and a session confirms no address.
_CONFIRM = "mysetlist-confirm-email"
_UNSUBSCRIBE = "mysetlist-unsubscribe"


def exact_hash(address: str) -> bytes:
    """Hashes an address exactly as it is spelled, for its confirmation."""
    return hashlib.sha256(address.encode()).digest()


def mailbox_hash(address: str) -> bytes:
    """Hashes an address without regard to case, to stop emails to it."""
    return exact_hash(address.lower())


def confirmation_token(secret: str, user_id: int, address: str, *, now: datetime) -> str:
    """Creates the token of a confirmation link. For 48 hours it proves that its holder reads the emails to `address`."""
    claims = {
        "sub": str(user_id),
        "hash": exact_hash(address).hex(),
        "aud": _CONFIRM,
        "exp": now + timedelta(seconds=CONFIRMATION_TTL_S),
    }
    return jwt.encode(claims, secret, algorithm="HS256")


def read_confirmation(secret: str, token: str, *, now: datetime) -> tuple[int, bytes] | None:
    """Gives the user and the hash of the address; None: the token has expired.

    Raises: Refused: bad_request, the token is not valid
    """
    claims = _claims(secret, token, _CONFIRM, ["sub", "hash", "exp"])
    user_id = parse_id(claims["sub"])
    expires_s = claims["exp"]
    if user_id is None or not isinstance(expires_s, int):
        raise _invalid_link()
    return (user_id, _hash_of(claims)) if now.timestamp() < expires_s else None


def unsubscribe_token(secret: str, address: str) -> str:
    """Creates the token of an unsubscribe link. It does not expire, so that the link of an old email works."""
    return jwt.encode({"hash": mailbox_hash(address).hex(), "aud": _UNSUBSCRIBE}, secret, algorithm="HS256")


def read_unsubscribe(secret: str, token: str) -> bytes:
    """Gives the hash of the address to unsubscribe.

    Raises: Refused: bad_request
    """
    return _hash_of(_claims(secret, token, _UNSUBSCRIBE, ["hash"]))


def _claims(secret: str, token: str, audience: str, required: list[str]) -> dict[str, Any]:
    try:
        # read_confirmation checks the expiry, with the clock that it is given.
        return jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            audience=audience,
            options={"require": ["aud", *required], "verify_exp": False},
        )
    except (jwt.InvalidTokenError, ValueError):
        # ValueError: the token has a lone surrogate, which cannot be encoded.
        raise _invalid_link() from None


def _hash_of(claims: dict[str, Any]) -> bytes:
    try:
        found = bytes.fromhex(claims["hash"])
    except (TypeError, ValueError):
        raise _invalid_link() from None
    if len(found) != hashlib.sha256().digest_size:
        raise _invalid_link()
    return found


def _invalid_link() -> Refused:
    return Refused(Code.BAD_REQUEST, "This link is not valid. Copy the whole link from the email.")
