"""The tokens of links in emails: each serves one purpose, and no other token serves it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from server.errors import Refused
from server.mail.tokens import (
    confirmation_token,
    exact_hash,
    mailbox_hash,
    read_confirmation,
    read_unsubscribe,
    unsubscribe_token,
)
from server.people.sessions import mint_token, verify_token

NOW = datetime(2026, 11, 23, 4, 8, 40, tzinfo=UTC)
SECRET = "0123456789abcdef" * 4
OTHER_SECRET = "fedcba9876543210" * 4
ADDRESS = "Fan@Example.org"


def confirmed(token: str) -> Any:
    return read_confirmation(SECRET, token, now=NOW)


def unsubscribed(token: str) -> Any:
    return read_unsubscribe(SECRET, token)


def forged(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, SECRET, algorithm="HS256")


def test_a_confirmation_has_the_user_and_the_exact_address() -> None:
    """It is valid for 48 hours."""
    token = confirmation_token(SECRET, 7, ADDRESS, now=NOW)
    assert confirmed(token) == (7, exact_hash(ADDRESS))
    assert read_confirmation(SECRET, token, now=NOW + timedelta(hours=48)) is None


def test_unsubscribing_ignores_the_case_of_the_address() -> None:
    """The hash of the token is that of the lower-case address."""
    assert unsubscribed(unsubscribe_token(SECRET, ADDRESS)) == mailbox_hash("fan@EXAMPLE.org")


def test_no_token_contains_an_address() -> None:
    """The decoded claims have only a hash."""
    for token in (confirmation_token(SECRET, 7, ADDRESS, now=NOW), unsubscribe_token(SECRET, ADDRESS)):
        claims = jwt.decode(token, options={"verify_signature": False})
        assert "example" not in str(claims).lower()


@pytest.mark.parametrize("read", [confirmed, unsubscribed])
@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "\ud800.x.y",
        mint_token(SECRET, 7, "admin"),
        confirmation_token(OTHER_SECRET, 7, ADDRESS, now=NOW),
        unsubscribe_token(OTHER_SECRET, ADDRESS),
        jwt.encode({"hash": "00" * 32, "aud": "mysetlist-unsubscribe", "sub": "7", "exp": 9e9}, "", algorithm="none"),
        *(
            forged({"aud": audience, "sub": sub, "exp": 4_000_000_000, "hash": value})
            for audience in ("mysetlist-confirm-email", "mysetlist-unsubscribe")
            for sub, value in [("7", ""), ("7", "00"), ("7", "zz" * 32), ("7", 5), ("7", None)]
        ),
        forged({"aud": "mysetlist-unsubscribe-not", "sub": "7", "exp": 4_000_000_000, "hash": "00" * 32}),
    ],
)
def test_any_other_token_is_refused(read: Callable[[str], Any], token: str) -> None:
    """Forged, unsigned, of a session, with another secret, or without a valid hash."""
    with pytest.raises(Refused) as caught:
        read(token)
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize("claims", [{"sub": "x"}, {"sub": "-1"}, {"sub": "0"}, {"exp": "soon"}, {"sub": 7}])
def test_a_confirmation_with_invalid_claims_is_refused(claims: dict[str, Any]) -> None:
    """A valid signature does not help an invalid user or expiry."""
    good = {"aud": "mysetlist-confirm-email", "sub": "7", "exp": 4_000_000_000, "hash": "00" * 32}
    with pytest.raises(Refused):
        confirmed(forged(good | claims))


def test_each_token_serves_one_purpose() -> None:
    """Neither token works for the other link, and neither is a session."""
    confirm, unsubscribe = confirmation_token(SECRET, 7, ADDRESS, now=NOW), unsubscribe_token(SECRET, ADDRESS)
    with pytest.raises(Refused):
        unsubscribed(confirm)
    with pytest.raises(Refused):
        confirmed(unsubscribe)
    for token in (confirm, unsubscribe):
        with pytest.raises(Refused):
            verify_token(SECRET, token)
