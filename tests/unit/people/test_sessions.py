"""Tokens: whose they are, and everything that is none."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from server.errors import Refused
from server.people.sessions import mint_token, verify_token
from server.protocol.identity import Identity

SECRET = "a secret of tests, and long enough"


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says, with changes; None leaves a claim out."""
    now = int(time.time())
    given = {"sub": "42", "role": "user", "aud": "mysetlist", "iat": now, "exp": now + 24 * 3600} | changes
    return {name: value for name, value in given.items() if value is not None}


def signed(algorithm: str = "HS256", secret: str = SECRET, **changes: Any) -> str:
    return jwt.encode(claims(**changes), secret, algorithm=algorithm)


@pytest.mark.parametrize("role", ["user", "moderator", "admin"])
def test_a_token_says_whose_it_is(role: str) -> None:
    """User and role come back as they were signed."""
    assert verify_token(SECRET, mint_token(SECRET, 42, role)) == Identity(42, role)


def test_an_expired_token_is_refused() -> None:
    """Also when it is perfectly signed."""
    with pytest.raises(Refused, match="expired") as refusal:
        verify_token(SECRET, mint_token(SECRET, 42, "user", ttl_s=-1))
    assert refusal.value.code == "unauthenticated"


BAD_TOKENS = {
    "empty": "",
    "no token": "token",
    "two dots": "..",
    "not base64": "a.b.c",
    "NUL": "\x00",
    "not ASCII": "Björk.Björk.Björk",
    "lone surrogate": "\udcff",
    "very long": "x" * 4096,
    "another secret": signed(secret="another secret, just as long as ours"),
    "empty secret": jwt.encode(claims(), "", algorithm="none"),
    "algorithm none": jwt.encode(claims(), None, algorithm="none"),
    "stronger algorithm": signed("HS512", secret=SECRET * 2),
    "changed afterwards": signed()[:-4] + "AAAA",
    "signature cut off": signed().rpartition(".")[0] + ".",
    "wrong audience": signed(aud="elsewhere"),
    "no audience": signed(aud=None),
    "no user": signed(sub=None),
    "no role": signed(role=None),
    "never expires": signed(exp=None),
    "not valid yet": signed(nbf=int(time.time()) + 3600),
    "user no number": signed(sub="somebody"),
    "user empty": signed(sub=""),
    "unknown role": signed(role="root"),
    "role a list": signed(role=["admin"]),
    "role an object": signed(role={"admin": True}),
    "expiry no number": signed(exp="never"),
}


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("token", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_anything_else_is_refused(token: str) -> None:
    """Forged, foreign, incomplete or no token at all: one code, and nothing of it in the message."""
    with pytest.raises(Refused) as refusal:
        verify_token(SECRET, token)
    assert refusal.value.code == "unauthenticated"
    assert refusal.value.message == "The token is not valid. Sign in again."


@pytest.mark.parametrize("sub", ["0", "-1", str(2**53), str(2**80), "1_000", "٤٢", " 42 "])
def test_a_user_that_can_be_none_is_refused(sub: str) -> None:
    """Ids are positive and exact in a double; a number that no database takes must not get that far."""
    with pytest.raises(Refused) as refusal:
        verify_token(SECRET, signed(sub=sub))
    assert refusal.value.code == "unauthenticated"
